"""The client and what stands around a server: ports, and the refusals that come before anything is started."""

import asyncio
import json
import shutil
import socket
import subprocess

import httpx
import numpy as np
import pytest

from wesadlib.artefacts import digest, file_digest
from wesadlib.bundle import Answer
from wesadlib.errors import InputError, ServerError
from wesadlib.serving import AsyncClient, Client, RequestRefused, running_server, serve, server
from wesadlib.serving.configuration import make_configuration
from wesadlib.serving.schemas import Problem
from wesadlib.serving.server import free_port, require_free_port
from wesadlib.serving.wire import CONTENT_TYPES, write, write_windows

ANSWER = {
    "status": "rejected",
    "state": None,
    "probabilities": None,
    "confidence": None,
    "abstained": False,
    "quality": {"wrist_eda": 0.0},
    "reasons": ["wrist_eda: flat line"],
    "model_version": "0",
    "protocol": "cold_start",
}
#: What a server says that has no room.
BUSY = {"title": "x", "status": 503, "detail": "Later.", "errors": []}


def client_of(answer, retry_s=0.0):
    client = Client("http://test", retry_s=retry_s)
    client._http = httpx.Client(base_url="http://test", transport=httpx.MockTransport(answer))
    return client


def test_the_client_sends_a_window_and_reads_the_answer():
    seen = []

    def answer(request):
        seen.append((request.method, request.url.path, request.read()))
        return httpx.Response(200, json=ANSWER)

    assert client_of(answer).predict({"wrist_eda": [1, 2]}, {"wrist_eda": 4}) == Answer(**ANSWER)
    assert seen == [("POST", "/predict", b'{"channels":{"wrist_eda":{"rate_hz":4.0,"samples":[1.0,2.0]}}}')]


@pytest.mark.parametrize("form", ["json", "binary"])
def test_a_batch_comes_back_in_its_order_with_types(form):
    problem = {"type": "about:blank", "title": "x", "status": 422, "detail": "No.", "errors": []}
    seen = []

    def answer(request):
        seen.append((request.url.path, request.headers["accept"], request.read()))
        content_type = request.headers["content-type"]
        assert content_type == CONTENT_TYPES[form]
        return httpx.Response(
            200, content=write({"results": [ANSWER, problem, ANSWER]}, form), headers={"content-type": content_type}
        )

    window = ({"wrist_eda": np.array([1, 2], np.float32)}, {"wrist_eda": 4})
    answers = client_of(answer).predict_batch([window] * 3, form=form)
    assert answers == [Answer(**ANSWER), Problem(**problem), Answer(**ANSWER)]
    assert [type(result) for result in answers] == [Answer, Problem, Answer]
    assert seen == [("/predict/batch", CONTENT_TYPES[form], write_windows([window] * 3, form))]


def test_a_person_is_forgotten_by_a_name_that_cannot_lead_elsewhere():
    asked = []

    def answer(request):
        asked.append((request.method, request.url.raw_path))
        return httpx.Response(200, json={"person": "a/b", "rests": 1, "windows": 2, "streams": 0})

    assert client_of(answer).forget("a/b").windows == 2
    assert asked == [("DELETE", b"/people/a%2Fb")]


def test_the_client_names_an_unknown_form_and_a_missing_rate():
    client = client_of(None)
    with pytest.raises(InputError, match="form 'pickle' is unknown; it is one of json, binary"):
        client.predict({"wrist_eda": [1]}, {"wrist_eda": 4}, form="pickle")
    with pytest.raises(InputError, match="wrist_eda: a rate in Hz is needed"):
        client.predict_batch([({"wrist_eda": [1]}, {})], form="binary")


def test_the_client_raises_what_the_server_says_is_wrong():
    problem = {"title": "x", "status": 422, "detail": "No.", "errors": [{"name": "wrist_eda", "detail": "missing"}]}
    headers = {"content-type": "application/problem+json"}
    client = client_of(lambda request: httpx.Response(422, json=problem, headers=headers))
    with pytest.raises(RequestRefused, match=r"422 No\. wrist_eda: missing") as refused:
        client.health()
    assert refused.value.status == 422
    assert refused.value.problem.errors[0].name == "wrist_eda"


@pytest.mark.parametrize("content_type", ["text/plain", "application/problem+json"])
def test_an_error_that_is_not_the_apps_is_an_error_too(content_type):
    headers = {"content-type": content_type}
    client = client_of(lambda request: httpx.Response(503, text="no app here", headers=headers))
    with pytest.raises(RequestRefused, match="503 no app here"):
        client.model()


def busy(after="0"):
    headers = {"content-type": "application/problem+json", "retry-after": after}
    return httpx.Response(503, json=BUSY, headers=headers)


def test_a_server_without_room_is_asked_again():
    answers = [busy(), busy(), httpx.Response(200, json=ANSWER)]
    client = client_of(lambda request: answers.pop(0), retry_s=30.0)
    assert client.predict({"wrist_eda": [1, 2]}, {"wrist_eda": 4}) == Answer(**ANSWER)
    assert answers == []


def test_an_awaited_client_asks_again_too():
    async def ask():
        async with AsyncClient("http://test", retry_s=30.0) as client:
            client._http = httpx.AsyncClient(
                base_url="http://test", transport=httpx.MockTransport(lambda request: answers.pop(0))
            )
            return await client.predict({"wrist_eda": [1, 2]}, {"wrist_eda": 4}, person="P-1", rest="handle")

    answers = [busy(), httpx.Response(200, json=ANSWER)]
    assert asyncio.run(ask()) == Answer(**ANSWER)
    assert answers == []


@pytest.mark.parametrize("retry_s", [0.0, 30.0])
def test_no_server_is_asked_sooner_than_it_says_or_for_longer_than_wanted(retry_s):
    asked = []
    client = client_of(lambda request: asked.append(request) or busy(after="31"), retry_s)
    with pytest.raises(RequestRefused, match=r"503 Later\.") as refused:
        client.predict({"wrist_eda": [1, 2]}, {"wrist_eda": 4})
    assert refused.value.retry_after_s == 31
    assert len(asked) == 1


@pytest.mark.parametrize("after", ["-1", "1.5", "²", "Fri, 31 Dec 1999 23:59:59 GMT", "9" * 400])
def test_no_time_to_ask_again_is_too_odd(after):
    client = client_of(lambda request: busy(after=after.encode("latin1")), retry_s=0.001)
    with pytest.raises(RequestRefused, match=r"503 Later\.") as refused:
        client.model()
    assert refused.value.retry_after_s in (None, float("inf"))


def test_whether_a_server_is_ready_is_asked_once():
    asked = []
    client = client_of(lambda request: asked.append(request) or busy(), retry_s=30.0)
    with pytest.raises(RequestRefused):
        client.ready()
    assert len(asked) == 1


@pytest.fixture
def taken_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


@pytest.fixture(scope="session")
def bundle_folder(bundle):
    return bundle.folder


@pytest.fixture
def stand_in(monkeypatch):
    """Start a line of code in place of the server."""

    def start(code):
        def instead(command, **keywords):
            is_server = server.server_process.__name__ in command
            return popen([*command[:1], "-c", code] if is_server else command, **keywords)

        monkeypatch.setattr(subprocess, "Popen", instead)

    popen = subprocess.Popen
    return start


def serve_plainly(bundle, port=None):
    serve(lambda: make_configuration(bundle, port=port))


@pytest.mark.parametrize("start", [serve_plainly, lambda bundle, port: running_server(bundle, port=port).__enter__()])
def test_a_taken_port_is_one_sentence_before_anything_starts(bundle_folder, taken_port, start, monkeypatch):
    monkeypatch.setattr("subprocess.Popen", None)
    with pytest.raises(InputError, match=f"port {taken_port} of 127.0.0.1 cannot be had .*in use.*: end what listens"):
        start(bundle_folder, port=taken_port)


def test_a_free_port_is_free_and_one_just_left_too():
    port = free_port()
    require_free_port("127.0.0.1", port)
    with socket.create_server(("127.0.0.1", port)) as listener:
        peer = socket.create_connection(("127.0.0.1", port))
        listener.accept()[0].close()  # leaves the port in TIME_WAIT, where a listener may come back
        peer.close()
    require_free_port("127.0.0.1", port)


def test_an_address_of_another_machine_is_refused():
    with pytest.raises(InputError, match=r"port 8000 of 192\.0\.2\.1 cannot be had"):
        require_free_port("192.0.2.1", 8000)


@pytest.mark.parametrize("start", [serve_plainly, lambda bundle: running_server(bundle).__enter__()])
def test_what_is_no_bundle_is_refused_before_anything_starts(tmp_path, start, monkeypatch):
    monkeypatch.setattr("subprocess.Popen", None)
    with pytest.raises(InputError, match="no bundle here"):
        start(tmp_path)


def test_a_server_ends_with_its_block_also_when_that_fails(bundle_folder, monkeypatch, stand_in):
    started = []
    stand_in("import sys; sys.stdin.read()")
    monkeypatch.setattr(server, "_wait_until_ready", lambda client, process, *_: started.append(process))
    with pytest.raises(ZeroDivisionError), running_server(bundle_folder):
        assert started[0].poll() is None
        raise ZeroDivisionError
    assert started[0].poll() == 0


def test_a_server_that_does_not_end_when_asked_is_ended(bundle_folder, monkeypatch, stand_in):
    started = []
    stand_in("import time; time.sleep(600)")
    monkeypatch.setattr(server, "_wait_until_ready", lambda client, process, *_: started.append(process))
    monkeypatch.setattr(server, "STOP_S", 0.1)
    with running_server(bundle_folder):
        pass
    assert started[0].poll() < 0


def test_a_server_that_does_not_come_up_says_its_last_words(bundle_folder, stand_in):
    stand_in("raise SystemExit('out of luck')")
    with pytest.raises(ServerError, match=r"(?s)did not come up.*out of luck"), running_server(bundle_folder):
        pass


def test_a_bundle_that_does_not_load_is_named_when_the_server_does_not_come_up(bundle_folder, tmp_path, stand_in):
    folder = shutil.copytree(bundle_folder, tmp_path / "bundle")
    config = json.loads((folder / "config.json").read_text())
    (folder / "model" / "model.json").write_text('{"model": "oracle"}')
    config["files"]["model/model.json"] = file_digest(folder / "model" / "model.json")
    del config["version"]
    (folder / "config.json").write_text(json.dumps(config | {"version": digest(config)}))
    stand_in("")
    with pytest.raises(InputError, match="unknown model `oracle`"), running_server(folder):
        pass
