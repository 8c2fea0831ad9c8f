"""The buffer of a stream gives the windows that are cut offline, however the samples come."""

import minutes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wesadlib.serving.stream_buffer import MAX_GAP_S, StreamBuffer
from wesadlib.serving.stream_messages import Samples
from wesadlib.serving.wire import BodyError

RATES = {"wrist_bvp": 64.0, "wrist_eda": 4.0, "wrist_acc_x": 7.3}


def recording(seconds, seed=0):
    generator = np.random.default_rng(seed)
    return {name: generator.normal(size=round(seconds * rate)).astype(np.float32) for name, rate in RATES.items()}


def offline(signals, window_s, hop_s):
    windows = {}
    number = 0
    while True:
        cut = {
            name: values[round(number * hop_s * RATES[name]) :][: round(window_s * RATES[name])]
            for name, values in signals.items()
        }
        if any(len(cut[name]) < round(window_s * RATES[name]) for name in cut):
            return windows
        windows[number] = cut
        number += 1


def drain(buffer):
    found = []
    while due := buffer.due(2):
        for window in due:
            found.append(window)
            buffer.answered(window)
    return found


@given(data=st.data(), hop_s=st.sampled_from([1.0, 2.5, 5.0, 7.0, 12.0]), parked=st.booleans())
@settings(max_examples=60, deadline=None)
def test_windows_are_those_of_the_recording_however_it_is_cut(data, hop_s, parked):
    signals = recording(30)
    buffer = StreamBuffer(RATES, window_s=10.0, hop_s=hop_s)
    sent, time_s, found = dict.fromkeys(RATES, 0), 0.0, []
    while time_s < 30:
        # No channel is further ahead than the lag, so that no window goes without another.
        time_s += data.draw(st.floats(0.05, 1.9))
        chunk = {}
        for name, rate in RATES.items():
            stop = min(round(time_s * rate), len(signals[name]))
            if stop > sent[name]:
                chunk[name] = Samples(sent[name], signals[name][sent[name] : stop])
                sent[name] = stop
        if chunk:
            buffer.add(chunk)
            found += drain(buffer)
        if parked:
            buffer = StreamBuffer.from_bytes(buffer.to_bytes())
    expected = offline(signals, 10.0, hop_s)
    assert [window.number for window in found] == list(expected)
    for window in found:
        assert (window.start_s, window.end_s) == (window.number * hop_s, window.number * hop_s + 10)
        for name, values in window.channels.items():
            np.testing.assert_array_equal(values, expected[window.number][name])
    assert buffer.next == {name: len(values) for name, values in signals.items()}


def test_a_gap_is_missing_samples_and_a_night_costs_nothing():
    buffer = StreamBuffer({"wrist_eda": 4.0}, window_s=10.0, hop_s=5.0)
    buffer.add({"wrist_eda": Samples(0, np.ones(60, np.float32))})
    buffer_windows = drain(buffer)
    buffer.add({"wrist_eda": Samples(64, np.ones(16, np.float32))})
    buffer_windows += drain(buffer)
    assert [int(np.isnan(window.channels["wrist_eda"]).sum()) for window in buffer_windows] == [0, 0, 4]
    night = 8 * 3600 * 4
    buffer.add({"wrist_eda": Samples(night, np.ones(80, np.float32))})
    after = drain(buffer)
    assert len(after) < 8
    assert all(not np.isnan(window.channels["wrist_eda"]).all() for window in after)
    assert after[-1].end_s == night / 4 + 20


def test_a_channel_that_lags_is_waited_for_and_then_is_missing():
    buffer = StreamBuffer({"wrist_bvp": 64.0, "wrist_eda": 4.0}, window_s=10.0, hop_s=5.0, lag_s=2.0)
    buffer.add(
        {"wrist_bvp": Samples(0, np.ones(11 * 64, np.float32)), "wrist_eda": Samples(0, np.ones(36, np.float32))}
    )
    assert buffer.due() == []
    buffer.add({"wrist_bvp": Samples(11 * 64, np.ones(64, np.float32))})
    (window,) = drain(buffer)
    assert np.isnan(window.channels["wrist_eda"]).sum() == 4
    buffer.add({"wrist_eda": Samples(36, np.ones(24, np.float32)), "wrist_bvp": Samples(768, np.ones(192, np.float32))})
    (later,) = drain(buffer)
    assert not np.isnan(later.channels["wrist_eda"]).any()


@pytest.mark.parametrize(
    ("channels", "name", "detail"),
    [
        ({"wrist_eda": Samples(3, np.ones(2, np.float32))}, "channels.wrist_eda", "does not go back: sample 4"),
        ({"wrist_hum": Samples(0, np.ones(2, np.float32))}, "channels.wrist_hum", "unknown channel"),
        (
            {"wrist_eda": Samples(round(MAX_GAP_S * 4) + 5, np.ones(2, np.float32))},
            "channels.wrist_eda",
            "further ahead than a gap may be",
        ),
    ],
)
def test_what_does_not_go_on_with_the_stream_is_refused_whole(channels, name, detail):
    buffer = StreamBuffer({"wrist_bvp": 64.0, "wrist_eda": 4.0}, window_s=10.0, hop_s=5.0)
    buffer.add({"wrist_eda": Samples(0, np.ones(4, np.float32))})
    drain(buffer)
    before = buffer.next
    with pytest.raises(BodyError) as refused:
        buffer.add({"wrist_bvp": Samples(0, np.ones(64, np.float32)), **channels})
    (item,) = refused.value.items
    assert item.name == name and detail in item.detail
    assert buffer.next == before


def test_memory_is_bounded_however_long_a_stream_goes_on():
    buffer = StreamBuffer(minutes.RATES_HZ, window_s=60.0, hop_s=5.0)
    for second in range(600):
        buffer.add(
            {
                name: Samples(round(second * rate), np.zeros(round(rate), np.float32))
                for name, rate in minutes.RATES_HZ.items()
            }
        )
        drain(buffer)
    minute = 4 * sum(60 * rate for rate in minutes.RATES_HZ.values())
    assert len(buffer.to_bytes()) < 1.2 * minute


def test_rates_at_which_there_is_no_window_are_refused():
    with pytest.raises(BodyError, match="cannot be answered"):
        StreamBuffer({"wrist_eda": 0.01}, window_s=10.0, hop_s=5.0)
    with pytest.raises(BodyError, match="at most"):
        StreamBuffer({"wrist_eda": 100_000.0}, window_s=60.0, hop_s=5.0)


def test_a_stream_begins_anew_where_its_client_wants_a_window():
    buffer = StreamBuffer({"wrist_eda": 4.0}, window_s=10.0, hop_s=5.0)
    buffer.add({"wrist_eda": Samples(0, np.zeros(55, np.float32))})
    drain(buffer)
    buffer.restart(10.0)
    assert buffer.next == {"wrist_eda": 40}
    with pytest.raises(BodyError):
        buffer.restart(11.0)
