"""Maker of predictions whose scores are known."""

import pandas as pd


def make_predictions(rows, model="one", seed=0):
    """Predictions of (subject, label, p_stress) rows; the last two may be lists."""
    table = pd.DataFrame(rows, columns=["subject", "label", "p_stress"])
    names = {"task": "stress-baseline", "model": model, "protocol": "cold_start", "seed": seed}
    windows = {"subject": table["subject"], "window": table.index, "start_s": 30.0 * table.index}
    claims = {"label": table["label"], "p_baseline": 1 - table["p_stress"], "p_stress": table["p_stress"]}
    return pd.DataFrame(names | windows | claims | {"accepted": True})
