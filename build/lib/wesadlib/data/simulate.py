"""A cohort of people who do not exist, written in WESAD's layout, so that the very same code reads it.

Every person follows from the one table in :mod:`wesadlib.data.people`.
"""

from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from wesadlib.artefacts import replacing, write_json
from wesadlib.data.people import Person, draw_person
from wesadlib.data.pickles import save_arrays
from wesadlib.data.trajectories import MARGIN_S, Trajectory, make_trajectory
from wesadlib.data.waveforms import CHEST_HZ, make_signals
from wesadlib.data.wesad import SIMULATED_MARKER
from wesadlib.errors import InputError

#: Raised whenever the same knobs would give other people.
GENERATOR_VERSION = 2


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
    """
    root = Path(root)
    knobs = {
        "effect_size": effect_size,
        "between_person_spread": between_person_spread,
        "artefact_rate": artefact_rate,
    }
    if n_subjects < 1:
        raise InputError(f"`n_subjects` is {n_subjects}: a cohort has at least one person.")
    if seed < 0:
        raise InputError(f"`seed` is {seed}: it must not be negative.")
    for name, value in knobs.items():
        if not 0 <= value <= 10:
            raise InputError(f"`{name}` is {value}: it lies between 0 and 10.")
    if root.exists() and not (root / SIMULATED_MARKER).is_file() and (not root.is_dir() or any(root.iterdir())):
        raise InputError(f"{root} holds something else than a simulated cohort: name a new folder.")
    with replacing(root) as partial:
        for index in tqdm(range(n_subjects), desc="simulating people", unit="person", disable=not progress):
            person = draw_person(seed, index, effect_size=effect_size, between_person_spread=between_person_spread)
            _write_person(partial / person.subject, person, [seed, index], artefact_rate)
        write_json(
            partial / SIMULATED_MARKER,
            {"generator_version": GENERATOR_VERSION, "n_subjects": n_subjects, "seed": seed, **knobs},
        )
    return root


def _write_person(folder: Path, person: Person, seed: list[int], artefact_rate: float) -> None:
    folder.mkdir(parents=True)
    trajectory = make_trajectory(person, np.random.default_rng([*seed, 1]))
    labels = np.zeros(trajectory.duration_s * CHEST_HZ, np.int8)
    for block in trajectory.blocks:
        labels[(block.start_s + MARGIN_S) * CHEST_HZ : (block.end_s - MARGIN_S) * CHEST_HZ] = block.code
    signal = make_signals(trajectory, np.random.default_rng([*seed, 2]), artefact_rate)
    save_arrays(folder / f"{person.subject}.pkl", {"subject": person.subject, "signal": signal, "label": labels})
    # The chest device had run for a while when the recording was cropped.
    crop_s = int(np.random.default_rng([*seed, 3]).integers(60, 180))
    (folder / f"{person.subject}_quest.csv").write_bytes(_quest(person, trajectory, crop_s).encode())
    (folder / f"{person.subject}_readme.txt").write_bytes(_readme(person).encode())


def _quest(person: Person, trajectory: Trajectory, crop_s: int) -> str:
    blocks = trajectory.blocks
    rows = [
        ["# Subj", person.subject],
        ["# ORDER", *(block.name for block in blocks)],
        ["# START", *(_minutes(block.start_s + crop_s) for block in blocks)],
        ["# END", *(_minutes(block.end_s + crop_s) for block in blocks)],
    ]
    for name in ("panas", "stai", "dim", "sssq"):
        answers = [person.answers[block.state].get(name) for block in blocks]
        rows += [[], *([f"# {name.upper()}", *items] for items in answers if items)]
    return "".join(";".join(str(cell) for cell in (row + [""] * 27)[:27]) + "\r\n" for row in rows)


def _minutes(seconds: int) -> str:
    """Minutes.seconds as a spreadsheet leaves it, without trailing zeros: 2 min 50 s is ``2.5``."""
    return f"{seconds // 60}.{seconds % 60:02d}".rstrip("0").rstrip(".")


def _readme(person: Person) -> str:
    lines = [
        "### Personal information ###",
        *(f"{name}: {value}" for name, value in person.facts.items()),
        "",
        "### Study pre-requisites ###",
        *(f"{question} {answer}" for question, answer in person.questions.items()),
        "",
        "### Additional notes ###",
        "Simulated: this person does not exist.",
    ]
    return "\n".join(lines) + "\n"
