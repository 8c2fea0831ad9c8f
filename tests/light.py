"""Programs where some packages are not installed."""

import subprocess
import sys
from collections.abc import Iterable

REFUSE = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {absent!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name.split(".")[0])
sys.meta_path.insert(0, Refuse())
"""
COMMAND = "from wesadlib.cli import main\nmain()"


def run_without(absent: Iterable[str], code: str, *arguments: object, **options: object) -> subprocess.CompletedProcess:
    """Run code in a process of its own, in which these packages cannot be imported."""
    command = [sys.executable, "-c", REFUSE.format(absent=sorted(absent)) + code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, **options)
