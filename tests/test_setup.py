"""The files that set the project up say the same thing."""

import ast
import re
import tomllib

import nbformat
import pytest
import yaml


def lock(repository):
    lines = (repository / "requirements.lock").read_text(encoding="utf-8").split()
    return dict(line.split("==") for line in lines)


def normal(name):
    return re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", name)[0]).lower()


def declared(repository):
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [name for names in project["optional-dependencies"].values() for name in names]
    return [name for name in [*project["dependencies"], *extras] if not name.startswith("wesadlib[")]


def test_every_declared_package_is_pinned_once(repository):
    text = (repository / "requirements.lock").read_text(encoding="utf-8")
    pins = lock(repository)
    assert len(pins) == len(text.split())
    assert [name for name in map(normal, declared(repository)) if name not in pins] == []
    assert pins["torch"] == "2.13.0"


def test_pins_name_no_address_and_no_build(repository):
    for name in ("requirements.lock", "pyproject.toml", "environment.yml"):
        text = (repository / name).read_text(encoding="utf-8")
        assert not re.search(r"https?://|--index|--find-links|\+cpu|\+cu", text)


def test_the_installed_packages_are_the_pinned_ones(repository):
    from importlib.metadata import version

    pins = lock(repository)
    differing = {name: version(name) for name in map(normal, declared(repository))}
    assert {name: found for name, found in differing.items() if found.split("+")[0] != pins[name]} == {}


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
    from wesadlib.report.chapters import list_pages

    for page in list_pages(repository):
        assert any((repository / f"{page}{suffix}").is_file() for suffix in (".md", ".ipynb")), page


def notebooks(repository):
    from wesadlib.report.chapters import list_chapters

    return list_chapters(repository)


def test_chapters_defaults_are_those_of_the_smoke_profile(repository):
    import papermill

    from wesadlib.params import read_params

    smoke = read_params(repository / "params" / "smoke.yaml")
    for chapter in notebooks(repository):
        for name, found in papermill.inspect_notebook(str(chapter.path)).items():
            default = {} if name == "network" else getattr(smoke, name)
            assert ast.literal_eval(found["default"]) == default, f"{chapter.name}: {name}"


def test_outputs_are_kept_in_checked_cells_and_nowhere_else(repository):
    checked = 0
    for chapter in notebooks(repository):
        for cell in nbformat.read(chapter.path, as_version=4).cells:
            if cell.cell_type != "code":
                continue
            is_checked = "# NBVAL_CHECK_OUTPUT" in cell.source
            assert bool(cell.outputs) == is_checked, f"{chapter.name}: {cell.source[:60]}"
            assert ("keep_output" in cell.metadata.get("tags", [])) == is_checked, chapter.name
            checked += is_checked
    assert checked >= 5


def test_a_chapters_title_begins_with_its_number(repository):
    for chapter in notebooks(repository):
        if "appendix" not in chapter.name:
            title = nbformat.read(chapter.path, as_version=4).cells[0].source
            assert f"\n# {chapter.name.split('_')[0]} " in f"\n{title}", chapter.name


def test_no_line_of_code_is_longer_than_a_page_is_wide(repository):
    lines = [
        f"{chapter.name}: {line}"
        for chapter in notebooks(repository)
        for cell in nbformat.read(chapter.path, as_version=4).cells
        for line in (cell.source.splitlines() if cell.cell_type == "code" else ())
        if len(line) > 84
    ]
    assert lines == []


def test_artefacts_are_written_by_the_chapter_that_the_table_names(repository):
    from wesadlib.artefacts import ARTEFACTS

    written = {name: chapter.name for chapter in notebooks(repository) for name in chapter.writes}
    assert written == {name: chapter for name, (_, chapter) in ARTEFACTS.items()}


def test_chapters_read_only_what_earlier_chapters_wrote(repository):
    seen = set()
    for chapter in notebooks(repository):
        assert set(chapter.reads) <= seen, chapter.name
        seen |= set(chapter.writes)


@pytest.mark.parametrize("name", ["LICENSE", "CITATION.cff", "CHANGELOG.md", "CONTRIBUTING.md", "deploy/Dockerfile"])
def test_the_files_that_people_look_for_are_there(repository, name):
    assert (repository / name).stat().st_size > 200
