"""Correlations of reports and probabilities, within and across people."""

import numpy as np
import pandas as pd
import pytest

from wesadlib.evaluation.self_reports import correlate_across, correlate_within, mean_by_state


def table_of(slope: float, levels: list[float]) -> pd.DataFrame:
    """People of different levels whose probability follows the report within each of them."""
    states = ["baseline", "stress", "amusement"]
    rows = [
        (f"S{k}", state, 10 + value, slope * value + level)
        for k, level in enumerate(levels)
        for state, value in zip(states, (0.0, 6.0 + k, 1.0), strict=True)
    ]
    return pd.DataFrame(rows, columns=["subject", "state", "stai", "p_stress"])


@pytest.mark.parametrize(("slope", "r"), [(0.1, 1.0), (-0.1, -1.0)])
def test_a_person_s_own_level_is_of_no_account_within(slope, r):
    found = correlate_within(table_of(slope, [5.0, -3.0, 0.0]), "stai", "p_stress")
    assert found.r == pytest.approx(r) and found.free == 9 - 3 - 1


def test_across_people_only_the_rise_counts_and_who_was_not_asked_is_left_out():
    table = table_of(0.1, [5.0, -3.0, 0.0, 1.0, 2.0])
    table.loc[0, "stai"] = np.nan
    found = correlate_across(table, "stai", "p_stress")
    assert found.r == pytest.approx(1.0) and found.free == 2 and found.low < 1


def test_nothing_is_claimed_of_too_few_or_of_answers_that_are_all_alike():
    assert np.isnan(correlate_across(table_of(0.1, [1.0, 2.0]), "stai", "p_stress").r)
    assert np.isnan(correlate_within(table_of(0.1, [1.0, 2.0]).assign(stai=3.0), "stai", "p_stress").r)


def test_means_are_of_accepted_windows_of_a_state():
    predictions = pd.DataFrame({"window": range(4), "p_stress": [0.1, 0.3, 0.9, 0.5]})
    predictions = predictions.assign(subject="S2", accepted=predictions["window"] != 2)
    states = pd.Series(["baseline", "baseline", "baseline", "stress"])
    reports = pd.DataFrame({"subject": ["S2", "S2", "S3"], "state": ["baseline", "stress", "stress"]})
    assert mean_by_state(predictions, states, reports)["p_stress"].tolist() == [0.2, 0.5]
