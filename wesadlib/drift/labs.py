"""How strange the people of one laboratory are to those of others."""

import numpy as np
import pandas as pd

from wesadlib.drift.alarm import is_judged
from wesadlib.drift.person import compare_person
from wesadlib.evaluation.labs import STATES


def measure_distance(train: pd.DataFrame, test: pd.DataFrame) -> pd.DataFrame:
    """How strange each person of `test` is to those of `train`, as the drift report has it, and what could be read.

    ``subject distance heart_read``: the median over readings of the distance from the people's median in their standard
    deviations; the share of windows with a heart rate.
    """
    names = [name for name in train if name.startswith(("wrist_bvp_", "wrist_eda_")) and is_judged(name)]
    good = train[train["accepted"] & train["role"].isin(STATES)]
    reference, rows = good[["subject", "start_s", *names]], []
    for subject, person in test[test["accepted"]].groupby("subject"):
        seated = person[person["role"].isin(STATES)]
        if len(seated):
            distance = compare_person(reference, seated[names])["distance"].abs().median()
            heart = [name for name in names if name.endswith("_heart_rate")]
            share = float(seated[heart[0]].notna().mean()) if heart else np.nan
            rows.append((subject, distance, share))
    return pd.DataFrame(rows, columns=["subject", "distance", "heart_read"])
