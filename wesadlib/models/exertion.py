"""A gate before a model of stress: is this person exercising? Heart and skin answer exercise as they answer stress."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from wesadlib.errors import InputError
from wesadlib.models.physiology import round_digits

#: What an answer that the gate forbids gives as its reason.
REASON = "exertion"
#: Readings of movement, none of which depends on how the band is turned.
_STATISTICS = ("sd", "dynamic_range", "interquartile_range", "kurtosis")
_READINGS = (*(f"magnitude_{name}" for name in _STATISTICS), "jerk", "active_share", "posture_change")
FEATURES = tuple(f"wrist_acc_{name}" for name in _READINGS)
#: Channels that they are read from.
CHANNELS = ("wrist_acc_x", "wrist_acc_y", "wrist_acc_z")
#: Share of seated people's windows that may be taken for exercise where the threshold is found.
BUDGET = 0.005
_OPTIONS = {"max_iter": 60, "max_leaf_nodes": 8, "learning_rate": 0.1, "min_samples_leaf": 40}
#: What is kept of a tree's nodes.
_NODES = {"feature": int, "threshold": float, "left": int, "right": int, "value": float}


class ExertionGate:
    """Boosted trees on readings of movement, which answer without scikit-learn's own format.

    `threshold` is in log odds of exercise; :func:`fit_threshold` finds it on people left out. A window whose movement
    cannot be read is not held back.
    """

    def __init__(self, threshold: float = 0.0):
        self.threshold = threshold

    def fit(self, feature: np.ndarray, exercise: np.ndarray) -> Self:
        """Learn from windows ``(window, reading)`` of :data:`FEATURES`, and which of them are of exercise."""
        if exercise.all() or not exercise.any():
            raise InputError("the gate of exertion learns from windows of exercise and of sitting; one is missing.")
        known = np.isfinite(feature).all(axis=1)
        trees = HistGradientBoostingClassifier(
            **_OPTIONS, class_weight="balanced", early_stopping=False, random_state=0
        )
        trees.fit(feature[known], exercise[known])
        self.trees_ = [_nodes(stage[0].nodes) for stage in trees._predictors]
        self.baseline_ = float(trees._baseline_prediction.item())
        return self

    def score(self, feature: np.ndarray) -> np.ndarray:
        """Log odds (window,) of exercise; NaN where movement was not read."""
        score = np.full(len(feature), self.baseline_)
        for tree in self.trees_:
            at = np.zeros(len(feature), int)
            while (inner := tree["left"][at] > 0).any():
                goes_left = feature[np.arange(len(feature)), tree["feature"][at]] <= tree["threshold"][at]
                at = np.where(inner, np.where(goes_left, tree["left"][at], tree["right"][at]), at)
            score += tree["value"][at]
        return np.where(np.isfinite(feature).all(axis=1), score, np.nan)

    def holds_back(self, feature: np.ndarray) -> np.ndarray:
        """Which windows ``(window,)`` are of exercise."""
        return self.score(feature) > self.threshold

    def save(self, path: str | Path) -> None:
        """Write the gate as one JSON file."""
        trees = [{name: values.tolist() for name, values in tree.items()} for tree in self.trees_]
        text = {"features": FEATURES, "threshold": self.threshold, "baseline": self.baseline_, "trees": trees}
        Path(path).write_text(json.dumps(text, separators=(",", ":")) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save` wrote."""
        try:
            saved = json.loads(Path(path).read_text(encoding="utf-8"))
            gate = cls(float(saved["threshold"]))
            if tuple(saved["features"]) != FEATURES:
                raise ValueError("features")
            gate.baseline_ = float(saved["baseline"])
            gate.trees_ = [_read_tree(tree) for tree in saved["trees"]]
        except (OSError, ValueError, KeyError, TypeError):
            raise InputError(f"{path}: not a saved gate of exertion; save the bundle again.") from None
        return gate


def fit_threshold(score: np.ndarray) -> float:
    """Threshold that a share :data:`BUDGET` of the scores (window,) of seated people exceeds."""
    return float(f"{np.nanquantile(score, 1 - BUDGET):.4g}")


def _nodes(nodes: np.ndarray) -> dict[str, np.ndarray]:
    leaf = nodes["is_leaf"].astype(bool)
    # The root is nobody's child, so that 0 says leaf.
    columns = {
        "feature": np.where(leaf, 0, nodes["feature_idx"]),
        "threshold": np.where(leaf, 0, round_digits(nodes["num_threshold"])),
        "left": np.where(leaf, 0, nodes["left"]),
        "right": np.where(leaf, 0, nodes["right"]),
        "value": np.where(leaf, round_digits(nodes["value"]), 0),
    }
    return {name: columns[name].astype(kind) for name, kind in _NODES.items()}


def _read_tree(tree: Mapping[str, Any]) -> dict[str, np.ndarray]:
    columns = {name: np.array(tree[name], kind) for name, kind in _NODES.items()}
    count, place = len(columns["left"]), np.arange(len(columns["left"]))
    children = np.stack([columns["left"], columns["right"]])
    # Children come after their parents, so that no walk goes on for ever or leads out of the tree.
    inner = columns["left"] > 0
    sound = (
        (children[:, inner] > place[inner]).all() and (children < count).all() and (columns["right"][~inner] == 0).all()
    )
    if not (count and sound and np.isin(columns["feature"], range(len(FEATURES))).all()):
        raise ValueError("tree")
    return columns
