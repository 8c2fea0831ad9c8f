"""The recordings that parameters ask for."""

import ast
from pathlib import Path

import pytest

from wesadlib.data import describe_source, open_cohort, simulate, source
from wesadlib.errors import InputError
from wesadlib.params import Params


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A made-up checkout to work in."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    (folder / "_toc.yml").touch()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def simulated(monkeypatch):
    """The calls of a simulator that writes two empty people."""
    calls = []

    def simulate_cohort(root, n_subjects, seed, *, progress, **knobs):
        calls.append({"n_subjects": n_subjects, "seed": seed, **knobs})
        for subject in ("S2", "S3"):
            (root / subject).mkdir(parents=True)
            (root / subject / f"{subject}.pkl").touch()
        (root / "SIMULATED.json").write_text("{}")

    monkeypatch.setattr(simulate, "simulate_cohort", simulate_cohort)
    return calls


def test_real_recordings(write_person, tmp_path):
    write_person("S2")
    write_person("S3")
    cohort = open_cohort(Params(source="wesad", wesad_root=str(tmp_path), subjects=["S3"]))
    assert cohort.subjects == ["S3"] and not cohort.simulated


def test_the_environment_names_the_folder(write_person, tmp_path, monkeypatch):
    write_person("S2")
    monkeypatch.setenv("WESAD_ROOT", str(tmp_path))
    assert open_cohort(Params(source="wesad")).subjects == ["S2"]
    monkeypatch.delenv("WESAD_ROOT")
    with pytest.raises(InputError, match="set WESAD_ROOT"):
        open_cohort(Params(source="wesad"))


def test_simulated_people_are_made_once(checkout, simulated):
    params = Params(simulated_subjects=2, simulation_seed=5, effect_size=0.5)
    cohort = open_cohort(params)
    assert cohort.simulated and cohort.subjects == ["S2", "S3"]
    assert cohort.root.parent == checkout / "outputs" / "cohorts"
    assert open_cohort(params).root == cohort.root
    assert simulated == [
        {"n_subjects": 2, "seed": 5, "effect_size": 0.5, "between_person_spread": 1.0, "artefact_rate": 1.0}
    ]


@pytest.mark.parametrize(
    "knob",
    [
        {"simulated_subjects": 3},
        {"simulation_seed": 8},
        {"effect_size": 2.0},
        {"between_person_spread": 2.0},
        {"artefact_rate": 2.0},
    ],
)
def test_every_knob_makes_another_cohort(checkout, simulated, knob):
    assert open_cohort(Params()).root != open_cohort(Params(**knob)).root


def test_what_is_no_knob_makes_no_other_cohort(checkout, simulated):
    assert open_cohort(Params()).root == open_cohort(Params(device="wrist", window_s=30.0)).root


def test_another_simulator_makes_another_cohort(checkout, simulated, monkeypatch):
    before = open_cohort(Params()).root
    monkeypatch.setattr(source, "file_digest", lambda path: "another")
    assert open_cohort(Params()).root != before


def test_every_module_of_the_simulator_counts():
    folder = Path(source.__file__).parent
    needed, found = {"simulate"}, set()
    while needed - found:
        module = (needed - found).pop()
        found.add(module)
        for node in ast.walk(ast.parse((folder / f"{module}.py").read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("wesadlib.data."):
                needed.add(node.module.removeprefix("wesadlib.data."))
    assert found - set(source.SIMULATOR_MODULES) <= {"pickles", "recording", "quest", "protocol"}


def test_a_page_says_whose_data_it_shows():
    assert "Simulated people" in describe_source({"simulated": 1})
    assert "Real people" in describe_source({"simulated": 0})
