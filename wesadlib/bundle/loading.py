"""A bundle from its folder, as it is or with its networks exported by a process beside this one."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from wesadlib.bundle.example import EXAMPLE_FILE, read_example
from wesadlib.bundle.folder import read_config
from wesadlib.bundle.judge import Judge
from wesadlib.bundle.predict import Bundle
from wesadlib.errors import InputError
from wesadlib.models import MODELS, export_process
from wesadlib.models import load as load_model
from wesadlib.models.predictor import check_engine

#: Most seconds that exporting may take.
EXPORT_S = 300.0


def load_bundle(folder: str | Path, engine: str = "eager", threads: int = 1) -> Bundle:
    """Check a bundle's digests and load it.

    Parameters
    ----------
    folder : path
    engine : str
        What runs networks: one of :data:`wesadlib.models.predictor.ENGINES`. The files are the same for each. For
        ``openvino`` another process makes the networks' exported form from them and holds it against the models on the
        bundle's own example; this one then loads no torch.
    threads : int
        How many threads compute, which callers that ask at the same time share.

    Raises
    ------
    InputError
        When the folder is no bundle, or a file is missing, added or not the one that was saved; names the file. When
        the engine is unknown, does not answer as the model itself, or the exported form cannot be made.
    """
    check_engine(engine)
    config = read_config(folder)
    folder = Path(folder).resolve()
    if engine == "eager":
        return _assemble(folder, config, folder, engine, threads)
    with tempfile.TemporaryDirectory(prefix="wesad-") as forms:
        _export(folder, config, forms, engine)
        bundle = _assemble(folder, config, Path(forms), engine, threads)
        # Networks are compiled before anybody asks.
        _ = bundle.feature_names
        return bundle


def _assemble(folder: Path, config: dict[str, Any], forms: Path, engine: str, threads: int) -> Bundle:
    rested = load_model(forms / "rested") if config["rest"] else None
    return Bundle(folder, config, load_model(forms / "model"), rested, engine, threads)


def _export(folder: Path, config: dict[str, Any], forms: str, engine: str) -> None:
    parts = ["model", "rested"] if config["rest"] else ["model"]
    arguments = [str(folder), forms, engine, json.dumps(MODELS), *parts]
    command = [sys.executable, "-P", "-m", export_process.__name__, *arguments]
    # It finds modules where this process does, and leaves the other cores to others.
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    silent = dict.fromkeys(("stdout", "stderr"), subprocess.DEVNULL)
    failed = f"{folder}: its networks could not be exported for the engine `{engine}`"
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, **silent) as process:
        try:
            # While it imports torch.
            judge = Judge(config, {}, read_example(folder / EXAMPLE_FILE), 1)
            names = list(config["channels"]), list(judge.feature_names)
            process.communicate(export_process.pack(*judge.trial(), *names), EXPORT_S)
        except subprocess.TimeoutExpired:
            raise InputError(f"{failed} within {EXPORT_S:g} s; choose the engine `eager`.") from None
        finally:
            process.kill()
    refusal = Path(forms) / export_process.REFUSAL_FILE
    if refusal.exists():
        raise InputError(refusal.read_text(encoding="utf-8"))
    if process.returncode:
        raise InputError(f"{failed} (exit status {process.returncode}); choose the engine `eager`.")
