"""The buffer of a stream gives the windows that are cut offline, however the samples come."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wesadlib.serving.stream_buffer import MAX_GAP_S, StreamBuffer
from wesadlib.serving.wire import BodyError, Chunk

RATES = {"wrist_bvp": 64.0, "wrist_eda": 4.0, "wrist_acc_x": 7.3}
FAR = round(MAX_GAP_S * 4) + 5


def recording(seconds, seed=0):
    generator = np.random.default_rng(seed)
    return {name: generator.normal(size=round(seconds * rate)).astype(np.float32) for name, rate in RATES.items()}


def offline(signals, start_s, window_s=10.0):
    spans = {name: (round(start_s * rate), round(window_s * rate)) for name, rate in RATES.items()}
    return {name: signals[name][first:][:length] for name, (first, length) in spans.items()}


def drain(buffer):
    windows = []
    while due := buffer.due(2):
        windows += due
    return windows


@given(data=st.data(), hop_s=st.sampled_from([1.0, 2.5, 5.0, 7.0, 12.0]), begin=st.integers(0, 4))
@settings(max_examples=60, deadline=None)
def test_windows_are_those_of_the_recording_however_it_is_cut(data, hop_s, begin):
    signals = recording(30)
    # Somewhere it dropped, and is taken up at the first window that was not answered.
    begin = min(begin, int(20 / hop_s))
    buffer = StreamBuffer(RATES, window_s=10.0, hop_s=hop_s, start_s=begin * hop_s)
    sent, windows = buffer.next, []
    time_s = min(sent[name] / RATES[name] for name in RATES)
    while time_s < 30:
        # No channel is further ahead than the lag, so that no window goes without another.
        time_s += data.draw(st.floats(0.05, 1.9))
        chunk = {}
        for name, rate in RATES.items():
            stop = min(round(time_s * rate), len(signals[name]))
            if stop > sent[name]:
                chunk[name] = Chunk(sent[name], signals[name][sent[name] : stop])
                sent[name] = stop
        if chunk:
            buffer.add(chunk)
            windows += drain(buffer)
    starts_s = hop_s * np.arange(begin, int(20 / hop_s) + 1)
    assert [window.start_s for window in windows] == starts_s.tolist()
    for window in windows:
        channels = offline(signals, window.start_s)
        assert window.end_s == window.start_s + 10
        for name, values in window.channels.items():
            np.testing.assert_array_equal(values, channels[name])
    assert buffer.next == {name: len(values) for name, values in signals.items()}


def test_a_gap_is_missing_samples_and_a_night_costs_nothing():
    buffer = StreamBuffer({"wrist_eda": 4.0}, window_s=10.0, hop_s=5.0)
    buffer.add({"wrist_eda": Chunk(0, np.ones(60, np.float32))})
    buffer_windows = drain(buffer)
    buffer.add({"wrist_eda": Chunk(64, np.ones(16, np.float32))})
    buffer_windows += drain(buffer)
    assert [int(np.isnan(window.channels["wrist_eda"]).sum()) for window in buffer_windows] == [0, 0, 4]
    night = 8 * 3600 * 4
    buffer.add({"wrist_eda": Chunk(night, np.ones(80, np.float32))})
    after = drain(buffer)
    assert len(after) < 8
    assert all(not np.isnan(window.channels["wrist_eda"]).all() for window in after)
    assert after[-1].end_s == night / 4 + 20


def test_a_channel_that_lags_is_waited_for_and_then_is_missing():
    buffer = StreamBuffer({"wrist_bvp": 64.0, "wrist_eda": 4.0}, window_s=10.0, hop_s=5.0)
    buffer.add({"wrist_bvp": Chunk(0, np.ones(11 * 64, np.float32)), "wrist_eda": Chunk(0, np.ones(36, np.float32))})
    assert buffer.due() == []
    buffer.add({"wrist_bvp": Chunk(11 * 64, np.ones(64, np.float32))})
    (window,) = drain(buffer)
    assert np.isnan(window.channels["wrist_eda"]).sum() == 4
    buffer.add({"wrist_eda": Chunk(36, np.ones(24, np.float32)), "wrist_bvp": Chunk(768, np.ones(192, np.float32))})
    (later,) = drain(buffer)
    assert not np.isnan(later.channels["wrist_eda"]).any()


@pytest.mark.parametrize(
    ("channels", "name", "detail"),
    [
        ({"wrist_eda": Chunk(3, np.ones(2, np.float32))}, "channels.wrist_eda", "does not go back: sample 4"),
        ({"wrist_hum": Chunk(0, np.ones(2, np.float32))}, "channels.wrist_hum", "unknown channel"),
        ({"wrist_eda": Chunk(FAR, np.ones(2, np.float32))}, "channels.wrist_eda", "further ahead than a gap may be"),
    ],
)
def test_what_does_not_go_on_with_the_stream_is_refused_whole(channels, name, detail):
    buffer = StreamBuffer({"wrist_bvp": 64.0, "wrist_eda": 4.0}, window_s=10.0, hop_s=5.0)
    buffer.add({"wrist_eda": Chunk(0, np.ones(4, np.float32))})
    drain(buffer)
    before = buffer.next
    with pytest.raises(BodyError) as refused:
        buffer.add({"wrist_bvp": Chunk(0, np.ones(64, np.float32)), **channels})
    (item,) = refused.value.items
    assert item.name == name and detail in item.detail
    assert buffer.next == before


@pytest.mark.parametrize("chunk", [1, 4])
def test_memory_is_bounded_however_long_a_stream_goes_on(chunk):
    buffer = StreamBuffer({"wrist_bvp": 64.0, "wrist_eda": 4.0}, window_s=60.0, hop_s=5.0)
    tracemalloc.start()
    for step in range(0, 4 * 600, chunk):
        channels = {"wrist_eda": Chunk(step, np.zeros(chunk, np.float32))}
        buffer.add(channels | {"wrist_bvp": Chunk(16 * step, np.zeros(16 * chunk, np.float32))})
        drain(buffer)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 4 * 60 * (64 + 4) * 4


def test_rates_at_which_there_is_no_window_are_refused():
    with pytest.raises(BodyError, match="cannot be answered"):
        StreamBuffer({"wrist_eda": 0.01}, window_s=10.0, hop_s=5.0)
    with pytest.raises(BodyError, match="at most"):
        StreamBuffer({"wrist_eda": 100_000.0}, window_s=60.0, hop_s=5.0)


def test_a_stream_is_taken_up_where_a_window_starts_and_by_samples_that_join():
    keywords = {"window_s": 10.0, "hop_s": 5.0}
    with pytest.raises(BodyError) as refused:
        StreamBuffer({"wrist_eda": 4.0}, start_s=11.0, **keywords)
    assert [item.name for item in refused.value.items] == ["start_s"]
    buffer = StreamBuffer({"wrist_eda": 4.0, "wrist_temp": 4.0}, start_s=10.0, **keywords)
    assert buffer.next == {"wrist_eda": 40, "wrist_temp": 40}
    late = {name: Chunk(first, np.zeros(4, np.float32)) for name, first in (("wrist_eda", 80), ("wrist_temp", 90))}
    with pytest.raises(BodyError, match="do not join the stream: it goes on at 10 s, they at 20 s"):
        buffer.add(late)
    with pytest.raises(BodyError) as refused:
        buffer.add(late | {"wrist_eda": Chunk(0, np.zeros(4, np.float32))})
    assert "does not go back: sample 40 comes next, not 0" in refused.value.items[0].detail
    # One of them joins; what is then jumped over is a gap like any other.
    buffer.add(late | {"wrist_eda": Chunk(79, np.zeros(1, np.float32))})
    assert [np.isnan(window.channels["wrist_temp"]).all() for window in drain(buffer)] == [True]


def test_between_windows_that_do_not_touch_a_stream_goes_on_where_the_last_one_ended():
    buffer = StreamBuffer({"wrist_eda": 4.0}, window_s=10.0, hop_s=15.0, start_s=30.0)
    assert buffer.next == {"wrist_eda": 100}
