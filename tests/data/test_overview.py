"""A look at every recording: a cohort in three tables, and what is wrong with it."""

import pytest

from wesadlib.data import check_cohort, describe_cohort, open_wesad
from wesadlib.errors import InputError


def test_a_row_a_person_and_what_is_not_known_is_nan_and_never_zero(write_person, tmp_path):
    write_person("S2")
    folder = write_person("S3")
    for name in ("S3_quest.csv", "S3_readme.txt"):
        (folder / name).unlink()
    people, blocks, reports = describe_cohort(open_wesad(tmp_path))
    known, unknown = (person for _, person in people.iterrows())
    assert people["subject"].tolist() == ["S2", "S3"]
    assert known[["age_years", "gender", "smoker", "coffee_today"]].tolist() == [27, "female", False, True]
    assert known[["windows_baseline", "windows_stress", "windows_amusement"]].tolist() == [3, 3, 3]
    # Items 4 1 1 4 1 4 after baseline, 1 4 4 1 4 1 after stress: the ends of the scale.
    assert known[["stai_baseline", "stai_stress", "arousal_stress", "valence_amusement"]].tolist() == [6, 24, 8, 8]
    blocks = blocks.query("subject == 'S2'")
    assert blocks["state"].tolist() == ["baseline", "stress", "amusement", "meditation"]
    assert blocks[["start_s", "end_s"]].values.tolist() == [[40, 140], [170, 250], [270, 340], [350, 390]]
    assert unknown[["age_years", "gender", "notes", "stai_stress", "valence_baseline"]].isna().all()
    assert unknown["windows_stress"] == 3
    assert reports.query("subject == 'S3'")[["stai", "arousal", "valence"]].isna().all(axis=None)


def test_two_meditations_are_averaged_and_windows_are_as_asked(write_person, tmp_path):
    folder = write_person("S2")
    path = folder / "S2_quest.csv"
    text = path.read_text().replace("Fun;Medi 1", "Medi 2;Medi 1")
    path.write_text(text)
    people, _, reports = describe_cohort(open_wesad(tmp_path), window_s=20, hop_s=20)
    assert people["windows_baseline"].tolist() == [5]
    reports = reports.set_index("state")
    assert reports.loc["meditation", ["arousal", "valence"]].tolist() == [2, 7.5]
    assert reports.loc["amusement"].drop("subject").isna().all()


def test_a_good_folder(write_person, tmp_path):
    write_person("S2")
    write_person("S11", devices=("chest", "wrist"))
    table, problems = check_cohort(tmp_path)
    assert problems == []
    assert table["subject"].tolist() == ["S2", "S11"]
    assert table["duration_s"].tolist() == [400, 400]
    assert table["devices"].tolist() == ["wrist", "chest wrist"]
    assert table["channels"].tolist() == [6, 14]
    row = table.iloc[0]
    assert row["minutes_baseline"] == pytest.approx(100 / 60) and row["minutes_ignored"] == 0
    assert row["problems"] == ""


def unlabel_stress(content):
    content["label"][content["label"] == 2] = 0


def shift_amusement(content):
    label = content["label"]
    start = int((label == 3).argmax())
    label[start : start + 7 * 700] = 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (unlabel_stress, "no window of class stress; its labels hold less than a window of it, so leave S2 out"),
        (shift_amusement, "disagree by 7 s"),
        (lambda content: content["signal"]["wrist"].pop("BVP"), "S2.pkl has no BVP of the wrist"),
        (lambda content: content["label"].fill(0), "no labelled block can be matched"),
    ],
)
def test_a_problem_is_told_and_the_others_are_still_looked_at(write_person, tmp_path, change, message):
    write_person("S2", change=change)
    write_person("S3")
    table, problems = check_cohort(tmp_path)
    assert message in " ".join(problems) and all("S2" in problem for problem in problems)
    assert table["problems"].tolist() == [" ".join(problems), ""]
    assert table["windows_baseline"].iloc[1] == 3
    if "matched" in message:
        assert open_wesad(tmp_path)[0].protocol[["start_s", "end_s"]].isna().all(axis=None)


def test_missing_and_broken_files_are_told(write_person, tmp_path):
    with pytest.raises(InputError, match="holds no subject"):
        check_cohort(tmp_path)
    folder = write_person()
    (folder / "S2_quest.csv").unlink()
    (folder / "S2_readme.txt").unlink()
    (tmp_path / "S3").mkdir()
    (write_person("S4") / "S4.pkl").write_bytes(b"broken")
    table, problems = check_cohort(tmp_path)
    assert table["subject"].tolist() == ["S2", "S3", "S4"]
    sentences = "S2_quest.csv is missing", "S2_readme.txt is missing", "S3.pkl is missing", "S4.pkl is truncated"
    assert all(sentence in problem for sentence, problem in zip(sentences, problems, strict=True))
