import json

import pytest

from wesadlib import artefacts
from wesadlib.errors import InputError


@pytest.fixture
def run(tmp_path):
    (tmp_path / "_toc.yml").touch()
    return artefacts.open_run("mine", tmp_path)


def test_root_is_found_from_a_folder_below_and_its_absence_is_told(tmp_path):
    below = tmp_path / "checkout" / "book"
    below.mkdir(parents=True)
    with pytest.raises(InputError, match=r"_toc\.yml"):
        artefacts.project_root(below)
    (tmp_path / "checkout" / "_toc.yml").touch()
    assert artefacts.project_root(below) == tmp_path / "checkout"


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "table.json"
    artefacts.write_json(path, {"a": 1})
    with pytest.raises(RuntimeError), artefacts.replacing(path) as partial:
        partial.write_text("half")
        raise RuntimeError
    with pytest.raises(ValueError):
        artefacts.write_json(path, {"a": float("nan")})
    assert json.loads(path.read_text()) == {"a": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["table.json"]


def test_a_folder_replaces_a_folder_whole(tmp_path):
    folder = tmp_path / "bundle"
    for names in (("a", "b"), ("c",)):
        with artefacts.replacing(folder) as partial:
            partial.mkdir()
            for name in names:
                (partial / name).touch()
    assert [entry.name for entry in folder.iterdir()] == ["c"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["bundle"]


def test_a_missing_artefact_names_the_chapter_that_makes_it(run):
    with pytest.raises(InputError, match=r"windows\.nc is missing: chapter 12_signals"):
        artefacts.open_windows(run)
    with pytest.raises(InputError, match="23_loso"):
        run.read_table("predictions")


def test_windows_are_joined_with_features_and_those_of_another_run_are_refused(run, toy_windows):
    run.write_dataset("windows", toy_windows)
    features = toy_windows[[]].assign(feature=(("window", "feature_name"), [[1.0]] * toy_windows.sizes["window"]))
    run.write_dataset("features", features)
    windows = artefacts.open_windows(run)
    assert windows.feature.shape == (72, 1) and windows.signal.shape == toy_windows.signal.shape
    assert windows.attrs == toy_windows.attrs
    run.write_dataset("features", features.assign_attrs(cohort_digest="1" * 64))
    with pytest.raises(InputError, match=r"features\.nc belongs to other windows.*21_baseline"):
        artefacts.open_windows(run)
    # What is not asked for is not joined, however stale.
    assert "feature" not in artefacts.open_windows(run, join=["quality"])


def test_two_writes_of_the_same_windows_have_one_digest(run, toy_windows):
    digests = {artefacts.file_digest(run.write_dataset("windows", toy_windows)) for _ in range(2)}
    assert len(digests) == 1


def test_digest_ignores_order_of_keys_and_sees_every_value():
    assert artefacts.digest({"a": 1, "b": 2}) == artefacts.digest({"b": 2, "a": 1})
    assert artefacts.digest({"a": 1}) != artefacts.digest({"a": 2})
