"""The baseline: logistic regression on the features of a window."""

import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from wesadlib.models.tabular import FeatureModel


class Logistic(FeatureModel):
    """Logistic regression: damped features, standardised; class-balanced weights, fixed regularisation.

    Parameters
    ----------
    classes : sequence of str
        States to tell apart.
    regularisation : float
        scikit-learn's ``C``: smaller is stronger.
    """

    name = "logistic"

    def __init__(
        self, classes: "list[str] | tuple[str, ...]" = ("baseline", "stress"), *, regularisation: float = 0.03
    ):
        super().__init__(classes, regularisation=regularisation)

    def _steps(self, seed: int) -> list:
        # The optimum is unique: nothing is drawn.
        return [
            StandardScaler(),
            LogisticRegression(C=self.options["regularisation"], class_weight="balanced", max_iter=2000),
        ]

    @property
    def weights_(self) -> pd.DataFrame:
        """Weight of each feature, per standard deviation; a column a state, of two states only the second."""
        weight = self.pipeline_[-1].coef_
        columns = self.classes if len(weight) > 1 else self.classes[1:]
        return pd.DataFrame(weight.T, index=pd.Index(self.feature_names_, name="feature"), columns=columns)
