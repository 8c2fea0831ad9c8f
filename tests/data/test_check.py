"""A look at every recording of a folder."""

import pytest

from wesadlib.data.check import check_cohort
from wesadlib.errors import InputError


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
    assert row["minutes_baseline"] == pytest.approx(100 / 60)
    assert row[["windows_baseline", "windows_stress", "windows_amusement"]].tolist() == [3, 3, 3]
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
        (lambda content: content["signal"]["wrist"].pop("BVP"), "`wrist` holds"),
    ],
)
def test_a_problem_is_told_and_the_others_are_still_looked_at(write_person, tmp_path, change, message):
    write_person("S2", change=change)
    write_person("S3")
    table, problems = check_cohort(tmp_path)
    assert len(problems) == 1 and message in problems[0] and "S2" in problems[0]
    assert table["problems"].tolist() == [problems[0], ""]
    assert table["windows_baseline"].iloc[1] == 3


def test_missing_files_are_told(write_person, tmp_path):
    folder = write_person()
    (folder / "S2_quest.csv").unlink()
    (folder / "S2_readme.txt").unlink()
    (tmp_path / "S3").mkdir()
    _, problems = check_cohort(tmp_path)
    assert [
        path in problem for path, problem in zip(("S2_quest.csv", "S2_readme.txt", "S3.pkl"), problems, strict=True)
    ]
    assert all("is missing" in problem for problem in problems)


def test_a_folder_of_nothing_but_broken_recordings(write_person, tmp_path):
    (write_person() / "S2.pkl").write_bytes(b"broken")
    table, problems = check_cohort(tmp_path)
    assert table["subject"].tolist() == ["S2"] and "truncated" in problems[0]


def test_labels_without_a_block_of_the_protocol(write_person, tmp_path):
    def forget(content):
        content["label"][:] = 0

    write_person(change=forget)
    _, problems = check_cohort(tmp_path)
    assert any("no labelled block can be matched" in problem for problem in problems)


def test_an_empty_root_is_an_error(tmp_path):
    with pytest.raises(InputError, match="holds no subject"):
        check_cohort(tmp_path)
