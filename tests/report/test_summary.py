"""The run in one file: what it says of folds that failed."""

import json
import os
import sys

import pandas as pd
import pytest
from test_pages import predictions_of

from wesadlib import artefacts, cli
from wesadlib.params import Params
from wesadlib.report import runner
from wesadlib.report.summary import summarise, tabulate_params

ERROR = "fold of S4 (resnet, cold_start, seed 1): probabilities that are not numbers; lower `learning_rate`."


def training_of(*rows):
    columns = ["task", "model", "protocol", "seed", "subject", "error"]
    return pd.DataFrame(rows, columns=columns).assign(seconds=1.0, train_loss=[[0.5, 0.4]] * len(rows))


@pytest.fixture
def run(tmp_path):
    """A run without any artefact."""
    return artefacts.Run(tmp_path / "toy")


def test_failed_folds_are_listed_and_who_failed_under_one_seed_is_in_no_score(run, repository):
    row = "stress-baseline", "resnet", "cold_start"
    run.write_table("training", training_of((*row, 0, "S4", ""), (*row, 1, "S3", ""), (*row, 1, "S4", ERROR)))
    tables = [predictions_of("resnet", "cold_start", [4] * (3 - seed)).assign(seed=seed) for seed in (0, 1)]
    run.write_table("predictions", pd.concat(tables, ignore_index=True))
    failed = {"task": "stress-baseline", "model": "resnet", "protocol": "cold_start", "seed": 1, "subject": "S4"}
    summary = summarise(run, Params(bootstrap=100), repository)
    assert summary["failed_folds"] == [{**failed, "error": ERROR}]
    artefacts.write_json(run.summary, summary)
    assert json.loads(run.summary.read_text(encoding="utf-8")) == summary
    results = [(row["windows"], row["n_windows"], row["seeds"]) for row in summary["results"]]
    assert results == [("all", 80, [0, 1]), ("accepted", 80, [0, 1])]


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        (["", ""], ""),
        (["", ERROR], "1 fold failed"),
        ([ERROR, ERROR], "2 folds failed"),
    ],
)
def test_the_command_line_says_in_one_line_that_folds_failed(run, repository, monkeypatch, capsys, errors, expected):
    rows = [("stress-baseline", "resnet", "cold_start", 0, f"S{k}", error) for k, error in enumerate(errors)]
    run.write_table("training", training_of(*rows))
    monkeypatch.setattr(runner, "run_chapters", lambda *arguments, **options: run)
    monkeypatch.chdir(repository)
    monkeypatch.setattr(sys, "argv", ["wesad", "book", str(repository / "params" / "smoke.yaml"), "--no-render"])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert not caught.value.code
    failed = [line for line in capsys.readouterr().out.splitlines() if "failed" in line]
    assert failed == [f"{expected}; {os.path.relpath(run.summary)} lists what went wrong."] * bool(expected)
    assert len(json.loads(run.summary.read_text(encoding="utf-8"))["failed_folds"]) == sum(map(bool, errors))


def test_the_appendix_lists_each_parameter_once_with_its_bounds_and_profiles(repository):
    table = tabulate_params(repository / "params").set_index("parameter")
    assert set(table.index) == set(Params.model_fields) and table.index.is_unique
    assert table.loc["window_s", "bounds"] == "≥ 20, ≤ 300"
    assert "serve" not in table
    assert table.loc["width", "demo"] == "8" and table.loc["width", "smoke"] == ""
