"""What README, first page and chapters say of real people: what the kept results give, row by row, and no more."""

import dataclasses
import re
import shutil

import pandas as pd
import pytest

from wesadlib import cli
from wesadlib.errors import InputError
from wesadlib.evaluation import score
from wesadlib.report import pages
from wesadlib.report.findings import published
from wesadlib.report.inserts import INSERTS, chapter_insert
from wesadlib.report.pages import PAGES, RUN, key_results
from wesadlib.report.reference import Reference

INFLATION = pd.DataFrame(
    {
        "shortcut": ["shuffled", "shuffled", "test_selected_epoch"],
        "model": ["logistic", "resnet", "resnet"],
        "accuracy": [0.99, 0.98, 0.96],
        "reference": [0.94, 0.93, 0.93],
        "inflation": [0.05, 0.061, 0.026],
        "inflation_low": [0.02, 0.03, 0.01],
        "inflation_high": [0.08, 0.09, 0.042],
    }
)
HOLES = [f"<!-- {name}:begin -->\nold\n<!-- {name}:end -->\n" for name in ("answer", "headline")]
EMPTY = f"before\n{'between '.join(HOLES)}after\n"
CONTROL = {"control": "motion_only", "what": "acceleration alone", "model": "forest"}
CONTROL |= {"accuracy": 0.84, "accuracy_low": 0.8, "accuracy_high": 0.88}


def predictions_of(model: str, protocol: str, wrong: list[int], first: int = 0) -> pd.DataFrame:
    """Ten people of 40 windows, `wrong` of each person's last windows taken for the other state."""
    rows = []
    for person, errors in enumerate(wrong):
        for k in range(first, 40):
            label = "stress" if k % 2 else "baseline"
            stress = 0.9 if (label == "stress") == (k < 40 - errors) else 0.1
            confidence = 0.5 + (stress - 0.5) * (0.2 if k >= 36 else 1)
            rows.append((f"S{person + 2}", 40 * person + k, 30.0 * k, label, 1 - confidence, confidence))
    columns = ["subject", "window", "start_s", "label", "p_baseline", "p_stress"]
    fixed = {"task": "stress-baseline", "model": model, "protocol": protocol, "seed": 0, "accepted": True}
    return pd.DataFrame(rows, columns=columns).assign(**fixed)


def make_reference(predictions: pd.DataFrame, **tables: pd.DataFrame) -> Reference:
    results = pd.concat(score(predictions, windows=which) for which in ("all", "accepted"))
    summary = {
        "run": "real",
        "data": {"subjects": sorted(set(predictions["subject"])), "device": "wrist", "simulated": False},
        "results": results.to_dict(orient="records"),
        "failed_folds": [{}, {}],
    }
    return Reference(summary, predictions, {"rest_minutes": 5.0, "min_confidence": 0.7}, tables)


@pytest.fixture(scope="module")
def rich():
    """Results of a run with a choice, two protocols, two tasks and an audit."""
    parts = [
        predictions_of("logistic", "cold_start", [4] * 10),
        predictions_of("resnet", "cold_start", [4] * 9 + [5]),
        predictions_of("chosen", "cold_start", [0] * 9 + [12]),
        predictions_of("resnet", "rest_calibrated", [0] * 10, first=10),
        predictions_of("chosen", "rest_calibrated", [0] * 10, first=10),
    ]
    three = predictions_of("logistic", "cold_start", [20] * 10).assign(task="three", p_amusement=0.0)
    return make_reference(
        pd.concat([*parts, three], ignore_index=True), inflation=INFLATION, controls=pd.DataFrame([CONTROL])
    )


def test_the_command_writes_all_that_book_and_readme_say_of_what_is_kept(repository, tmp_path, monkeypatch, capsys):
    (tmp_path / "_toc.yml").touch()
    (tmp_path / "book").mkdir()
    shutil.copytree(repository / "outputs" / "reference" / RUN, tmp_path / "outputs" / "reference" / RUN)
    names = [*PAGES, *(f"outputs/reference/{RUN}/{chapter}.md" for chapter in INSERTS)]
    kept = {name: (repository / name).read_text(encoding="utf-8") for name in names}
    for name in PAGES:
        emptied = re.sub(
            r"(<!-- (answer|headline):begin -->).*?(<!-- \2:end -->)", r"\1\nold\n\3", kept[name], flags=re.S
        )
        (tmp_path / name).write_text(emptied, encoding="utf-8")
    (tmp_path / names[-1]).unlink()
    monkeypatch.chdir(tmp_path)
    cli.reference("")
    written = {name: (tmp_path / name).read_text(encoding="utf-8") for name in names}
    assert [name for name in names if written[name] != kept[name]] == [], "run `wesad reference`"
    assert capsys.readouterr().out.count("Written from it") == 3
    with pytest.raises(InputError, match=r"demo.*summary\.json is missing"):
        cli.reference("demo")


def test_rows_are_those_that_there_are_in_the_order_of_the_book(rich):
    logistic, resnet, chosen = pages.score_table(rich).splitlines()[2:]
    assert logistic == "| `logistic` | 90.0 [90.0, 90.0] | 0.990 |  |"
    assert resnet.startswith("| `resnet` |") and chosen.startswith("| `chosen` | 97.0 [")
    assert chosen.endswith("| 100.0 [100.0, 100.0] |")


def test_findings_follow_the_kept_results(rich):
    winner, rest, silence = key_results(rich)
    _, table, note = pages.shortcut_table(rich)
    assert (
        "“chosen” scores higher than “logistic” for 9 of 10 people and lower for 1. The mean difference is +7.0"
        in winner
    )
    assert note.endswith("(<24_audit>).") and "| windows shuffled over people | +5.0 | +6.1 |" in table
    assert "| epoch selected on the test person |  | +2.6 |" in table
    assert "first 5 minutes" in rest and "“resnet” +13.7 points (p = 0.002: a difference is shown)" in rest
    assert "“chosen” +4.0 points (p = 1.00: no difference is shown)" in rest
    assert "answers 90.0 % of the windows, and 97.8 % of these answers are correct" in silence
    assert "without abstention, 97.0 %" in silence
    assert "of all “stress” windows, 90 % are answered and 88 % are answered correctly" in silence
    assert "correctly for 9 of 10 people; for the hardest, S11, 70 % (<25_comparison>)" in winner


def test_a_person_is_served_from_95_in_100_on_and_counts_under_every_seed_only():
    parts = [predictions_of("resnet", "cold_start", [2] * 5 + [3] * 5).assign(seed=seed) for seed in (0, 1)]
    (winner, _) = key_results(make_reference(pd.concat(parts, ignore_index=True)))
    assert "for 5 of 10 people" in winner and "92 %" in winner and "S10" in winner
    # A person whose fold failed under one seed is in no mean of seeds, as in the table above.
    parts[1] = parts[1][parts[1]["subject"] != "S10"]
    predictions = pd.concat(parts, ignore_index=True)
    reference = dataclasses.replace(make_reference(parts[0]), predictions=predictions)
    winner, silence = key_results(reference)
    assert "for 5 of 9 people" in winner and "S10" not in winner and "without abstention, 93.9 %" in silence


def test_what_was_not_measured_is_not_spoken_of(rich):
    cold = rich.predictions[(rich.predictions["protocol"] == "cold_start") & (rich.predictions["model"] != "chosen")]
    poor = make_reference(cold)
    text = "\n".join(key_results(poor))
    assert "“resnet” scores higher than “logistic” for 0 of 10 people and lower for 1" in text
    assert pages.shortcut_table(poor) == [] and "rest" not in text.replace("resnet", "")
    assert "adds" not in published(poor) and "adds +2.6 points [+1.0, +4.2] for “resnet”" in published(rich)
    assert "acceleration" not in chapter_insert("24_audit", poor)


def test_chapters_show_the_tables_of_their_matter(rich):
    scores, audit = chapter_insert("23_loso", rich), chapter_insert("24_audit", rich)
    assert "| model | cold start | rest calibrated |" in scores
    assert "| `logistic` | 90.0 [90.0, 90.0] |  |" in scores
    assert "2 folds failed" in scores and "![" in scores and "future data" not in scores
    upper = make_reference(predictions_of("resnet", "whole_recording", [1] * 10))
    assert "“whole recording” needs future data of the person" in chapter_insert("23_loso", upper)
    assert "| epoch selected on the test person | `resnet` | 96.0 | 93.0 | +2.6 [+1.0, +4.2] |" in audit
    assert "| acceleration alone | `forest` | 84.0 [80.0, 88.0] |" in audit
    assert "“chosen” misclassifies 0.0 % [0.0, 0.0] of its first half and 6.0 % [" in audit


def test_a_leaderboard_shows_what_a_protocol_gains_on_the_same_windows(rich):
    from wesadlib.evaluation.comparison import leaderboard

    predictions = rich.predictions[rich.predictions["task"] == rich.task]
    learning = pd.DataFrame(
        {"model": ["forest", "forest", "forest", "resnet"], "size": [14, 3, 3, 14], "accuracy": [0.9, 0.8, 0.6, 0.95]}
    )
    comparison = pd.concat([leaderboard(rich.predictions), leaderboard(predictions, windows="accepted")])
    tables = {"comparison": comparison, "learning": learning}
    text = chapter_insert("25_comparison", dataclasses.replace(rich, tables=tables))
    assert "| rest calibrated | `resnet` | 100.0 [100.0, 100.0] | 86.3 | +13.7 [" in text
    assert text.count("| rest calibrated |") == 2 and "| cold start | `" not in text
    assert "| three | `logistic` | 50.0 [50.0, 50.0] |" in text
    assert "| training people | `forest` | `resnet` |\n|--:|--:|--:|\n| 3 | 70.0 |  |\n| 14 | 90.0 | 95.0 |" in text


def test_pages_are_rewritten_between_their_markers_and_nowhere_else(rich, tmp_path):
    (tmp_path / "book").mkdir()
    for page in PAGES:
        (tmp_path / page).write_text(EMPTY, encoding="utf-8")
    folder = tmp_path / RUN
    assert len(pages.write_pages(tmp_path, folder, rich)) == len(PAGES) + len(INSERTS)
    assert pages.write_pages(tmp_path, folder, rich) == []
    readme, intro = ((tmp_path / page).read_text(encoding="utf-8") for page in PAGES)
    assert readme.startswith("before\n<!-- answer:begin -->\n**The answer.**") and readme.endswith("end -->\nafter\n")
    assert "old" not in readme.splitlines() and readme.count("between") == 1
    row = f"| {'a long row ' * 12}|"
    assert row in pages.fill_page(EMPTY, {"answer": row}, "README.md"), "a table's row stays a line"
    with pytest.raises(InputError, match=r"README\.md: 0 pairs of comments answer:begin"):
        pages.fill_page("no comments", {"answer": ""}, "README.md")
    assert "[`31_reliability`](book/31_reliability.ipynb)" in readme and "[](ch:31_reliability)" in intro
