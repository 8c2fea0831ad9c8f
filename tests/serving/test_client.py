"""The clients: what they send, what they make of answers, and when they ask again."""

import ssl
import subprocess

import httpx
import numpy as np
import pytest
from scripts import ANSWER, scripted

from wesadlib.bundle import Answer
from wesadlib.errors import InputError
from wesadlib.serving import AsyncClient, Client, RequestRefused
from wesadlib.serving.schemas import Problem
from wesadlib.serving.wire import CONTENT_TYPES, write, write_windows

WINDOW = ({"wrist_eda": np.array([1, 2], np.float32)}, {"wrist_eda": 4})
OK = httpx.Response(200, json=ANSWER)


def busy(status=503, after="0"):
    headers = {"content-type": "application/problem+json", "retry-after": after}
    return httpx.Response(status, json={"title": "x", "status": status, "detail": "Later."}, headers=headers)


@pytest.fixture
def client_of():
    """A client that is answered by a function, or by these one after the other."""

    def make(*answers, retry_s=0.0):
        asked = []

        def answer(request):
            asked.append(request)
            reply = answers[0](request) if callable(answers[0]) else answers[len(asked) - 1]
            if isinstance(reply, Exception):
                raise reply
            return reply

        client = Client("http://test", retry_s=retry_s)
        client._awaited._http = httpx.AsyncClient(base_url="http://test", transport=httpx.MockTransport(answer))
        opened.append(client)
        return client, asked

    opened = []
    yield make
    for client in opened:
        client.close()


def test_a_window_and_minutes_at_rest_are_sent_with_what_belongs_to_them(client_of):
    rest = {"token": "signed", "windows": 2, "expires": "2026-01-01T00:00:00+00:00", "model_version": "0"}
    client, asked = client_of(OK, httpx.Response(200, content=write(rest, "binary")))
    assert client.predict(*WINDOW, rest="token", person="P-1") == Answer(**ANSWER)
    assert client.rest([WINDOW] * 2).token == "signed"
    assert [(request.method, str(request.url)) for request in asked] == [
        ("POST", "http://test/predict?person=P-1"),
        ("POST", "http://test/rest"),
    ]
    assert asked[0].headers["wesad-rest"] == "token"
    assert asked[0].content == b'{"channels":{"wrist_eda":{"rate_hz":4.0,"samples":[1.0,2.0]}}}'
    assert asked[1].content == write_windows([WINDOW] * 2, "binary")


@pytest.mark.parametrize("form", ["json", "binary"])
def test_a_batch_comes_back_in_its_order_with_types(client_of, form):
    problem = {"type": "about:blank", "title": "x", "status": 422, "detail": "No.", "errors": []}
    content = write({"results": [ANSWER, problem, ANSWER]}, form)
    client, asked = client_of(httpx.Response(200, content=content, headers={"content-type": CONTENT_TYPES[form]}))
    assert client.predict_batch([WINDOW] * 3, form=form) == [Answer(**ANSWER), Problem(**problem), Answer(**ANSWER)]
    assert asked[0].headers["content-type"] == CONTENT_TYPES[form]
    assert asked[0].content == write_windows([WINDOW] * 3, form)


def test_an_unknown_form_and_a_missing_rate_are_named(client_of):
    client, _ = client_of(OK)
    with pytest.raises(InputError, match="form 'pickle' is unknown; it is one of json, binary"):
        client.predict(*WINDOW, form="pickle")
    with pytest.raises(InputError, match="form 'pickle' is unknown"):
        client.stream({"wrist_eda": 4}, form="pickle")
    with pytest.raises(InputError, match="wrist_eda: a rate in Hz is needed"):
        client.predict_batch([({"wrist_eda": [1]}, {})], form="binary")


def test_what_the_server_says_is_wrong_is_raised(client_of):
    problem = {"title": "x", "status": 422, "detail": "No.", "errors": [{"name": "wrist_eda", "detail": "missing"}]}
    client, asked = client_of(httpx.Response(422, json=problem), retry_s=30.0)
    with pytest.raises(RequestRefused, match=r"422 No\. wrist_eda: missing") as refused:
        client.model()
    assert (refused.value.status, refused.value.problem.errors[0].name, len(asked)) == (422, "wrist_eda", 1)


def test_an_error_that_is_not_the_apps_is_an_error_too(client_of):
    client, _ = client_of(httpx.Response(500, text="no app here", headers={"content-type": "application/problem+json"}))
    with pytest.raises(RequestRefused, match="500 no app here"):
        client.model()


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "ftp://127.0.0.1", "ws://127.0.0.1:8000", ""])
def test_what_is_no_address_is_refused_at_once(url):
    with pytest.raises(InputError, match=r"no address of a server; write it as http://127\.0\.0\.1:8000"):
        Client(url)


@pytest.mark.parametrize("answer", [httpx.Response(200, html="<p>Welcome"), httpx.Response(200, json={"up": True})])
def test_another_server_and_none_are_named(client_of, answer):
    client, _ = client_of(answer)
    with pytest.raises(InputError, match="http://test: what answers there is no server of this wesadlib"):
        client.model()
    client, _ = client_of(httpx.ConnectError("refused"))
    with pytest.raises(httpx.ConnectError, match=r"http://test: no connection \(refused\); is the server running"):
        client.model()


@pytest.mark.parametrize(
    "passing",
    [
        busy(429),
        busy(503),
        httpx.Response(502, text="bad gateway"),
        httpx.RemoteProtocolError("closed without an answer"),
        httpx.ReadError("reset"),
        httpx.ConnectError("refused"),
    ],
    ids=str,
)
def test_what_asks_for_another_try_is_sent_again(client_of, passing):
    client, asked = client_of(passing, OK, retry_s=30.0)
    assert client.predict(*WINDOW) == Answer(**ANSWER)
    assert asked[0].content == asked[1].content


@pytest.mark.parametrize(
    ("ask", "after", "retry_s"),
    [
        *((Client.model, "31", retry_s) for retry_s in (0.0, 30.0)),
        *((Client.model, after, 0.001) for after in ("-1", "1.5", "²", "Fri, 31 Dec 1999 23:59:59 GMT", "9" * 400)),
        *((ask, "0", 30.0) for ask in (Client.health, Client.ready)),
    ],
)
def test_no_server_is_asked_sooner_than_it_says_or_for_longer_than_wanted(client_of, ask, after, retry_s):
    client, asked = client_of(lambda request: busy(after=after.encode("latin1")), retry_s=retry_s)
    with pytest.raises(RequestRefused, match=r"503 Later\.") as refused:
        ask(client)
    assert after != "31" or refused.value.retry_after_s == 31
    assert len(asked) == 1 or retry_s == 0.001


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1"])
def test_a_proxy_is_for_the_world_outside(url, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://proxy.invalid:3128")
    for address, through_proxy in ((url, False), ("http://example.org", True)):
        with Client(address) as client:
            assert client._awaited._keywords["trust_env"] is through_proxy


@pytest.mark.parametrize(
    ("url", "expected"), [("HTTP://A.example", "ws://a.example"), ("Https://a:8/b/", "wss://a:8/b")]
)
def test_an_address_may_be_written_in_any_case(url, expected):
    with Client(url) as client:
        assert client.stream({"wrist_eda": 4})._awaited._url == f"{expected}/stream"


def test_the_waiting_client_offers_what_the_awaited_one_does():
    offered = {name for name in vars(AsyncClient) if not name.startswith("_")}
    assert {name for name in vars(Client) if not name.startswith("_")} == offered
    assert all(vars(Client)[name].__doc__ for name in offered)


@pytest.fixture
def private_server(tmp_path):
    """A server whose certificate no system knows; gives its address and the certificate."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *names]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)

    def answer(connection, request):
        return connection.respond(200, '{"model_version": "0"}')

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with scripted(process_request=answer, ssl=context) as url:
        yield url.replace("http", "https"), certificate


def test_a_private_authority_is_believed_where_it_is_named_and_not_asked_again_elsewhere(private_server, tmp_path):
    url, certificate = private_server
    with Client(url, verify=certificate) as client:
        assert client.health().model_version == "0"
    with Client(url, retry_s=600.0) as client, pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        client.model()
    with pytest.raises(InputError, match=r"verify .*missing\.pem: no file of certificates"):
        Client(url, verify=tmp_path / "missing.pem")
