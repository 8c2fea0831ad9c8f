"""The process that exports saved models, so that the one that asks for them needs no torch.

``python -m wesadlib.models.export_process FOLDER FORMS ENGINE MODELS PART...``: each part, a folder of FOLDER that has
a saved model, is exported to the same name in FORMS, and held against the model itself on arrays that the standard
input brings. ENGINE is what will run the forms, to be named; MODELS the registry as JSON.
"""

import io
import json
import os
import sys
from pathlib import Path

import numpy as np

from wesadlib.errors import InputError
from wesadlib.models import load, register
from wesadlib.models.predictor import check_answers

#: Where among the forms it says in one sentence why it refuses.
REFUSAL_FILE = "refusal.txt"


def pack(signal: np.ndarray, feature: np.ndarray, channels: list[str], feature_names: list[str]) -> bytes:
    """Write what the process reads from its standard input.

    Parameters
    ----------
    signal : ndarray (window, channel, time)
    feature : ndarray (window, feature_name)
    channels, feature_names : list of str
        Names along these.
    """
    written = io.BytesIO()
    np.savez(written, signal=signal, feature=feature, channels=channels, feature_names=feature_names)
    return written.getvalue()


def export_parts(folder: Path, forms: Path, engine: str, parts: list[str]) -> None:
    """Export saved models and check their answers.

    Parameters
    ----------
    folder, forms : path
        Where models are, and where their forms are written.
    engine : str
        What will run networks, to be named.
    parts : list of str
        Names of folders in both.

    Raises
    ------
    InputError
        When a model cannot be loaded, or its form does not answer as the model itself.
    """
    # Needed in the process alone, and it imports torch.
    from wesadlib.models.exporting import export

    saved = [load(folder / part) for part in parts]
    for part, model in zip(parts, saved, strict=True):
        export(model, forms / part)
    arrays = np.load(io.BytesIO(sys.stdin.buffer.read()))
    names = [arrays[name].tolist() for name in ("channels", "feature_names")]
    for part, model in zip(parts, saved, strict=True):
        predictors = [one.predictor(*names) for one in (load(forms / part), model)]
        check_answers(*predictors, arrays["signal"], arrays["feature"], engine)


def main(folder: str, forms: str, engine: str, models: str, *parts: str) -> int:
    """Export, and give the process's exit status; a refusal is left in a file beside what is written."""
    for name, home in json.loads(models).items():
        register(name, home)
    try:
        export_parts(Path(folder), Path(forms), engine, list(parts))
    except InputError as error:
        (Path(forms) / REFUSAL_FILE).write_text(str(error), encoding="utf-8")
        return 1
    return 0


if __name__ == "__main__":
    # All is written; to take down what was imported would take as long again as half of its import.
    os._exit(main(*sys.argv[1:]))
