"""A chapter's sentences follow its data: executed on two sets of predictions, it comes to two conclusions."""

import nbformat
import numpy as np
import pandas as pd
import papermill
import pytest

from wesadlib.artefacts import open_run


def predictions_with(confidence: float) -> pd.DataFrame:
    """Ten people of forty windows, all or three in five of them right, each claimed with the same confidence."""
    rows = []
    for person in range(10):
        for window in range(40):
            label = "stress" if window % 2 else "baseline"
            right = person % 2 == 0 or window % 5 > 1
            p_stress = confidence if right == (label == "stress") else 1 - confidence
            rows.append((f"S{person + 2}", 40 * person + window, 30.0 * window, label, 1 - p_stress, p_stress))
    columns = ["subject", "window", "start_s", "label", "p_baseline", "p_stress"]
    fixed = {"task": "stress-baseline", "model": "resnet", "protocol": "cold_start", "seed": 0, "accepted": True}
    return pd.DataFrame(rows, columns=columns).assign(**fixed)


@pytest.fixture
def text_of_chapter(tmp_path, repository, toy_windows):
    """Execute the chapter on reliability on given predictions; returns all text that it shows."""
    (tmp_path / "_toc.yml").touch()
    run = open_run("smoke", tmp_path)
    run.write_dataset("windows", toy_windows)

    def execute(predictions):
        run.write_table("predictions", predictions)
        source = repository / "book" / "31_reliability.ipynb"
        output = tmp_path / "executed.ipynb"
        papermill.execute_notebook(
            str(source), str(output), cwd=str(tmp_path), progress_bar=False, kernel_name="python3"
        )
        cells = nbformat.read(output, as_version=4).cells
        outputs = [output for cell in cells if cell.cell_type == "code" for output in cell.outputs]
        return " ".join(str(output.get("data", {}).get("text/markdown", "")) for output in outputs)

    return execute


def test_reliability_calls_the_same_accuracy_calibrated_or_not_by_what_was_claimed(text_of_chapter):
    boasting = text_of_chapter(predictions_with(0.98))
    assert "claims 98.0 % on average and achieves 80.0 %" in boasting
    assert "so it is over-confident" in boasting
    modest = text_of_chapter(predictions_with(0.80))
    assert "claims 80.0 % on average and achieves 80.0 %" in modest
    assert "over-confident" not in modest and "do not show that it claims too much or too little" in modest
    assert np.isclose(0.8, predictions_with(0.8)[["p_baseline", "p_stress"]].max(axis=1).mean())
