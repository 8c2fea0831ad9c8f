"""A person's running reference, a window at a time: what the plain formula says, within bounds."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from wesadlib.evaluation import running


@given(
    score=st.lists(st.floats(-30, 30), min_size=1, max_size=60),
    step_s=st.sampled_from([1.0, 5.0, 7.0, 60.0]),
    quantile=st.sampled_from([0.0, 0.2, 0.37, 1.0]),
)
def test_it_is_the_mean_of_late_less_the_quantile_of_all_so_far(score, step_s, quantile):
    start_s, score = step_s * np.arange(len(score)), np.array(score)
    late = [(start_s <= now) & (start_s >= now - 40 + 1e-6) for now in start_s]
    smooth = [score[part].mean() for part in late]
    plain = [value - np.quantile(smooth[: k + 1], quantile) for k, value in enumerate(smooth)]
    reference = running.RunningReference(quantile, smooth_s=40.0)
    moving = [reference(*window) for window in zip(score, start_s, strict=True)]
    np.testing.assert_allclose(moving, plain, atol=1e-9)


def test_the_oldest_of_too_many_scores_are_forgotten(monkeypatch):
    monkeypatch.setattr(running, "MOST_SCORES", 3)
    reference = running.RunningReference(quantile=0.0, smooth_s=1.0)
    scores = [-9.0, 2.0, 1.0, 5.0, 4.0, 7.0]
    assert [reference(score, 10.0 * k) for k, score in enumerate(scores)] == [0, 11, 10, 4, 3, 3]
