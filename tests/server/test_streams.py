"""Streams of a running server equal the offline result, also where they break."""

import asyncio

import minutes
import pytest

from wesadlib.bundle import load_bundle
from wesadlib.data import open_wesad
from wesadlib.serving import AsyncClient


def hold_against(predictions, recording, bundle, hop_s):
    last = recording.duration_s - 60
    starts = [k * hop_s for k in range(int(last // hop_s) + 1)]
    assert [prediction.start_s for prediction in predictions] == starts
    answers = bundle.predict_windows([bundle.cut(recording, start) for start in starts])
    for prediction, answer in zip(predictions, answers, strict=True):
        assert (prediction.answer.status, prediction.answer.reasons) == (answer.status, answer.reasons)
        if answer.status == "ok":
            assert prediction.answer.probabilities == pytest.approx(answer.probabilities, abs=1e-6)
    return {answer.status for answer in answers}


def test_a_replayed_recording_is_answered_as_offline(server, served_bundle):
    recording = minutes.wrist_recording(6)
    predictions = server.replay(recording, chunk_s=0.7, hop_s=20.0)
    assert hold_against(predictions, recording, load_bundle(served_bundle), 20.0) == {"ok"}
    assert all(0 < prediction.latency_ms < 10_000 for prediction in predictions)


def test_two_awaited_streams_go_on_at_the_same_time(server, served_bundle):
    recordings = [minutes.wrist_recording(seed) for seed in (7, 8)]

    async def replay_both():
        async with AsyncClient(server.url) as client:
            return await asyncio.gather(*(client.replay(recording, hop_s=30.0) for recording in recordings))

    for predictions, recording in zip(asyncio.run(replay_both()), recordings, strict=True):
        assert hold_against(predictions, recording, load_bundle(served_bundle), 30.0) == {"ok"}


def test_a_stream_that_breaks_misses_nothing(server, served_bundle):
    recording = minutes.wrist_recording(9)
    rates_hz = {name: float(signal.attrs["rate_hz"]) for name, signal in recording.signals.items()}
    predictions = []
    with server.stream(rates_hz, hop_s=15.0) as stream:
        for second in range(0, 240, 4):
            chunk = {
                name: signal.to_numpy()[round(second * rates_hz[name]) : round((second + 4) * rates_hz[name])]
                for name, signal in recording.signals.items()
            }
            stream.send(chunk)
            if second in (40, 120, 124):
                # The line goes dead without a word.
                stream._portal.call(stream._awaited._connection.transport.abort)
        stream.end()
        predictions = list(stream)
    hold_against(predictions, recording, load_bundle(served_bundle), 15.0)


@pytest.mark.real
def test_a_real_recording_at_high_speed_is_answered_as_offline(server, served_bundle, wesad_root):
    recording = open_wesad(wesad_root, ["S2"])[0]
    bundle = load_bundle(served_bundle)
    signals = {name: recording.signals[name] for name in bundle.config["channels"]}
    part = type(recording)(recording.subject, signals).between(1200, 2100)
    predictions = server.replay(part, chunk_s=2.3, hop_s=15.0)
    assert "ok" in hold_against(predictions, part, bundle, 15.0)
