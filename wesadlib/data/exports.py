"""Simulated people as the exports of a device."""

import tempfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from wesadlib.artefacts import replacing
from wesadlib.data.e4 import write_e4
from wesadlib.data.embraceplus import write_embraceplus
from wesadlib.data.simulate import simulate_cohort
from wesadlib.data.wesad import open_wesad

#: When the first person's export begins; each next one's a day later.
FIRST_DAY = datetime(2024, 1, 8, 9, tzinfo=UTC)


def simulate_exports(root: str | Path, form: str, n_subjects: int, seed: int, **knobs: Any) -> Path:
    """Write the wrists of :func:`simulate_cohort`'s people as a device does: `form` is ``e4`` or ``embraceplus``."""
    write = {"e4": write_e4, "embraceplus": write_embraceplus}[form]
    with tempfile.TemporaryDirectory() as folder, replacing(root) as partial:
        cohort = open_wesad(simulate_cohort(Path(folder) / "cohort", n_subjects, seed, **knobs))
        partial.mkdir(parents=True)
        for day, recording in enumerate(cohort):
            # Nobody begins in 1970.
            dated = replace(recording, start=FIRST_DAY + timedelta(days=day))
            write(dated, partial / (f"{recording.subject}.zip" if form == "e4" else recording.subject))
    return Path(root)
