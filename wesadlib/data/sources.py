"""Where recordings come from: the readers, the data sets, and the simulated people that parameters ask for."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from wesadlib.artefacts import digest, file_digest, project_root
from wesadlib.data.cohort import Cohort
from wesadlib.data.e4 import is_e4, read_e4
from wesadlib.data.embraceplus import find_files, read_embraceplus
from wesadlib.data.hongn import open_hongn
from wesadlib.data.recording import Recording
from wesadlib.data.stress_predict import open_stress_predict
from wesadlib.data.wesad import find_cohort, is_cohort, is_wesad, open_wesad, read_wesad
from wesadlib.data.xdf import is_xdf, read_xdf
from wesadlib.errors import InputError
from wesadlib.params import data_root

#: Formats in the order in which they are tried: what is looked for -> whether a path is one, and what reads it.
READERS: dict[str, tuple[Callable[[Path], Any], Callable[[Path], Recording]]] = {
    "a person's folder of WESAD (S2, with S2.pkl in it)": (is_wesad, read_wesad),
    "an export of an Empatica E4 (a zip or folder with BVP.csv in it)": (is_e4, read_e4),
    "files of an Empatica EmbracePlus (.avro)": (find_files, read_embraceplus),
    "a file of the Lab Streaming Layer (.xdf)": (is_xdf, read_xdf),
}

#: Data sets: the parameter `source` -> what opens the folder, of which <SOURCE>_ROOT in the environment is the name,
#: and a folder of it that shows whose it is.
COHORTS: dict[str, tuple[Callable[[str | Path, Sequence[str]], Cohort], str]] = {
    "wesad": (open_wesad, ""),
    "stress-predict": (open_stress_predict, "Raw_data"),
    "hongn": (open_hongn, "Wearable_Dataset"),
}

#: Modules of this package that decide what a simulated person looks like.
SIMULATOR_MODULES = ("simulate", "people", "trajectories", "waveforms")


def open_recording(path: str | Path) -> Recording:
    """Read one recording, a file or folder of whatever format its content shows; ``notes`` say what was done to it."""
    path = Path(path).absolute()
    if not path.exists():
        raise InputError(f"{path}: no such file or folder.")
    formats = [name for name, (recognises, _) in READERS.items() if recognises(path)]
    if not formats:
        raise InputError(f"{path} is no recording; looked for {', '.join(READERS)}; a table needs --columns.")
    # A person's folder of WESAD holds the export of an E4 beside what was made of it.
    if len(formats) > 1 and not is_wesad(path):
        raise InputError(f"{path} holds {' and '.join(formats)}; give one device's files at a time.")
    return READERS[formats[0]][1](path)


def cohort_of(root: Path) -> Cohort | None:
    """The cohort whose official layout a folder has, whether or not everybody's files are there."""
    for opens, folder in COHORTS.values():
        if folder and (root / folder).is_dir():
            return opens(root, ())
    return find_cohort(root) if is_cohort(root) else None


def open_cohort(params: Any) -> Cohort:
    """Open the cohort that `params` describes; simulated people are made first if they are not there.

    These are kept in ``outputs/cohorts/<digest>`` of the checkout, by the digest of what they depend on. Real people
    are in the folder that ``<source>_root`` names, else ``<SOURCE>_ROOT`` in the environment.
    """
    if params.source == "simulated":
        return open_wesad(_simulated_folder(params), params.subjects)
    return COHORTS[params.source][0](data_root(params)[1], params.subjects)


def _simulated_folder(params: Any) -> Path:
    knobs = {name: getattr(params, name) for name in ("effect_size", "between_person_spread", "artefact_rate")}
    knobs |= {"n_subjects": params.simulated_subjects, "seed": params.simulation_seed}
    # The simulator's source belongs to the key: people drawn by an older one are other people.
    source = {module: file_digest(Path(__file__).with_name(f"{module}.py")) for module in SIMULATOR_MODULES}
    folder = project_root() / "outputs" / "cohorts" / digest({**knobs, "source": source})[:16]
    if not folder.is_dir():
        # Needed only here, and slow to import.
        from wesadlib.data.simulate import simulate_cohort

        simulate_cohort(folder, progress=True, **knobs)
    return folder


def describe_source(attrs: Mapping[str, Any]) -> str:
    """One sentence that says whose data `attrs`, such as those of windows, belong to.

    They hold ``simulated`` (1 or 0), ``description`` of real people's recordings, and ``device`` where one is modelled.
    """
    through = f", {attrs['device']} device" if "device" in attrs else ""
    if attrs["simulated"]:
        return f"Simulated people{through}: no result on them says anything about real people."
    return f"Real people{through}: {attrs['description']}."
