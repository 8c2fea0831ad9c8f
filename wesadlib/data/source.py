"""The recordings that parameters ask for, and one line that says whose they are."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wesadlib.artefacts import digest, file_digest, project_root
from wesadlib.data.wesad import Cohort, open_wesad
from wesadlib.errors import InputError

#: Modules of this package that decide what a simulated person looks like.
SIMULATOR_MODULES = ("simulate", "people", "questionnaires", "courses", "waveforms")


def open_cohort(params: Any) -> Cohort:
    """Open the cohort that `params` describes; simulated people are made first if they are not there.

    They are kept in ``outputs/cohorts/<digest>`` of the checkout, by the digest of what they depend on.

    Parameters
    ----------
    params : Params or ChapterParams
        Its group "recordings".

    Raises
    ------
    InputError
        When the recordings cannot be opened, or `source` is ``wesad`` and no folder is named.
    """
    if params.source == "wesad":
        root = params.wesad_root or os.environ.get("WESAD_ROOT", "")
        if not root:
            raise InputError("`source: wesad` needs the folder of the data set: set WESAD_ROOT or `wesad_root`.")
        return open_wesad(root, params.subjects)
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
    return open_wesad(folder, params.subjects)


def describe_source(attrs: Mapping[str, Any]) -> str:
    """One sentence that says whose data `attrs` belong to.

    Parameters
    ----------
    attrs : mapping
        With ``simulated`` (1 or 0), such as the attributes of windows, and ``device`` where one is modelled.
    """
    seen = f", seen through the {attrs['device']} device" if "device" in attrs else ""
    if attrs["simulated"]:
        return f"Simulated people{seen}: no number computed from them is a finding about people who exist."
    return f"Real people{seen}: recordings of the WESAD data set (Schmidt et al., 2018)."
