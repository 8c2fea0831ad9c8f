"""What a light install has to do: windows to a prediction and its figure, with none of the heavy packages."""

import tomllib

import minutes
import pytest
from light import COMMAND, run_without

CODE = """
import wesadlib as wl
from pathlib import Path
from wesadlib.data.simulate import simulate_cohort
from wesadlib.params import Params
folder = Path(sys.argv[1])
simulate_cohort(folder / "people", 2, 7)
params = Params(device="wrist", validation_subjects=1)
windows = wl.make_windows(wl.open_wesad(folder / "people"), device="wrist", hop_s=60)
windows = wl.extract_features(wl.assess_quality(windows))
model = wl.fit_final("logistic", windows, params=params)
wl.save_bundle(model, folder / "bundle", windows=windows, params=params)
answers = wl.load_bundle(folder / "bundle").predict(windows)
from wesadlib.plots import signals
print(len(answers))
"""


def heavy_packages(repository):
    """Import names of the packages that only extras bring."""
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = {name for extra in ("network", "serve", "book", "dev") for name in project["optional-dependencies"][extra]}
    bare = {name.split("[")[0].split("=")[0].split("<")[0].split(">")[0] for name in names if "wesadlib" not in name}
    return {name.replace("-", "_") for name in bare - {"anyio", "setuptools", "pillow"}}


def test_from_recordings_to_answers_without_torch_ray_or_a_book(repository, tmp_path):
    done = run_without(heavy_packages(repository), CODE, tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) > 20


@pytest.mark.parametrize("command", [["serve"], ["book", "params/smoke.yaml"]])
def test_a_command_whose_extra_is_not_installed_says_what_installs_it(repository, command):
    done = run_without(("ray", "fastapi", "papermill"), COMMAND, *command, cwd=repository)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert done.stderr.startswith("wesad: ") and "pip install" in done.stderr


def test_a_network_without_torch_is_one_sentence_with_the_command(tmp_path):
    folder = minutes.save_small_bundle("resnet", tmp_path / "bundle", people=3)
    code = "from wesadlib.bundle import load_bundle\nload_bundle(sys.argv[1])"
    sentence = run_without(("torch",), code, folder).stderr.splitlines()[-1]
    assert "the model `resnet` needs torch, which is not installed: run `pip install" in sentence
    assert "[network]" in sentence
