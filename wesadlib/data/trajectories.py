"""A simulated person over time: the protocol, and what heart, skin, breath and movement do in it.

These courses are what the waveforms of both devices follow. They are cheap, so that the table of
:mod:`wesadlib.data.people` can be checked on hundreds of people.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.ndimage import uniform_filter1d
from scipy.signal import fftconvolve, lfilter

from wesadlib.data.people import TABLE, Person

#: Rate of every course, Hz.
COURSE_RATE_HZ = 4

#: Seconds that a labelled block leaves out at either end of its condition.
MARGIN_S = 10

_CONDITIONS = {
    "baseline": ("Base", 1),
    "stress": ("TSST", 2),
    "amusement": ("Fun", 3),
    "meditation": ("Medi", 4),
}
# Skin recovers slowly after a condition, heart and movement at once.
_RECOVERY_S = {
    "wrist_eda": 60,
    "chest_eda": 60,
    "scr_rate": 30,
    "wrist_temperature": 60,
    "chest_temperature": 60,
}
_RISE_S = 20
# What a minute shows of these is a root mean square.
_STRENGTHS = ("wrist_movement", "chest_movement")


@dataclass(frozen=True)
class Block:
    """One condition of the protocol, in seconds from the recording's start, margins included."""

    state: str
    name: str
    code: int
    start_s: int
    end_s: int


@dataclass(frozen=True)
class Course:
    """One person over the protocol.

    Attributes
    ----------
    blocks : tuple of Block
        The conditions in order of time.
    duration_s : int
        Length of the recording.
    values : dict of str to ndarray
        Rows of the table, and ``wrist_eda_uS`` and ``chest_eda_uS``, which include skin responses; each
        ``(time)`` at :data:`COURSE_RATE_HZ`.
    """

    blocks: tuple[Block, ...]
    duration_s: int
    values: dict[str, np.ndarray]

    @property
    def time_s(self) -> np.ndarray:
        """Times of the values."""
        return np.arange(self.duration_s * COURSE_RATE_HZ) / COURSE_RATE_HZ


def make_course(person: Person, generator: np.random.Generator) -> Course:
    """Let a person go through the protocol.

    Parameters
    ----------
    person : Person
        Levels and responses.
    generator : numpy.random.Generator
        Source of chance for everything within the person.
    """
    blocks, duration_s = _protocol(person, generator)
    time_s = np.arange(duration_s * COURSE_RATE_HZ) / COURSE_RATE_HZ
    values = {name: _state_level(person, name, blocks, time_s) for name in TABLE}
    _add_slope(values, person, blocks, time_s)
    for name, noise in _fluctuations(values, person, generator).items():
        row = TABLE[name]
        if row.level == "positive":
            factor = np.exp(noise)
            mean = _block_trends(_minute_rms(factor) if name in _STRENGTHS else factor, blocks)
            # A response that goes down leaves some of what can only be positive.
            values[name] = np.maximum(values[name], 0.3 * person.levels[name]) * factor / mean
        else:
            values[name] = values[name] + noise - _block_trends(noise, blocks, degree=_degree(name))
    # Whatever the knobs say, these stay what a body can do.
    values["heart_rate"] = np.clip(values["heart_rate"], 42, 170)
    values["respiration_rate"] = np.clip(values["respiration_rate"], 6, 30)
    _add_eda(values, generator)
    return Course(blocks, duration_s, values)


def _protocol(person: Person, generator: np.random.Generator) -> tuple[tuple[Block, ...], int]:
    middle = ["stress", "meditation", "amusement"] if person.stress_first else ["amusement", "meditation", "stress"]
    seconds = {"baseline": (480, 500), "stress": (215, 240), "amusement": (115, 130), "meditation": (40, 50)}
    blocks, now, rests = [], int(generator.integers(8, 14)), 0
    for state in ["baseline", *middle, "meditation"]:
        name, code = _CONDITIONS[state]
        if state == "meditation":
            rests += 1
            name = f"{name} {rests}"
        length = int(generator.integers(*seconds[state])) + 2 * MARGIN_S
        blocks.append(Block(state, name, code, now, now + length))
        now += length + int(generator.integers(16, 22))
    return tuple(blocks), now


def _state_level(person: Person, name: str, blocks: tuple[Block, ...], time_s: np.ndarray) -> np.ndarray:
    level = np.full(len(time_s), person.levels[name])
    recovery_s = _RECOVERY_S.get(name, _RISE_S)
    for block in blocks[1:]:
        begin, end = block.start_s + MARGIN_S, block.end_s - MARGIN_S
        weight = np.interp(time_s, [begin - _RISE_S, begin, end, end + recovery_s], [0, 1, 1, 0])
        level += person.responses[block.state][name] * weight
    return level


def _add_slope(values: dict, person: Person, blocks: tuple[Block, ...], time_s: np.ndarray) -> None:
    """Let the wrist's temperature run about each block's level with the slope that was drawn."""
    slope = values.pop("wrist_temperature_slope")
    knots_s, offsets = [], []
    for block in blocks:
        middle, half = (block.start_s + block.end_s) / 2, (block.end_s - block.start_s) / 2 - 5
        per_s = np.interp(middle, time_s, slope) / 1000
        knots_s += [middle - half, middle + half]
        offsets += [-half * per_s, half * per_s]
    values["wrist_temperature"] = values["wrist_temperature"] + np.interp(time_s, knots_s, offsets)


def _fluctuations(values: dict, person: Person, generator: np.random.Generator) -> dict[str, np.ndarray]:
    """What a person does within a state, for every row that is still in `values`."""
    noise = {}
    for name in values:
        row = TABLE[name]
        gain = row.within / _spread_in_block(row.tau_s, _degree(name))
        noise[name] = gain * smooth_noise(generator, len(values[name]), row.tau_s)
    # The drier a skin, the larger its drifts are beside its level.
    noise["wrist_eda"] *= np.exp(-0.3 * (values["wrist_eda"] - TABLE["wrist_eda"].baseline))
    # One skin: what the wrist's level does, the chest's does in large part as well.
    share = TABLE["chest_eda"].within / TABLE["wrist_eda"].within
    noise["chest_eda"] = 0.7 * noise["chest_eda"] + 0.7 * share * noise["wrist_eda"]
    return noise


def _degree(name: str) -> int:
    # The wrist's temperature has its slope from a row of its own.
    return 1 if name == "wrist_temperature" else 0


def _block_trends(values: np.ndarray, blocks: tuple[Block, ...], degree: int = 0) -> np.ndarray:
    """Each block's mean (degree 0) or its line (1), and a line from block to block.

    Fluctuations are measured from it, so that a person's level in a state is the one that was drawn.
    """
    knots, heights = [], []
    for block in blocks:
        begin, end = (edge * COURSE_RATE_HZ for edge in (block.start_s + MARGIN_S, block.end_s - MARGIN_S))
        inside, half = values[begin:end], (end - begin) / 2
        offset = np.arange(end - begin) - half
        rise = degree * half * (offset @ inside) / (offset @ offset)
        knots += [begin, end]
        heights += [inside.mean() - rise, inside.mean() + rise]
    return np.interp(np.arange(len(values)), knots, heights)


def _minute_rms(values: np.ndarray) -> np.ndarray:
    return np.sqrt(uniform_filter1d(values**2, 60 * COURSE_RATE_HZ))


def _add_eda(values: dict, generator: np.random.Generator) -> None:
    """Skin responses at random times of the drawn rate, and with them both devices' skin conductance."""
    n = len(values["scr_rate"])
    # Gamma-distributed intervals in the rate's own time: a skin response seldom follows at once on another.
    passed = np.cumsum(values["scr_rate"]) / 60 / COURSE_RATE_HZ
    events = np.cumsum(generator.gamma(1.5, 1 / 1.5, size=int(passed[-1] * 2) + 40))
    at = np.searchsorted(passed, events[events < passed[-1]])
    size = np.zeros(n)
    size[at] = np.exp(generator.normal(0, 0.6, len(at)))
    happened = size > 0
    kernel = _skin_response()
    for device, gain in (("wrist", 1.0), ("chest", 0.3)):
        tonic = np.exp(values[f"{device}_eda"])
        # A skin response counts from 0.02 uS on; at the wrist none is smaller.
        amplitude = gain * happened * (0.035 + size * np.sqrt(tonic) * np.exp(values["scr_size"]))
        phasic = fftconvolve(amplitude, kernel)[:n]
        values[f"{device}_eda_uS"] = tonic + phasic


def _skin_response() -> np.ndarray:
    """Bateman function of unit height: rise 0.5 s, decay 1.6 s (Boucsein, *Electrodermal Activity*, 2012)."""
    time_s = np.arange(0, 30, 1 / COURSE_RATE_HZ)
    shape = np.exp(-time_s / 1.6) - np.exp(-time_s / 0.5)
    return shape / shape.max()


def smooth_noise(generator: np.random.Generator, n: int, tau_s: float, rate_hz: float = COURSE_RATE_HZ) -> np.ndarray:
    """Stationary noise ``(time)`` of unit SD: white noise, twice low-passed with time constant `tau_s`, s."""
    decay = np.exp(-1 / (tau_s * rate_hz))
    run_in = int(6 * tau_s * rate_hz)
    noise = generator.normal(size=n + run_in)
    for _ in range(2):
        noise = lfilter([1 - decay], [1, -decay], noise)
    variance = (1 - decay) ** 4 * (1 + decay**2) / (1 - decay**2) ** 3
    return noise[run_in:] / np.sqrt(variance)


@lru_cache
def _spread_in_block(tau_s: float, degree: int, block_s: int = 360, window_s: int = 60) -> float:
    """SD of a block's minutes about its mean (degree 0) or its line (1), for :func:`smooth_noise` of unit SD.

    From the noise's autocovariance ``(1 + t/tau) exp(-t/tau)``: slow noise moves whole blocks, and little of
    it is left within.
    """
    lag = np.abs(np.subtract.outer(np.arange(block_s), np.arange(block_s))) / tau_s
    starts = np.arange(0, block_s - window_s + 1, window_s // 2)
    inside = np.arange(block_s) - starts[:, None]
    average = ((inside >= 0) & (inside < window_s)) / window_s
    minutes = average @ ((1 + lag) * np.exp(-lag)) @ average.T
    trend, _ = np.linalg.qr(np.vander(starts, degree + 1).astype(float))
    rest = np.eye(len(starts)) - trend @ trend.T
    # A tenth less, since of few minutes that depend on each other the SD is below the root of the variance.
    return 0.9 * float(np.sqrt(np.trace(rest @ minutes @ rest) / (len(starts) - 1)))
