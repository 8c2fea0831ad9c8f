"""Compiled loops stay inside their arrays, whatever a request sends, and follow their source."""

import os
import subprocess
import sys
from pathlib import Path

from wesadlib.compiled import cache_folder


def test_no_compiled_function_reads_or_writes_beside_its_arrays(tmp_path):
    environment = os.environ | {"NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-W", "ignore", Path(__file__).with_name("bounds.py")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.stdout == "whole\n", done.stderr[-2000:]


def test_what_was_compiled_is_not_used_when_a_module_with_loops_changes(tmp_path):
    (tmp_path / "rooms").mkdir()
    loops, other = tmp_path / "rooms" / "loops.py", tmp_path / "other.py"
    loops.write_text("from wesadlib.compiled import compiled\n")
    other.write_text("1\n")
    before = cache_folder(tmp_path)
    other.write_text("2\n")
    assert cache_folder(tmp_path) == before
    loops.write_text("from wesadlib.compiled import compiled\n\n")
    assert cache_folder(tmp_path) != before
    loops.rename(tmp_path / "loops.py")
    assert cache_folder(tmp_path) != before


def test_compiled_functions_of_one_module_follow_another(tmp_path):
    package = tmp_path / "wesadlib"
    package.mkdir()
    for name in ("__init__", "errors"):
        (package / f"{name}.py").write_text("")
    (package / "compiled.py").write_text(Path(sys.modules["wesadlib.compiled"].__file__).read_text())
    (package / "upper.py").write_text(
        "from wesadlib.compiled import compiled\nfrom wesadlib.lower import one\n\n\n"
        "@compiled\ndef two():\n    return 2 * one()\n"
    )
    found = []
    for value in (1, 5):
        (package / "lower.py").write_text(
            f"from wesadlib.compiled import compiled\n\n\n@compiled\ndef one():\n    return {value}\n"
        )
        environment = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
        command = [sys.executable, "-c", "from wesadlib.upper import two; print(two())"]
        done = subprocess.run(
            command, env=environment | {"PYTHONPATH": str(tmp_path)}, cwd=tmp_path, capture_output=True, text=True
        )
        found.append(done.stdout.strip() or done.stderr)
    assert found == ["2", "10"]
    assert len(list((package / "__pycache__").glob("compiled-*"))) == 1
