"""Figures of the chapter on what carries the decision."""

import pandas as pd
from matplotlib.figure import Figure

from wesadlib.plots import NEUTRAL, bare_rows, color_of, intervals, subplots, write_names

_SCORES = {"accuracy": "accuracy", "roc_auc": "area under ROC within the person"}


def plot_conditions(compared: pd.DataFrame) -> Figure:
    """A row a condition: each model's accuracy and area, mean and interval over people.

    `compared` is what :func:`~wesadlib.evaluation.held_out.compare_people` gives. Filled: the part that comes first;
    open: the model trained again; dotted: the first condition.
    """
    conditions, models = (list(dict.fromkeys(compared[name])) for name in ("condition", "model"))
    first = compared["part"].iloc[0]
    figure, panels = subplots(1, 2, height=0.28 * len(conditions) + 1.0, sharey=True)
    step = 0.6 / max(len(models), 2)
    for axes, (name, label) in zip(panels, _SCORES.items(), strict=True):
        for part, rows in compared.groupby("part", sort=False):
            place = rows["condition"].map(conditions.index) + step * (rows["model"].map(models.index) - len(models) / 2)
            color = rows["model"].map(color_of)
            table = rows.assign(height=place, color=color, value=rows[name])
            table = table.assign(low=rows[f"{name}_low"], high=rows[f"{name}_high"])
            intervals(axes, table, s=22, facecolor=color if part == first else "white", edgecolor=color)
        for row in compared[(compared["part"] == first) & (compared["condition"] == conditions[0])].itertuples():
            axes.axvline(getattr(row, name), color=color_of(row.model), linewidth=0.8, linestyle=":")
        axes.axvline(0.5, color=NEUTRAL, linewidth=0.5)
        axes.set_xlabel(label)
        bare_rows(axes)
    panels[0].set_yticks(range(len(conditions)), conditions, fontsize=9)
    panels[0].invert_yaxis()
    write_names(panels[0], models, step=(0.45, 0))
    return figure
