"""People who do not exist: the one table of what differs between people, and drawing people from it.

Everything that :mod:`wesadlib.data.simulate` writes follows from :data:`TABLE`. The wrist's rows make people
like the 15 of WESAD (Schmidt et al. 2018), minute by minute. Of the chest's only the means are known; its
spreads are chosen so that telling the stress of a stranger is about as hard as it was there.
"""

import math
import zlib
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import ndtr, ndtri

from wesadlib.data.questionnaires import Answers, draw_answers

# People among whom scores are spread evenly.
_GROUP = 6

# SD of a standard normal cut at ±2.
_SD_WITHIN_2 = 0.8796

Shape = Literal["normal", "positive"]


@dataclass(frozen=True)
class Row:
    """How one quantity is spread over people, states and minutes.

    Attributes
    ----------
    unit : str
        ``ln …`` marks a quantity whose numbers, all of them, are natural logarithms.
    baseline, between : float
        Mean over people of their baselines, and the SD of those.
    within : float
        SD of one person's minutes within a state; a share of the state's level where `level` is ``positive``.
    response, spread : float
        Mean and SD over people of stress − baseline.
    amusement : tuple of float
        Mean and SD over people of amusement − baseline.
    level, change : {"normal", "positive"}
        Distribution of baselines and of responses; ``positive`` is log-normal: nobody moves the other way.
    reactivity : float
        Correlation of the response with the person's reactivity, which is shared by all rows.
    own_level : float
        Correlation of the response with the person's own baseline.
    tau_s : float
        Time constant of the fluctuation within a state, s.
    """

    unit: str
    baseline: float
    between: float
    within: float
    response: float
    spread: float
    amusement: tuple[float, float] = (0.0, 0.0)
    level: Shape = "normal"
    change: Shape = "normal"
    reactivity: float = 0.0
    own_level: float = 0.0
    tau_s: float = 60.0

    @property
    def other_way(self) -> float:
        """Share of people expected to move against the mean."""
        if self.change == "positive":
            return 0.0
        return 0.5 * math.erfc(abs(self.response) / self.spread / math.sqrt(2))


#: quantity -> its row; the only source of every simulated person
TABLE: dict[str, Row] = {
    # One heart, one breathing, one skin for both devices.
    "heart_rate": Row("bpm", 72.4, 9.8, 6.7, 15.0, 12.9, (-0.3, 8.6), change="positive", reactivity=0.6, tau_s=45),
    "rmssd": Row("ln ms", 3.5, 0.45, 0.13, -0.25, 0.4, (0.0, 0.2), reactivity=-0.4),
    "respiration_rate": Row("1/min", 15.8, 2.0, 1.0, -0.6, 3.3, (0.3, 1.5)),
    "respiration_depth": Row("ln %", 1.1, 0.4, 0.15, 0.5, 0.4, (0.0, 0.2), reactivity=0.2),
    # More skin responses happen than are seen, since the next may come on the slope of the last.
    "scr_rate": Row("1/min", 2.4, 2.6, 0.5, 8.5, 8.0, (0.5, 1.0), "positive", "positive", reactivity=0.6, tau_s=40),
    "scr_size": Row("ln sqrt(uS)", -3.3, 0.25, 0.2, 0.35, 0.2, reactivity=0.3),
    # The wrist's. Skin drifts as in WESAD, whose blocks last twice as long: less is seen within one.
    "wrist_eda": Row("ln uS", -0.40, 1.16, 0.2, 1.21, 0.93, (0.0, 0.35), reactivity=0.6, own_level=-0.75, tau_s=300),
    "wrist_temperature": Row("degC", 33.4, 1.6, 0.06, -0.70, 0.81, (-0.8, 1.0), reactivity=-0.4, tau_s=150),
    "wrist_temperature_slope": Row("mdegC/s", 0.6, 0.7, 0.0, -1.7, 1.2, reactivity=-0.4),
    "wrist_movement": Row("g", 0.031, 0.009, 0.72, 0.038, 0.035, (-0.013, 0.009), "positive", reactivity=0.2, tau_s=20),
    "pulse_size": Row("ln a.u.", 3.4, 0.35, 0.15, -0.25, 0.35, reactivity=-0.3),
    # The chest's.
    "chest_eda": Row("ln uS", 0.8, 0.9, 0.05, 0.6, 0.55, (0.0, 0.2), reactivity=0.5, tau_s=250),
    "chest_temperature": Row("degC", 33.9, 1.2, 0.10, 0.6, 0.5, (0.2, 0.4), tau_s=150),
    "chest_movement": Row(
        "g", 0.0085, 0.0025, 0.22, 0.009, 0.006, (-0.001, 0.001), "positive", reactivity=0.2, tau_s=20
    ),
    "posture": Row("deg", 0.0, 18.0, 0.7, 0.0, 14.0, (0.0, 2.0)),
    "r_size": Row("ln mV", 0.05, 0.2, 0.04, 0.0, 0.15, (0.0, 0.05)),
    "emg": Row("ln mV", -4.6, 0.45, 0.07, 0.2, 0.45, reactivity=0.1),
}


@dataclass(frozen=True)
class Person:
    """One drawn person: own levels, own responses, and what the readme and the questionnaires say.

    Attributes
    ----------
    subject : str
        Name in WESAD's numbering.
    levels : dict of str to float
        Baseline of every row of :data:`TABLE`.
    responses : dict of str to dict of str to float
        For the states stress, amusement and meditation, state − baseline of every row.
    stress_first : bool
        Whether stress comes before amusement.
    facts : dict of str to str
        Lines of the readme.
    answers : Answers
        Questionnaires, by condition.
    """

    subject: str
    levels: dict[str, float]
    responses: dict[str, dict[str, float]]
    stress_first: bool
    facts: dict[str, str]
    answers: Answers


def subject_name(index: int) -> str:
    """Name of the person number `index`, counted from 0, in WESAD's numbering, which has no S1 and no S12."""
    return f"S{index + 2 if index < 10 else index + 3}"


def draw_person(seed: int, index: int, *, effect_size: float = 1.0, between_person_spread: float = 1.0) -> Person:
    """Draw the person number `index` of the cohort `seed`; the same whatever the size of the cohort.

    Parameters
    ----------
    seed : int
        Seed of the cohort.
    index : int
        Number of the person, counted from 0.
    effect_size : float
        Factor on every response to stress; 0 leaves nothing to detect.
    between_person_spread : float
        Factor on the SD of levels and of responses; 0 makes everybody alike.
    """
    (reactivity,) = _scores(seed, index, "reactivity", 1)
    levels, stress, amusement, meditation = {}, {}, {}, {}
    for name, row in TABLE.items():
        z_level, z_rest, z_amusement, z_meditation = _scores(seed, index, name, 4)
        rest = math.sqrt(1 - row.reactivity**2 - row.own_level**2)
        z_response = row.reactivity * reactivity + row.own_level * z_level + rest * z_rest
        levels[name] = _value(row.baseline, row.between * between_person_spread, z_level, row.level)
        stress[name] = effect_size * _value(row.response, row.spread * between_person_spread, z_response, row.change)
        mean, spread = row.amusement
        amusement[name] = mean + between_person_spread * spread * z_amusement
        # Nobody's claims rest on meditation: half of amusement's spread, about baseline.
        meditation[name] = 0.5 * between_person_spread * spread * z_meditation
    generator = np.random.default_rng([seed, index, 0])
    return Person(
        subject=subject_name(index),
        levels=levels,
        responses={"stress": stress, "amusement": amusement, "meditation": meditation},
        stress_first=index % 2 == 0,
        facts=_draw_facts(generator),
        answers=draw_answers(generator, effect_size=effect_size),
    )


def _scores(seed: int, index: int, name: str, n: int) -> np.ndarray:
    """Normal scores of one person for one row, spread evenly over each group of people (a Latin hypercube).

    So a dozen people are as mixed as hundreds are, and a row more or less leaves the other rows as they were.
    McKay, Beckman and Conover, Technometrics 21 (1979) 239-245.
    """
    group, member = divmod(index, _GROUP)
    generator = np.random.default_rng([seed, group, zlib.crc32(name.encode())])
    strata = generator.permuted(np.tile(np.arange(_GROUP), (n, 1)), axis=1)
    return ndtri((strata + generator.random((n, _GROUP))) / _GROUP)[:, member]


def _value(mean: float, spread: float, z: float, shape: Shape) -> float:
    """A normal score as a value: normal, or log-normal with that mean and SD; 2.3 SD is the furthest out."""
    # Extremes are cut, as those of 15 people are, and the SD kept: a log-normal's tail would set every mean.
    tail = ndtr(-2.0)
    z = float(ndtri(tail + (1 - 2 * tail) * ndtr(z))) / _SD_WITHIN_2
    if shape == "normal" or mean == 0:
        return mean + spread * z
    sigma = math.sqrt(math.log1p((spread / mean) ** 2))
    return mean * math.exp(sigma * z - sigma**2 / 2)


def _draw_facts(generator: np.random.Generator) -> dict[str, str]:
    female = generator.random() < 0.2
    height = generator.normal(168 if female else 179, 6)
    weight = generator.normal(23, 2) * (height / 100) ** 2
    questions = {
        "Did you drink coffee today?": 0.4,
        "Did you drink coffee within the last hour?": 0.1,
        "Did you do any sports today?": 0.2,
        "Are you a smoker?": 0.1,
        "Did you smoke within the last hour?": 0.03,
        "Do you feel ill today?": 0.03,
    }
    facts = {
        "Age": str(generator.integers(24, 36)),
        "Height (cm)": f"{height:.0f}",
        "Weight (kg)": f"{weight:.0f}",
        "Gender": "female" if female else "male",
        "Dominant hand": "left" if generator.random() < 0.07 else "right",
    }
    return facts | {question: "YES" if generator.random() < p else "NO" for question, p in questions.items()}
