"""The rooms of the library: who may import whom, and which packages stay where they belong."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ORDER = (
    "errors",
    "params",
    "artefacts",
    "data",
    "signals",
    "quality",
    "features",
    "models",
    "evaluation",
    "explain",
    "drift",
    "bundle",
    "plots",
    "serving",
    "report",
    "cli",
)

HOMES = {
    "matplotlib": ("plots",),
    "seaborn": ("plots",),
    "fastapi": ("serving",),
    "ray": ("serving", "evaluation/workers.py"),
    "torch": ("models", "explain.py"),
    "captum": ("explain.py",),
    "prometheus_client": ("serving",),
    "websockets": ("serving",),
    "papermill": ("report",),
    "nbformat": ("report",),
    "pickle": ("data/pickles.py", "data/simulate.py"),
}


def modules(repository: Path) -> list[Path]:
    return sorted((repository / "wesadlib").rglob("*.py"))


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def test_modules_import_only_from_the_rooms_below(repository):
    wrong = []
    for path in modules(repository):
        parts = path.relative_to(repository / "wesadlib").with_suffix("").parts
        if parts[0] == "__init__":
            continue
        rank = ORDER.index(parts[0])
        for name in imported(path):
            match = re.fullmatch(r"wesadlib\.(\w+).*", name)
            if match and match[1] in ORDER and ORDER.index(match[1]) > rank:
                wrong.append(f"{path.name} imports {name}")
    assert wrong == []


def import_graph(repository: Path) -> dict[str, set[str]]:
    """Module -> modules of the library that it imports anywhere in it, for types too."""
    package = repository / "wesadlib"
    names = {
        ".".join(["wesadlib", *path.relative_to(package).with_suffix("").parts]).removesuffix(".__init__"): path
        for path in modules(repository)
    }
    graph = {}
    for name, path in names.items():
        others = {other for other in imported(path) if other in names} - {name}
        # Of `from wesadlib.data import pickles` the module is what is imported, not the room around it.
        rooms = {other.rpartition(".")[0] for other in others if other.count(".") > 1}
        graph[name] = {other for other in others if other not in rooms or other in _named(path, names)}
    return graph


def _named(path: Path, names: dict[str, Path]) -> set[str]:
    """Rooms of which a module imports names that are no modules."""
    return {
        node.module
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom)
        and node.module in names
        and any(f"{node.module}.{alias.name}" not in names for alias in node.names)
    }


def find_circle(graph: dict[str, set[str]]) -> list[str]:
    """Modules that import each other in a circle, empty where none do: what is left when leaves are taken away."""
    left = dict(graph)
    while leaves := [name for name, others in left.items() if not others & set(left)]:
        for name in leaves:
            del left[name]
    while roots := [name for name in left if not any(name in others for others in left.values())]:
        for name in roots:
            del left[name]
    return sorted(left)


def test_a_circle_is_found():
    assert find_circle({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == ["b", "c"]
    assert find_circle({"a": {"b"}, "b": set()}) == []


def test_no_modules_import_each_other_in_a_circle(repository):
    assert find_circle(import_graph(repository)) == []


def test_every_module_has_a_room(repository):
    rooms = {path.relative_to(repository / "wesadlib").with_suffix("").parts[0] for path in modules(repository)}
    assert rooms - {"__init__"} <= set(ORDER)


@pytest.mark.parametrize(("package", "homes"), HOMES.items())
def test_packages_are_imported_only_where_they_belong(repository, package, homes):
    wrong = [
        str(path)
        for path in modules(repository)
        if any(name.split(".")[0] == package for name in imported(path))
        and not path.relative_to(repository / "wesadlib").as_posix().startswith(homes)
    ]
    assert wrong == []


def test_importing_the_library_loads_nothing_heavy():
    code = (
        "import sys, wesadlib; print([m for m in ('torch','ray','matplotlib','pandas','xarray') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_every_public_name_of_the_package_exists():
    import wesadlib

    for name in wesadlib.__all__:
        assert getattr(wesadlib, name) is not None
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = wesadlib.no_such_name
