"""What the name of a kept fold follows from."""

import inspect
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import stub_models

from wesadlib import models
from wesadlib.evaluation import folds, resume
from wesadlib.evaluation.folds import Job
from wesadlib.evaluation.splits import Fold
from wesadlib.models.resnet import ResNet
from wesadlib.params import Params

MODELS = Path(models.__file__).parent


def sources(path):
    return {file.name for file in resume._sources(path)}


def test_a_models_sources_are_its_own_module_and_those_that_it_imports():
    assert sources(MODELS / "tabular.py") == {"folds.py", "tabular.py", "base.py"}
    assert "training.py" in sources(MODELS / "resnet.py") and "tabular.py" not in sources(MODELS / "resnet.py")
    assert sources(Path(stub_models.__file__)) == {"folds.py", "stub_models.py"}


def test_no_module_that_a_model_runs_is_overlooked():
    names = ["tabular", "resnet"]
    # Each as if it were the first, with the libraries that they share imported once.
    script = (
        "import importlib, sys\n"
        "ours = lambda: [name for name in sys.modules if name.startswith('wesadlib.models.')]\n"
        f"for name in {names}:\n"
        "    [sys.modules.pop(other) for other in ours()]\n"
        "    importlib.import_module(f'wesadlib.models.{name}')\n"
        "    print(*ours())\n"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    for name, imported in zip(names, run.stdout.splitlines(), strict=True):
        files = {f"{module.rpartition('.')[2]}.py" for module in imported.split()}
        assert files | {"folds.py"} == sources(MODELS / f"{name}.py")


def test_another_models_source_leaves_a_models_digest_and_its_own_changes_it(tmp_path):
    copies = tmp_path / "models"
    shutil.copytree(MODELS, copies)

    def digests():
        resume._source_digest.cache_clear()
        return {name: resume._source_digest(copies / f"{name}.py") for name in ("tabular", "resnet")}

    def changed_by(file):
        before = digests()
        with open(copies / file, "a") as source:
            source.write("\nCHANGED = True\n")
        return {name for name, value in digests().items() if value != before[name]}

    assert changed_by("mean.py") == set()
    assert changed_by("tabular.py") == {"tabular"}
    assert changed_by("network.py") == {"resnet"}
    assert changed_by("base.py") == {"tabular", "resnet"}
    resume._source_digest.cache_clear()


def test_the_recipe_of_a_fold_is_part_of_every_digest():
    for path in (MODELS / "tabular.py", Path(stub_models.__file__)):
        assert Path(inspect.getfile(folds)) in resume._sources(path)


def test_a_file_is_named_by_all_that_a_folds_numbers_follow_from(tmp_path):
    parts = [np.arange(k, k + 3) for k in (0, 3, 6, 9)]

    def name(model="resnet", protocol="cold_start", seed=0, parts=parts, content="0" * 64, prototype=None, **values):
        prototype = ResNet.from_params(Params(**values)) if prototype is None else prototype
        fold = Fold("groups 0+1", *parts[:3], calibration=parts[3])
        return resume.fold_file(tmp_path, Job(model, protocol, seed, fold), prototype, content).name

    names = [
        name(),
        name(protocol="rest_calibrated"),
        name(seed=1),
        name(content="1" * 64),
        name(parts=[parts[1], parts[0], *parts[2:]]),
        name(parts=[*parts[:3], np.empty(0, int)]),
        name(parts=[np.arange(2), np.arange(2, 6), *parts[2:]]),
        *(
            name(**{key: value})
            for key, value in [("width", 8), ("epochs", 7), ("dropout", 0.3), ("learning_rate", 0.1)]
        ),
        name(classes=["stress", "baseline"]),
        name(prototype=stub_models.Centroid(["baseline", "stress"])),
    ]
    assert len(set(names)) == len(names)
    assert name(requests=7, bootstrap=300, seeds=[4], rest_minutes=4) == names[0]
    assert names[0].startswith("resnet-cold_start-seed0-groups_0+1-") and names[0].endswith(".parquet")
