"""Figures that others published on WESAD, each with the protocol that it rests on."""

from typing import NamedTuple

import pandas as pd

_THREE = "amusement, stress, baseline"
_REST = "stress, all else"
_TWO = "stress, baseline"
_OUT = "leave one subject out"
_CHOSEN = "the left-out person chooses epoch, learning rate and weights"
_MEAN = "leave one subject out, mean over people"

# Software has no edition: the figures of `wesadarousal` and those of `bose2025calmsense` for three states are from the
# tables of their READMEs of commits 3d649e3 and 0165b74; the latter calls its own historical, of code since corrected.


class Figure(NamedTuple):
    """One published figure.

    Attributes
    ----------
    key : str
        Of the book's list of references.
    model, device : str
        What was trained, on which signals.
    states : str
        The states that were told apart.
    protocol : str
        What the model had of the person it was tested on, as far as it is said.
    metric : str
        What was measured.
    value : float
        On [0, 1].
    remark : str
        How the figure has to be read, or empty.
    """

    key: str
    model: str
    device: str
    states: str
    protocol: str
    metric: str
    value: float
    remark: str = ""


FIGURES = [
    Figure("schmidt2018wesad", "best of several", "chest and wrist", _THREE, _OUT, "accuracy", 0.80, "“up to”"),
    Figure("schmidt2018wesad", "best of several", "chest and wrist", _REST, _OUT, "accuracy", 0.93, "“up to”"),
    Figure("schmidt2018wesad", "best of several", "wrist", _THREE, _OUT, "accuracy", 0.76, "from a secondary source"),
    Figure("schmidt2018wesad", "best of several", "wrist", _REST, _OUT, "accuracy", 0.88, "from a secondary source"),
    Figure("matteucci2026biomarker", "ResNet-1D", "chest", _TWO, _CHOSEN, "accuracy", 0.961),
    Figure("matteucci2026biomarker", "ResNet-1D", "chest", _TWO, _CHOSEN, "area under ROC", 0.991),
    Figure("matteucci2026biomarker", "ResNet-1D", "chest", _TWO, _CHOSEN, "calibration error (ECE)", 0.060),
    Figure("matteucci2026biomarker", "logistic", "chest", _TWO, _OUT, "accuracy", 0.86, "about"),
    Figure("bose2025calmsense", "forest", "chest", _TWO, _MEAN, "accuracy", 0.913, "interval 0.860 to 0.960"),
    Figure("bose2025calmsense", "logistic", "chest", _TWO, _MEAN, "accuracy", 0.902),
    Figure("bose2025calmsense", "1D-CNN", "chest", _TWO, _MEAN, "accuracy", 0.718),
    Figure("bose2025calmsense", "movement alone", "chest", _TWO, _MEAN, "accuracy", 0.885),
    Figure("bose2025calmsense", "XGBoost", "wrist", _TWO, _MEAN, "accuracy", 0.906),
    Figure("bose2025calmsense", "forest", "wrist", _TWO, _MEAN, "accuracy", 0.893),
    Figure("bose2025calmsense", "logistic", "wrist", _TWO, _MEAN, "accuracy", 0.860),
    Figure("bose2025calmsense", "logistic", "chest", _THREE, _MEAN, "accuracy", 0.670),
    Figure("bose2025calmsense", "forest", "chest", _THREE, _MEAN, "accuracy", 0.637),
    Figure("wesadarousal", "gradient boosting", "chest and wrist", _REST, _OUT, "balanced accuracy", 0.90),
    Figure("wesadarousal", "gradient boosting", "chest and wrist", _REST, _OUT, "area under ROC", 0.97),
    Figure("wesadarousal", "forest", "wrist", _REST, _OUT, "balanced accuracy", 0.82),
    Figure("wesadarousal", "logistic", "chest and wrist", _THREE, _OUT, "balanced accuracy", 0.70),
    Figure("ahmad2026transformer", "vision transformer", "ECG", "binary", _OUT, "accuracy", 0.883),
    Figure("ahmad2026transformer", "vision transformer", "ECG", _THREE, _OUT, "accuracy", 0.767),
    Figure("vos2022review", "several", "several", "several", "same person in training and test", "accuracy", 0.99,
           "and more; a critical review"),
]  # fmt: skip


def published_figures() -> pd.DataFrame:
    """Published figures, a row a figure: ``key model device states protocol metric value remark``."""
    return pd.DataFrame(FIGURES)


def as_markdown(figures: pd.DataFrame) -> str:
    """Published figures as a MyST table whose sources are citations; figures of one model are joined in a row."""
    lines = ["| source | model | signals | states | protocol | result |", "|---|---|---|---|---|---|"]
    names = ["key", "model", "device", "states", "protocol"]
    for (key, *rest), part in figures.groupby(names, sort=False):
        results = [
            (f"{row.metric} {100 * row.value:.3g} %" if "accuracy" in row.metric else f"{row.metric} {row.value:.3g}")
            + (f" ({row.remark})" if row.remark else "")
            for row in part.itertuples()
        ]
        lines.append(" | ".join([f"| {{cite}}`{key}`", *rest, ", ".join(results)]) + " |")
    return "\n".join(lines)
