"""People's recordings, of which one at a time is in memory; cohorts of several laboratories as one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from wesadlib.artefacts import digest, file_digest
from wesadlib.data.recording import Recording
from wesadlib.errors import InputError


@dataclass(frozen=True, eq=False)
class Cohort(Sequence[Recording]):
    """The recordings of people, by their names, in a folder: a sequence that loads one when asked and keeps none."""

    root: Path
    subjects: list[str]
    load: Callable[[str], Recording] = field(repr=False)
    #: Name -> the files that `load` reads.
    files: Callable[[str], Sequence[Path]] = field(repr=False)
    #: Whose recordings they are, such as "recordings of the WESAD data set".
    description: str
    #: The states that windows are made of.
    states: tuple[str, ...]
    #: Whether these people do not exist.
    simulated: bool = False
    #: What people are named by beside those of other cohorts.
    name: str = ""
    #: Of joined cohorts: their names and folders.
    roots: tuple[tuple[str, Path], ...] = ()

    @property
    def attrs(self) -> dict[str, Any]:
        """What is said of the cohort wherever its data go: ``simulated`` (1 or 0) and ``description``."""
        return {"simulated": int(self.simulated), "description": self.description}

    def __len__(self) -> int:
        return len(self.subjects)

    def __getitem__(self, index: int | str) -> Recording:
        """Load the recording at a position or of a name."""
        return self.load(self.subjects[index] if isinstance(index, int) else self.choose([index]).subjects[0])

    def choose(self, subjects: Sequence[str]) -> "Cohort":
        """The cohort of these people alone, in the cohort's order; nothing is loaded."""
        if absent := [subject for subject in subjects if subject not in self.subjects]:
            raise InputError(f"{self.root}: no subject {absent[0]}; there are {', '.join(self.subjects)}.")
        return replace(self, subjects=[subject for subject in self.subjects if subject in subjects])

    def manifest(self) -> dict[str, Any]:
        """Digest over paths and SHA-256 of the files, which are read whole; simulated, subjects, and these files."""
        files = []
        for path in [path for subject in self.subjects for path in self.files(subject)]:
            status = path.stat()
            sha256 = _digest_of_version(path, status.st_size, status.st_mtime_ns)
            name, root = next((item for item in self.roots if path.is_relative_to(item[1])), ("", self.root))
            place = f"{name}/{path.relative_to(root).as_posix()}".removeprefix("/")
            files.append({"path": place, "bytes": status.st_size, "sha256": sha256})
        return {
            "digest": digest([[file["path"], file["sha256"]] for file in files]),
            "simulated": self.simulated,
            "subjects": list(self.subjects),
            "files": files,
        }

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the names and digests of the files of these people."""
        return self.manifest()["digest"]


#: Labels of a cohort that says no groups -> the group of other cohorts that they are.
GROUPS = {"baseline": "rest", "stress": "stress", **dict.fromkeys(("amusement", "meditation"), "other")}


def join(cohorts: Sequence[Cohort]) -> Cohort:
    """Join cohorts of several laboratories, each of another name, to one, whose people are ``<cohort>/<person>``.

    Labels are groups of phases (``rest stress provocation exercise other``) with the phase's own name in ``phase``;
    WESAD's states become groups, of which its baseline is ``rest``. Windows are made of all groups but ``other``.
    """
    members = {cohort.name: cohort for cohort in cohorts}
    if len(members) < len(cohorts) or not cohorts or "" in members:
        names = ", ".join(cohort.name or "without a name" for cohort in cohorts)
        raise InputError(f"cohorts {names}: to be joined each needs a name of its own.")

    def load(subject: str) -> Recording:
        name, _, person = subject.partition("/")
        recording = members[name].load(person)
        labels = recording.labels
        if "phase" not in labels:
            labels = labels.assign(phase=labels["state"], state=labels["state"].map(GROUPS).fillna("other"))
        return replace(recording, subject=subject, labels=labels)

    states = dict.fromkeys(GROUPS.get(state, state) for cohort in cohorts for state in cohort.states)
    return Cohort(
        root=cohorts[0].root,
        subjects=[f"{name}/{subject}" for name, cohort in members.items() for subject in cohort.subjects],
        load=load,
        files=lambda subject: members[subject.partition("/")[0]].files(subject.partition("/")[2]),
        description="; ".join(cohort.description for cohort in cohorts),
        states=tuple(state for state in states if state != "other"),
        simulated=any(cohort.simulated for cohort in cohorts),
        name="+".join(members),
        roots=tuple((name, cohort.root) for name, cohort in members.items()),
    )


@cache
def _digest_of_version(path: Path, size: int, modified_ns: int) -> str:
    # The official pickles are 15 GB: in one process each is hashed once, unless it changes.
    return file_digest(path)
