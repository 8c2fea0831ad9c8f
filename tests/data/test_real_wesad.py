"""The 15 real people: the facts that everything else is measured against."""

import dataclasses

import pandas as pd
import pytest

from wesadlib.data import check_cohort, open_wesad, score_stai

pytestmark = pytest.mark.real

# baseline, stress
WINDOWS = {
    **{"S2": (38, 21), "S3": (38, 22), "S4": (39, 21), "S5": (40, 21), "S6": (39, 22)},
    **{"S7": (39, 21), "S8": (39, 23), "S9": (39, 21), "S10": (39, 24), "S11": (40, 23)},
    **{"S13": (40, 22), "S14": (40, 22), "S15": (39, 23), "S16": (39, 22), "S17": (39, 24)},
}


@pytest.fixture(scope="module")
def recordings(wesad_root):
    """Everything but signals and labels, of which one person's alone may be in memory."""
    return {recording.subject: dataclasses.replace(recording, signals={}) for recording in open_wesad(wesad_root)}


def test_windows_per_person(wesad_root):
    table, problems = check_cohort(wesad_root)
    assert problems == []
    table = table.set_index("subject")
    found = {row.Index: (row.windows_baseline, row.windows_stress) for row in table.itertuples()}
    assert found == WINDOWS
    assert table.filter(like="windows_").sum().tolist() == [587, 332, 186]
    assert table["duration_s"].agg(["min", "max"]).tolist() == [5223, 7071]


def test_the_protocol_is_known_to_the_sample_and_has_two_orders(recordings):
    protocols = {subject: recording.protocol for subject, recording in recordings.items()}
    assert protocols["S2"].attrs["crop_s"] == pytest.approx(131.45, abs=0.01)
    assert max(protocol.attrs["crop_error_s"] for protocol in protocols.values()) < 1e-6
    conditions = {subject: protocol.query("condition != 'reading'") for subject, protocol in protocols.items()}
    early = {subject for subject, table in conditions.items() if table["condition"].iloc[1] == "stress"}
    assert early == {"S2", "S3", "S6", "S9", "S11", "S14", "S16"}


def test_who_they_are(recordings):
    people = pd.DataFrame({subject: recording.person for subject, recording in recordings.items()}).T
    assert people["gender"].value_counts().to_dict() == {"male": 12, "female": 3}
    assert people.index[people["dominant_hand"] == "left"].tolist() == ["S8"]
    assert people["age_years"].agg(["min", "max"]).tolist() == [24, 35]
    assert "interviews" in people.loc["S6", "notes"]


def test_what_they_reported(recordings):
    answers = [recording.questionnaires for recording in recordings.values()]
    table = pd.concat([pd.concat([score_stai(answer["stai"]), answer["dim"]], axis=1) for answer in answers])
    means = table.groupby(level=0)[["stai", "arousal", "valence"]].mean()
    for state, expected in (("baseline", [10.8, 2.5, 6.7]), ("stress", [18.5, 6.8, 4.5]), ("amusement", [9.3, 3, 7.5])):
        assert means.loc[state].tolist() == pytest.approx(expected, abs=0.05)
