"""What the sensors of both devices show of a simulated person, artefacts included."""

import numpy as np
from scipy.signal import oaconvolve

from wesadlib.data.trajectories import Trajectory, smooth_noise

CHEST_HZ = 700
# What is slower is made at these rates and interpolated: breath and beats, movement and speech.
_BODY_HZ = 16
_MOTION_HZ = 70
# Where the amplifier clips; from R peak to the pulse at the wrist.
_RAIL_MV = 1.5
_PULSE_ARRIVAL_S = 0.22
# P, Q, R, S and T wave: seconds from the R peak, width in s, height (after McSharry et al., IEEE TBME, 2003).
_ECG = ((-0.17, 0.025, 0.12), (-0.035, 0.011, -0.12), (0.0, 0.011, 1.0), (0.035, 0.012, -0.22), (0.29, 0.05, 0.27))
# Steep rise, slow fall, a dicrotic wave, the next rise: shares of the beat, width, height.
_PULSE = ((0.12, 0.08, 1.0), (0.42, 0.1, 0.35), (1.12, 0.08, 1.0))
# Sensors that come off, and how often, 1/min.
_LOOSE = ("ECG", "Resp", "EDA", "BVP")
_LOOSE_RATE = 0.004


def simulate_signals(
    trajectory: Trajectory, generator: np.random.Generator, artefact_rate: float
) -> dict[str, dict[str, np.ndarray]]:
    """Signals of both devices, each ``(time, axis)``, by the data set's keys."""
    breath_s = np.arange(trajectory.duration_s * _BODY_HZ) / _BODY_HZ
    beats_s, breath = _body(trajectory, breath_s, generator)
    signals = {
        "chest": _chest(trajectory, beats_s, (breath_s, breath), generator, artefact_rate),
        "wrist": _wrist(trajectory, beats_s, generator, artefact_rate),
    }
    for device in signals.values():
        _detach(generator, device, artefact_rate, trajectory.duration_s)
        for key, values in device.items():
            device[key] = values.reshape(len(values), -1)
    return signals


def _body(trajectory: Trajectory, time_s: np.ndarray, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Times of the R peaks (beat,), s, and breath (time,), % of the respiration belt, which both devices share."""
    names = ("respiration_rate", "respiration_depth", "heart_rate", "rmssd")
    rate, depth, heart_rate, rmssd = (trajectory.at(name, time_s) for name in names)
    # Speech and sighs: breaths differ in length and depth.
    irregular = np.clip(1 + 0.08 * smooth_noise(generator, len(time_s), 2.0, _BODY_HZ), 0.5, 1.6)
    phase = 2 * np.pi * np.cumsum(rate / 60 * irregular) / _BODY_HZ
    depth = np.exp(depth + 0.2 * smooth_noise(generator, len(time_s), 3.0, _BODY_HZ))
    breath = depth * np.sqrt(2) * (np.sin(phase) + 0.15 * np.sin(2 * phase))
    # Intervals vary by breath, slow waves and chance. A sinusoid of amplitude a at frequency f has an RMSSD of
    # a √2 sin(pi f RR).
    interval, rmssd = 60 / heart_rate, np.exp(rmssd) / 1000
    gain = np.sqrt(2) * np.sin(np.pi * np.clip(rate / 60 * interval, 0.05, 0.5))
    slow = 0.6 * rmssd * smooth_noise(generator, len(time_s), 2.0, _BODY_HZ)
    momentary = interval + 0.8 * rmssd / gain * np.sin(phase) + slow
    count = np.cumsum(1 / np.maximum(momentary, 0.3)) / _BODY_HZ
    beats_s = np.interp(np.arange(1, int(count[-1])), count, time_s)
    return beats_s + 0.2 * np.interp(beats_s, time_s, rmssd) * generator.normal(size=len(beats_s)), breath


def _chest(
    trajectory: Trajectory,
    beats_s: np.ndarray,
    breathing: tuple[np.ndarray, np.ndarray],
    generator: np.random.Generator,
    artefact_rate: float,
) -> dict[str, np.ndarray]:
    """The chest device's signals, float32 at 700 Hz."""
    n = trajectory.duration_s * CHEST_HZ
    time_s, motion_s = np.arange(n) / CHEST_HZ, np.arange(trajectory.duration_s * _MOTION_HZ) / _MOTION_HZ
    bursts = _bursts(generator, motion_s, artefact_rate)
    strength = trajectory.at("chest_movement", motion_s) + 0.02 * bursts
    breath = np.interp(motion_s, *breathing)
    moved = strength * _movement(generator, (5, len(motion_s)), _MOTION_HZ)
    axes = moved[2:] + _gravity(generator, trajectory.at("posture", motion_s))
    # A moved electrode's potential wanders; the chest's own turning with each breath adds to it.
    wander = 0.05 * artefact_rate * smooth_noise(generator, len(motion_s), 1.5, _MOTION_HZ)
    drift = 1 + 0.03 * artefact_rate * smooth_noise(generator, len(motion_s), 120.0, _MOTION_HZ)

    def sense(values: np.ndarray, noise_sd: float) -> np.ndarray:
        noise = np.float32(noise_sd) * generator.standard_normal(n, dtype=np.float32)
        return np.interp(time_s, motion_s, values).astype(np.float32) + noise

    size = np.interp(time_s, motion_s, np.exp(trajectory.at("r_size", motion_s))).astype(np.float32)
    muscle = np.interp(time_s, motion_s, np.exp(trajectory.at("emg", motion_s)) * (1 + 3 * bursts))
    ecg = size * _ecg(n, beats_s) + sense(wander + 0.012 * breath + 4 * moved[0], 0.012)
    return {
        "ACC": np.stack([sense(axis, 0.003) for axis in axes], axis=1),
        "ECG": np.clip(ecg, -_RAIL_MV, _RAIL_MV),
        "EMG": muscle.astype(np.float32) * generator.standard_normal(n, dtype=np.float32),
        "EDA": np.maximum(sense(trajectory.at("chest_eda_uS", motion_s) * drift, 0.004), 0),
        "Temp": sense(trajectory.at("chest_temperature", motion_s), 0.03),
        "Resp": sense(breath + 100 * moved[1], 0.1),
    }


def _wrist(
    trajectory: Trajectory, beats_s: np.ndarray, generator: np.random.Generator, artefact_rate: float
) -> dict[str, np.ndarray]:
    """The wrist device's signals at 32, 64, 4 and 4 Hz."""
    acc_s, bvp_s, slow_s = (np.arange(trajectory.duration_s * rate_hz) / rate_hz for rate_hz in (32, 64, 4))
    strength = trajectory.at("wrist_movement", acc_s) + 0.06 * _bursts(generator, acc_s, artefact_rate)
    moved = strength * _spells(generator, acc_s) * _movement(generator, (4, len(acc_s)), 32)
    # An arm turns further than a trunk.
    axes = moved[1:] + _gravity(generator, 3 * trajectory.at("posture", acc_s))
    pulse = np.exp(trajectory.at("pulse_size", bvp_s)) * _pulse(bvp_s, beats_s + _PULSE_ARRIVAL_S)
    pulse += 150 * np.interp(bvp_s, acc_s, moved[0]) + generator.normal(0, 1, len(bvp_s))
    drift = 1 + 0.02 * artefact_rate * smooth_noise(generator, len(slow_s), 120.0)
    eda = trajectory.at("wrist_eda_uS", slow_s) * drift + generator.normal(0, 0.001, len(slow_s))
    temperature = trajectory.at("wrist_temperature", slow_s) + generator.normal(0, 0.01, len(slow_s))
    acc = 64 * axes.T + generator.normal(0, 0.3, (len(acc_s), 3))
    return {
        # In the device's own steps: 1/64 g up to 2 g, and 0.02 degC.
        "ACC": np.clip(np.round(acc), -128, 127).astype(np.int8),
        "BVP": pulse.astype(np.float32),
        "EDA": np.maximum(eda, 0).astype(np.float32),
        "TEMP": (np.round(temperature / 0.02) * 0.02).astype(np.float32),
    }


def _waves(at: np.ndarray, waves: tuple[tuple[float, float, float], ...]) -> np.ndarray:
    """Sum of bells, each with its place, width and height."""
    return sum(height * np.exp(-0.5 * ((at - place) / width) ** 2) for place, width, height in waves)


def _ecg(n: int, beats_s: np.ndarray) -> np.ndarray:
    """ECG (time,) of unit R peak."""
    shape = _waves(np.arange(-0.5, 0.5, 1 / CHEST_HZ), _ECG)
    beats = np.bincount(np.round(beats_s * CHEST_HZ).astype(int), minlength=n)[:n]
    return oaconvolve(beats.astype(np.float32), shape.astype(np.float32), mode="same")


def _pulse(time_s: np.ndarray, beats_s: np.ndarray) -> np.ndarray:
    """Blood volume pulse (time,) of SD 1 and zero mean."""
    shape = _waves(np.interp(time_s, beats_s, np.arange(len(beats_s))) % 1, _PULSE)
    return (shape - shape.mean()) / shape.std()


def _movement(generator: np.random.Generator, shape: tuple[int, int], rate_hz: float) -> np.ndarray:
    """Rows of noise (row, time) of unit SD about 1.6 Hz, where people move."""
    noise = np.diff([smooth_noise(generator, shape[1] + 1, 0.1, rate_hz) for _ in range(shape[0])])
    return noise / noise.std(axis=1, keepdims=True)


def _spells(generator: np.random.Generator, time_s: np.ndarray) -> np.ndarray:
    """Envelope (time,) of unit mean square: a hand rests for most of a minute and moves in spells of seconds."""
    # Of a stream of its own, so that all else of a person is as it would be without.
    (apart,) = generator.spawn(1)
    envelope = 0.05 + np.clip(2 * smooth_noise(apart, len(time_s), 0.5, 32) - 1, 0, 1)
    return envelope / np.sqrt((envelope**2).mean())


def _bursts(generator: np.random.Generator, time_s: np.ndarray, artefact_rate: float) -> np.ndarray:
    """Envelope (time,) in [0, 1] of short movements at random times, one in ten minutes."""
    envelope = np.zeros(len(time_s))
    for _ in range(generator.poisson(0.1 * artefact_rate * time_s[-1] / 60)):
        distance = np.abs(time_s - generator.uniform(0, time_s[-1])) / generator.uniform(1, 4)
        envelope = np.maximum(envelope, np.cos(np.pi / 2 * np.minimum(distance, 1)) ** 2)
    return envelope


def _gravity(generator: np.random.Generator, posture_deg: np.ndarray) -> np.ndarray:
    """Gravity (axis, time), g, on a sensor that turns with posture."""
    tilt = np.deg2rad(posture_deg)
    roll = generator.normal(0, 0.15) + 0.3 * tilt
    return np.stack([np.cos(tilt) * np.cos(roll), np.sin(roll), np.sin(tilt) * np.cos(roll)])


def _detach(
    generator: np.random.Generator, signals: dict[str, np.ndarray], artefact_rate: float, duration_s: float
) -> None:
    """Now and then a sensor comes off for a while and reads nothing."""
    for key in [key for key in _LOOSE if key in signals]:
        for _ in range(generator.poisson(_LOOSE_RATE * artefact_rate * duration_s / 60)):
            start, length = generator.uniform(0, duration_s - 30), generator.uniform(20, 90)
            rate_hz = len(signals[key]) / duration_s
            signals[key][int(start * rate_hz) : int((start + length) * rate_hz)] = 0
