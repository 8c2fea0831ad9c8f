"""Windows: where they are cut, what they are called, and that each is made by itself."""

import weakref

import numpy as np
import pytest
from minutes import ToyCohort
from signal_toys import make_recording

from wesadlib.data import CHANNELS, DEVICE_CHANNELS
from wesadlib.errors import InputError
from wesadlib.signals import cut_windows, make_windows, windows_from_channels


@pytest.fixture
def cohort() -> ToyCohort:
    """Two wrists: transient, baseline, stress, meditation for some minutes each."""
    codes = np.repeat([0, 1, 2, 4], [45 * 700, 150 * 700, 105 * 700, 60 * 700])
    return ToyCohort([make_recording(codes, seed=2, subject="S2"), make_recording(codes, seed=10, subject="S10")])


@pytest.fixture
def windows(cohort):
    return make_windows(cohort, device="wrist")


def test_states_and_starts_follow_the_labels(windows):
    first = windows.isel(window=windows.subject == "S2")
    # Transient to 45 s, baseline to 195 s, stress to 300 s, then meditation to 360 s.
    assert first.start_s.values.tolist() == [30, 60, 90, 120, 150, 180, 210, 240, 270]
    assert first.label.values.tolist() == ["baseline"] * 5 + ["stress"] * 4
    np.testing.assert_allclose(first.purity, [0.75, 1, 1, 1, 0.75, 0.75, 1, 1, 0.5])


def test_every_window_equals_the_same_minute_sent_alone(cohort, windows):
    rows = windows.isel(window=[13, 0, 5])
    people = {recording.subject: recording for recording in cohort}
    cuts = cut_windows(people, rows)
    assert [len(channels["wrist_bvp"]) for channels, _ in cuts] == [3840] * 3
    for k, cut in enumerate(cuts):
        sent = windows_from_channels([cut])
        for variable in ("signal", "beat_s", "raw_statistics"):
            np.testing.assert_allclose(getattr(sent, variable)[0], rows[variable][k], rtol=0, atol=1e-6)


def test_order_of_channels_units_and_attributes(windows):
    assert windows.channel.values.tolist() == list(DEVICE_CHANNELS["wrist"])
    assert windows.units.values.tolist() == [CHANNELS[name][0] for name in DEVICE_CHANNELS["wrist"]]
    expected = {
        "rate_hz": 35.0,
        "window_s": 60.0,
        "hop_s": 30.0,
        "cohort_digest": "0" * 64,
        "device": "wrist",
        "simulated": 1,
    }
    assert {key: windows.attrs[key] for key in expected} == expected
    assert windows.attrs["wesadlib_version"]
    assert windows.signal.dtype == np.float32


def test_purity_can_be_asked_for(cohort):
    pure = make_windows(cohort, device="wrist", min_purity=1.0)
    assert pure.start_s.values[pure.subject == "S2"].tolist() == [60, 90, 120, 210, 240]
    assert make_windows(cohort, device="wrist", min_purity=0.75).sizes["window"] == 16


def test_the_chest_is_a_device_too():
    cohort = ToyCohort([make_recording(np.ones(61 * 700), device="chest")])
    windows = make_windows(cohort, device="chest")
    assert windows.signal.shape == (1, 8, 2100)
    assert windows.beat_source.values.tolist() == ["chest_ecg"]
    assert int(windows.beat_s.notnull().sum()) == 72


def test_one_recording_is_in_memory_at_a_time(cohort):
    loaded, alive = [], []

    class Loading(ToyCohort):
        def __getitem__(self, index):
            recording = make_recording(np.ones(90 * 700), seed=index, subject=super().__getitem__(index).subject)
            alive.append(sum(earlier() is not None for earlier in loaded))
            loaded.append(weakref.ref(recording))
            return recording

    make_windows(Loading(cohort * 2), device="wrist")
    assert alive == [0, 0, 0, 0]


def test_errors_name_the_person_and_what_to_do(cohort):
    with pytest.raises(InputError, match="'ankle' is unknown; there are chest, wrist"):
        make_windows(cohort, device="ankle")
    with pytest.raises(InputError, match=r"toys/S2: the recording has no chest_ecg; .* leave S2 out"):
        make_windows(cohort, device="chest")
    cohort.append(make_recording(np.zeros(90 * 700), subject="S11"))
    with pytest.raises(InputError, match=r"toys/S11: no window .* leave S11 out"):
        make_windows(cohort, device="wrist")
