"""Maker of predictions whose scores are known."""

import numpy as np
import pandas as pd


def make_predictions(rows, model="one", seed=0):
    """Predictions of (subject, label, p_stress) rows; the last two may be lists."""
    table = pd.DataFrame(rows, columns=["subject", "label", "p_stress"])
    return pd.DataFrame(
        {
            "task": "stress-baseline",
            "model": model,
            "protocol": "cold_start",
            "seed": seed,
            "subject": table["subject"],
            "window": np.arange(len(table)),
            "start_s": 30.0 * np.arange(len(table)),
            "label": table["label"],
            "p_baseline": 1 - table["p_stress"],
            "p_stress": table["p_stress"],
            "accepted": True,
        }
    )
