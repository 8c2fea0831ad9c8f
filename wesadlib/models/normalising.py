"""The network's normalisation over arrays, for where torch is not: one pass over what the processor has at hand."""

import math

import numpy as np

from wesadlib.compiled import compiled


@compiled
def normalise(signal: np.ndarray, noise: np.ndarray, logarithmic: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Normalise as :class:`wesadlib.models.levels.WindowNormalisation` does.

    Parameters
    ----------
    signal : ndarray (window, channel, time)
        float32, in native units; NaN where a sample is missing.
    noise : ndarray (channel,)
        float32: quantisation noise of each channel, in its unit.
    logarithmic : ndarray (channel,)
        bool: whether the channel's mean is read as its logarithm.

    Returns
    -------
    ndarray (window, channel, time)
        float32, normalised.
    ndarray (window, 2 * channel)
        float32: the channels' levels, then the logarithms of their spreads.
    """
    windows, channels, samples = signal.shape
    normal = np.empty((windows, channels, samples), np.float32)
    levels = np.full((windows, 2 * channels), np.nan, np.float32)
    for window in range(windows):
        for channel in range(channels):
            # Rows that start at 0: of others the compiler makes no loop over several samples at a time.
            given, made = signal[window, channel], normal[window, channel]
            count, total = 0, 0.0
            for k in range(samples):
                present = given[k] == given[k]
                count += present
                total += given[k] if present else np.float32(0)
            mean = total / max(count, 1)
            middle, squares = np.float32(mean), 0.0
            for k in range(samples):
                made[k] = given[k] - middle if given[k] == given[k] else np.float32(0)
                squares += made[k] * made[k]
            least = np.float64(noise[channel])
            spread = math.sqrt(squares / max(count, 1) + least * least)
            scale = np.float32(1 / spread)
            for k in range(samples):
                made[k] *= scale
            if count:
                levels[window, channel] = math.log(max(mean, least)) if logarithmic[channel] else mean
                levels[window, channels + channel] = math.log(spread)
    return normal, levels
