"""Where recordings come from: the readers, the data sets, and the simulated people that parameters ask for."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from wesadlib.artefacts import digest, file_digest, project_root
from wesadlib.data.e4 import is_e4, read_e4
from wesadlib.data.embraceplus import is_embraceplus, read_embraceplus
from wesadlib.data.recording import Cohort, Recording
from wesadlib.data.wesad import is_wesad, open_wesad, read_wesad
from wesadlib.data.xdf import is_xdf, read_xdf
from wesadlib.errors import InputError


class Reader(NamedTuple):
    """A format of recordings: what is looked for, whether a path is one, and how it is read."""

    looks_for: str
    recognises: Callable[[Path], bool]
    read: Callable[[Path], Recording]


#: Formats, in the order in which they are tried.
READERS: tuple[Reader, ...] = (
    Reader("a person's folder of WESAD (S2, with S2.pkl in it)", is_wesad, read_wesad),
    Reader("an export of an Empatica E4 (a zip or folder with BVP.csv in it)", is_e4, read_e4),
    Reader("files of an Empatica EmbracePlus (.avro)", is_embraceplus, read_embraceplus),
    Reader("a file of the Lab Streaming Layer (.xdf)", is_xdf, read_xdf),
)

#: Data sets: the parameter `source` -> what opens the folder, of which <SOURCE>_ROOT in the environment is the name.
COHORTS: dict[str, Callable[[str, Sequence[str]], Cohort]] = {"wesad": open_wesad}

#: Modules of this package that decide what a simulated person looks like.
SIMULATOR_MODULES = ("simulate", "people", "trajectories", "waveforms")


def open_recording(path: str | Path) -> Recording:
    """Read one recording, of whatever format its content shows.

    Parameters
    ----------
    path : path
        A file or folder.

    Returns
    -------
    Recording
        Its ``notes`` say what the reader did.
    """
    path = Path(path).absolute()
    if not path.exists():
        raise InputError(f"{path}: no such file or folder.")
    for reader in READERS:
        if reader.recognises(path):
            return reader.read(path)
    raise InputError(f"{path} is no recording; looked for {', '.join(reader.looks_for for reader in READERS)}.")


def open_cohort(params: Any) -> Cohort:
    """Open the cohort that `params` describes; simulated people are made first if they are not there.

    They are kept in ``outputs/cohorts/<digest>`` of the checkout, by the digest of what they depend on.

    Parameters
    ----------
    params : Params or ChapterParams
        Its group "recordings".

    Returns
    -------
    Cohort
        Of real people from the folder that ``<source>_root`` names, else ``<SOURCE>_ROOT`` in the environment.
    """
    if params.source == "simulated":
        return open_wesad(_simulated_folder(params), params.subjects)
    if params.source not in COHORTS:
        raise InputError(f"`source: {params.source}` is unknown; there are simulated, {', '.join(COHORTS)}.")
    name, variable = f"{params.source}_root", f"{params.source.upper()}_ROOT"
    root = getattr(params, name, "") or os.environ.get(variable, "")
    if not root:
        raise InputError(f"`source: {params.source}` needs the folder of the data set: set {variable} or `{name}`.")
    return COHORTS[params.source](root, params.subjects)


def _simulated_folder(params: Any) -> Path:
    knobs = {
        "n_subjects": params.simulated_subjects,
        "seed": params.simulation_seed,
        "effect_size": params.effect_size,
        "between_person_spread": params.between_person_spread,
        "artefact_rate": params.artefact_rate,
    }
    # The simulator's source belongs to the key: people drawn by an older one are other people.
    source = {module: file_digest(Path(__file__).with_name(f"{module}.py")) for module in SIMULATOR_MODULES}
    folder = project_root() / "outputs" / "cohorts" / digest({**knobs, "source": source})[:16]
    if not folder.is_dir():
        # Needed only here, and slow to import.
        from wesadlib.data.simulate import simulate_cohort

        simulate_cohort(folder, progress=True, **knobs)
    return folder


def describe_source(attrs: Mapping[str, Any]) -> str:
    """One sentence that says whose data `attrs` belong to.

    Parameters
    ----------
    attrs : mapping
        Such as the attributes of windows: ``simulated`` (1 or 0), ``description`` of real people's recordings, and
        ``device`` where one is modelled.
    """
    through = f", seen through the {attrs['device']} device" if "device" in attrs else ""
    if attrs["simulated"]:
        return f"Simulated people{through}: no number computed from them is a finding about people who exist."
    return f"Real people{through}: {attrs['description']}."
