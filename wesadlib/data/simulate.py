"""A cohort of people who do not exist, written in WESAD's layout, so that the very same code reads it.

Every person follows from the one table in :mod:`wesadlib.data.people`.
"""

from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from wesadlib.artefacts import replacing, write_json
from wesadlib.data.people import Person, draw_person
from wesadlib.data.pickles import save_arrays
from wesadlib.data.trajectories import MARGIN_S, Course, make_course
from wesadlib.data.waveforms import CHEST_HZ, Body, chest_signals, wrist_signals
from wesadlib.errors import InputError

#: Raised whenever the same knobs would give other people.
GENERATOR_VERSION = 1

#: The file that marks a cohort as simulated, and holds its knobs.
MARKER = "SIMULATED.json"


def simulate_cohort(
    root: str | Path,
    n_subjects: int,
    seed: int,
    *,
    effect_size: float = 1.0,
    between_person_spread: float = 1.0,
    artefact_rate: float = 1.0,
    progress: bool = False,
) -> Path:
    """Write a cohort of simulated people, both devices, in the official layout.

    The same arguments give the same bytes, and a person does not depend on how many others there are.

    Parameters
    ----------
    root : path
        Folder to write, whole or not at all; an earlier simulated cohort there is replaced.
    n_subjects : int
        How many people; about 25 MB each.
    seed : int
        Seed of the cohort.
    effect_size : float
        Factor on every response to stress; 0 leaves nothing to detect.
    between_person_spread : float
        Factor on the spread of levels and of responses between people; 0 makes everybody alike.
    artefact_rate : float
        Factor on motion bursts, drifting electrodes and detached sensors; 0 is a clean recording.
    progress : bool
        Whether to show a bar.

    Returns
    -------
    Path
        `root`.

    Raises
    ------
    InputError
        When a knob is out of bounds, or `root` holds anything but a simulated cohort.
    """
    root = Path(root)
    knobs = {
        "effect_size": effect_size,
        "between_person_spread": between_person_spread,
        "artefact_rate": artefact_rate,
    }
    _check(root, n_subjects, seed, knobs)
    with replacing(root) as partial:
        for index in tqdm(range(n_subjects), desc="simulating people", unit="person", disable=not progress):
            person = draw_person(seed, index, effect_size=effect_size, between_person_spread=between_person_spread)
            _write_person(partial / person.subject, person, seed, index, artefact_rate)
        write_json(
            partial / MARKER,
            {"generator_version": GENERATOR_VERSION, "n_subjects": n_subjects, "seed": seed, **knobs},
        )
    return root


def _check(root: Path, n_subjects: int, seed: int, knobs: dict[str, float]) -> None:
    if n_subjects < 1:
        raise InputError(f"`n_subjects` is {n_subjects}: a cohort has at least one person.")
    if seed < 0:
        raise InputError(f"`seed` is {seed}: it must not be negative.")
    for name, value in knobs.items():
        if not 0 <= value <= 10:
            raise InputError(f"`{name}` is {value}: it lies between 0 and 10.")
    if root.exists() and not (root / MARKER).is_file() and (not root.is_dir() or any(root.iterdir())):
        raise InputError(f"{root} holds something else than a simulated cohort: name a new folder.")


def _write_person(folder: Path, person: Person, seed: int, index: int, artefact_rate: float) -> None:
    folder.mkdir(parents=True)
    course = make_course(person, np.random.default_rng([seed, index, 1]))
    recording = {
        "subject": person.subject,
        "signal": make_signals(course, seed, index, artefact_rate),
        "label": _labels(course),
    }
    save_arrays(folder / f"{person.subject}.pkl", recording)
    # The chest device had run for a while when the recording was cropped.
    crop_s = int(np.random.default_rng([seed, index, 5]).integers(60, 180))
    (folder / f"{person.subject}_quest.csv").write_bytes(_quest(person, course, crop_s).encode())
    (folder / f"{person.subject}_readme.txt").write_bytes(_readme(person).encode())


def make_signals(course: Course, seed: int, index: int, artefact_rate: float) -> dict[str, dict[str, np.ndarray]]:
    """Signals of both devices, each ``(time, axis)``, by the data set's keys."""
    body = Body(course, np.random.default_rng([seed, index, 2]))
    return {
        "chest": chest_signals(course, body, np.random.default_rng([seed, index, 3]), artefact_rate),
        "wrist": wrist_signals(course, body, np.random.default_rng([seed, index, 4]), artefact_rate),
    }


def _labels(course: Course) -> np.ndarray:
    labels = np.zeros(course.duration_s * CHEST_HZ, np.int8)
    for block in course.blocks:
        labels[(block.start_s + MARGIN_S) * CHEST_HZ : (block.end_s - MARGIN_S) * CHEST_HZ] = block.code
    return labels


def _quest(person: Person, course: Course, crop_s: int) -> str:
    states = [block.state for block in course.blocks]
    rows = [
        ["# Subj", person.subject],
        ["# ORDER", *(block.name for block in course.blocks)],
        ["# START", *(_minutes(block.start_s + crop_s) for block in course.blocks)],
        ["# END", *(_minutes(block.end_s + crop_s) for block in course.blocks)],
        [],
        *(["# PANAS", *person.answers.panas[state]] for state in states),
        [],
        *(["# STAI", *person.answers.stai[state]] for state in states),
        [],
        *(["# DIM", *person.answers.dim[state]] for state in states),
        [],
        ["# SSSQ", *person.answers.sssq],
    ]
    return "".join(";".join(str(cell) for cell in (row + [""] * 27)[:27]) + "\r\n" for row in rows)


def _minutes(seconds: int) -> str:
    """Minutes.seconds as a spreadsheet leaves it, without trailing zeros: 2 min 50 s is ``2.5``."""
    return f"{seconds // 60}.{seconds % 60:02d}".rstrip("0").rstrip(".")


def _readme(person: Person) -> str:
    lines = list(person.facts.items())
    about = [f"{name}: {value}" for name, value in lines[:5]]
    asked = [f"{question} {answer}" for question, answer in lines[5:]]
    parts = [
        ["### Personal information ###", *about, ""],
        ["### Study pre-requisites ###", *asked, ""],
        ["### Additional notes ###", "Simulated: this person does not exist."],
    ]
    return "\n".join(line for part in parts for line in part) + "\n"
