"""What a light install has to do: windows to a prediction and its figure, with none of the heavy packages."""

import subprocess
import sys
import tomllib

import pytest

CODE = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in HEAVY:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name.split(".")[0])
sys.meta_path.insert(0, Refuse())
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
print(len(answers), [name for name in sys.modules if name.split(".")[0] in HEAVY])
"""


def heavy_packages(repository):
    """Import names of the packages that only extras bring."""
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = {name for extra in ("network", "serve", "book", "dev") for name in project["optional-dependencies"][extra]}
    bare = {name.split("[")[0].split("=")[0].split("<")[0].split(">")[0] for name in names if "wesadlib" not in name}
    return {name.replace("-", "_") for name in bare - {"anyio", "setuptools", "pillow"}}


def test_from_recordings_to_answers_without_torch_ray_or_a_book(repository, tmp_path):
    code = f"HEAVY = {sorted(heavy_packages(repository))!r}\n{CODE}"
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    answers, loaded = done.stdout.split(maxsplit=1)
    assert int(answers) > 20 and loaded.strip() == "[]"


@pytest.mark.parametrize("command", [["serve"], ["book", "params/smoke.yaml"]])
def test_a_command_whose_extra_is_not_installed_says_what_installs_it(repository, command):
    code = (
        "import sys\n"
        "class Refuse:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in ('ray', 'fastapi', 'papermill'):\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name.split('.')[0])\n"
        "sys.meta_path.insert(0, Refuse())\n"
        f"sys.argv = ['wesad', *{command!r}]\n"
        "from wesadlib.cli import main\nmain()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=repository)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert done.stderr.startswith("wesad: ") and "pip install" in done.stderr
