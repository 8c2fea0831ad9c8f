"""A simulated person over time: the protocol, and what heart, skin, breath and movement do in it.

These trajectories are what the waveforms of both devices follow. They are cheap, so that the table of
:mod:`wesadlib.data.people` can be checked on hundreds of people.
"""

from dataclasses import dataclass

import numpy as np
from scipy.signal import fftconvolve, lfilter

from wesadlib.data.people import TABLE, Person

#: Rate of every trajectory, Hz.
TRAJECTORY_RATE_HZ = 4

#: Seconds that a labelled block leaves out at either end of its condition.
MARGIN_S = 10

# state -> its name in the protocol, its label code, and the least and largest length of its label, s
_CONDITIONS = {
    "baseline": ("Base", 1, 480, 500),
    "stress": ("TSST", 2, 215, 240),
    "amusement": ("Fun", 3, 115, 130),
    "meditation": ("Medi", 4, 40, 50),
}
_RISE_S = 20
# Skin recovers slowly after a condition, heart and movement at once.
_RECOVERY_S = 60
_SLOW = ("wrist_eda", "chest_eda", "wrist_temperature", "chest_temperature")
# Time constant of what goes up and down, s, and its SD for minutes within a state of SD 1.
_TAU_S = 45.0
_NOISE_SD = 1.5
# Slope of a drift through a state, 1/s, for minutes within it of SD 1.
_DRIFT_SD = 0.013


@dataclass(frozen=True)
class Block:
    """One condition of the protocol, in seconds from the recording's start, margins included."""

    state: str
    name: str
    code: int
    start_s: int
    end_s: int


@dataclass(frozen=True)
class Trajectory:
    """One person over the protocol.

    Attributes
    ----------
    blocks : tuple of Block
        The conditions in order of time.
    duration_s : int
        Length of the recording.
    values : dict of str to ndarray
        Rows of the table, and ``wrist_eda_uS`` and ``chest_eda_uS``, which include skin responses; each
        ``(time)`` at :data:`TRAJECTORY_RATE_HZ`.
    """

    blocks: tuple[Block, ...]
    duration_s: int
    values: dict[str, np.ndarray]

    def at(self, name: str, time_s: np.ndarray) -> np.ndarray:
        """One of the values at other times."""
        values = self.values[name]
        return np.interp(time_s, np.arange(len(values)) / TRAJECTORY_RATE_HZ, values)


def make_trajectory(person: Person, generator: np.random.Generator) -> Trajectory:
    """Let a person go through the protocol, with chance from `generator` for everything within the person."""
    blocks, duration_s = _draw_protocol(person, generator)
    time_s = np.arange(duration_s * TRAJECTORY_RATE_HZ) / TRAJECTORY_RATE_HZ
    middles_s = [(block.start_s + block.end_s) / 2 for block in blocks]
    values = {}
    for name, row in TABLE.items():
        level = np.full(len(time_s), person.levels[name])
        recovery_s = _RECOVERY_S if name in _SLOW else _RISE_S
        for block in blocks[1:]:
            begin, end = block.start_s + MARGIN_S, block.end_s - MARGIN_S
            weight = np.interp(time_s, [begin - _RISE_S, begin, end, end + recovery_s], [0, 1, 1, 0])
            level += person.responses[block.state][name] * weight
        if row.drifts:
            # The drier a skin, the larger its drifts are beside its level.
            share = row.within * np.exp(-0.35 * (np.interp(middles_s, time_s, level) - row.baseline))
            slopes = _DRIFT_SD * share * generator.normal(size=len(blocks))
            values[name] = level + _through(blocks, slopes, time_s)
            continue
        noise = row.within * _NOISE_SD * smooth_noise(generator, len(time_s), _TAU_S)
        if row.level == "positive":
            # A response that goes down leaves some of what can only be positive.
            level, factor = np.maximum(level, 0.3 * person.levels[name]), np.exp(noise)
            values[name] = level * factor / _block_means(factor, blocks)
        else:
            values[name] = level + noise - _block_means(noise, blocks)
    # The wrist's temperature runs through each block with the slope that was drawn.
    slopes = np.interp(middles_s, time_s, values["wrist_temperature_slope"]) / 1000
    values["wrist_temperature"] += _through(blocks, slopes, time_s)
    # Whatever the knobs say, these stay what a body can do.
    values["heart_rate"] = np.clip(values["heart_rate"], 42, 170)
    values["respiration_rate"] = np.clip(values["respiration_rate"], 6, 30)
    values["rmssd"] = np.minimum(values["rmssd"], np.log(80))
    _add_eda(values, generator)
    return Trajectory(blocks, duration_s, values)


def _draw_protocol(person: Person, generator: np.random.Generator) -> tuple[tuple[Block, ...], int]:
    middle = ["stress", "meditation", "amusement"] if person.stress_first else ["amusement", "meditation", "stress"]
    blocks, now_s, meditations = [], int(generator.integers(8, 14)), 0
    for state in ["baseline", *middle, "meditation"]:
        name, code, least_s, most_s = _CONDITIONS[state]
        if state == "meditation":
            meditations += 1
            name = f"{name} {meditations}"
        end_s = now_s + int(generator.integers(least_s, most_s)) + 2 * MARGIN_S
        blocks.append(Block(state, name, code, now_s, end_s))
        now_s = end_s + int(generator.integers(16, 22))
    return tuple(blocks), now_s


def _block_means(values: np.ndarray, blocks: tuple[Block, ...]) -> np.ndarray:
    """Mean of each block (time,), so that what a person does within a state leaves its level as it was drawn."""
    edges = [block.start_s * TRAJECTORY_RATE_HZ for block in blocks]
    lengths = np.diff([0, *edges[1:], len(values)])
    return np.repeat(np.add.reduceat(values, [0, *edges[1:]]) / lengths, lengths)


def _through(blocks: tuple[Block, ...], slopes: np.ndarray, time_s: np.ndarray) -> np.ndarray:
    """Straight lines (time,) of zero mean through each block, with its slope (block,), and from block to block."""
    knots_s = np.array([(block.start_s, block.end_s) for block in blocks])
    rises = np.outer(slopes * np.diff(knots_s).ravel() / 2, [-1, 1])
    return np.interp(time_s, knots_s.ravel(), rises.ravel())


def _add_eda(values: dict[str, np.ndarray], generator: np.random.Generator) -> None:
    """Skin responses at random times of the drawn rate, and with them both devices' skin conductance."""
    n = len(values["scr_rate"])
    # Gamma-distributed intervals in the rate's own time: a response seldom follows at once on another.
    passed = np.cumsum(values["scr_rate"]) / 60 / TRAJECTORY_RATE_HZ
    events = np.cumsum(generator.gamma(2, 0.5, size=int(2 * passed[-1]) + 40))
    response = np.diff(np.searchsorted(events, passed), prepend=0)
    size = np.exp(generator.normal(0, 0.95, n) + values["scr_size"])
    # Bateman function: rise 0.5 s, decay 1.6 s (Boucsein, *Electrodermal Activity*, 2012).
    time_s = np.arange(0, 30, 1 / TRAJECTORY_RATE_HZ)
    kernel = np.exp(-time_s / 1.6) - np.exp(-time_s / 0.5)
    for device, gain in (("wrist", 1.0), ("chest", 0.3)):
        tonic = np.exp(values[f"{device}_eda"])
        # A skin response counts from 0.02 uS on; at the wrist none is smaller.
        amplitude = gain * response * (0.045 + size * tonic**0.4)
        values[f"{device}_eda_uS"] = tonic + fftconvolve(amplitude, kernel / kernel.max())[:n]


def smooth_noise(
    generator: np.random.Generator, n: int, tau_s: float, rate_hz: float = TRAJECTORY_RATE_HZ
) -> np.ndarray:
    """Stationary noise ``(time)`` of unit SD: white noise, twice low-passed with time constant `tau_s`, s."""
    decay = np.exp(-1 / (tau_s * rate_hz))
    run_in = int(6 * tau_s * rate_hz)
    noise = lfilter([(1 - decay) ** 2], [1, -2 * decay, decay**2], generator.normal(size=n + run_in))
    return noise[run_in:] / np.sqrt((1 - decay) ** 4 * (1 + decay**2) / (1 - decay**2) ** 3)
