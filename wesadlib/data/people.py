"""People who do not exist: the one table of what differs between people, and drawing people from it.

Everything that :mod:`wesadlib.data.simulate` writes follows from :data:`TABLE`. The wrist's rows make people
like the 15 of WESAD (Schmidt et al. 2018), minute by minute. Of the chest's only the means are known; its
spreads are chosen so that telling the stress of a stranger is about as hard as it was there.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr, ndtri
from scipy.stats import qmc

from wesadlib.data.quest import README_QUESTIONS, STAI_ITEMS, STAI_REVERSED

# People among whom scores are spread evenly.
_GROUP = 6
# SD of a standard normal cut at ±2.
_SD_WITHIN_2 = 0.8796


class Row(NamedTuple):
    """How one quantity is spread over people, states and minutes.

    `baseline` and `between` are mean and SD of people's baselines, `response` and `spread` those of stress − baseline,
    `amusement` both of amusement − baseline; `within` is the SD of one person's minutes in a state, a share of the
    state's level where `level` is ``positive``, and slow where it `drifts`. What is ``positive`` is log-normal: of a
    response (`change`) that nobody moves the other way. `reactivity` and `own_level` are the response's correlations
    with the person's reactivity, which all rows share, and with the own baseline.
    """

    #: ``ln …``: all numbers of the row are natural logarithms
    unit: str
    baseline: float
    between: float
    within: float
    response: float
    spread: float
    amusement: tuple[float, float] = (0.0, 0.0)
    level: str = "normal"
    change: str = "normal"
    reactivity: float = 0.0
    own_level: float = 0.0
    drifts: bool = False


#: quantity -> its row; the only source of every simulated person
TABLE: dict[str, Row] = {
    # One heart, one breathing, one skin for both devices.
    "heart_rate": Row("bpm", 72.4, 9.8, 6.7, 15.0, 12.9, (-0.3, 8.6), change="positive", reactivity=0.6),
    "rmssd": Row("ln ms", 3.5, 0.45, 0.13, -0.3, 0.3, (0.0, 0.2), reactivity=-0.4),
    "respiration_rate": Row("1/min", 15.8, 2.0, 1.0, -0.6, 3.3, (0.3, 1.5)),
    "respiration_depth": Row("ln %", 1.1, 0.3, 0.15, 0.5, 0.3, (0.0, 0.2), reactivity=0.2),
    # More skin responses happen than are seen, since the next may come on the slope of the last.
    "scr_rate": Row("1/min", 2.4, 2.6, 0.5, 8.5, 8.0, (0.5, 1.0), "positive", "positive", reactivity=0.6),
    "scr_size": Row("ln sqrt(uS)", -3.3, 0.25, 0.2, 0.35, 0.2, reactivity=0.3),
    # The wrist's. Skin drifts as in WESAD, whose blocks last twice as long: less is seen within one.
    "wrist_eda": Row("ln uS", -0.40, 1.16, 0.2, 1.21, 1.0, (0.0, 0.35), "normal", "positive", 0.6, -0.68, True),
    "wrist_temperature": Row("degC", 33.4, 1.6, 0.06, -0.70, 0.81, (-0.8, 1.0), reactivity=-0.4),
    "wrist_temperature_slope": Row("mdegC/s", 0.6, 0.7, 0.0, -1.7, 1.2, reactivity=-0.4),
    "wrist_movement": Row("g", 0.031, 0.009, 0.72, 0.038, 0.035, (-0.013, 0.009), "positive", reactivity=0.2),
    "pulse_size": Row("ln a.u.", 3.4, 0.35, 0.15, -0.25, 0.35, reactivity=-0.3),
    # The chest's.
    "chest_eda": Row("ln uS", 0.8, 0.7, 0.05, 0.6, 0.5, (0.0, 0.2), "normal", "positive", 0.4, -0.6, True),
    "chest_temperature": Row("degC", 33.9, 1.0, 0.10, 0.6, 0.2, (0.2, 0.4), change="positive"),
    "chest_movement": Row("g", 0.0085, 0.002, 0.22, 0.009, 0.005, (-0.001, 0.001), "positive", "positive", 0.2),
    "posture": Row("deg", 0.0, 12.0, 0.7, 0.0, 5.0, (0.0, 2.0)),
    "r_size": Row("ln mV", 0.05, 0.2, 0.04, 0.0, 0.08, (0.0, 0.05)),
    "emg": Row("ln mV", -4.6, 0.35, 0.07, 0.4, 0.3, reactivity=0.1),
}

# condition -> mean STAI sum, arousal and valence of WESAD's people; meditation is a guess
_REPORTS = {
    "baseline": (10.8, 2.5, 6.7),
    "stress": (18.5, 6.8, 4.5),
    "amusement": (9.3, 3.0, 7.5),
    "meditation": (9.5, 2.0, 7.0),
}


@dataclass(frozen=True)
class Person:
    """One drawn person in WESAD's numbering.

    `levels` are the baselines of the rows of :data:`TABLE`, `responses` state − baseline for each state, `answers` a
    condition's ticks in each questionnaire, `readme` the lines of the readme.
    """

    subject: str
    levels: dict[str, float]
    responses: dict[str, dict[str, float]]
    stress_first: bool
    readme: list[str]
    answers: dict[str, dict[str, list[int]]]


def draw_person(seed: int, index: int, *, effect_size: float = 1.0, between_person_spread: float = 1.0) -> Person:
    """Draw the person number `index` of the cohort `seed`; the same whatever the size of the cohort.

    `effect_size` is a factor on every response to stress, of which 0 leaves nothing to detect, `between_person_spread`
    one on the SD of levels and of responses, of which 0 makes everybody alike.
    """
    # Spread evenly over each group of people, so that a dozen are as mixed as hundreds are.
    group, member = divmod(index, _GROUP)
    sampler = qmc.LatinHypercube(1 + 4 * len(TABLE), rng=np.random.default_rng([seed, group]))
    reactivity, *scores = ndtri(sampler.random(_GROUP)[member])
    levels, responses = {}, {"stress": {}, "amusement": {}, "meditation": {}}
    for (name, row), (z_level, z_rest, *z_others) in zip(TABLE.items(), np.reshape(scores, (-1, 4)), strict=True):
        rest = math.sqrt(1 - row.reactivity**2 - row.own_level**2)
        z_response = row.reactivity * reactivity + row.own_level * z_level + rest * z_rest
        levels[name] = _value(row.baseline, row.between * between_person_spread, z_level, row.level)
        response = _value(row.response, row.spread * between_person_spread, z_response, row.change)
        responses["stress"][name] = effect_size * response
        mean, spread = row.amusement
        responses["amusement"][name] = mean + between_person_spread * spread * z_others[0]
        # Nobody's claims rest on meditation: half of amusement's spread, about baseline.
        responses["meditation"][name] = 0.5 * between_person_spread * spread * z_others[1]
    generator = np.random.default_rng([seed, index, 0])
    # The data set has no S1 and no S12.
    subject = f"S{index + 2 if index < 10 else index + 3}"
    return Person(
        subject, levels, responses, index % 2 == 0, _draw_readme(generator), _draw_answers(generator, effect_size)
    )


def _value(mean: float, spread: float, z: float, shape: str) -> float:
    """A normal score as a value: normal, or log-normal with that mean and SD; 2.3 SD is the furthest out."""
    # Extremes are cut, as those of 15 people are, and the SD kept: a log-normal's tail would set every mean.
    tail = ndtr(-2.0)
    z = float(ndtri(tail + (1 - 2 * tail) * ndtr(z))) / _SD_WITHIN_2
    if shape == "normal" or mean == 0:
        return mean + spread * z
    sigma = math.sqrt(math.log1p((spread / mean) ** 2))
    return mean * math.exp(sigma * z - sigma**2 / 2)


def _draw_readme(generator: np.random.Generator) -> list[str]:
    female = generator.random() < 0.2
    height = generator.normal(168 if female else 179, 6)
    return [
        f"Age: {generator.integers(24, 36)}",
        f"Height (cm): {height:.0f}",
        f"Weight (kg): {generator.normal(23, 2) * (height / 100) ** 2:.0f}",
        f"Gender: {'female' if female else 'male'}",
        f"Dominant hand: {'left' if generator.random() < 0.07 else 'right'}",
        *(f"{question.capitalize()}? {'YES' if generator.random() < 0.15 else 'NO'}" for question in README_QUESTIONS),
        "### Additional notes ###",
        "Simulated: this person does not exist.",
    ]


def _draw_answers(generator: np.random.Generator, effect_size: float) -> dict[str, dict[str, list[int]]]:
    """Answers by condition; with any effect, STAI and arousal rise from baseline to stress in everybody."""
    person, rest, answers = generator.normal(0, [1.5, 0.7, 0.7]), np.array(_REPORTS["baseline"]), {}
    least = np.array([6, 1, 1])
    for condition, mean in _REPORTS.items():
        stressed = condition == "stress"
        expected = mean - rest + generator.normal(0, [1.0, 0.5, 0.6])
        expected = rest + person + (effect_size if stressed else 1.0) * expected
        total, arousal, valence = np.clip(np.round(expected), least, [24, 9, 9]).astype(int).tolist()
        if condition == "baseline":
            least = np.array([total + (effect_size > 0), arousal + (effect_size > 0), 1])
        elif stressed:
            least = np.array([6, 1, 1])
        # Two items of the PANAS are asked after stress alone.
        panas = generator.integers(1, 5, 26 if stressed else 24, endpoint=True).tolist()
        scores = generator.permutation(total // 6 + (np.arange(6) < total % 6))
        stai = np.where(np.isin(STAI_ITEMS, STAI_REVERSED), 5 - scores, scores).tolist()
        answers[condition] = {"panas": panas, "stai": stai, "dim": [valence, arousal]}
    answers["stress"]["sssq"] = generator.integers(1, 5, 6, endpoint=True).tolist()
    return answers
