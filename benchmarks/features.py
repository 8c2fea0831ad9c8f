"""Milliseconds that the features of a window cost: ``python benchmarks/features.py``."""

import argparse
import timeit
from functools import partial

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from wesadlib.data import CHANNELS, DEVICE_CHANNELS
from wesadlib.features import GROUPS, Block, feature_values
from wesadlib.signals import Windows, windows_from_channels

RATE_HZ, WINDOW_S = 35.0, 60.0


def simulate_windows(device: str, n_windows: int) -> Windows:
    generator = np.random.default_rng(0)
    windows = []
    for _ in range(n_windows):
        channels, rates = {}, {}
        for name in DEVICE_CHANNELS[device]:
            rates[name] = CHANNELS[name][1]
            channels[name] = 2 + np.cumsum(generator.normal(0, 0.01, int(rates[name] * WINDOW_S)))
        beat = f"{device}_{'ecg' if device == 'chest' else 'bvp'}"
        phase = 2 * np.pi * 1.2 * np.arange(len(channels[beat])) / rates[beat]
        channels[beat] = np.exp(8 * (np.cos(phase) - 1)) + generator.normal(0, 0.02, len(phase))
        windows.append((channels, rates))
    return windows_from_channels(windows, rate_hz=RATE_HZ, window_s=WINDOW_S)


def milliseconds(work, n_windows: int, repeats: int) -> float:
    return 1000 * min(timeit.repeat(work, number=1, repeat=repeats)) / n_windows


def measure(device: str, n_windows: int, repeats: int) -> dict[str, float]:
    windows = simulate_windows(device, n_windows)
    lone = windows.take([0])
    block = Block(
        signal=dict(zip(windows.channels, windows.signal.swapaxes(0, 1).copy(), strict=True)),
        beat_s=dict(zip(windows.beat_sources, windows.beat_s.swapaxes(0, 1), strict=True)),
        rate_hz=RATE_HZ,
        window_s=WINDOW_S,
    )
    return {
        "all, in a batch": milliseconds(lambda: feature_values(windows), n_windows, repeats),
        "all, one window alone": milliseconds(lambda: feature_values(lone), 1, 5 * repeats),
        **{group.name: milliseconds(partial(group.extract, block), n_windows, repeats) for group in GROUPS},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--windows", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    with threadpool_limits(limits=1):
        times = {device: measure(device, arguments.windows, arguments.repeats) for device in DEVICE_CHANNELS}
    print("ms per window, one thread, best of the repeats")
    print(pd.DataFrame(times).to_string(float_format="%.3f"))


if __name__ == "__main__":
    main()
