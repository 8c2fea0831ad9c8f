"""From scores to margins, verdicts and reasons, on plain arrays."""

from dataclasses import replace

import numpy as np
import pytest

from wesadlib.quality import RULES, assess_arrays, read_thresholds, signal_of
from wesadlib.quality.assess import _rescale
from wesadlib.signals import RAW_STATISTICS, Windows

NAMES = [rule.name for rule in RULES]
AXES = [f"{device}_acc_{axis}" for device in ("wrist", "chest") for axis in "xyz"]
BOTH = ("wrist_bvp", "chest_ecg", "chest_temp", *AXES, "chest_emg", "wrist_eda", "ear_eda", "chest_resp")
LEVELS = {"eda": 2.0, "temp": 33.0, "acc": 0.5}


def make_arrays(channels=BOTH, n=4, rate_hz=35.0, window_s=60.0) -> Windows:
    """Healthy windows of these channels."""
    generator = np.random.default_rng(0)
    time = np.arange(round(rate_hz * window_s)) / rate_hz
    signal = generator.normal(0, 0.01, (n, len(channels), len(time)))
    beats = np.arange(0.5, window_s, 0.8)
    pulse = sum(np.exp(-0.5 * ((time - beat) / 0.1) ** 2) for beat in beats)
    for channel, name in enumerate(channels):
        heart = {"bvp": 50, "ecg": 1, "resp": 3}.get(signal_of(name), 0)
        signal[:, channel] += LEVELS.get(signal_of(name), 0) + heart * pulse
    sources = tuple(name for name in ("wrist_bvp", "chest_ecg") if name in channels)
    return Windows(
        signal.astype(np.float32),
        np.tile(np.pad(beats, (0, 20), constant_values=np.nan), (n, len(sources), 1)),
        np.zeros((n, len(channels), len(RAW_STATISTICS)), np.float32),
        tuple(channels),
        sources,
        rate_hz,
        window_s,
    )


@pytest.mark.parametrize(
    ("score", "cutoff", "margin"),
    [
        *[(0.0, 0.8, 0), (0.4, 0.8, 0.25), (0.8, 0.8, 0.5), (0.8 - 1e-8, 0.8, 0.5), (0.9, 0.8, 0.75), (1, 0.8, 1)],
        *[(1, 1, 1), (0, 0, 0.5), (-0.5, 0.3, 0), (np.nan, 0.8, np.nan), (0.5, np.nan, np.nan)],
    ],
)
def test_margins_are_rescaled_to_half_at_the_cutoff(score, cutoff, margin):
    found = _rescale(np.array([[[score]]]), np.array([[cutoff]])).item()
    assert found == pytest.approx(margin, nan_ok=True)
    assert (found < 0.5) == (margin < 0.5)


def test_a_rule_is_scored_where_it_is_asked_and_can_be_read():
    found = assess_arrays(make_arrays())
    assert found.verdict.all() and found.reasons == [[]] * 4 and found.reason.tolist() == [""] * 4
    for channel, name in enumerate(BOTH):
        asked = [rule.name for rule in RULES if signal_of(name) in rule.thresholds]
        if name == "ear_eda":
            asked.remove("motion")
        scored = ~np.isnan(found.rule_score[:, channel])
        assert (scored == np.isin(NAMES, asked)).all(), name
    assert np.nanmin(found.rule_score) > 0.95
    assert found.rule_score.dtype == found.quality.dtype == np.float32 and found.verdict.dtype == bool
    elsewhere = assess_arrays(
        replace(make_arrays(("wrist_eda",)), beat_s=np.ones((4, 1, 5)), beat_sources=("wrist_eda",))
    )
    assert np.isnan(elsewhere.rule_score[..., NAMES.index("beat plausibility")]).all()


def test_motion_is_of_the_device_that_moves():
    windows = make_arrays()
    generator = np.random.default_rng(1)
    windows.signal[0, [BOTH.index(f"chest_acc_{axis}") for axis in "xyz"]] += generator.normal(0, 1, (3, 2100))
    windows.signal[1, [BOTH.index(f"wrist_acc_{axis}") for axis in "xyz"]] += generator.normal(0, 1, (3, 2100))
    found = assess_arrays(windows)
    assert found.reasons[0] == [f"{name}: motion" for name in ("chest_ecg", "chest_emg", "chest_resp")]
    assert found.reasons[1] == [f"{name}: motion" for name in ("wrist_bvp", "wrist_eda")]


def test_beats_are_read_in_the_channel_they_were_found_in():
    windows = make_arrays()
    windows.beat_s[0, 0], windows.beat_s[1, 1] = np.nan, np.nan
    windows.signal[2, 1] = np.random.default_rng(1).normal(0, 1, 2100)
    found = assess_arrays(windows)
    expected = [f"{name}: beat plausibility" for name in ("wrist_bvp", "chest_ecg", "chest_ecg")]
    assert found.reason.tolist() == [*expected, ""]


def test_an_accelerometer_is_as_flat_as_its_liveliest_axis():
    windows = make_arrays()
    wrist = [BOTH.index(f"wrist_acc_{axis}") for axis in "xyz"]
    windows.raw_statistics[:, wrist, 1] = [[60, 60, 30], [60, 60, 60], [np.nan, 60, 45], [np.nan] * 3]
    score = assess_arrays(windows).rule_score[:, wrist, NAMES.index("flat line")]
    np.testing.assert_allclose(score, np.repeat([[0.5], [0], [0.25], [np.nan]], 3, axis=1))
    assert windows.raw_statistics[0, wrist[0], 1] == 60


def test_quiet_noise_is_flat_where_the_native_samples_are_not():
    windows = make_arrays()
    windows.signal[0, 0, : 15 * 35] = np.random.default_rng(0).uniform(-1, 1, 15 * 35)
    windows.raw_statistics[1, 0, 1] = np.nan
    windows.raw_statistics[2, 0, 1], windows.signal[2, 0, : 15 * 35] = 30, 0.1
    windows.raw_statistics[3, 0, 1] = 90
    score = assess_arrays(windows).rule_score[:, 0, NAMES.index("flat line")]
    np.testing.assert_allclose(score, [0.75, 1, 0.5, 0])


def test_reasons_that_tie_are_in_the_order_of_channels_and_rules():
    windows = make_arrays(("wrist_eda", "wrist_temp"), n=2)
    windows.raw_statistics[0, :, :2] = [1.0, 60.0]
    windows.raw_statistics[1, 1, :2] = [0.5, 60.0]
    found = assess_arrays(windows)
    expected = [f"{name}: {rule}" for name in ("wrist_eda", "wrist_temp") for rule in ("completeness", "flat line")]
    assert found.reasons == [expected, ["wrist_temp: flat line", "wrist_temp: completeness"]]
    assert found.reason.tolist() == [expected[0], "wrist_temp: flat line"]


def test_a_channel_that_is_not_modelled_is_listed_and_decides_nothing():
    windows = make_arrays(("wrist_eda", "wrist_temp"), n=3)
    windows.raw_statistics[:, 0, 0] = 1.0
    windows.raw_statistics[1:, 1, 0] = 0.5
    found = assess_arrays(windows, channels=["wrist_temp"])
    assert found.verdict.tolist() == [True, False, False]
    assert found.reason.tolist() == ["", "wrist_temp: completeness", "wrist_temp: completeness"]
    assert found.reasons[0] == ["wrist_eda: completeness"]
    assert found.reasons[1] == ["wrist_temp: completeness", "wrist_eda: completeness"]


def test_cutoffs_are_those_of_the_call():
    windows = make_arrays(("wrist_eda",), n=1)
    windows.raw_statistics[0, 0, :2] = [0.1, 12.0]
    thresholds = read_thresholds()
    assert assess_arrays(windows, thresholds).reasons == [["wrist_eda: completeness", "wrist_eda: flat line"]]
    thresholds |= {"min_completeness": 0.9}
    assert assess_arrays(windows, thresholds).reasons == [["wrist_eda: flat line"]]
    assert assess_arrays(windows, thresholds | {"max_flat_s": 12.0}).reasons == [[]]
    twice = assess_arrays(replace(windows, window_s=120.0), thresholds)
    assert twice.rule_score[0, 0, 1] == pytest.approx(0.9) and twice.reasons == [["wrist_eda: flat line"]]
    windows.raw_statistics[0, 0, 1] = 60.0
    assert assess_arrays(windows, thresholds | {"max_flat_s": 90.0}).quality.tolist() == [[0.5]]


def test_no_window_is_no_verdict():
    found = assess_arrays(make_arrays().take(slice(0, 0)))
    assert found.rule_score.shape == (0, len(BOTH), len(RULES)) and found.quality.shape == (0, len(BOTH))
    assert found.verdict.shape == found.reason.shape == (0,) and found.reasons == []
    assert found.verdict.dtype == bool
