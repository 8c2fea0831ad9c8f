"""The runner on a small project of its own: two chapters, the second of which reads what the first wrote."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import papermill
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from wesadlib.errors import BookError, InputError
from wesadlib.params import Params
from wesadlib.report.chapters import Chapter, list_chapters, read_records
from wesadlib.report.runner import next_chapter, run_chapters

SETUP = """
import pandas as pd
from wesadlib.artefacts import open_run
from wesadlib.params import chapter_params
params = chapter_params(globals())
chapter = open_run(params.run)
"""


def write_chapter(root, name, *sources, parameters='run = "smoke"', **declared):
    """A chapter of a cell of parameters, the set-up that every chapter has, and these cells."""
    notebook = new_notebook(
        cells=[
            new_markdown_cell(f"(ch:{name})=\n# {name}"),
            new_code_cell(parameters, metadata={"tags": ["parameters"]}),
            *map(new_code_cell, [SETUP, *sources]),
        ],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )
    notebook.metadata["wesad"] = declared
    (root / "book").mkdir(exist_ok=True)
    nbformat.write(notebook, root / "book" / f"{name}.ipynb")


@pytest.fixture
def project(tmp_path):
    (tmp_path / "_toc.yml").write_text(
        "format: jb-book\nroot: book/intro\nparts:\n- caption: Part\n  chapters:\n"
        "  - file: book/11_first\n  - file: book/12_second\n"
    )
    first = 'chapter.write_table("cohort", pd.DataFrame({"width": [params.width]}))'
    write_chapter(tmp_path, "11_first", first, parameters='run = "smoke"\nwidth = 4', writes=["cohort"])
    second = 'chapter.write_table("history", chapter.read_table("cohort").assign(epochs=params.epochs))'
    parameters = 'run = "smoke"\nepochs = 3'
    write_chapter(tmp_path, "12_second", second, parameters=parameters, reads=["cohort"], writes=["history"])
    return tmp_path


@pytest.fixture
def without_kernel(monkeypatch):
    """Chapters run in this process: what decides whether they run is the same, and no kernel has to start."""

    def execute(source, target, *, parameters, cwd, **_):
        notebook, namespace = nbformat.read(source, as_version=4), {}
        with contextlib.chdir(cwd):
            for cell in notebook.cells:
                if cell.cell_type == "code":
                    exec(cell.source, namespace)
                if "parameters" in cell.metadata.get("tags", ()):
                    namespace.update(parameters)
        nbformat.write(notebook, target)

    monkeypatch.setattr(papermill, "execute_notebook", execute)


def executed(run):
    return [name for name, record in read_records(run).items() if not record["from_cache"]]


def test_a_chapter_that_calls_a_plot_and_shows_none_is_an_error(project, without_kernel):
    write_chapter(project, "12_second", "def plot_nothing():\n    pass\n\n\nplot_nothing()")
    with pytest.raises(BookError, match=r"^chapter 12_second calls plots and shows no figure.*12_second\.failed"):
        run_chapters(Params(), project)
    assert not (project / "outputs" / "smoke" / "notebooks" / "12_second.ipynb").exists()


def test_chapters_run_in_order_and_again_only_what_depends_on_a_change(project, without_kernel):
    run = run_chapters(Params(width=8), project)
    assert executed(run) == ["11_first", "12_second"]
    assert run.read_table("history").to_dict("records") == [{"width": 8, "epochs": 3}]

    assert executed(run_chapters(Params(width=8), project)) == []
    # Only the second chapter names `epochs`.
    assert executed(run_chapters(Params(width=8, epochs=5), project)) == ["12_second"]
    # The second chapter reads what the first makes of `width`.
    assert executed(run_chapters(Params(width=9, epochs=5), project)) == ["11_first", "12_second"]
    assert run.read_table("history").to_dict("records") == [{"width": 9, "epochs": 5}]
    # A parameter that no chapter names changes nothing; a damaged artefact is made again.
    assert executed(run_chapters(Params(width=9, epochs=5, dropout=0.5), project)) == []
    run.path("history").write_bytes(b"damaged")
    assert executed(run_chapters(Params(width=9, epochs=5), project)) == ["12_second"]


def test_chosen_chapters_and_forcing(project, without_kernel):
    with pytest.raises(InputError, match="chapter 11_cohort makes it"):
        run_chapters(Params(), project, only=["12_second"])
    run = run_chapters(Params(), project)
    assert executed(run_chapters(Params(), project, force=True, only=["12"])) == ["12_second"]
    assert executed(run_chapters(Params(), project, force=True, start="12_second")) == ["12_second"]
    with pytest.raises(InputError, match="no chapter `13`; there are 11_first, 12_second"):
        run_chapters(Params(), project, only=["13"])
    assert run.folder == project / "outputs" / "smoke"


def test_an_artefact_of_another_run_is_refused_and_made_again_by_the_whole_book(project, without_kernel):
    run = run_chapters(Params(width=8), project)
    other = run_chapters(Params(run="other", width=16), project)
    shutil.copy(other.path("cohort"), run.path("cohort"))
    before = run.path("history").read_bytes()
    with pytest.raises(
        InputError, match=r"smoke/artefacts/cohort\.parquet is not what chapter 11_first of `smoke` wrote"
    ):
        run_chapters(Params(width=8), project, only=["12"])
    assert run.path("history").read_bytes() == before
    assert executed(run_chapters(Params(width=8), project)) == ["11_first"]
    assert run.read_table("cohort")["width"].tolist() == [8]


def test_a_page_that_is_not_of_the_run_as_it_is_says_what_was_and_what_is(project, without_kernel, capsys):
    run = run_chapters(Params(width=8, epochs=2), project)
    assert capsys.readouterr().out.count("does not show this run") == 0
    run_chapters(Params(width=9, epochs=5), project, only=["12"])
    assert "11_first does not show this run as it is now: width 8 → 9." in capsys.readouterr().out
    run_chapters(Params(width=9, epochs=5), project, only=["11"])
    assert "12_second does not show this run as it is now: cohort was made anew." in capsys.readouterr().out
    run_chapters(Params(width=9, epochs=5), project)
    assert [record["changes"] for record in read_records(run).values()] == [[], []]


def test_chapters_run_side_by_side_where_none_reads_what_another_writes_and_none_beside_one_that_is_alone():
    def chapter(name, reads="", writes="", alone=False):
        return Chapter(name, Path(name), (), tuple(reads), tuple(writes), (), alone)

    chapters = [
        chapter("0", alone=True),
        chapter("1", writes="a"),
        chapter("2", reads="a", writes="b"),
        chapter("3", reads="a"),
        chapter("4", reads="b", alone=True),
        chapter("5"),
    ]
    names, running = [], []
    while chapters or running:
        while chosen := next_chapter(chapters, running, jobs=2):
            chapters.remove(chosen)
            running.append(chosen)
        names.append([one.name for one in running])
        running = running[1:]
    assert names == [["0"], ["1", "5"], ["5", "2"], ["2", "3"], ["3"], ["4"]]


def test_a_file_that_a_chapter_reads_and_a_folder_that_it_writes_count_as_its_tables_do(project, without_kernel):
    cell = "chapter.bundle.mkdir(exist_ok=True)\n(chapter.bundle / 'config.json').write_text('{}')"
    write_chapter(project, "11_first", cell, writes=["bundle"], files=["tried.csv"])
    with pytest.raises(InputError, match=r"tried\.csv is missing, which chapter 11_first reads"):
        run_chapters(Params(), project, only=["11"])
    (project / "tried.csv").write_text("1")
    run = run_chapters(Params(), project, only=["11"])
    assert executed(run_chapters(Params(), project, only=["11"])) == []
    (project / "tried.csv").write_text("2")
    assert executed(run_chapters(Params(), project, only=["11"])) == ["11_first"]
    (run.bundle / "config.json").unlink()
    assert executed(run_chapters(Params(), project, only=["11"])) == ["11_first"]


def test_a_kernel_takes_neither_the_backend_nor_the_profile_of_whoever_runs_the_book(project, monkeypatch):
    profile = project / "profile_default" / "ipython_kernel_config.py"
    profile.parent.mkdir()
    profile.write_text("c.InlineBackend.figure_formats = {'svg'}")
    monkeypatch.setenv("IPYTHONDIR", str(project))
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    draw = "import os; assert os.environ['OMP_NUM_THREADS'] == '1'\nimport matplotlib.pyplot as plt\nplt.plot([1, 2]);"
    write_chapter(project, "11_first", draw, parameters='run = "smoke"\nnetwork = {}')
    run = run_chapters(Params(), project, only=["11"])
    record = read_records(run)["11_first"]
    assert record["seconds"] > 0 and record["peak_rss_mb"] > 10
    notebook = nbformat.read(run.notebooks / "11_first.ipynb", as_version=4)
    shown = [output["data"].keys() for cell in notebook.cells for output in cell.get("outputs", ())]
    assert [("image/png" in data, "image/svg+xml" in data) for data in shown] == [(True, False)]
    (injected,) = (cell for cell in notebook.cells if "injected-parameters" in cell.metadata.tags)
    values = {}
    exec(injected.source, values)
    assert Params(**values["network"]) == Params() and max(map(len, injected.source.splitlines())) < 84
    text = json.dumps(notebook)
    assert "start_time" not in text and "iopub" not in text, "times of day would make every notebook differ"


def test_a_kernel_that_is_killed_is_one_sentence_with_the_notebook_up_to_there(project):
    write_chapter(project, "11_first", "import os\nos.kill(os.getpid(), 9)")
    with pytest.raises(BookError, match=r"^chapter 11_first: its process was ended from outside.*11_first\.failed"):
        run_chapters(Params(), project)
    assert (project / "outputs" / "smoke" / "notebooks" / "11_first.failed.ipynb").is_file()


def test_a_book_that_is_told_to_end_leaves_nothing_behind(project, repository):
    cell = "from pathlib import Path\nPath('started').touch()\nimport time\nwhile True:\n    time.sleep(0.1)"
    write_chapter(project, "11_first", cell)
    (project / "temporary").mkdir()
    environment = os.environ | {"TMPDIR": str(project / "temporary"), "PYTHONPATH": str(repository)}
    command = [sys.executable, "-c", "from wesadlib.cli import main; main()", "book"]
    profile = repository / "params" / "smoke.yaml"
    process = subprocess.Popen([*command, str(profile)], cwd=project, env=environment, stderr=subprocess.DEVNULL)
    while process.poll() is None and not (project / "started").exists():
        time.sleep(0.1)
    process.terminate()
    assert process.wait() == 128 + signal.SIGTERM
    assert list((project / "temporary").iterdir()) == []
    assert list((project / "outputs" / "smoke" / "notebooks").iterdir()) == []


def test_a_failing_chapter_tells_cell_error_and_notebook_and_keeps_the_rest(project):
    cell = "limit = [3]\nassert max(limit[a] for a in [0]) > 5, 'too small'"
    write_chapter(project, "12_second", cell, reads=["cohort"])
    with pytest.raises(BookError) as caught:
        run_chapters(Params(), project)
    for part in ("chapter 12_second", "    assert max(limit", "AssertionError: too small", "12_second.failed.ipynb"):
        assert part in str(caught.value)
    notebooks = project / "outputs" / "smoke" / "notebooks"
    assert sorted(path.name for path in notebooks.iterdir()) == ["11_first.ipynb", "12_second.failed.ipynb"]
    assert (project / "outputs" / "smoke" / "artefacts" / "cohort.parquet").exists()

    # Mended, it runs, the first chapter is not run again, and the partial notebook is gone.
    write_chapter(project, "12_second", reads=["cohort"])
    assert executed(run_chapters(Params(), project)) == ["12_second"]
    assert sorted(path.name for path in notebooks.iterdir()) == ["11_first.ipynb", "12_second.ipynb"]


def test_a_chapter_that_does_not_write_what_it_declares_fails(project, without_kernel):
    write_chapter(project, "11_first", writes=["cohort"])
    with pytest.raises(BookError, match=r"11_first ended without writing .*cohort\.parquet"):
        run_chapters(Params(), project)


def test_an_unknown_parameter_or_artefact_in_a_chapter_is_named(project):
    write_chapter(project, "11_first", parameters="widht = 4")
    with pytest.raises(InputError, match="unknown parameter `widht`"):
        list_chapters(project)
    write_chapter(project, "11_first", reads=["horoscope"])
    with pytest.raises(InputError, match="unknown artefact `horoscope`"):
        list_chapters(project)
