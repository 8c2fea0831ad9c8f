import neurokit2 as nk
import numpy as np
import pytest

from wesadlib.features.block import Block
from wesadlib.features.electrodermal import CUTOFF_HZ, ELECTRODERMAL
from wesadlib.signals.filters import zero_phase


def eda(values, rate_hz=35.0):
    block = Block(signal={"wrist_eda": values}, beat_s={}, rate_hz=rate_hz, window_s=60.0)
    return {name.removeprefix("wrist_eda_"): value for name, value in ELECTRODERMAL.extract(block).items()}


def with_responses(count, amplitude, level=2.0, drift=0.0, rate_hz=35.0, seed=0):
    time = np.arange(0, 60, 1 / rate_hz)
    values = level + drift * time / 60
    for onset in np.linspace(4, 50, count):
        since = np.clip(time - onset, 0, None)
        shape = np.exp(-since / 4) - np.exp(-since / 0.75)
        values = values + amplitude * shape / 0.5353
    return values + np.random.default_rng(seed).normal(0, 0.001, len(time))


@pytest.mark.parametrize("count", [1, 4, 8])
def test_responses_that_were_put_in_are_found(count):
    found = eda(with_responses(count, 0.1)[None])
    assert found["scr_rate"][0] == pytest.approx(count)
    assert found["scr_amplitude"][0] == pytest.approx(0.1, rel=0.15)
    assert found["scr_amplitude_sum"][0] == pytest.approx(0.1 * count, rel=0.15)


def test_small_responses_and_slow_drift_are_no_responses():
    found = eda(np.stack([with_responses(5, 0.01), with_responses(0, 0, drift=0.2), with_responses(5, 0.04)]))
    np.testing.assert_allclose(found["scr_rate"], [0, 0, 5])
    assert np.isnan(found["scr_amplitude"][:2]).all()
    assert found["tonic_slope"][1] == pytest.approx(0.2, rel=0.15)


def test_number_of_responses_is_neurokits():
    rate_hz = 35
    simulated = np.stack(
        [
            nk.eda_simulate(duration=60, sampling_rate=rate_hz, scr_number=count, drift=0, noise=0, random_state=count)
            for count in (2, 5)
        ]
    )
    np.testing.assert_allclose(eda(simulated)["scr_rate"], [2, 5], atol=1)


def test_split_is_neurokits_high_pass():
    values = with_responses(6, 0.2, rate_hz=5.0)
    phasic = values - zero_phase(values[None], 5.0, "lowpass", CUTOFF_HZ)
    theirs = nk.eda_phasic(values, sampling_rate=5, method="highpass")
    inner = slice(50, -50)
    np.testing.assert_allclose(phasic[0, inner], theirs["EDA_Phasic"].to_numpy()[inner], atol=0.02)
    assert np.corrcoef(phasic[0, inner], theirs["EDA_Phasic"].to_numpy()[inner])[0, 1] > 0.99


def test_a_level_below_zero_has_no_logarithm():
    found = eda(with_responses(3, 0.1, level=-1.0)[None])
    assert np.isnan(found["log_level"][0])
    assert np.isnan(found["relative_phasic_sd"][0])
    assert np.isfinite(found["scr_rate"][0])


def test_short_gaps_are_bridged_and_long_ones_are_not_read():
    values = np.stack([with_responses(4, 0.1)] * 3)
    values[1, 900:960] = np.nan
    values[2, 900:1100] = np.nan
    found = eda(values)
    assert found["scr_rate"][1] == found["scr_rate"][0]
    assert all(np.isnan(value[2]) for value in found.values())
    assert np.isfinite(found["log_level"][:2]).all()


def test_no_response_is_found_across_a_dropout():
    steps = np.repeat(np.tile([2.0, 2.3], 5), 210)
    gapped = steps.copy()
    for start in range(210, 2100, 210):
        gapped[start - 30 : start + 30] = np.nan
    whole, across = eda(np.stack([steps, gapped]))["scr_rate"]
    assert whole >= 4 and across == 0
