"""A recording in, an answer out: one made person in every format, folders of people, and what is refused."""

import json
import re

import numpy as np
import pandas as pd

from wesadlib.report.glossary import PREDICTIONS, SUMMARY

FILES = ["figure.png", "predictions.csv", "report.html", "summary.json"]


def answer(path):
    return json.loads((path / "summary.json").read_text()), pd.read_csv(path / "predictions.csv")


def test_an_e4_zip_is_answered_with_a_table_a_summary_a_figure_and_a_page(wesad, e4, own_bundle, tmp_path):
    out = tmp_path / "answer"
    status, text, error = wesad("predict", e4, "--bundle", own_bundle, "--out", out, "--step", 20)
    assert (status, error) == (0, "") and "report.html" in text
    assert sorted(path.name for path in out.iterdir()) == FILES
    summary, windows = answer(out)
    assert set(summary) == set(SUMMARY)
    named = {re.sub("^p_.*", "p_<state>", name) for name in windows}
    assert named == set(PREDICTIONS)
    assert summary["windows"] == len(windows) == 10
    assert summary["answered"] + summary["abstained"] + summary["rejected"] == summary["windows"]
    assert np.allclose(windows["start_s"], 20 * np.arange(10)) and np.allclose(
        windows["end_s"], windows["start_s"] + 60
    )
    judged = windows[windows["status"] != "rejected"]
    assert np.allclose(judged.filter(like="p_").sum(axis=1), 1, atol=1e-5)
    page = (out / "report.html").read_text()
    assert not re.search(r"<script|https?://|<link|url\(", page) and 'src="data:image/png;base64,' in page
    assert page.index("How far to trust this") < page.index("data:image/png")
