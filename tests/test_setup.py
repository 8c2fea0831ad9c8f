"""The files that set the project up say the same thing."""

import ast
import re
import tomllib
from importlib.metadata import version

import nbformat
import papermill
import pytest
import yaml

from wesadlib.artefacts import ARTEFACTS
from wesadlib.params import read_params
from wesadlib.report.chapters import list_chapters, list_pages


@pytest.fixture
def pins(repository):
    lines = (repository / "requirements.lock").read_text(encoding="utf-8").split()
    assert len({line.split("==")[0] for line in lines}) == len(lines)
    return dict(line.split("==") for line in lines)


def normal(name):
    return re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", name)[0]).lower()


def declared(repository):
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [name for names in project["optional-dependencies"].values() for name in names]
    return [name for name in [*project["dependencies"], *extras] if not name.startswith("wesadlib[")]


def test_pins_name_no_address_and_no_build(repository):
    for name in ("requirements.lock", "pyproject.toml", "environment.yml"):
        text = (repository / name).read_text(encoding="utf-8")
        assert not re.search(r"https?://|--index|--find-links|\+cpu|\+cu", text)


def test_every_declared_package_is_pinned_once_and_installed_so(repository, pins):
    versions = {name: version(name).split("+")[0] for name in map(normal, declared(repository))}
    assert versions == {name: pins.get(name) for name in versions} and pins["torch"] == "2.13.0"


def test_conda_users_get_the_same_set_by_the_same_pins(repository):
    environment = yaml.safe_load((repository / "environment.yml").read_text(encoding="utf-8"))
    makefile = (repository / "Makefile").read_text(encoding="utf-8")
    pip = next(entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    assert pip == ["-c requirements.lock", "-e .[dev]"]
    assert "-c requirements.lock -e '.[dev]'" in makefile
    assert "python=3.11" in environment["dependencies"] and "python3.11" in makefile


def test_continuous_integration_runs_what_the_readme_tells(repository):
    run = (repository / ".ci" / "run").read_text(encoding="utf-8")
    assert "make test" in run and "make test" in (repository / "README.md").read_text(encoding="utf-8")
    assert "bash .ci/run" in (repository / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")


def test_every_page_of_the_table_of_contents_exists(repository):
    for page in list_pages(repository):
        assert any((repository / f"{page}{suffix}").is_file() for suffix in (".md", ".ipynb")), page


@pytest.fixture(scope="module")
def chapters(repository):
    return list_chapters(repository)


def test_chapters_defaults_are_those_of_the_smoke_profile(repository, chapters):
    smoke = read_params(repository / "params" / "smoke.yaml")
    for chapter in chapters:
        for name, found in papermill.inspect_notebook(str(chapter.path)).items():
            default = {} if name == "network" else getattr(smoke, name)
            assert ast.literal_eval(found["default"]) == default, f"{chapter.name}: {name}"


def test_titles_begin_with_their_number_code_fits_a_page_and_outputs_are_kept_in_checked_cells_alone(chapters):
    checked = 0
    for chapter in chapters:
        title, *cells = nbformat.read(chapter.path, as_version=4).cells
        number = chapter.name.split("_")[0]
        assert "appendix" in chapter.name or f"\n# {number} " in f"\n{title.source}", chapter.name
        for cell in cells:
            if cell.cell_type != "code":
                continue
            assert max(map(len, cell.source.splitlines()), default=0) <= 84, "a page is not wider"
            is_checked = "# NBVAL_CHECK_OUTPUT" in cell.source
            assert bool(cell.outputs) == is_checked, f"{chapter.name}: {cell.source[:60]}"
            assert ("keep_output" in cell.metadata.get("tags", [])) == is_checked, chapter.name
            checked += is_checked
    assert checked >= 5


def test_artefacts_are_written_by_the_chapter_that_the_table_names_and_read_by_later_ones(chapters):
    written = {}
    for chapter in chapters:
        assert set(chapter.reads) <= set(written), chapter.name
        written |= dict.fromkeys(chapter.writes, chapter.name)
    assert written == {name: chapter for name, (_, chapter) in ARTEFACTS.items()}


@pytest.mark.parametrize("name", ["LICENSE", "CITATION.cff", "CHANGELOG.md", "CONTRIBUTING.md", "deploy/Dockerfile"])
def test_the_files_that_people_look_for_are_there(repository, name):
    assert (repository / name).stat().st_size > 200
