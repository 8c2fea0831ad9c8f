"""Small recordings in memory."""

import numpy as np

from wesadlib.data import CHANNELS, DEVICE_CHANNELS, Recording, make_signals
from wesadlib.data.wesad import label_blocks


def native_minutes(device: str = "wrist", duration_s: float = 60.0, seed: int = 0) -> dict[str, np.ndarray]:
    """Signals of a device at its native rates: levels, slopes, a pulse of 72 beats per minute, noise."""
    generator = np.random.default_rng(seed)
    level = {"eda": 1.5, "temp": 33.0, "acc": 0.58, "resp": 0.0, "emg": 0.0}
    signals = {}
    for name in DEVICE_CHANNELS[device]:
        rate = CHANNELS[name][1]
        time = np.arange(round(duration_s * rate)) / rate
        if name == "wrist_bvp":
            phase = 2 * np.pi * 1.2 * time
            signals[name] = 50 * np.sin(phase) + 15 * np.sin(2 * phase) + generator.normal(0, 1, len(time))
        elif name == "chest_ecg":
            signals[name] = np.exp(-(((time * 1.2 % 1 - 0.5) / 0.012) ** 2)) + generator.normal(0, 0.01, len(time))
        else:
            drift = 0.002 * time + 0.05 * np.sin(2 * np.pi * time / 23)
            signals[name] = level[name.split("_")[1]] + drift + generator.normal(0, 0.005, len(time))
    return {name: values.astype(np.float32) for name, values in signals.items()}


def make_recording(codes: np.ndarray, device: str = "wrist", seed: int = 0, subject: str = "S2") -> Recording:
    """A recording with these label codes at 700 Hz."""
    signals = native_minutes(device, len(codes) / 700, seed)
    return Recording(subject, make_signals(signals), label_blocks(codes, 700.0))
