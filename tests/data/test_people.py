"""People drawn without waveforms are like WESAD's."""

import numpy as np
import pandas as pd
import pytest
from observed import observe, summarise
from scipy.stats import norm

from wesadlib.data.people import TABLE, draw_person
from wesadlib.data.quest import STAI_ITEMS, score_stai
from wesadlib.data.trajectories import make_trajectory

COLUMNS = ["baseline", "between", "within", "response", "spread", "other_way", "scale", "tolerance", "within_share"]
# What 15 real people showed, and how far 500 simulated ones may be from it: a mean by a share (`tolerance`) of its
# `scale`, all else by that share of itself. Of slow drifts less is seen in blocks that are shorter than the real ones,
# 8 min for 19 and 4 for 11. How a window's SD is spread hangs on the few with the most active skin: half as near.
WESAD = {
    "heart rate": (72.4, 9.8, 6.7, 15.0, 12.9, 0 / 15, 72.4, 0.25, 1),
    "EDA level": (1.33, 1.66, 0.43, 2.1, 2.7, 1 / 15, 1.33, 0.25, 0.65),
    "ln EDA level": (-0.46, 1.16, 0.22, 1.21, 0.93, 1 / 15, 1.16, 0.25, 1),
    "EDA SD": (0.038, 0.042, 0.048, 0.082, 0.070, 0 / 15, 0.038, 0.4, 1),
    "skin responses": (2.3, 2.3, 2.6, 7.0, 5.5, 0 / 15, 2.3, 0.25, 1),
    "temperature": (33.4, 1.6, 0.28, -0.70, 0.81, 3 / 15, 1.6, 0.25, 0.45),
    "temperature slope": (0.6, 0.7, 1.5, -1.7, 1.2, 2 / 15, 0.6, 0.25, 1),
    "movement": (0.031, 0.009, 0.033, 0.038, 0.035, 3 / 15, 0.031, 0.25, 1),
}
# state -> mean STAI sum, arousal and valence
MEANS = {"baseline": (10.8, 2.5, 6.7), "stress": (18.5, 6.8, 4.5), "amusement": (9.3, 3.0, 7.5)}


@pytest.fixture(scope="module")
def crowd() -> pd.DataFrame:
    """Summary of windows of 60 s, every 30 s, of 500 people."""
    rows = []
    for index in range(500):
        trajectory = make_trajectory(draw_person(3, index), np.random.default_rng([3, index, 1]))
        for block in trajectory.blocks:
            if block.state in ("baseline", "stress"):
                starts_s = range(block.label_s[0], block.label_s[1] - 59, 30)
                facts = {"person": index, "state": block.state}
                rows += [facts | observe(trajectory.values, start_s) for start_s in starts_s]
    return summarise(pd.DataFrame(rows))


@pytest.mark.parametrize("name", WESAD)
def test_500_people_are_like_the_real_ones(crowd, name):
    found, real = crowd.loc[name], pd.Series(WESAD[name], COLUMNS)
    assert found["baseline"] == pytest.approx(real.baseline, abs=real.tolerance * real.scale)
    assert found["response"] == pytest.approx(real.response, rel=real.tolerance)
    for column in ("between", "spread"):
        assert found[column] == pytest.approx(real[column], rel=real.tolerance)
    assert found["within"] == pytest.approx(real.within_share * real.within, rel=real.tolerance)
    # Of 15 people, one more or less is 0.07.
    assert found["other_way"] == pytest.approx(real.other_way, abs=0.1)


def test_the_chest_does_what_four_people_showed(crowd):
    chest = crowd.loc["chest movement"]
    assert 0.4 <= crowd.loc["chest temperature", "response"] <= 0.9
    assert 0.007 <= chest["baseline"] <= 0.010 and 0.012 <= chest["baseline"] + chest["response"] <= 0.022
    assert 1.0 <= np.exp(crowd.loc["chest EDA", "baseline"]) <= 5.4
    assert crowd.loc["chest EDA", "response"] == pytest.approx(0.59, rel=0.25)
    assert crowd.loc["respiration rate", "baseline"] == pytest.approx(15.8, rel=0.1)
    # Two of four breathe faster under stress by a lot or slower by a lot: no direction.
    assert 0.3 <= crowd.loc["respiration rate", "other_way"] <= 0.6


def test_drawn_levels_and_responses_follow_the_table():
    people = [draw_person(5, index) for index in range(500)]
    for name, row in TABLE.items():
        levels = np.array([person.levels[name] for person in people])
        responses = np.array([person.responses["stress"][name] for person in people])
        assert levels.mean() == pytest.approx(row.baseline, abs=0.1 * row.between), name
        assert levels.std() == pytest.approx(row.between, rel=0.2), name
        assert responses.mean() == pytest.approx(row.response, abs=0.1 * row.spread), name
        # Less of a log-normal's spread is left where its tail is cut.
        assert responses.std() == pytest.approx(row.spread, rel=0.2), name
        if row.response:
            other_way = (np.sign(responses) != np.sign(row.response)).mean()
            expected = norm.cdf(-abs(row.response) / row.spread) if row.change == "normal" else 0
            assert other_way == pytest.approx(expected, abs=0.05), name


def test_a_dozen_people_are_as_mixed_as_hundreds():
    means = [
        np.mean([draw_person(seed, index).responses["stress"]["wrist_eda"] for index in range(12)])
        for seed in range(20)
    ]
    # Twelve drawn without regard to each other would differ by 0.93 / sqrt(12) = 0.27.
    assert np.std(means) < 0.15


def test_knobs_scale_responses_and_spreads():
    plain, half, none = (draw_person(5, 2, effect_size=size) for size in (1.0, 0.5, 0.0))
    alike = [draw_person(5, index, between_person_spread=0.0) for index in range(3)]
    assert plain.levels == half.levels == none.levels
    for name in TABLE:
        assert half.responses["stress"][name] == pytest.approx(0.5 * plain.responses["stress"][name])
        assert none.responses["stress"][name] == 0
        assert alike[0].levels[name] == alike[2].levels[name] == pytest.approx(TABLE[name].baseline)
    assert plain.responses["amusement"] == none.responses["amusement"]


def test_nobody_moves_less_than_not_at_all():
    for index in range(60):
        person = draw_person(4, index, between_person_spread=2.0)
        values = make_trajectory(person, np.random.default_rng([4, index])).values
        assert min(values["wrist_movement"].min(), values["scr_rate"].min(), values["wrist_eda_uS"].min()) > 0


def test_names_follow_the_official_numbering():
    names = [draw_person(0, index).subject for index in range(16)]
    assert names == [f"S{number}" for number in (*range(2, 12), *range(13, 19))]


def test_answers_agree_with_the_labels():
    def answers(effect_size):
        people = [draw_person(5, index, effect_size=effect_size).answers for index in range(200)]
        stai = {
            state: score_stai(pd.DataFrame([person[state]["stai"] for person in people], columns=list(STAI_ITEMS)))
            for state in MEANS
        }
        dim = {state: np.array([person[state]["dim"] for person in people]) for state in MEANS}
        return pd.DataFrame({state: [stai[state], dim[state][:, 1], dim[state][:, 0]] for state in MEANS}).T

    table = answers(1.0)
    assert all((table.loc["stress", k] > table.loc["baseline", k]).all() for k in (0, 1))
    assert (answers(0.05).loc["stress", 1] > answers(0.05).loc["baseline", 1]).all()
    for state, expected in MEANS.items():
        means = table.loc[state].map(np.mean).tolist()
        assert means == [pytest.approx(mean, abs=most) for mean, most in zip(expected, (0.5, 0.3, 0.3), strict=True)]
