"""The two text files of a person."""

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wesadlib.data.quest import STAI_ITEMS, parse_minutes, read_quest, read_readme, score_stai
from wesadlib.errors import InputError


@given(st.integers(0, 200), st.integers(0, 59))
def test_a_lost_trailing_zero_does_not_matter(minutes, seconds):
    written = f"{minutes}.{seconds:02d}"
    assert parse_minutes(written) == parse_minutes(written.rstrip("0").rstrip(".")) == 60 * minutes + seconds


@pytest.mark.parametrize("text", ["", "7.6", "7.60", "7.081", "-1", "7,08", "7:08", "abc"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(ValueError, match="no time written as minutes"):
        parse_minutes(text)


def test_the_order_its_times_and_what_was_asked(write_person):
    order, answers = read_quest(write_person() / "S2_quest.csv")
    assert order["condition"].tolist() == ["baseline", "stress", "amusement", "meditation", "reading"]
    assert order["name"].tolist() == ["Base", "TSST", "Fun", "Medi 1", "sRead"]
    assert order["start_s"].tolist() == [161, 291, 391, 471, 590]
    assert order["end_s"].tolist() == [281, 391, 481, 531, 600]
    assert answers["dim"].loc["stress"].to_dict() == {"valence": 4, "arousal": 8}
    assert answers["sssq"].loc["stress"].tolist() == [5, 4, 3, 2, 1, 5]
    # An item not asked or not answered is NaN.
    assert answers["panas"]["item_25"].notna().tolist() == [False, True, False, False]
    assert answers["panas"]["item_16"].notna().tolist() == [True, True, False, True]


def test_answers_follow_the_order_of_the_file_and_times_that_of_the_clock(write_person):
    # Stress first in the file's line, baseline first by the clock.
    folder = write_person()
    path = folder / "S2_quest.csv"
    text = path.read_text().replace("Base;TSST", "TSST;Base")
    path.write_text(text.replace("2.41;4.51", "4.51;2.41").replace("4.41;6.31", "6.31;4.41"))
    order, answers = read_quest(path)
    assert order["condition"].tolist()[:2] == ["baseline", "stress"]
    assert answers["dim"].index.tolist()[:2] == ["stress", "baseline"]
    assert answers["dim"]["arousal"].tolist() == [2, 8, 3, 1]


def test_stai_runs_from_calm_to_anxious():
    rows = pd.DataFrame([[4, 1, 1, 4, 1, 4], [1, 4, 4, 1, 4, 1], [3, 2, 1, 4, 2, 3], [2, np.nan, 1, 1, 1, 1]])
    scores = score_stai(rows.set_axis(list(STAI_ITEMS), axis=1))
    np.testing.assert_array_equal(scores, [6, 24, 2 + 2 + 1 + 1 + 2 + 2, np.nan])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("# ORDER", "# OTHER", "one line `# ORDER`"),
        ("TSST;Fun", "TSST;Lunch", "unknown condition `Lunch`"),
        ("# START;2.41", "# START;2.61", "times of `Base` cannot be read"),
        ("# END;4.41", "# END;1.41", "`Base` ends before it starts"),
        ("# DIM;4;8", "# DIM;4;80", "`# DIM` holds '80' as item 2"),
        ("# STAI;1;4;4;1;4;1", "# STAI;1;4;4;1;4;5", "answered 1 to 4"),
        ("# STAI;1;4;4;1;4;1", "# STAI;1;4;4;1;4;1;1", "as item 7; it has 6 items"),
        ("# STAI;1;4;4;1;4;1", "# STAI;1;4;x;1;4;1", "'x'"),
        ("# STAI;1;4;4;1;4;1", "# STAY;1;4;4;1;4;1", "3 lines `# STAI`, not 4"),
        ("# SSSQ;5", "# SS;5", "0 lines `# SSSQ`, not 1"),
    ],
)
def test_a_damaged_file_is_one_sentence_with_its_path(write_person, old, new, message):
    path = write_person() / "S2_quest.csv"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(InputError, match=re.escape(message)) as raised:
        read_quest(path)
    assert str(path) in str(raised.value)


def test_readme(write_person):
    assert read_readme(write_person() / "S2_readme.txt") == {
        **{"age_years": 27, "height_cm": 175, "weight_kg": 80, "gender": "female", "dominant_hand": "left"},
        **{"coffee_today": True, "coffee_last_hour": False, "sports_today": False, "smoker": False},
        **{"smoked_last_hour": False, "ill_today": True, "notes": ""},
    }


def test_notes_of_several_lines_with_windows_line_ends_in_latin1(write_person):
    path = write_person() / "S2_readme.txt"
    path.write_bytes("Age: 30\r\n### Additional notes ###\r\nFirst: k\xfchl.\r\n\r\nSecond?\r\n".encode("latin1"))
    assert read_readme(path) == {"age_years": 30.0, "notes": "First: k\xfchl. Second?"}


@pytest.mark.parametrize("line", ["Age: young", "Shoe size: 43", "Are you a smoker? MAYBE", "27"])
def test_a_line_that_is_not_understood_is_named(write_person, line):
    path = write_person(readme=f"{line}\n") / "S2_readme.txt"
    with pytest.raises(InputError, match="is not understood") as raised:
        read_readme(path)
    assert line in str(raised.value) and str(path) in str(raised.value)
