"""Faults put into good minutes, and the rules tried on them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from minutes import RATES_HZ as RATES
from minutes import wrist_signals

from wesadlib.errors import InputError
from wesadlib.quality import RULES, assess_arrays, assess_quality
from wesadlib.quality.faults import (
    FAULTS,
    _replace,
    choose_windows,
    inject_fault,
    sensors_of,
    summarise_faults,
    try_faults,
)
from wesadlib.signals import windows_from_channels


def cuts_of(minutes):
    return [({name: values[k] for name, values in minutes.items()}, RATES) for k in range(len(minutes["wrist_bvp"]))]


@pytest.fixture(scope="module")
def minutes():
    people = [wrist_signals(seed=seed) for seed in range(5)]
    return {name: np.stack([signals[name] for signals in people]) for name in RATES}


@pytest.fixture(scope="module")
def trials(minutes):
    return try_faults(cuts_of(minutes), rate_hz=35.0, window_s=60.0, strengths=(0.0, 0.3, 1.0))


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_grows_with_its_strength(minutes, fault):
    befallen = [name for names in sensors_of(fault, list(minutes)).values() for name in names]

    def touched(strength):
        changed = inject_fault(fault, minutes, RATES, strength, np.random.default_rng(0))
        assert list(changed) == list(minutes)
        return [np.mean(changed[name] != minutes[name]) * 1.0 for name in minutes], changed

    for name, share in zip(minutes, touched(0.0)[0], strict=True):
        assert share == 0, name
    for name, weak, strong in zip(minutes, touched(0.2)[0], touched(0.8)[0], strict=True):
        assert (strong >= weak > 0) if name in befallen else (strong == weak == 0), name


RULE_OF = {
    "flat line": "flat line",
    "saturation": "saturation",
    "motion": "motion",
    "dropped samples": "completeness",
    "detachment": "physiological range",
}


@settings(deadline=None, max_examples=25)
@given(
    fault=st.sampled_from(sorted(RULE_OF)),
    strengths=st.lists(st.floats(0, 1), min_size=2, max_size=4).map(sorted),
    seed=st.integers(0, 99),
)
def test_no_rule_is_kinder_to_a_stronger_fault(minutes, fault, strengths, seed):
    scores = []
    for strength in strengths:
        changed = minutes | inject_fault(fault, minutes, RATES, strength, np.random.default_rng(seed))
        windows = windows_from_channels(cuts_of(changed))
        assessment = assess_arrays(windows)
        befallen = [name for names in sensors_of(fault, windows.channels).values() for name in names]
        # A thermometer that comes off cools slowly: when it does so counts beside for how long.
        befallen = [name for name in befallen if (fault, name) != ("detachment", "wrist_temp")]
        rule = [rule.name for rule in RULES].index(RULE_OF[fault])
        scores.append(assessment.rule_score[:, [windows.channels.index(name) for name in befallen], rule])
    # A stretch of samples may end half a sample earlier or later.
    assert not (np.diff(scores, axis=0) > 2e-3).any()


def test_dropped_samples_are_missing_not_zero(minutes):
    changed = inject_fault("dropped samples", minutes, RATES, 0.25, np.random.default_rng(1))
    for name, values in changed.items():
        assert np.isnan(values).mean(axis=1) == pytest.approx(0.25, abs=0.01), name
        present = ~np.isnan(values)
        np.testing.assert_array_equal(values[present], minutes[name][present])


def test_saturation_clips_its_share(minutes):
    changed = inject_fault("saturation", minutes, RATES, 0.4, np.random.default_rng(1))
    bvp = changed["wrist_bvp"]
    clipped = (bvp == bvp.max(axis=1, keepdims=True)) | (bvp == bvp.min(axis=1, keepdims=True))
    assert clipped.mean() == pytest.approx(0.4, abs=0.01)
    assert "wrist_acc" not in sensors_of("saturation", list(minutes))


def test_a_detached_sensor_reads_nobody(minutes):
    changed = inject_fault("detachment", minutes, RATES, 1.0, np.random.default_rng(1))
    assert changed["wrist_eda"].max() < 0.05
    assert (np.diff(changed["wrist_temp"].mean(axis=0)[::20]) < 0).all()
    cooled = 22 + (minutes["wrist_temp"][:, -1] - 22) * np.exp(-1)
    assert changed["wrist_temp"][:, -1] == pytest.approx(cooled, abs=0.2)


def test_motion_moves_all_of_a_device_at_once(minutes):
    assert list(sensors_of("motion", list(minutes))) == ["wrist"]
    assert list(sensors_of("flat line", list(minutes))) == ["wrist_bvp", "wrist_eda", "wrist_temp", "wrist_acc"]
    changed = inject_fault("motion", minutes, RATES, 0.5, np.random.default_rng(1))
    added = changed["wrist_acc_x"] - minutes["wrist_acc_x"]
    assert added.std() == pytest.approx(0.25, rel=0.02)


def test_good_minutes_pass_and_strong_faults_do_not(trials):
    caught = summarise_faults(trials).set_index(["fault", "sensor", "strength"])["caught"]
    assert (caught.xs(0.0, level="strength") == 0).all()
    full = caught.xs(1.0, level="strength")
    full = full[full.index.get_level_values("fault") != "mains hum"]
    assert (full == 1).all()
    assert caught["flat line", "wrist_bvp", 0.3] == 1
    assert caught["flat line", "wrist_temp", 0.3] == 0


def test_the_reason_names_the_sensor_that_failed(trials):
    caught = trials[trials["caught"] & (trials["fault"] != "motion")]
    assert all(reason.startswith(sensor) for sensor, reason in zip(caught["sensor"], caught["reason"], strict=True))
    flat = trials[(trials["fault"] == "flat line") & (trials["strength"] == 1)]
    assert flat["reason"].str.endswith("flat line").all()
    assert (trials["caught"] == (trials["reason"] != "")).all()


def test_befallen_windows_are_those_made_of_all_channels_anew(minutes):
    changed = inject_fault("motion", {"wrist_bvp": minutes["wrist_bvp"]}, RATES, 1.0, np.random.default_rng(2))
    replaced = _replace(windows_from_channels(cuts_of(minutes)), changed, RATES)
    anew = windows_from_channels(cuts_of(minutes | changed))
    for name in ("signal", "beat_s", "raw_statistics"):
        np.testing.assert_allclose(getattr(replaced, name), getattr(anew, name), rtol=1e-6)


def test_bad_input_is_named(minutes):
    with pytest.raises(InputError, match="lightning"):
        inject_fault("lightning", minutes, RATES, 0.5, np.random.default_rng(0))
    with pytest.raises(InputError, match=r"strength 1\.5"):
        inject_fault("flat line", minutes, RATES, 1.5, np.random.default_rng(0))


def test_minutes_are_chosen_among_the_accepted_and_from_several_people(toy_windows):
    toy_windows["raw_statistics"].values[::2, 1, 1] = 60.0
    assessed = assess_quality(toy_windows)
    chosen = choose_windows(assessed, 8)
    assert len(set(chosen)) == 8
    assert assessed["verdict"].values[chosen].all()
    assert np.unique(assessed["subject"].values[chosen], return_counts=True)[1].tolist() == [2, 2, 2, 2]
    assert len(choose_windows(assessed, 500)) == 4 * 6
