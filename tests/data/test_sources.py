"""Where recordings come from."""

import re
from pathlib import Path

import pytest

from wesadlib.data import describe_source, open_cohort, open_recording, simulate, sources
from wesadlib.errors import InputError
from wesadlib.params import Params


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A made-up checkout to work in."""
    (tmp_path / "_toc.yml").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


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


def test_a_recording_is_known_by_its_content(write_person, tmp_path, monkeypatch):
    write_person("S2")
    assert open_recording(tmp_path / "S2").subject == "S2"
    monkeypatch.chdir(tmp_path / "S2")
    assert open_recording(".").subject == "S2"
    with pytest.raises(InputError, match=r"is no recording; looked for a person's folder of WESAD"):
        open_recording(tmp_path)
    with pytest.raises(InputError, match=r"nobody: no such file or folder"):
        open_recording(tmp_path / "nobody")


def test_the_parameter_or_the_environment_names_the_folder(write_person, tmp_path, monkeypatch):
    write_person("S2")
    write_person("S3")
    cohort = open_cohort(Params(source="wesad", wesad_root=str(tmp_path), subjects=["S3"]))
    assert cohort.subjects == ["S3"] and not cohort.simulated
    monkeypatch.setenv("WESAD_ROOT", str(tmp_path))
    assert open_cohort(Params(source="wesad")).subjects == ["S2", "S3"]
    monkeypatch.delenv("WESAD_ROOT")
    with pytest.raises(InputError, match="set WESAD_ROOT"):
        open_cohort(Params(source="wesad"))


def test_simulated_people_are_made_once_for_each_knob_and_simulator(checkout, simulated, monkeypatch):
    params = Params(simulated_subjects=2, simulation_seed=5, effect_size=0.5)
    cohort = open_cohort(params)
    assert cohort.simulated and cohort.subjects == ["S2", "S3"]
    assert cohort.root.parent == checkout / "outputs" / "cohorts"
    # What has nothing to do with people makes no other cohort.
    assert open_cohort(params.model_copy(update={"device": "wrist", "window_s": 30.0})).root == cohort.root
    knobs = {"n_subjects": 2, "seed": 5, "effect_size": 0.5, "between_person_spread": 1.0, "artefact_rate": 1.0}
    assert simulated == [knobs]
    changes = {name: 2.0 for name in ("effect_size", "between_person_spread", "artefact_rate")}
    changes |= {"simulated_subjects": 3, "simulation_seed": 8}
    roots = {open_cohort(params.model_copy(update={name: value})).root for name, value in changes.items()}
    assert len(roots | {cohort.root}) == 6
    monkeypatch.setattr(sources, "file_digest", lambda path: "another")
    assert open_cohort(params).root not in roots | {cohort.root}


def test_every_module_of_the_simulator_counts():
    folder = Path(sources.__file__).parent
    needed, seen = {"simulate"}, set()
    while needed - seen:
        module = (needed - seen).pop()
        seen.add(module)
        needed |= set(re.findall(r"from wesadlib\.data\.(\w+) import", (folder / f"{module}.py").read_text()))
    # What reads recordings draws nobody.
    assert seen - set(sources.SIMULATOR_MODULES) <= {"pickles", "recording", "cohort", "devices", "quest", "wesad"}


def test_a_page_says_whose_data_it_shows():
    assert "Simulated people, wrist device" in describe_source({"simulated": 1, "device": "wrist"})
    assert describe_source({"simulated": 0, "description": "of the laboratory"}) == "Real people: of the laboratory."
