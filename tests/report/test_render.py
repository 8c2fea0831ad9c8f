import shutil

import pytest
from test_execution import SETUP, write_chapter

from wesadlib.artefacts import write_json
from wesadlib.errors import BookError, InputError
from wesadlib.params import Params
from wesadlib.report.chapters import read_records
from wesadlib.report.render import render_book
from wesadlib.report.runner import run_chapters

HALF = 'import numpy\nfrom wesadlib.report import say\nsay("11", {"half": numpy.float64(0.5)}, whole=1)'


@pytest.fixture
def project(tmp_path, repository):
    shutil.copy(repository / "_config.yml", tmp_path / "_config.yml")
    (tmp_path / "_toc.yml").write_text(
        "format: jb-book\nroot: book/intro\nparts:\n- caption: Part\n  chapters:\n  - file: book/11_first\n"
    )
    cells = [('run = "smoke"', ["parameters"]), (SETUP, []), (HALF, [])]
    write_chapter(tmp_path, "11_first", cells)
    (tmp_path / "book" / "intro.md").write_text("# Intro\n\n{glue:text}`11_first.ipynb::11_half:.3f`, $x^2$\n")
    (tmp_path / "book" / "references.bib").touch()
    shutil.copytree(repository / "book" / "_static", tmp_path / "book" / "_static")
    return tmp_path


def test_rendering_takes_executed_chapters_and_a_warning_fails_it_without_a_trace(project):
    run = run_chapters(Params(), project)
    intro = project / "book" / "intro.md"
    good = intro.read_text()

    intro.write_text(good + "\n[](no-such-label)\n")
    for _ in range(2):
        with pytest.raises(BookError, match="no-such-label"):
            render_book(run, project)
    assert not run.html.exists()

    intro.write_text(good)
    records = read_records(run)
    records["11_first"]["changes"] = ["width 8 → 9"]
    write_json(run.folder / "chapters.json", records)
    page = render_book(run, project)
    assert page.is_file()
    text = (run.html / "book" / "intro.html").read_text(encoding="utf-8")
    assert "0.500" in text
    assert "does not show its run as it is now: width 8 → 9." in (run.html / "book" / "11_first.html").read_text()
    assert "_static/book.css" in text and (run.html / "_static" / "book.css").is_file()
    assert 'src="http' not in text and 'rel="stylesheet" href="http' not in text
    assert sorted(path.name for path in run.folder.iterdir() if path.is_dir()) == ["html", "notebooks"]


def test_a_chapter_that_was_not_executed_is_named(project):
    run = run_chapters(Params(), project)
    (run.notebooks / "11_first.ipynb").unlink()
    with pytest.raises(InputError, match="chapter 11_first has not been executed"):
        render_book(run, project)
