"""Windows of every awkward kind through all compiled functions, as a process whose accesses to arrays are checked."""

import numba
import numpy as np

from wesadlib.data import CHANNELS
from wesadlib.features import feature_values
from wesadlib.quality import assess_arrays
from wesadlib.signals import windows_from_channels

RATES_HZ = (0.5, 4.0, 16.3, 64.0, 99.9)
WINDOWS_S = (4.0, 10.0, 61.0)


def samples(generator: np.random.Generator, count: int) -> np.ndarray:
    """Noise, a level, steps or spikes, with gaps anywhere, at the ends, or everywhere."""
    kinds = [
        generator.normal(size=count).cumsum(),
        np.full(count, 33.0),
        generator.integers(-2, 3, count).astype(float),
        1e9 * (generator.random(count) < 0.1),
    ]
    values = kinds[generator.integers(len(kinds))].astype([np.float32, np.float64][generator.integers(2)])
    gaps = [slice(0, 0), slice(0, count // 3), slice(count // 2, None), slice(1, count - 1), slice(None)]
    values[gaps[generator.integers(len(gaps))]] = np.nan
    return values


def main() -> None:
    """Make, assess and extract; whatever reads or writes beside an array raises."""
    assert numba.config.BOUNDSCHECK == 1
    generator = np.random.default_rng(0)
    for device in ("wrist", "chest"):
        names = [name for name in CHANNELS if name.startswith(device)]
        for window_s in WINDOWS_S:
            for rate_hz in RATES_HZ:
                count = max(round(window_s * rate_hz), 2)
                windows = [
                    ({name: samples(generator, count) for name in names}, dict.fromkeys(names, rate_hz))
                    for _ in range(9)
                ]
                arrays = windows_from_channels(windows, rate_hz=35.0, window_s=window_s)
                with np.errstate(all="ignore"):
                    assess_arrays(arrays)
                    feature_values(arrays)
    print("whole")


if __name__ == "__main__":
    main()
