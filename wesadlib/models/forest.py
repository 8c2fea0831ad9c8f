"""A random forest on the features of a window."""

from typing import ClassVar

from sklearn.ensemble import RandomForestClassifier

from wesadlib.models.tabular import FeatureModel


class Forest(FeatureModel):
    """Random forest: many trees, each on other windows and, at each branch, other features; class-balanced.

    Parameters
    ----------
    classes : sequence of str
        States to tell apart.
    trees : int
        How many.
    leaf : int
        Least number of windows in a leaf: neighbouring windows share half of their samples, so a leaf of one or two
        would learn a moment.
    """

    name = "forest"
    trusted_types: ClassVar[list[str]] = [*FeatureModel.trusted_types, "sklearn.tree._tree.Tree"]

    def __init__(
        self, classes: "list[str] | tuple[str, ...]" = ("baseline", "stress"), *, trees: int = 500, leaf: int = 3
    ):
        super().__init__(classes, trees=trees, leaf=leaf)

    def _steps(self, seed: int) -> list:
        forest = RandomForestClassifier(
            self.options["trees"],
            min_samples_leaf=self.options["leaf"],
            max_features="sqrt",
            class_weight="balanced",
            n_jobs=1,
            random_state=seed,
        )
        return [forest]
