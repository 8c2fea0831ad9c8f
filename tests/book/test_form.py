"""What README and intro say stands on the pages they link to; chapters have one form, and their commands work."""

import ast
import json
import re
import shlex

import nbformat
import pytest

from wesadlib import cli
from wesadlib.params import Params, read_params
from wesadlib.report.chapters import list_pages, read_chapter
from wesadlib.report.inserts import ANSWER, INSERTS
from wesadlib.report.pages import LABS, PAGES, RUN, labs_results

NUMBER = re.compile(r"(?<![\w.])[-+]?\d+(?:\.\d+)?(?![\w.]*\d)")
WIDTH = 84


def pytest_generate_tests(metafunc):
    root = metafunc.config.rootpath
    if "chapter" in metafunc.fixturenames:
        metafunc.parametrize("chapter", [page for page in list_pages(root) if re.search(r"/\d\d_", page)])
    if "notebook" in metafunc.fixturenames:
        metafunc.parametrize("notebook", [page for page in list_pages(root) if (root / f"{page}.ipynb").is_file()])


def cells_of(repository, page):
    return nbformat.read(repository / f"{page}.ipynb", as_version=4).cells


def text_of(repository, page):
    return "\n\n".join(cell.source for cell in cells_of(repository, page) if cell.cell_type == "markdown")


@pytest.mark.parametrize("page", PAGES)
def test_every_number_of_a_block_stands_on_the_page_that_its_sentence_links_to(repository, page):
    text = (repository / page).read_text(encoding="utf-8")
    blocks = re.findall(r"<!-- (?:answer|headline):begin -->(.*?)<!-- \w+:end -->", text, re.DOTALL)
    assert len(blocks) == 2
    checked = 0
    for block in blocks:
        block = re.sub(r"`outputs\S+`", "", block)
        # The text before a link belongs to it.
        parts = re.split(r"\[[^\]]*\]\((?:ch:|book/)(\d\d_\w+)(?:\.ipynb)?\)", block)
        assert not NUMBER.findall(parts[-1]), "a number without a page"
        for sentence, chapter in zip(parts[::2], parts[1::2], strict=False):
            kept = (repository / f"outputs/reference/{RUN}/{chapter}.md").read_text(encoding="utf-8")
            shown = set(NUMBER.findall(kept))
            missing = [number for number in NUMBER.findall(sentence) if number not in shown]
            assert not missing, f"{chapter} does not show {missing}"
            checked += len(NUMBER.findall(sentence))
    assert checked > 60


def test_the_chapter_on_other_labs_shows_what_the_readme_says_of_them(repository):
    summary = json.loads((repository / LABS).read_text(encoding="utf-8"))
    block = re.search("<!-- labs:begin -->(.*?)<!-- labs:end -->", (repository / "README.md").read_text(), re.DOTALL)[1]
    whose, shown = block.split("\n\n", 1)
    assert shown.split() == labs_results(summary).split()
    assert NUMBER.findall(re.sub(r"\[.*?\)", "", whose)) == [str(summary["people"])]
    code = [cell.source for cell in cells_of(repository, "book/35_other_labs") if cell.cell_type == "code"]
    assert "Markdown(labs_results(summary))" in code and 'people=summary["people"]' in "".join(code)


@pytest.mark.parametrize("chapter_kept", INSERTS)
def test_kept_results_name_commit_machine_and_parameters_and_answer_shortly(repository, chapter_kept):
    kept = " ".join((repository / f"outputs/reference/{RUN}/{chapter_kept}.md").read_text(encoding="utf-8").split())
    assert re.search(r"commit `[0-9a-f]{12}`, \d+ cores \(.+?\)", kept) and not re.search(r"\bnan\b", kept)
    assert "parameters, where they differ from the defaults:" in kept
    assert len(kept.split(ANSWER)[1].split()) < 100


def test_published_values_beside_ours_are_cited(repository):
    cells, references = cells_of(repository, "book/21_baseline"), (repository / "book/references.bib").read_text()
    sources = {source for cell in cells for source in re.findall(r"\((?:.*, )?([A-Z]\w+ \d{4})\)\"", cell.source)}
    keys = dict(re.findall(r"@\w+\{(([a-z]+\d{4})\w*),", references))
    cited = {keys[key] for key in re.findall(r"[\w-]+", text_of(repository, "book/21_baseline")) if key in keys}
    assert len(sources) == 5 and {source.replace(" ", "").lower() for source in sources} <= cited


def test_numbers_of_intro_outside_its_blocks_are_filled_in(repository):
    text = (repository / "book/intro.md").read_text(encoding="utf-8")
    text = re.sub(r"<!-- (\w+):begin -->.*?<!-- \1:end -->|```.*?```|`[^`]*`|\(\S+?\)", "", text, flags=re.DOTALL)
    # What others published, an area's value at chance, an interval's level, and how many people there were.
    assert set(NUMBER.findall(text)) <= {"96", "86", "0.5", "0", "95", "15"}


def test_a_chapter_asks_first_and_answers_last(repository, chapter):
    number, text = chapter.split("/")[1][:2], text_of(repository, chapter)
    title, question = re.match(r"\(ch:\w+\)=\n# (.+)\n\n((?:.+\n?)+)", text).groups()
    assert title.startswith(f"{number} ") and "?" in question
    marks = ["## Try it", "```{admonition} Answer", "## What was written"]
    places = [text.index(mark) for mark in marks]
    assert places == sorted(places) and text.count("{admonition} Answer") == 1


def test_a_notebook_declares_what_it_reads_and_writes(repository, notebook):
    code = "\n".join(cell.source for cell in cells_of(repository, notebook) if cell.cell_type == "code")
    read, written = (
        set(re.findall(rf"\b{verb}_(?:table|dataset|json)\(\s*[\"'](\w+)", code)) for verb in ("read", "write")
    )
    for joined in re.findall(r"\bopen_windows\((.*?)\)", code):
        read |= {"windows", *(re.findall(r"\"(\w+)\"", joined) or ("quality", "features"))}
    chapter = read_chapter(repository / f"{notebook}.ipynb", repository / "book")
    # Chapters run side by side by what they declare.
    assert read - written <= set(chapter.reads) and written <= set(chapter.writes)


def test_a_chapter_s_thing_to_try_is_a_command_that_works(repository, chapter):
    (command,) = re.findall(r"## Try it\n.*?```console\n(.*?)\n```", text_of(repository, chapter), re.DOTALL)
    program, verb, profile, *options = shlex.split(command)
    name = chapter.removeprefix("book/")
    assert (program, verb, options[:3]) == (".venv/bin/wesad", "book", ["--only", name, "--force"])
    changed = cli._parse_overrides(options[4::2])
    assert set(options[3::2]) == {"-p"} and changed
    declared = set(read_chapter(repository / f"{chapter}.ipynb", repository / "book").parameters)
    if "network" in declared:
        groups = {name: field.json_schema_extra["group"] for name, field in Params.model_fields.items()}
        declared |= {name for name, group in groups.items() if group == "network"}
    assert set(changed) <= declared
    values, before = (read_params(repository / profile, change) for change in (changed, {}))
    assert all(getattr(values, name) != getattr(before, name) for name in changed), "it changes nothing"


def test_no_line_of_a_cell_is_wider_than_its_page(repository, notebook):
    cells = [cell for cell in cells_of(repository, notebook) if cell.cell_type == "code"]
    assert not [line for cell in cells for line in cell.source.splitlines() if len(line) > WIDTH]


def test_a_cell_that_only_fills_in_the_text_is_not_shown(repository, notebook):
    for cell in cells_of(repository, notebook):
        if cell.cell_type == "code" and "import " not in cell.source:
            last = ast.unparse(ast.parse(cell.source).body[-1])
            assert not last.startswith("say(") or "hide-input" not in cell.metadata.get("tags", []), cell.source
