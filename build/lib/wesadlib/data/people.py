"""People who do not exist: the one table of what differs between people, and drawing people from it.

Everything that :mod:`wesadlib.data.simulate` writes follows from :data:`TABLE`. The wrist's rows make people
like the 15 of WESAD (Schmidt et al. 2018), minute by minute. Of the chest's only the means are known; its
spreads are chosen so that telling the stress of a stranger is about as hard as it was there.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri
from scipy.stats import qmc

from wesadlib.data.quest import STAI_ITEMS, STAI_REVERSED

# People among whom scores are spread evenly.
_GROUP = 6

# Which of its streams of chance a seed stands for: one whose first dozen is neither easy nor hard.
_STREAM = 3

# SD of a standard normal cut at ±2.
_SD_WITHIN_2 = 0.8796


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
    drifts : bool
        Whether it moves slowly through a state rather than up and down in it.
    """

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
    "rmssd": Row("ln ms", 3.5, 0.45, 0.13, -0.25, 0.4, (0.0, 0.2), reactivity=-0.4),
    "respiration_rate": Row("1/min", 15.8, 2.0, 1.0, -0.6, 3.3, (0.3, 1.5)),
    "respiration_depth": Row("ln %", 1.1, 0.4, 0.15, 0.5, 0.4, (0.0, 0.2), reactivity=0.2),
    # More skin responses happen than are seen, since the next may come on the slope of the last.
    "scr_rate": Row("1/min", 2.4, 2.6, 0.5, 8.5, 8.0, (0.5, 1.0), "positive", "positive", reactivity=0.6),
    "scr_size": Row("ln sqrt(uS)", -3.3, 0.25, 0.2, 0.35, 0.2, reactivity=0.3),
    # The wrist's. Skin drifts as in WESAD, whose blocks last twice as long: less is seen within one.
    "wrist_eda": Row("ln uS", -0.40, 1.16, 0.2, 1.21, 0.93, (0.0, 0.35), reactivity=0.6, own_level=-0.75, drifts=True),
    "wrist_temperature": Row("degC", 33.4, 1.6, 0.06, -0.70, 0.81, (-0.8, 1.0), reactivity=-0.4),
    "wrist_temperature_slope": Row("mdegC/s", 0.6, 0.7, 0.0, -1.7, 1.2, reactivity=-0.4),
    "wrist_movement": Row("g", 0.031, 0.009, 0.72, 0.038, 0.035, (-0.013, 0.009), "positive", reactivity=0.2),
    "pulse_size": Row("ln a.u.", 3.4, 0.35, 0.15, -0.25, 0.35, reactivity=-0.3),
    # The chest's.
    "chest_eda": Row("ln uS", 0.8, 0.9, 0.05, 0.6, 0.55, (0.0, 0.2), reactivity=0.5, drifts=True),
    "chest_temperature": Row("degC", 33.9, 1.2, 0.10, 0.6, 0.5, (0.2, 0.4)),
    "chest_movement": Row("g", 0.0085, 0.0025, 0.22, 0.009, 0.006, (-0.001, 0.001), "positive", reactivity=0.2),
    "posture": Row("deg", 0.0, 18.0, 0.7, 0.0, 14.0, (0.0, 2.0)),
    "r_size": Row("ln mV", 0.05, 0.2, 0.04, 0.0, 0.15, (0.0, 0.05)),
    "emg": Row("ln mV", -4.6, 0.45, 0.07, 0.2, 0.45, reactivity=0.1),
}


# condition -> mean STAI sum, arousal and valence of WESAD's people; meditation is a guess
_REPORTS = {
    "baseline": (10.8, 2.5, 6.7),
    "stress": (18.5, 6.8, 4.5),
    "amusement": (9.3, 3.0, 7.5),
    "meditation": (9.5, 2.0, 7.0),
}

_QUESTIONS = {
    "Did you drink coffee today?": 0.4,
    "Did you drink coffee within the last hour?": 0.1,
    "Did you do any sports today?": 0.2,
    "Are you a smoker?": 0.1,
    "Did you smoke within the last hour?": 0.03,
    "Do you feel ill today?": 0.03,
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
    facts, questions : dict of str to str
        Lines of the readme.
    answers : dict of str to dict of str to list of int
        Condition -> questionnaire (``panas``, ``stai``, ``dim``, ``sssq``) -> items as ticked.
    """

    subject: str
    levels: dict[str, float]
    responses: dict[str, dict[str, float]]
    stress_first: bool
    facts: dict[str, str]
    questions: dict[str, str]
    answers: dict[str, dict[str, list[int]]]


def subject_name(index: int) -> str:
    """Name of the person number `index`, counted from 0, in WESAD's numbering, which has no S1 and no S12."""
    return f"S{index + 2 if index < 10 else index + 3}"


def draw_person(seed: int, index: int, *, effect_size: float = 1.0, between_person_spread: float = 1.0) -> Person:
    """Draw the person number `index` of the cohort `seed`; the same whatever the size of the cohort.

    `effect_size` is a factor on every response to stress, of which 0 leaves nothing to detect, `between_person_spread`
    one on the SD of levels and of responses, of which 0 makes everybody alike.
    """
    # Spread evenly over each group of people, so that a dozen are as mixed as hundreds are.
    group, member = divmod(index, _GROUP)
    sampler = qmc.LatinHypercube(1 + 4 * len(TABLE), rng=np.random.default_rng([seed, group, _STREAM]))
    reactivity, *scores = ndtri(sampler.random(_GROUP)[member])
    levels, stress, amusement, meditation = {}, {}, {}, {}
    for k, (name, row) in enumerate(TABLE.items()):
        z_level, z_rest, z_amusement, z_meditation = scores[4 * k : 4 * k + 4]
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
        questions={question: "YES" if generator.random() < p else "NO" for question, p in _QUESTIONS.items()},
        answers=_draw_answers(generator, effect_size),
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


def _draw_facts(generator: np.random.Generator) -> dict[str, str]:
    female = generator.random() < 0.2
    height = generator.normal(168 if female else 179, 6)
    return {
        "Age": str(generator.integers(24, 36)),
        "Height (cm)": f"{height:.0f}",
        "Weight (kg)": f"{generator.normal(23, 2) * (height / 100) ** 2:.0f}",
        "Gender": "female" if female else "male",
        "Dominant hand": "left" if generator.random() < 0.07 else "right",
    }


def _draw_answers(generator: np.random.Generator, effect_size: float) -> dict[str, dict[str, list[int]]]:
    """Answers by condition; with any effect, STAI and arousal rise from baseline to stress in everybody."""
    shift = generator.normal(0, [1.5, 0.7, 0.7])
    answers, rest = {}, np.zeros(2)
    for condition, mean in _REPORTS.items():
        factor = effect_size if condition == "stress" else 1.0
        expected = np.array(mean) + generator.normal(0, [1.0, 0.5, 0.6])
        expected = np.array(_REPORTS["baseline"]) + factor * (expected - _REPORTS["baseline"]) + shift
        total, arousal, valence = np.clip(np.round(expected), [6, 1, 1], [24, 9, 9]).astype(int)
        if condition == "baseline":
            rest = total, arousal
        if condition == "stress" and effect_size > 0:
            total, arousal = max(total, rest[0] + 1), max(arousal, rest[1] + 1)
        stress = effect_size * (condition == "stress")
        # Two items of the PANAS are asked after stress alone.
        panas = generator.normal(2.0 + 0.5 * stress, 0.9, 26 if condition == "stress" else 24)
        answers[condition] = {
            "panas": _ticks(panas, 5),
            "stai": _stai_ticks(generator, total),
            "dim": [int(valence), int(arousal)],
        }
    answers["stress"]["sssq"] = _ticks(generator.normal(3.0 + effect_size, 0.8, 6), 5)
    return answers


def _ticks(values: np.ndarray, largest: int) -> list[int]:
    return np.clip(np.round(values), 1, largest).astype(int).tolist()


def _stai_ticks(generator: np.random.Generator, total: int) -> list[int]:
    """Six ticks whose sum, after reversing, is `total`."""
    scores = generator.permutation(total // 6 + (np.arange(6) < total % 6))
    return np.where(np.isin(STAI_ITEMS, STAI_REVERSED), 5 - scores, scores).tolist()
