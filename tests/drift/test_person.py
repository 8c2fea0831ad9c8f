"""One person held against the people of a reference."""

import numpy as np
import pandas as pd
import pytest

from wesadlib.drift import compare_person, describe_person
from wesadlib.drift.person import describe_feature

NAMES = ["wrist_eda_mean", "wrist_eda_sd", "wrist_temp_mean", "wrist_bvp_sd"]


@pytest.fixture
def reference():
    """Five people, of twelve windows each, whose means are 1 to 5 in every feature."""
    spread = np.linspace(-0.5, 0.5, 12)
    people = [
        pd.DataFrame({"subject": f"S{k}", "start_s": 60.0 * np.arange(12), **dict.fromkeys(NAMES, k + spread)})
        for k in range(1, 6)
    ]
    return pd.concat(people, ignore_index=True)


def windows(**means):
    return pd.DataFrame({name: means.get(name, 3.0) + np.linspace(-2, 2, 7) for name in NAMES})


def test_a_person_is_held_against_peoples_means_and_not_their_windows(reference):
    table = compare_person(reference, windows(wrist_temp_mean=5.2)).set_index("feature")
    # Windows of the reference reach 5.5, people only 5.
    assert table.index[0] == "wrist_temp_mean" and table["place"].tolist() == ["higher", "", "", ""]
    row = table.loc["wrist_temp_mean"]
    assert row[["lowest", "median", "highest", "people"]].tolist() == pytest.approx([1, 3, 5, 5])
    assert row["distance"] == pytest.approx(2.2 / np.std([1, 2, 3, 4, 5], ddof=1))


def test_the_sentence_names_the_strangest_reading_of_each_sensor_first(reference):
    among = describe_person(compare_person(reference, windows()))
    assert among == "In every reading compared, this person lies within the range of the 5 training people."
    strange = windows(wrist_eda_mean=-1.0, wrist_eda_sd=0.5, wrist_temp_mean=9.0)
    assert describe_person(compare_person(reference, strange)) == (
        "Unlike all 5 training people: temperature higher, skin conductance lower (3 of 4 readings lie outside theirs)."
    )


def test_features_are_named_in_words():
    names = ["acc_x_mean", "acc_z_sd", "acc_magnitude_sd", "temp_mean", "eda_peak_to_peak"]
    assert [describe_feature(f"wrist_{name}") for name in names] == [
        *("movement (mean, x)", "movement (variation, z)", "movement (variation)"),
        *("temperature", "skin conductance (peak to peak)"),
    ]


def test_what_cannot_be_compared_is_left_out(reference):
    strange = windows(wrist_bvp_sd=0.001).drop(columns="wrist_eda_sd").assign(wrist_temp_mean=np.nan)
    table = compare_person(reference, strange, leave_out=["wrist_bvp_sd"], units={"wrist_eda_mean": "uS"})
    assert table[["feature", "unit"]].to_numpy().tolist() == [["wrist_eda_mean", "uS"]]
    nothing = compare_person(reference, strange[["wrist_temp_mean"]])
    assert "cannot" not in describe_person(table) and "Nothing" in describe_person(nothing)
