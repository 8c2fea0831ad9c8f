"""A recording at a glance: gaps, starts of windows, what can be judged."""

from dataclasses import replace

import minutes
import numpy as np
import pytest

from wesadlib.quality.recordings import check_recording, find_gaps, list_starts, to_known_scale


@pytest.fixture
def recording():
    return minutes.wrist_recording(3)


def with_gap(recording, start_s, end_s, channels):
    signals = dict(recording.signals)
    for name in channels:
        signals[name] = signals[name].copy()
        signals[name][(signals[name]["time"] >= start_s) & (signals[name]["time"] < end_s)] = np.nan
    return replace(recording, signals=signals)


def test_gaps_of_a_second_are_told_once_a_sensor(recording):
    broken = with_gap(recording, 30, 95, [*recording.signals])
    broken = with_gap(broken, 100, 100.5, ["wrist_bvp"])
    gaps = find_gaps(broken)
    assert gaps["channel"].tolist() == ["wrist_bvp", "wrist_eda", "wrist_temp", "wrist_acc"]
    assert np.allclose(gaps[["start_s", "end_s"]], [30, 95])


@pytest.mark.parametrize(("rate_hz", "length_s"), [(64.0, 240), (63.9999, 240), (1.00000072, 239.9)])
def test_every_window_is_filled_by_every_channel(recording, rate_hz, length_s):
    signal = recording.signals["wrist_bvp"][: int(length_s * rate_hz)].assign_attrs(rate_hz=rate_hz, units="a.u.")
    odd = replace(recording, signals={**recording.signals, "wrist_bvp": signal})
    starts = list_starts(odd, list(odd.signals), 60.0, 7.0)
    assert len(starts) in (25, 26) and np.allclose(np.diff(starts), 7)
    assert all(round(start * rate_hz) + round(60 * rate_hz) <= len(signal) for start in starts)
    assert len(list_starts(odd, list(odd.signals), 60.0, 30.0, 45.0, 150.0)) == 2


def test_what_can_be_judged_is_what_quality_and_wear_let_pass(recording):
    summary, problems = check_recording(recording)
    assert (summary["judged_share"], summary["worn_share"], summary["reasons"], problems) == (1.0, 1.0, {}, [])
    summary, problems = check_recording(with_gap(recording, 120, 240, ["wrist_eda"]))
    assert summary["judged_share"] == pytest.approx(3 / 7)
    assert summary["reasons"] == {"wrist_eda: completeness": 4}
    assert summary["channels"]["wrist_eda"]["states"] == {"good": 0.5, "missing": 0.5}
    _, problems = check_recording(with_gap(recording, 60, 240, ["wrist_bvp"]))
    assert problems == ["S5: wrist_bvp is missing in minutes 2 to 4 of 4."]


def test_a_pulse_in_nanowatts_is_judged_as_one_in_the_e4s_units(recording):
    pulse = (recording.signals["wrist_bvp"] / 1000).assign_attrs(rate_hz=64.0, units="nW")
    other = replace(recording, signals={**recording.signals, "wrist_bvp": pulse})
    assert np.allclose(to_known_scale(other).signals["wrist_bvp"], recording.signals["wrist_bvp"], rtol=1e-5)
    assert to_known_scale(other).signals["wrist_bvp"].attrs["units"] == "nW"
    assert check_recording(other)[0]["judged_share"] == 1.0
