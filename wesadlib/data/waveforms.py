"""What the sensors of both devices show of a simulated person, artefacts included."""

import numpy as np
from scipy.signal import lfilter

from wesadlib.data.trajectories import COURSE_RATE_HZ, Course, smooth_noise

CHEST_HZ = 700
# Movement, speech and muscle noise below 12 Hz are made here and interpolated.
_MOTION_HZ = 70
# Where the amplifier clips; from R peak to the pulse at the wrist.
_RAIL_MV = 1.5
_PULSE_ARRIVAL_S = 0.22
# ECG: seconds before or after the R peak, width in s, height relative to R.
_WAVES_BEFORE = ((0.17, 0.025, 0.12), (0.035, 0.011, -0.12), (0.0, 0.011, 1.0))
_WAVES_AFTER = ((0.0, 0.011, 1.0), (0.035, 0.012, -0.22))
_T_WAVE = (0.32, 0.05, 0.27)


class Body:
    """Heart beats, breath and movement of one person, which both devices share.

    Attributes
    ----------
    beats_s : ndarray
        Times of the R peaks.
    breath : ndarray
        Breath ``(time)`` at :data:`COURSE_RATE_HZ` × 4, % of the respiration belt.
    """

    def __init__(self, course: Course, generator: np.random.Generator):
        self.course = course
        self.rate_hz = 4 * COURSE_RATE_HZ
        self.time_s = np.arange(course.duration_s * self.rate_hz) / self.rate_hz
        rate = self.at("respiration_rate") / 60
        # Speech and sighs: breaths differ in length and depth.
        irregular = 1 + 0.08 * smooth_noise(generator, len(rate), 2.0, self.rate_hz)
        self._phase = 2 * np.pi * np.cumsum(rate * np.clip(irregular, 0.5, 1.6)) / self.rate_hz
        depth = np.exp(self.at("respiration_depth") + 0.2 * smooth_noise(generator, len(rate), 3.0, self.rate_hz))
        self.breath = depth * np.sqrt(2) * (np.sin(self._phase) + 0.15 * np.sin(2 * self._phase))
        self.beats_s = self._beats(generator)

    def at(self, name: str) -> np.ndarray:
        """A course at this body's rate."""
        return np.interp(self.time_s, self.course.time_s, self.course.values[name])

    def _beats(self, generator: np.random.Generator) -> np.ndarray:
        """Beats, where the integral of the rate passes an integer; varied by breath, slow waves, chance."""
        interval = 60 / self.at("heart_rate")
        # Each part's share of RMSSD²: sinusoid of amplitude a at frequency f gives a √2 sin(pi f RR).
        rmssd = np.exp(self.at("rmssd")) / 1000
        breath_gain = np.sqrt(2) * np.sin(np.pi * np.clip(self.at("respiration_rate") / 60 * interval, 0.05, 0.5))
        slow = 0.6 * rmssd * smooth_noise(generator, len(interval), 2.0, self.rate_hz)
        momentary = interval + 0.8 * rmssd / breath_gain * np.sin(self._phase) + slow
        beat_count = np.cumsum(1 / np.maximum(momentary, 0.3)) / self.rate_hz
        beats = np.interp(np.arange(1, int(beat_count[-1])), beat_count, self.time_s)
        jitter = 0.2 * np.interp(beats, self.time_s, rmssd)
        return beats + jitter * generator.normal(size=len(beats))


def chest_signals(
    course: Course, body: Body, generator: np.random.Generator, artefact_rate: float
) -> dict[str, np.ndarray]:
    """The chest device's signals, float32 ``(time, axis)`` at 700 Hz, by the data set's keys."""
    n = course.duration_s * CHEST_HZ
    motion_s = np.arange(course.duration_s * _MOTION_HZ) / _MOTION_HZ

    def white(sd: float) -> np.ndarray:
        return np.float32(sd) * generator.standard_normal(n, dtype=np.float32)

    def slow(name: str) -> np.ndarray:
        return _at_chest_rate(course.values[name], COURSE_RATE_HZ)

    bursts = _bursts(generator, motion_s, 0.1 * artefact_rate)
    strength = np.interp(motion_s, course.time_s, course.values["chest_movement"]) + 0.02 * bursts
    breath = np.interp(motion_s, body.time_s, body.breath)
    # A moved electrode's potential wanders; the chest's own turning with each breath adds to it.
    potential = 0.05 * artefact_rate * smooth_noise(generator, len(motion_s), 1.5, _MOTION_HZ) + 0.012 * breath
    potential += 4 * strength * _band_noise(generator, len(motion_s), _MOTION_HZ)
    ecg = np.exp(slow("r_size")) * _ecg(n, body.beats_s) + _at_chest_rate(potential, _MOTION_HZ)
    ecg += white(0.012) + generator.uniform(0, 0.02) * _mains(n)
    breath = breath + 150 * strength * _band_noise(generator, len(motion_s), _MOTION_HZ)
    drift = 1 + 0.03 * artefact_rate * smooth_noise(generator, len(course.time_s), 120.0)
    axes = _acceleration(generator, course, strength, _MOTION_HZ, posture=course.values["posture"])
    signals = {
        "ACC": np.stack([_at_chest_rate(axis, _MOTION_HZ) + white(0.003) for axis in axes], axis=1),
        "ECG": np.clip(ecg, -_RAIL_MV, _RAIL_MV),
        "EMG": np.exp(slow("emg")) * _at_chest_rate(1 + 3 * bursts, _MOTION_HZ) * white(1.0),
        "EDA": np.maximum(_at_chest_rate(course.values["chest_eda_uS"] * drift, COURSE_RATE_HZ) + white(0.004), 0),
        "Temp": slow("chest_temperature") + white(0.03),
        "Resp": _at_chest_rate(breath, _MOTION_HZ) + white(0.1),
    }
    _detach(generator, signals, ("ECG", "EDA", "Temp", "Resp"), CHEST_HZ, course.duration_s, artefact_rate)
    return {key: np.ascontiguousarray(value.reshape(n, -1), np.float32) for key, value in signals.items()}


def wrist_signals(
    course: Course, body: Body, generator: np.random.Generator, artefact_rate: float
) -> dict[str, np.ndarray]:
    """The wrist device's signals ``(time, axis)`` at 32, 64, 4 and 4 Hz, by the data set's keys."""
    acc_s, bvp_s = (np.arange(course.duration_s * rate_hz) / rate_hz for rate_hz in (32, 64))
    strength = np.interp(acc_s, course.time_s, course.values["wrist_movement"])
    strength = strength + 0.06 * _bursts(generator, acc_s, 0.1 * artefact_rate)
    # An arm turns further than a trunk.
    axes = _acceleration(generator, course, strength, 32, posture=3 * course.values["posture"])
    acc = 64 * np.stack(axes, axis=1) + generator.normal(0, 0.3, (len(acc_s), 3))
    size = np.exp(np.interp(bvp_s, course.time_s, course.values["pulse_size"]))
    motion = np.interp(bvp_s, acc_s, strength * _band_noise(generator, len(acc_s), 32))
    bvp = size * _pulse(bvp_s, body.beats_s + _PULSE_ARRIVAL_S) + 400 * motion + generator.normal(0, 1, len(bvp_s))
    drift = 1 + 0.02 * artefact_rate * smooth_noise(generator, len(course.time_s), 120.0)
    eda = course.values["wrist_eda_uS"] * drift + generator.normal(0, 0.001, len(course.time_s))
    temperature = course.values["wrist_temperature"] + generator.normal(0, 0.01, len(course.time_s))
    signals = {
        # Both in the device's own steps: 1/64 g up to 2 g, and 0.02 degC.
        "ACC": np.clip(np.round(acc), -128, 127),
        "BVP": bvp,
        "EDA": np.maximum(eda, 0),
        "TEMP": np.round(temperature / 0.02) * 0.02,
    }
    _detach(generator, signals, ("EDA",), 4, course.duration_s, artefact_rate)
    _detach(generator, signals, ("BVP",), 64, course.duration_s, artefact_rate)
    types = {"ACC": np.int8, "BVP": np.float32, "EDA": np.float32, "TEMP": np.float32}
    return {key: np.ascontiguousarray(value.reshape(len(value), -1), types[key]) for key, value in signals.items()}


def _at_chest_rate(values: np.ndarray, rate_hz: float) -> np.ndarray:
    n = round(len(values) / rate_hz * CHEST_HZ)
    return np.interp(np.arange(n) / CHEST_HZ, np.arange(len(values)) / rate_hz, values).astype(np.float32)


def _mains(n: int) -> np.ndarray:
    # One period of 50 Hz is 14 samples, so that nothing needs computing twice.
    period = np.sin(2 * np.pi * np.arange(CHEST_HZ // 50) * 50 / CHEST_HZ).astype(np.float32)
    return np.resize(period, n)


def _ecg(n: int, beats_s: np.ndarray) -> np.ndarray:
    """ECG of unit R peak: P, Q, R, S, T as Gaussians about each beat (McSharry et al., IEEE TBME, 2003)."""
    time_s = np.arange(n) / CHEST_HZ
    coming = np.searchsorted(beats_s, time_s)
    padded = np.concatenate([[-10.0], beats_s, [time_s[-1] + 10]])
    since = (time_s - padded[coming]).astype(np.float32)
    until = (padded[coming + 1] - time_s).astype(np.float32)
    interval = np.clip(np.diff(padded), 0.35, 1.5)[coming].astype(np.float32)
    values = np.zeros(n, np.float32)
    # The R peak's two flanks belong to two beats' intervals, and meet at it.
    for at, width, size in _WAVES_BEFORE:
        _add_wave(values, until - np.float32(at), width, size)
    for at, width, size in _WAVES_AFTER:
        _add_wave(values, since - np.float32(at), width, size)
    at, width, size = _T_WAVE
    _add_wave(values, since - np.float32(at) * np.sqrt(interval), width, size)
    return values


def _add_wave(values: np.ndarray, distance_s: np.ndarray, width_s: float, size: float) -> None:
    near = np.abs(distance_s) < 4 * width_s
    values[near] += np.float32(size) * np.exp(-0.5 * (distance_s[near] / np.float32(width_s)) ** 2)


def _pulse(time_s: np.ndarray, beats_s: np.ndarray) -> np.ndarray:
    """Blood volume pulse of SD about 1: steep rise, slow fall, a dicrotic wave; zero mean."""
    count = np.arange(len(beats_s))
    phase = np.interp(time_s, beats_s, count) % 1
    shape = np.exp(-0.5 * ((phase - 0.12) / 0.08) ** 2) + 0.35 * np.exp(-0.5 * ((phase - 0.42) / 0.1) ** 2)
    shape += np.exp(-0.5 * ((phase - 1.12) / 0.08) ** 2)
    return (shape - shape.mean()) / shape.std()


def _band_noise(generator: np.random.Generator, n: int, rate_hz: float) -> np.ndarray:
    """Noise of unit SD between about 0.3 and 4 Hz, where people move."""
    noise = generator.normal(size=n)
    low, high = np.exp(-2 * np.pi * 4 / rate_hz), np.exp(-2 * np.pi * 0.3 / rate_hz)
    noise = lfilter([1 - low], [1, -low], noise)
    noise = lfilter([1, -1], [1, -high], noise)
    return noise / noise.std()


def _bursts(generator: np.random.Generator, time_s: np.ndarray, per_minute: float) -> np.ndarray:
    """Envelope in [0, 1] of short movements at random times."""
    envelope = np.zeros(len(time_s))
    for _ in range(generator.poisson(per_minute * time_s[-1] / 60)):
        middle, half = generator.uniform(0, time_s[-1]), generator.uniform(1, 4)
        distance = np.abs(time_s - middle) / half
        envelope = np.maximum(envelope, np.where(distance < 1, np.cos(np.pi / 2 * distance) ** 2, 0))
    return envelope


def _acceleration(
    generator: np.random.Generator, course: Course, strength: np.ndarray, rate_hz: float, posture: np.ndarray
) -> list[np.ndarray]:
    """Three axes, g: gravity that turns with posture, and movement of SD `strength` along each."""
    tilt = np.deg2rad(np.interp(np.arange(len(strength)) / rate_hz, course.time_s, posture))
    roll = generator.normal(0, 0.15) + 0.3 * tilt
    gravity = [np.cos(tilt) * np.cos(roll), np.sin(roll), np.sin(tilt) * np.cos(roll)]
    return [axis + strength * _band_noise(generator, len(strength), rate_hz) for axis in gravity]


def _detach(
    generator: np.random.Generator,
    signals: dict[str, np.ndarray],
    keys: tuple[str, ...],
    rate_hz: int,
    duration_s: int,
    artefact_rate: float,
) -> None:
    """Now and then a sensor comes off for a while: it reads next to nothing, a thermometer cools down."""
    for _ in range(generator.poisson(0.007 * artefact_rate * duration_s / 60)):
        key = keys[generator.integers(len(keys))]
        start = generator.uniform(0, duration_s - 30)
        part = slice(int(start * rate_hz), int((start + generator.uniform(20, 90)) * rate_hz))
        values = signals[key]
        lost_s = np.arange(len(values[part])) / rate_hz
        if key == "Temp":
            values[part] -= 6 * (1 - np.exp(-lost_s / 60))
        else:
            values[part] = 0.0
