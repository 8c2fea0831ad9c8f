"""The run in one file: what it says of folds that failed."""

import json
import os
import sys

import pandas as pd
import pytest

from wesadlib import artefacts, cli
from wesadlib.params import Params
from wesadlib.report import runner
from wesadlib.report.summary import list_failed_folds, summarise

TOLD = "fold of S4 (resnet, cold_start, seed 1): probabilities that are not numbers; lower `learning_rate`."


def training_of(*rows):
    columns = ["task", "model", "protocol", "seed", "subject", "error"]
    return pd.DataFrame(rows, columns=columns).assign(seconds=1.0, train_loss=[[0.5, 0.4]] * len(rows))


def predictions_of(model, seed, subjects):
    rows = [
        {"subject": subject, "window": 2 * int(subject[1:]) + k, "label": label, "p_baseline": p, "p_stress": 1 - p}
        for subject in subjects
        for k, (label, p) in enumerate([("baseline", 0.9), ("stress", 0.2)])
    ]
    names = {"task": "stress-baseline", "model": model, "protocol": "cold_start", "seed": seed, "accepted": True}
    return pd.DataFrame(rows).assign(start_s=0.0, **names)


@pytest.fixture
def run(tmp_path):
    """A run without any artefact."""
    return artefacts.Run(tmp_path / "toy")


@pytest.fixture
def failed_run(run):
    """A run in which S4 failed under one seed of one model."""
    row = "stress-baseline", "resnet", "cold_start"
    run.write_table("training", training_of((*row, 0, "S4", ""), (*row, 1, "S3", ""), (*row, 1, "S4", TOLD)))
    people = ["S2", "S3", "S4"]
    tables = [predictions_of("resnet", 0, people), predictions_of("resnet", 1, people[:2])]
    run.write_table("predictions", pd.concat(tables, ignore_index=True))
    return run


def test_failed_folds_are_listed_with_what_went_wrong(failed_run, repository):
    failed = {"task": "stress-baseline", "model": "resnet", "protocol": "cold_start", "seed": 1, "subject": "S4"}
    summary = summarise(failed_run, Params(bootstrap=100), repository)
    assert summary["failed_folds"] == [{**failed, "error": TOLD}]
    artefacts.write_json(failed_run.summary, summary)
    assert json.loads(failed_run.summary.read_text(encoding="utf-8")) == summary


def test_who_failed_under_one_seed_is_in_no_score_of_that_model(failed_run, repository):
    results = summarise(failed_run, Params(bootstrap=100), repository)["results"]
    assert [(row["windows"], row["n_windows"], row["seeds"]) for row in results] == [
        ("all", 4, [0, 1]),
        ("accepted", 4, [0, 1]),
    ]


def test_nothing_failed_where_all_went_well_or_nothing_ran(run, repository):
    assert summarise(run, Params(), repository)["failed_folds"] == []
    assert not (run.folder / "artefacts" / "training.parquet").exists()
    run.write_table("training", training_of(("stress-baseline", "resnet", "cold_start", 0, "S4", "")))
    assert list_failed_folds(run) == []
    run.write_table("training", training_of().drop(columns="error"))
    assert list_failed_folds(run) == [], "tables of before failures were told apart"


@pytest.mark.parametrize(
    ("errors", "told"),
    [
        (["", ""], None),
        (["", TOLD], "1 fold failed; {summary} lists what went wrong."),
        ([TOLD, TOLD], "2 folds failed; {summary} lists what went wrong."),
    ],
    ids=["none", "one", "two"],
)
def test_the_command_line_says_in_one_line_that_folds_failed(run, repository, monkeypatch, capsys, errors, told):
    rows = [("stress-baseline", "resnet", "cold_start", 0, f"S{k}", error) for k, error in enumerate(errors)]
    run.write_table("training", training_of(*rows))
    monkeypatch.setattr(runner, "run_chapters", lambda *arguments, **options: run)
    monkeypatch.chdir(repository)
    monkeypatch.setattr(sys, "argv", ["wesad", "book", str(repository / "params" / "smoke.yaml"), "--no-render"])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert not caught.value.code
    lines = capsys.readouterr().out.splitlines()
    failed = [line for line in lines if "failed" in line]
    summary = os.path.relpath(run.summary)
    assert failed == ([told.format(summary=summary)] if told else [])
    assert len(json.loads(run.summary.read_text(encoding="utf-8"))["failed_folds"]) == sum(map(bool, errors))
