"""Gradient boosting on the features of a window."""

from typing import ClassVar

from sklearn.ensemble import HistGradientBoostingClassifier

from wesadlib.models.tabular import FeatureModel


class Boosting(FeatureModel):
    """Gradient boosting of small trees on binned features; class-balanced, a fixed number of rounds.

    A thousand windows of fifteen people are few and depend on each other, so each tree is small, sees a share of the
    features at each branch, is shrunk, and there is no early stopping: it would draw windows of the same people.

    Parameters
    ----------
    classes : sequence of str
        States to tell apart.
    rounds : int
        How many trees, one after another, for each state (of two states, for one).
    learning_rate : float
        Share of each tree that is added.
    """

    name = "boosting"
    trusted_types: ClassVar[list[str]] = [
        *FeatureModel.trusted_types,
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    ]

    def __init__(
        self,
        classes: "list[str] | tuple[str, ...]" = ("baseline", "stress"),
        *,
        rounds: int = 200,
        learning_rate: float = 0.05,
    ):
        super().__init__(classes, rounds=rounds, learning_rate=learning_rate)

    def _steps(self, seed: int) -> list:
        boosting = HistGradientBoostingClassifier(
            max_iter=self.options["rounds"],
            learning_rate=self.options["learning_rate"],
            max_leaf_nodes=8,
            min_samples_leaf=20,
            max_features=0.3,
            l2_regularization=1.0,
            early_stopping=False,
            class_weight="balanced",
            random_state=seed,
        )
        return [boosting]
