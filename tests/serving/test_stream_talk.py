"""What a client says over a stream, and what of it is kept to be said again."""

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripts import RATES, prediction, ready, seconds

from wesadlib.errors import InputError
from wesadlib.serving.stream_messages import Ready
from wesadlib.serving.stream_talk import StreamTalk


def test_samples_that_belong_to_no_channel_or_come_after_the_end_are_named():
    talk = StreamTalk(RATES)
    with pytest.raises(InputError, match="wrist_hum: this stream has the channels wrist_bvp, wrist_eda"):
        talk.samples({"wrist_hum": [1.0]})
    talk.end()
    with pytest.raises(InputError, match="ended"):
        talk.samples(seconds(0, 1))


def joined(frames, stops):
    """What messages of samples say, channel by channel, NaN where they are silent."""
    values = {name: np.full(stop, np.nan, np.float32) for name, stop in stops.items()}
    for frame in frames:
        for name, chunk in msgpack.unpackb(frame.body)["channels"].items():
            samples = np.frombuffer(chunk["samples"], "<f4")
            assert len(samples) and not np.isnan(samples).any()
            values[name][chunk["first"] :][: len(samples)] = samples
    return values


def test_missing_samples_are_left_out_as_gaps_of_one_channel():
    talk = StreamTalk(RATES)
    channels = seconds(0, 4)
    channels["wrist_eda"][4:8] = np.nan
    frames = talk.samples(channels)
    for name, values in joined(frames, {"wrist_bvp": 256, "wrist_eda": 16}).items():
        np.testing.assert_array_equal(values, channels[name])
    parts = [sorted(msgpack.unpackb(frame.body)["channels"]) for frame in frames]
    assert parts == [["wrist_bvp", "wrist_eda"], ["wrist_bvp"], ["wrist_bvp", "wrist_eda"]]


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_no_sample_is_lost_however_few_are_sent_at_once(data):
    talk = StreamTalk(RATES)
    lengths = {name: data.draw(st.integers(0, round(25 * rate)), name) for name, rate in RATES.items()}
    signals = {name: np.arange(length, dtype=np.float32) for name, length in lengths.items()}
    for values in signals.values():
        values[data.draw(st.lists(st.integers(0, max(len(values) - 1, 0)), max_size=8 * bool(len(values))))] = np.nan
    frames, sent = [], dict.fromkeys(RATES, 0)
    while any(sent[name] < lengths[name] for name in RATES):
        most = data.draw(st.sampled_from([1, 2, 7, 2000]))
        frames += talk.samples({name: values[sent[name] :][:most] for name, values in signals.items()})
        sent = {name: min(sent[name] + most, lengths[name]) for name in RATES}
    for name, values in joined(frames, lengths).items():
        np.testing.assert_array_equal(values, signals[name])


@pytest.mark.parametrize("values", [1.0, [[1.0, 2.0]]])
def test_samples_of_another_shape_than_a_row_are_named(values):
    with pytest.raises(InputError, match=r"wrist_eda: samples are an array \(time\), not one of shape"):
        StreamTalk(RATES).samples({"wrist_eda": values})


def test_no_more_is_said_than_the_server_takes():
    talk = StreamTalk(RATES)
    limit = Ready(**msgpack.unpackb(ready())).model_copy(update={"samples_per_s": 100})
    assert talk.again(limit) == []
    for frames in (talk.samples(seconds(0, 25)), talk.again(limit)):
        assert [frame.pause_s for frame in frames] == [6.8, 6.8, 3.4]
    assert talk.end().pause_s == 0


def test_a_long_stream_keeps_only_what_is_not_answered():
    talk = StreamTalk(RATES, hop_s=5.0)
    for minute in range(20):
        talk.samples(seconds(60 * minute, 60 * minute + 60))
        talk.receive(prediction(12 * minute + 11))
    kept = sum(len(samples.values) for chunk in talk._kept for samples in chunk.values())
    assert kept <= 15 * sum(RATES.values())
