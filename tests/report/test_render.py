import re
import shutil

import pytest
from test_execution import write_chapter

from wesadlib.artefacts import write_json
from wesadlib.errors import BookError, InputError
from wesadlib.params import Params
from wesadlib.report.chapters import read_records
from wesadlib.report.render import render_book
from wesadlib.report.runner import run_chapters

HALF = 'import numpy\nfrom wesadlib.report import say\nsay("11", {"half": numpy.float64(0.5)}, whole=1)'
WIDE = f"""
from IPython.display import HTML, Markdown, display
names = [f"a column {{k}}" for k in range(20)]
wide = pd.DataFrame([[0.123456789] * 20], columns=names)
display(wide, wide.style, HTML(wide.to_html()), Markdown(wide.to_markdown()))
print("wide " * 60)
{"x" * 80} = 1
"""

#: What is cut: it reaches out of the page, and nothing around it scrolls.
CUT = """
() => [...document.querySelectorAll("table, pre, img, svg")].filter(element => {
  const box = element.getBoundingClientRect(), page = document.documentElement.clientWidth;
  if (!box.width || box.right <= page + 1 && element.scrollWidth <= element.clientWidth + 1) return false;
  for (let around = element; around; around = around.parentElement)
    if (["auto", "scroll"].includes(getComputedStyle(around).overflowX)) return false;
  return true;
}).map(element => element.outerHTML.slice(0, 200))
"""
#: What a reader reads: all but code and the interface's own examples.
TEXT = """
() => { const article = document.querySelector("article").cloneNode(true);
  article.querySelectorAll("div.cell_input, details, dd code").forEach(one => one.remove());
  return article.textContent; }
"""
#: Lines of code that have to be scrolled to be read.
SCROLLED = """
() => [...document.querySelectorAll("div.cell_input pre")].filter(pre => pre.scrollWidth > pre.clientWidth + 1)
  .map(pre => pre.innerText.slice(0, 200))
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory, repository):
    """A rendered book of two pages, one of them as wide as a page can be."""
    root = tmp_path_factory.mktemp("project")
    shutil.copy(repository / "_config.yml", root / "_config.yml")
    (root / "_toc.yml").write_text(
        "format: jb-book\nroot: book/intro\nparts:\n- caption: Part\n  chapters:\n  - file: book/11_first\n"
    )
    write_chapter(root, "11_first", HALF, WIDE)
    header = "|".join(f"column {k}" for k in range(20))
    table = f"|{header}|\n|{'---|' * 20}\n|{'0.5 [0.4, 0.6]|' * 20}"
    text = f"# Intro\n\n{{glue:text}}`11_first.ipynb::11_half:.3f`, $x^2$\n\n{table}\n\n`{'f' * 64}`\n"
    text += "\n```{eval-rst}\n.. autofunction:: wesadlib.report.runner.run_chapters\n```\n"
    (root / "book" / "intro.md").write_text(text)
    (root / "book" / "references.bib").touch()
    shutil.copytree(repository / "book" / "_static", root / "book" / "_static")
    run = run_chapters(Params(), root)
    records = read_records(run)
    records["11_first"]["changes"] = ["width 8 → 9"]
    write_json(run.folder / "chapters.json", records)
    assert render_book(run, root).is_file()
    return root, run


def test_rendering_takes_executed_chapters_and_asks_nothing_of_anybody(project):
    _, run = project
    text = (run.html / "book" / "intro.html").read_text(encoding="utf-8")
    assert "0.500" in text
    assert "does not show its run as it is now: width 8 → 9." in (run.html / "book" / "11_first.html").read_text()
    assert "_static/book.css" in text and (run.html / "_static" / "book.css").is_file()
    assert 'src="http' not in text and 'rel="stylesheet" href="http' not in text
    assert sorted(path.name for path in run.folder.iterdir() if path.is_dir()) == ["html", "notebooks"]


@pytest.mark.browser
def test_nothing_is_cut_at_any_width_and_all_text_is_filled_in(project, repository, browser_path):
    """Of the pages made here, and of every book that was rendered in this checkout."""
    from playwright.sync_api import sync_playwright

    root, _ = project
    pages = [page for folder in (root, repository) for page in folder.glob("outputs/*/html/book/**/*.html")]
    wrong = []
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=browser_path) as browser:
        for width in (1300, 420):
            window = browser.new_context(offline=True, viewport={"width": width, "height": 900}).new_page()
            for page in pages:
                window.goto(page.as_uri())
                window.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
                wrong += [(page.name, width, one) for one in window.evaluate(CUT)]
                wrong += [(page.name, width, one) for one in (window.evaluate(SCROLLED) if width == 1300 else ())]
                wrong += [(page.name, one) for one in re.findall(r"\{glue\S*|\bnan\b", window.evaluate(TEXT))]
                if window.evaluate("document.documentElement.scrollWidth") > width:
                    wrong.append((page.name, width, "the page is wider than the window"))
    assert len(pages) >= 2 and wrong == []


def test_a_warning_fails_the_rendering_and_leaves_the_book_as_it_was(project):
    root, run = project
    intro, before = root / "book" / "intro.md", (project[1].html / "book" / "intro.html").read_bytes()
    intro.write_text(intro.read_text() + "\n[](no-such-label)\n")
    for _ in range(2):
        with pytest.raises(BookError, match="no-such-label"):
            render_book(run, root)
    assert (run.html / "book" / "intro.html").read_bytes() == before


def test_a_chapter_that_was_not_executed_is_named(project):
    root, run = project
    (run.notebooks / "11_first.ipynb").unlink()
    with pytest.raises(InputError, match="chapter 11_first has not been executed"):
        render_book(run, root)
