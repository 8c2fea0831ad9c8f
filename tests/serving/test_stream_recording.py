"""A stream answers what :func:`wesadlib.bundle.predict_recording` answers of the same file, also after a drop."""

import os
from pathlib import Path

import numpy as np
import pytest
from bodies import FORMS
from fastapi.testclient import TestClient
from services import make_service
from test_stream import line

from wesadlib.bundle import default_bundle, load_bundle, predict_recording
from wesadlib.data import open_recording
from wesadlib.data.exports import simulate_exports
from wesadlib.serving.app import make_app
from wesadlib.serving.wire import Chunk, read, write_samples

STEP_S, REST = 5.0, (120.0, 420.0)


@pytest.fixture(scope="module")
def open_wrist():
    return load_bundle(default_bundle())


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """What a simulated E4 wrote of a person."""
    root = simulate_exports(tmp_path_factory.mktemp("e4") / "people", "e4", 1, 7)
    return open_recording(next(root.glob("*.zip")))


@pytest.fixture(scope="module")
def served(open_wrist):
    with TestClient(make_app(make_service(open_wrist))) as client:
        yield client


def replay(client, recording, names, form, **start):
    """What a stream says of a recording from `start_s` on; all of it is sent, without a word where it is missing."""
    signals = {name: recording.signals[name] for name in names}
    channels = {name: {"rate_hz": float(signal.attrs["rate_hz"])} for name, signal in signals.items()}
    with line(client, form) as talk:
        talk.say({"type": "start", "channels": channels, "hop_s": STEP_S, **start})
        sent = (ready := talk.hear())["next"]
        assert (ready["type"], ready["window_s"], ready["hop_s"]) == ("ready", 60.0, STEP_S)
        for end_s in np.arange(start.get("start_s", 0) + 20, recording.duration_s + 20, 20):
            chunk = {}
            for name, signal in signals.items():
                stop = round(end_s * channels[name]["rate_hz"])
                chunk[name] = Chunk(sent[name], signal.values[sent[name] : stop].astype(np.float32))
                sent[name] += len(chunk[name].values)
            talk.say(read(write_samples({n: part for n, part in chunk.items() if len(part.values)}, form), form))
        talk.say({"type": "end"})
        *predictions, end, code = talk.hear_all()
    assert (end, code) == ({"type": "end"}, 1000)
    return predictions


def hold_against(predictions, answers):
    rows = answers.windows.set_index("start_s")
    assert [message["start_s"] for message in predictions] == rows.index.tolist()
    statuses = {message["start_s"]: message["answer"]["status"] for message in predictions}
    assert [statuses[start] == "ok" for start in rows.index] == (rows["status"] != "rejected").tolist()
    for message in predictions:
        assert message["end_s"] == message["start_s"] + 60
        if message["answer"]["status"] == "ok":
            row, answer = rows.loc[message["start_s"]], message["answer"]
            assert answer["protocol"] == answers.protocol
            assert answer["abstained"] == (row["status"] == "abstained")
            assert answer["probabilities"]["stress"] == pytest.approx(row["p_stress"], abs=1e-6)
    assert rows["p_stress"].max() > 0.7 > 0.3 > rows["p_stress"].min()


@pytest.mark.parametrize("form", FORMS)
def test_a_stream_equals_the_offline_result_and_goes_on_with_the_scores_that_its_client_kept(
    served, open_wrist, recording, form
):
    answers = predict_recording(open_wrist, recording, STEP_S)
    assert answers.protocol == "running_cold"
    names = list(open_wrist.config["channels"])
    predictions = replay(served, recording, names, form)
    hold_against(predictions, answers)
    # As a client does after a drop: it says every window's score, and sends the rest again, to any server.
    kept = predictions[:130]
    scores = [message["score"] for message in kept]
    scores = np.array(scores, float).tobytes() if form == "binary" else scores
    start = {"start_s": 130 * STEP_S, "scores": scores}
    with TestClient(make_app(make_service(open_wrist))) as elsewhere:
        hold_against(kept + replay(elsewhere, recording, names, form, **start), answers)
    # Without them the threshold begins anew, and what it says is its own.
    anew = replay(served, recording, names, form, start_s=130 * STEP_S)
    apart = [
        abs(one["answer"]["probabilities"]["stress"] - other["answer"]["probabilities"]["stress"])
        for one, other in zip(anew, predictions[130:], strict=True)
        if one["score"] is not None
    ]
    assert max(apart) > 0.1


def test_a_stream_with_the_persons_rest_equals_the_offline_result_too(served, open_wrist, recording):
    answers = predict_recording(open_wrist, recording, STEP_S, rest=REST)
    assert answers.protocol == "running_reference"
    starts = np.arange(REST[0], REST[1] - 60 + 1, 30.0)
    values = open_wrist.rest_values([open_wrist.cut(recording, start) for start in starts])
    token = served.app.state.service.signer.sign(values, open_wrist.version)
    hold_against(replay(served, recording, list(open_wrist.config["channels"]), "binary", rest=token), answers)


@pytest.mark.real
def test_so_does_a_stream_of_a_real_session(served, open_wrist):
    shared = Path(os.environ.get("RECORDINGS_ROOT", Path(__file__).resolve().parents[3] / "shared"))
    session = open_recording(shared / "stress-predict" / "Raw_data" / "S01.zip")
    predictions = replay(served, session, list(open_wrist.config["channels"]), "binary")
    hold_against(predictions, predict_recording(open_wrist, session, STEP_S))


@pytest.mark.parametrize(
    "scores", [[1.0, None, 99.0], [0.0] * 5, ["1"], b"\0" * 9, np.array([np.inf]).tobytes(), [0.0] * (2**16 + 1), 7]
)
def test_scores_that_cannot_be_are_refused_by_name(served, open_wrist, scores):
    channels = {name: {"rate_hz": facts["rate_hz"]} for name, facts in open_wrist.config["channels"].items()}
    form = "binary" if isinstance(scores, bytes) else "json"
    with line(served, form) as talk:
        talk.say({"type": "start", "channels": channels, "hop_s": STEP_S, "start_s": 4 * STEP_S, "scores": scores})
        problem, code = talk.hear_all()
    assert (problem["status"], code) == (422, 1008)
    assert all(item["name"].partition(".")[0] == "scores" for item in problem["errors"])
