"""Figures: results in, a Figure out; one module a chapter, and nothing is computed here."""

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

#: One colour a state through the whole book (Okabe and Ito's palette, told apart by colour-blind readers).
STATE_COLORS = {
    "baseline": "#0072B2",
    "stress": "#D55E00",
    "amusement": "#E69F00",
    "meditation": "#009E73",
    "transient": "#BBBBBB",
}

#: Models in the order in which they were registered take these.
MODEL_COLORS = {
    "logistic": "#56B4E9",
    "forest": "#009E73",
    "boosting": "#E69F00",
    "resnet": "#CC79A7",
    "joint": "#7B3294",
    "mean": "#000000",
    "chosen": "#D55E00",
}

NEUTRAL = "#666666"


def style() -> None:
    """Set the book's look: readable at phone width, no box around the axes, crisp on dense screens."""
    plt.rcParams.update(
        {
            "figure.figsize": (7.0, 3.6),
            "figure.dpi": 110,
            "savefig.dpi": 150,
            "figure.constrained_layout.use": True,
            "font.size": 10,
            "axes.titlesize": 11,
            "axes.titlelocation": "left",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "legend.frameon": False,
        }
    )


def closed(figure: Figure) -> Figure:
    """Close a figure and return it: a notebook shows what a cell returns, and every figure still open a second time."""
    plt.close(figure)
    return figure
