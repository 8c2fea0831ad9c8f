"""What simulated people answer after each condition: STAI, DIM (valence, arousal), PANAS and SSSQ."""

from dataclasses import dataclass

import numpy as np

# condition -> mean STAI sum, arousal and valence of WESAD's people; meditation is a guess
_MEANS = {
    "baseline": (10.8, 2.5, 6.7),
    "stress": (18.5, 6.8, 4.5),
    "amusement": (9.3, 3.0, 7.5),
    "meditation": (9.5, 2.0, 7.0),
}

# Which STAI items count reversed: at ease, relaxed, pleasant.
_STAI_REVERSED = np.array([True, False, False, True, False, True])


@dataclass(frozen=True)
class Answers:
    """Answers of one person; the keys of the first three are conditions, meditation being asked once.

    Attributes
    ----------
    panas : dict of str to list of int
        24 items, 26 after stress.
    stai : dict of str to list of int
        Six items as ticked, 1 to 4.
    dim : dict of str to list of int
        Valence and arousal, 1 to 9.
    sssq : list of int
        Six items, asked after stress.
    """

    panas: dict[str, list[int]]
    stai: dict[str, list[int]]
    dim: dict[str, list[int]]
    sssq: list[int]


def draw_answers(generator: np.random.Generator, *, effect_size: float) -> Answers:
    """Draw a person's answers; with any effect, STAI and arousal rise from baseline to stress in everybody.

    Parameters
    ----------
    generator : numpy.random.Generator
        Source of chance.
    effect_size : float
        Factor on stress − baseline.
    """
    own = generator.normal(0, [1.5, 0.7, 0.7])
    stai, dim, panas = {}, {}, {}
    calm = np.array(_MEANS["baseline"]) + own
    for condition, mean in _MEANS.items():
        expected = np.array(mean) + own + generator.normal(0, [1.0, 0.5, 0.6])
        if condition == "stress":
            expected = calm + effect_size * (expected - calm)
        total, arousal, valence = np.round(expected).astype(int)
        if condition == "stress" and effect_size > 0:
            total = max(total, _stai_sum(stai["baseline"]) + 1)
            arousal = max(arousal, dim["baseline"][1] + 1)
        stai[condition] = _stai_items(generator, int(np.clip(total, 6, 24)))
        dim[condition] = [int(np.clip(valence, 1, 9)), int(np.clip(arousal, 1, 9))]
        strain = effect_size if condition == "stress" else 0.0
        items = generator.normal(2.0 + 0.5 * strain, 0.9, 26 if condition == "stress" else 24)
        panas[condition] = np.clip(np.round(items), 1, 5).astype(int).tolist()
    sssq = np.clip(np.round(generator.normal(3.0 + effect_size, 0.8, 6)), 1, 5).astype(int).tolist()
    return Answers(panas, stai, dim, sssq)


def _stai_items(generator: np.random.Generator, total: int) -> list[int]:
    """Six ticks whose sum, after reversing, is `total`."""
    scores = np.ones(6, int)
    for _ in range(total - 6):
        scores[generator.choice(np.flatnonzero(scores < 4))] += 1
    return np.where(_STAI_REVERSED, 5 - scores, scores).tolist()


def _stai_sum(ticks: list[int]) -> int:
    return int(np.where(_STAI_REVERSED, 5 - np.array(ticks), ticks).sum())
