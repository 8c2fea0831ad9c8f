"""Real people of two other laboratories, whoever is there: what windows are good for, and whom scores look at."""

import os
from pathlib import Path

import lab_windows
import numpy as np
import pandas as pd
import pytest
import transfer
from lab_tables import measure_responses

from wesadlib.data import join, open_hongn, open_stress_predict

pytestmark = pytest.mark.real
SHARED = Path(os.environ.get("RECORDINGS_ROOT", Path(__file__).resolve().parents[3] / "shared"))
ROOTS = {
    open_stress_predict: Path(os.environ.get("STRESS_PREDICT_ROOT", SHARED / "stress-predict")),
    open_hongn: Path(os.environ.get("HONGN_ROOT", SHARED / "hongn-2025")),
}
PEOPLE = 3


@pytest.fixture(scope="module", params=list(ROOTS), ids=lambda opener: opener.__name__)
def table(request) -> pd.DataFrame:
    """Windows of the first people of a laboratory who have all that is to be learnt from."""
    root = ROOTS[request.param]
    if not root.is_dir():
        pytest.skip(f"{root}: the data set is downloaded by itself, and is not there")
    cohort, parts = join([request.param(root)]), []
    for subject in cohort.subjects:
        person = lab_windows.tabulate_person(cohort, subject)
        taught = lab_windows.choose_scored(person[person["accepted"]], transfer.stressors_of([person["lab"].iloc[0]]))
        if taught["role"].nunique() == 2 and len(transfer.at_rest(person)):
            parts.append(person)
        if len(parts) == PEOPLE:
            return pd.concat(parts, ignore_index=True)
    raise AssertionError(f"{root}: fewer than {PEOPLE} people with rest and stress of good quality")


def test_rest_comes_before_stress_and_no_window_lies_in_two_sessions(table):
    assert not table.duplicated(["subject", "start_s"]).any()
    for _, session in table.groupby(["subject", "session"]):
        steps = np.diff(session["start_s"])
        assert steps == pytest.approx(lab_windows.STEP_S)
        strained = session.loc[session["role"].isin(["stress", "provocation", "exercise"]), "start_s"]
        rested = session.loc[session["role"] == "own_rest", "start_s"]
        assert rested.max() < strained.min() or rested.empty or strained.empty
        assert len(rested) <= (lab_windows.REST_S - lab_windows.WINDOW_S) / lab_windows.STEP_S + 1
    spans = table[table["phase"] != ""].groupby(["subject", "session", "phase", "role"])["start_s"].agg(["min", "max"])
    recovery = spans.xs("recovery", level="role")
    assert (recovery["max"] - recovery["min"] < lab_windows.RECOVERY_S).all()


def test_heart_rates_and_conductance_are_a_persons(table):
    good = table[table["accepted"]]
    rate = good["wrist_bvp_heart_rate"].dropna()
    assert rate.between(35, 210).all() and 50 < rate.median() < 120
    assert np.exp(good["wrist_eda_log_level"]).between(0.001, 100).all()
    responses = measure_responses(table)
    assert (responses["people"] <= PEOPLE).all() and responses["response"].notna().all()


def test_scores_look_at_no_later_window_and_at_nobody_else(table):
    people = list(table["subject"].unique())
    stressors = transfer.stressors_of([table["lab"].iloc[0]])
    model = transfer.fit_labs(table[table["subject"] != people[0]], stressors)
    names = list(transfer.PROTOCOLS)
    person = table[table["subject"] == people[0]]
    together = transfer.score_windows(model, table)
    alone = transfer.score_windows(model, person)
    pd.testing.assert_frame_equal(alone[names], together.loc[person.index, names])
    assert np.isfinite(alone[names].to_numpy()).all()
    begun = person[person["start_s"] <= person["start_s"].median()]
    assert len(transfer.at_rest(begun)) == len(transfer.at_rest(person))
    pd.testing.assert_frame_equal(transfer.score_windows(model, begun)[names], alone.loc[begun.index, names])
