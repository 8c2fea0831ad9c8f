"""What a broken rule adds to a score, and what the controls reach, with intervals over people."""

import numpy as np
import pandas as pd

from wesadlib.evaluation.audit.controls import CONTROLS
from wesadlib.evaluation.audit.shortcuts import RULES
from wesadlib.evaluation.predictions import filter_predictions, list_people
from wesadlib.evaluation.scores import draw_weights, mean_of_seeds, score_seed
from wesadlib.evaluation.statistics import bootstrap_weights, interval


def inflation(audit: pd.DataFrame, predictions: pd.DataFrame, *, bootstrap: int = 1000) -> pd.DataFrame:
    """Every shortcut against honest predictions of the same model.

    The reference of a shortcut is its own where the audit has one, or else `predictions`, a cold start by the same
    seed: on the windows that the shortcut tested; but on all, where windows were dropped. Each draw of people is the
    same on both sides. Rows, a shortcut and model in the order of the rules: ``shortcut model rule against people
    n_windows``; ``accuracy reference inflation inflation_low inflation_high``, where `reference` is the honest
    accuracy; ``roc_auc auc_reference auc_inflation auc_inflation_low auc_inflation_high``; and ``better worse``: people
    on whom the accuracy is higher and lower than the reference's. Shares, not points.
    """
    shortcuts, references = (audit[audit["role"] == role] for role in ("shortcut", "reference"))
    rows = []
    for shortcut in [name for name in RULES if name in set(shortcuts["shortcut"])]:
        reference = references[references["shortcut"] == shortcut]
        for model, broken in shortcuts[shortcuts["shortcut"] == shortcut].groupby("model", sort=False):
            honest = filter_predictions(reference if len(reference) else predictions, model=model)
            if shortcut != "dropped_windows":
                here, there = broken["window"].isin(honest["window"]), honest["window"].isin(broken["window"])
                broken, honest = broken[here], honest[there]
            rule, against = RULES[shortcut]
            names = {"shortcut": shortcut, "model": model, "rule": rule, "against": against}
            rows.append(names | _compare(broken, honest, bootstrap))
    return pd.DataFrame(rows)


def score_controls(audit: pd.DataFrame, *, bootstrap: int = 1000) -> pd.DataFrame:
    """What the controls reach: a row a control and model, means of seeds with intervals.

    ``control model what seeds majority``, where `majority` is the accuracy of always naming the most frequent state,
    and ``accuracy balanced_accuracy roc_auc``, each with ``_low`` and ``_high``, over people and over seeds as well:
    where these are many shuffles rather than few trainings.
    """
    rows = []
    controls = audit[audit["role"] == "control"]
    for control in [name for name in CONTROLS if name in set(controls["shortcut"])]:
        for model, part in controls[controls["shortcut"] == control].groupby("model", sort=False):
            row = {"control": control, "model": model, "what": CONTROLS[control][0], "seeds": part["seed"].nunique()}
            row["majority"] = float(part["label"].value_counts(normalize=True).iloc[0])
            rows.append(row | _score(part, bootstrap))
    return pd.DataFrame(rows)


def _score(part: pd.DataFrame, bootstrap: int) -> dict[str, float]:
    people = list_people(part)
    weights = draw_weights(len(people), bootstrap)
    seeds = [score_seed(of_seed, people, weights) for _, of_seed in part.groupby("seed", sort=True)]
    shares = np.vstack([np.ones((1, len(seeds))), bootstrap_weights(len(seeds), len(weights) - 1, 1)])
    scores = {}
    for name in ("accuracy", "balanced_accuracy", "roc_auc"):
        drawn = (np.stack([scored[name] for scored in seeds], axis=1) * shares).sum(axis=1) / len(seeds)
        low, high = map(float, interval(drawn[1:]))
        scores |= {name: float(drawn[0]), f"{name}_low": low, f"{name}_high": high}
    return scores


def _compare(broken: pd.DataFrame, honest: pd.DataFrame, bootstrap: int) -> dict[str, float]:
    people = list_people(honest)
    # Everybody, draws of people, and each person alone.
    weights = np.vstack([draw_weights(len(people), bootstrap), np.eye(len(people))])
    broken_scores, honest_scores = (mean_of_seeds(part, people, weights) for part in (broken, honest))
    row = {"people": len(people), "n_windows": broken["window"].nunique()}
    for score, prefix in (("accuracy", ""), ("roc_auc", "auc_")):
        gain = broken_scores[score] - honest_scores[score]
        low, high = map(float, interval(gain[1 : -len(people)]))
        row |= {score: broken_scores[score][0], f"{prefix}reference": honest_scores[score][0]}
        row |= {f"{prefix}inflation": gain[0], f"{prefix}inflation_low": low, f"{prefix}inflation_high": high}
    each = (broken_scores["accuracy"] - honest_scores["accuracy"])[-len(people) :].round(12)
    return row | {"better": int((each > 0).sum()), "worse": int((each < 0).sum())}


def tabulate_inflation(table: pd.DataFrame) -> pd.DataFrame:
    """What :func:`inflation` gives, as text, to be read."""

    def points(name: str) -> pd.Series:
        bounds = (100 * table[[name, f"{name}_low", f"{name}_high"]]).map("{:+.1f}".format)
        return bounds.iloc[:, 0] + " [" + bounds.iloc[:, 1] + ", " + bounds.iloc[:, 2] + "]"

    return pd.DataFrame(
        {
            "rule": table["rule"],
            "model": table["model"],
            "compared with": table["against"],
            "windows": table["n_windows"],
            "with it, %": (100 * table["accuracy"]).map("{:.1f}".format),
            "without, %": (100 * table["reference"]).map("{:.1f}".format),
            "difference, points": points("inflation"),
            "difference in ROC AUC, points": points("auc_inflation"),
            "people better / worse": table["better"].astype(str) + " / " + table["worse"].astype(str),
        }
    )
