"""The Open Inference Protocol, as a client that others wrote speaks it, and as it may be spoken wrongly."""

import json
import threading
import time

import minutes
import numpy as np
import pytest
import uvicorn
from bodies import MINUTE, RATES
from services import make_service
from tritonclient import http as triton
from tritonclient.utils import InferenceServerException

from wesadlib.serving.app import make_app
from wesadlib.serving.service import RestSigner

MINUTES = [
    {name: np.float32(values) for name, values in signals.items()}
    for signals in (
        minutes.wrist_signals(seed=0),
        minutes.wrist_signals(seed=1),
        MINUTE | {"wrist_eda": np.zeros(240)},
    )
]
STACKS = {name: np.stack([minute[name] for minute in MINUTES]) for name in RATES}
NAMES = {"FP32": np.float32, "FP64": np.float64}


@pytest.fixture(scope="module")
def port(bundle):
    server = uvicorn.Server(uvicorn.Config(make_app(make_service(bundle, "k" * 32)), port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def other(port):
    with triton.InferenceServerClient(f"127.0.0.1:{port}") as client:
        yield client


def tensors(datatype="FP32", binary=True, **changed):
    inputs = []
    for name, values in (STACKS | changed).items():
        inputs.append(triton.InferInput(name, values.shape, datatype))
        inputs[-1].set_data_from_numpy(values.astype(NAMES[datatype]), binary_data=binary)
    return inputs


def test_the_server_and_its_model_are_described(other, bundle):
    assert other.is_server_live() and other.is_server_ready() and other.is_model_ready("logistic")
    assert other.is_model_ready("logistic", bundle.version) and not other.is_model_ready("resnet")
    assert other.get_server_metadata()["extensions"] == ["binary_tensor_data"]
    model = other.get_model_metadata("logistic", bundle.version)
    assert (model["name"], model["versions"]) == ("logistic", [bundle.version])
    shapes = {tensor["name"]: (tensor["datatype"], tensor["shape"]) for tensor in model["inputs"] + model["outputs"]}
    assert shapes["wrist_bvp"] == ("FP32", [-1, 3840])
    assert shapes["probabilities"] == ("FP64", [-1, 2]) and shapes["status"] == ("BYTES", [-1])


@pytest.mark.parametrize("outputs", [None, True, False], ids=["default", "binary", "json"])
@pytest.mark.parametrize(("datatype", "binary"), [("FP32", True), ("FP32", False), ("FP64", True), ("FP64", False)])
def test_windows_get_the_bundles_answers(other, bundle, datatype, binary, outputs):
    names = ["status", "probabilities", "state", "abstained"]
    asked = None if outputs is None else [triton.InferRequestedOutput(name, binary_data=outputs) for name in names]
    result = other.infer("logistic", tensors(datatype, binary), outputs=asked, request_id="7")
    assert (result.get_response()["id"], result.get_response()["model_version"]) == ("7", bundle.version)
    answers = bundle.predict_windows([(minute, RATES) for minute in MINUTES])
    expected = [[*(answer.probabilities or {"": np.nan, " ": np.nan}).values()] for answer in answers]
    np.testing.assert_allclose(result.as_numpy("probabilities").astype(float), expected, atol=1e-6)
    texts = [
        [text.decode() if isinstance(text, bytes) else text for text in result.as_numpy(n)] for n in ("state", "status")
    ]
    assert texts == [[answer.state or "" for answer in answers], ["ok", "ok", "rejected"]]
    assert result.as_numpy("abstained").tolist() == [answer.abstained for answer in answers]


def test_a_rest_is_brought_as_a_parameter_or_in_the_header(other, bundle):
    values = bundle.rest_values([(minute, RATES) for minute in MINUTES[:2]])
    token = RestSigner("k" * 32).sign(values, bundle.version)
    cold = other.infer("logistic", tensors()).as_numpy("probabilities")
    expected = [
        answer.probabilities for answer in bundle.predict_windows([(m, RATES) for m in MINUTES[:2]], [values] * 2)
    ]
    for brought in ({"parameters": {"rest": token}}, {"headers": {"Wesad-Rest": token}}):
        found = other.infer("logistic", tensors(), **brought).as_numpy("probabilities")
        np.testing.assert_allclose(found[:2], [[*answer.values()] for answer in expected], atol=1e-6)
        assert np.abs(found - cold)[:2].max() > 1e-3
    with pytest.raises(InferenceServerException, match=r"\[401\] This rest was not signed by this server"):
        other.infer("logistic", tensors(), parameters={"rest": token[:-9]})


def test_what_is_asked_wrongly_is_refused_in_a_sentence(other, bundle):
    def wrong(words, *arguments, status="400", **keywords):
        with pytest.raises(InferenceServerException) as error:
            other.infer(*arguments, **keywords)
        sentence = error.value.message()
        assert error.value.status() == status and words in sentence
        assert sentence.endswith(".") and "\n" not in sentence

    wrong("this server has `logistic`", "resnet", tensors(), status="404")
    wrong("no such version", "logistic", tensors(), model_version="1", status="404")
    wrong("inputs: this model has wrist_bvp, ", "logistic", tensors()[1:])
    wrong("each once", "logistic", [*tensors(), tensors()[0]])
    wrong("wrist_bvp: 60 s at 64 Hz are 3840 samples, not 3000", "logistic", tensors(wrist_bvp=np.ones((3, 3000))))
    wrong("same number of windows", "logistic", tensors(wrist_bvp=np.ones((2, 3840))))
    wrong("wrist_bvp: the shape is [windows, samples]", "logistic", tensors(wrist_bvp=np.ones(3840)))
    wrong("wrist_temp: the data are finite numbers", "logistic", tensors(wrist_temp=np.full((3, 240), np.nan)))
    wrong("parameters.rest", "logistic", tensors(), parameters={"rest": 7})
    wrong("outputs: ", "logistic", tensors(), outputs=[triton.InferRequestedOutput("logits")])
    wrong("no classification", "logistic", tensors(), outputs=[triton.InferRequestedOutput("state", class_count=2)])
    wrong("uncompressed", "logistic", tensors(), request_compression_algorithm="gzip", status="415")
    numbers = triton.InferInput("wrist_temp", [3, 240], "INT32")
    numbers.set_data_from_numpy(np.ones((3, 240), np.int32))
    wrong("wrist_temp: the datatype is one of FP32, FP64", "logistic", [*tensors()[:2], numbers, *tensors()[3:]])
    # Nothing of what was asked wrongly is left.
    assert other.infer("logistic", tensors()).as_numpy("status")[0] == b"ok"


def plain(**changed):
    inputs = [
        {"name": name, "shape": list(values.shape), "datatype": "FP64", "data": values.tolist()}
        for name, values in STACKS.items()
    ]
    inputs[1] |= changed
    return {"inputs": inputs}


def minutes_of(*first):
    """Three minutes of skin conductance, of which the first begins with what is no number."""
    return [[*first, *[1.0] * (240 - len(first))], [1.0] * 240, [1.0] * 240]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{", "the request: Invalid JSON"),
        (b"[]", "the request: "),
        (b'{"inputs": [{"name": "wrist_eda"}]}', "inputs.0.shape: Field required"),
        (plain(shape=[3, -240]), "inputs.1.shape.1: "),
        (plain(shape=[3, 241]), "wrist_eda: the shape says 723 numbers, the data hold 720"),
        *(
            (plain(**wrong), "wrist_eda: the data are finite numbers")
            for wrong in (
                {"data": None},
                {"data": [*minutes_of()[:2], [1.0] * 239]},
                {"data": minutes_of("1.0")},
                {"data": [[True] * 240] * 3},
                *({"parameters": {"binary_data_size": size}} for size in (10**9, -1)),
            )
        ),
    ],
)
def test_what_no_client_library_sends_is_refused_too(client, body, words):
    content = body if isinstance(body, bytes) else json.dumps(body)
    response = client.post("/v2/models/logistic/infer", content=content)
    assert response.status_code == 400 and list(response.json()) == ["error"]
    assert words in response.json()["error"]


def test_numbers_may_be_flat_or_nested_and_nothing_comes_after_the_last_tensor(client):
    flat = plain(data=STACKS["wrist_eda"].ravel().tolist())
    answers = [client.post("/v2/models/logistic/infer", json=body).json() for body in (flat, plain())]
    assert answers[0] == answers[1] and answers[0]["outputs"][1]["data"][0] != ""
    header = json.dumps(plain()).encode()
    headers = {"inference-header-content-length": str(len(header))}
    response = client.post("/v2/models/logistic/infer", content=header + b"more", headers=headers)
    assert response.json() == {"error": "4 bytes come after the last tensor."}
    response = client.post("/v2/models/logistic/infer", content=b"", headers={"inference-header-content-length": "x"})
    assert response.status_code == 400 and "Inference-Header-Content-Length" in response.json()["error"]


def test_a_request_of_too_many_windows_is_refused(client, monkeypatch):
    monkeypatch.setattr("wesadlib.serving.v2.MAX_WINDOWS", 2)
    response = client.post("/v2/models/logistic/infer", json=plain())
    assert (response.status_code, response.json()) == (400, {"error": "A request has at most 2 windows."})
