"""Clients that send what no client should, over the wire: a refusal where one can be given, and the server lives on."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import by_hand
import minutes
import pytest
import websockets.sync.client
from websockets.exceptions import ConnectionClosed

from wesadlib.serving.wire import write_window, write_windows

MINUTE = minutes.wrist_signals()
BODY = write_window(MINUTE, minutes.RATES_HZ, "binary")
#: No sample looks like this by chance.
SAMPLE = 7654.3217
CHUNKED = {"content_length": None, "transfer_encoding": "chunked"}
START = {"type": "start", "channels": {name: {"rate_hz": rate} for name, rate in minutes.RATES_HZ.items()}}


@pytest.fixture(scope="module")
def port(server):
    return int(server.url.rpartition(":")[2])


@pytest.fixture(scope="module")
def expected(server):
    return server.predict(MINUTE, minutes.RATES_HZ).probabilities


@pytest.fixture(autouse=True)
def alive(server, expected):
    """After each test the server answers as before, and at once."""
    yield
    assert server.predict(MINUTE, minutes.RATES_HZ).probabilities == pytest.approx(expected, abs=1e-6)


def refused(reply, *statuses):
    """A refusal with one of these statuses that tells nothing of the inside; the app's own is a problem."""
    assert reply.status in statuses, reply
    assert not by_hand.INSIDE.search(reply.body)
    assert str(SAMPLE).encode() not in reply.body and BODY[200:220] not in reply.body
    if "x-request-id" in reply.headers:
        assert reply.headers["content-type"] == "application/problem+json"
        assert json.loads(reply.body)["status"] == reply.status
    return reply


def test_a_body_that_comes_too_slowly_is_refused_and_others_are_answered_meanwhile(server, port, expected):
    with ThreadPoolExecutor(12) as threads:
        slow = by_hand.request(body=BODY)[: len(BODY) // 2]
        waiting = [threads.submit(by_hand.exchange, port, slow) for _ in range(12)]
        while not all(reply.done() for reply in waiting):
            assert server.predict(MINUTE, minutes.RATES_HZ).probabilities == pytest.approx(expected, abs=1e-6)
            time.sleep(0.2)
    for reply in waiting:
        refused(reply.result(), 408)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
def test_a_client_that_goes_amid_its_body_is_forgotten(port, share):
    whole = by_hand.request(body=BODY)
    cut = len(whole) - len(BODY) + round(share * len(BODY))
    for _ in range(5):
        by_hand.break_off(port, whole[:cut])
        # It ends its side only: there may be an answer, which nobody needs, but no wait.
        assert by_hand.exchange(port, whole[:cut], finished=True).status in (0, 400)


def test_clients_that_go_before_or_amid_their_answer_are_forgotten(port):
    batch = by_hand.request(path="/predict/batch", body=write_windows([(MINUTE, minutes.RATES_HZ)] * 8, "binary"))
    for after_s in (0.0, 0.001, 0.005, 0.02):
        by_hand.break_off(port, batch, after_s=after_s)
        by_hand.break_off(port, by_hand.request(body=BODY), after_s=after_s)
    by_hand.break_off(port, batch, read=1)


@pytest.mark.parametrize(
    ("what", "data", "statuses"),
    [
        ("a chunk cut short", by_hand.request(**CHUNKED) + b"1000\r\n" + BODY[:100], (0, 400)),
        ("no last chunk", by_hand.request(**CHUNKED) + b"64\r\n" + BODY[:100] + b"\r\n", (0, 400)),
        ("no chunk's length", by_hand.request(**CHUNKED) + b"zz\r\nabc\r\n0\r\n\r\n", (400,)),
        ("a chunk's length of its own", by_hand.request(**CHUNKED) + b"f" * 40 + b"\r\nabc\r\n", (400,)),
        ("more announced than sent", by_hand.request(body=BODY, content_length=str(len(BODY) + 10)), (0, 400)),
        ("less announced than sent", by_hand.request(body=BODY, content_length=str(len(BODY) - 10)), (400, 422)),
        ("a length below nothing", by_hand.request(body=BODY[:50], content_length="-5"), (400,)),
        ("a length in words", by_hand.request(body=BODY[:50], content_length="many"), (400,)),
        ("a length beyond all numbers", by_hand.request(body=BODY[:50], content_length="9" * 40), (400,)),
        ("two lengths", by_hand.request(body=BODY[:50], **{"Content_Length": "5"}), (400,)),
    ],
)
def test_a_body_of_another_length_than_said_is_refused(port, what, data, statuses):
    refused(by_hand.exchange(port, data, finished=True), *statuses)


def test_a_huge_body_is_refused_by_its_announced_length(port):
    for length in (17 * 2**20, 10**15):
        reply = by_hand.exchange(port, by_hand.request(content_length=str(length)))
        refused(reply, 413)
        # Else whoever keeps the connection would break on it with the next request.
        assert reply.headers["connection"] == "close"


def test_a_huge_body_in_chunks_is_refused_where_it_becomes_too_large(port):
    data = by_hand.request(**CHUNKED) + 20 * (b"100000\r\n" + bytes(2**20) + b"\r\n")
    refused(by_hand.exchange(port, data), 413)


@pytest.mark.parametrize(
    "head",
    [
        "GET http://evil.example/model HTTP/1.1\r\nhost: 127.0.0.1",
        "CONNECT evil.example:443 HTTP/1.1\r\nhost: evil.example:443",
        "GET /model HTTP/1.1\r\nhost: 127.0.0.1\r\nhost: evil.example",
        "GET /model HTTP/1.1\r\nhost: 127.0.0.1@evil.example",
        "GET /model HTTP/1.1\r\nhost: 127.0.0.1" + "".join(f"\r\nx-{k}: 1" for k in range(10_000)),
        f"GET /model?{'a' * 10**6} HTTP/1.1\r\nhost: 127.0.0.1",
    ],
    ids=lambda head: head[:40],
)
def test_a_head_that_is_for_another_or_too_long_is_garbled(port, head):
    refused(by_hand.exchange(port, f"{head}\r\n\r\n".encode()), 400)


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/-/routes", 404), ("GET", "/-/HEALTHZ", 404), ("OPTIONS", "*", 400)]
)
def test_what_is_for_the_proxy_and_not_the_app_is_a_problem(port, method, path, status):
    reply = refused(by_hand.exchange(port, by_hand.request(method, path)), status)
    assert (reply.headers["content-type"], json.loads(reply.body)["status"]) == ("application/problem+json", status)


def test_garbage_behind_a_whole_request_spoils_neither_it_nor_what_comes_next(port):
    good = by_hand.request(body=BODY)
    garbage = b"\x00\x01GARBAGE /../../etc/passwd\r\n\r\n" * 3
    with by_hand.connected(port) as connection:
        connection.sendall(good + garbage)
        with connection.makefile("rb") as file:
            assert file.readline() == b"HTTP/1.1 200 OK\r\n"
            rest = file.read()
    assert b" 400 " in rest and not by_hand.INSIDE.search(rest)
    refused(by_hand.exchange(port, garbage), 0, 400)
    assert by_hand.exchange(port, good + good).status == 200


@pytest.mark.parametrize(
    "lines", [b"a: " + b"b" * 200_000, b"\r\n".join([b"a: b"] * 2000), b"a: " + b"\xff" * 50_000], ids=repr
)
def test_headers_that_are_too_large_are_refused(port, lines):
    data = b"GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\n" + lines + b"\r\n\r\n"
    refused(by_hand.exchange(port, data), 0, 400, 431)


@pytest.mark.parametrize(
    "path",
    ["/page/../../../../etc/passwd", "/page/%2e%2e/%2e%2e/page.py", "/" + "a" * 8000, "/%00", "/predict/%2f/rest"],
)
def test_paths_that_lead_nowhere_are_refused(port, path):
    refused(by_hand.exchange(port, by_hand.request("GET", path)), 400, 404, 405, 414)


def test_two_hundred_connections_that_say_nothing_hold_up_nobody(server, port, expected):
    with ExitStack() as idle:
        for _ in range(200):
            idle.enter_context(by_hand.connected(port))
        assert server.predict(MINUTE, minutes.RATES_HZ).probabilities == pytest.approx(expected, abs=1e-6)


def shake_hands(path="/stream", **headers):
    return by_hand.request("GET", path, content_length=None, **by_hand.HANDSHAKE | headers)


@pytest.mark.parametrize(
    "handshake",
    [
        *(shake_hands(**{"sec-websocket-key": key}) for key in ("nonsense", None)),
        shake_hands(**{"sec-websocket-version": "1"}),
        shake_hands(upgrade="h2c"),
        *map(shake_hands, ("/predict", "/", "/nowhere")),
    ],
)
def test_a_handshake_that_is_none_or_elsewhere_is_refused(port, handshake):
    refused(by_hand.exchange(port, handshake), 400, 403, 404, 405, 426)


#: The last is a frame of a terabyte, of which nothing comes.
@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\xff" * 100, b""),
        (b"\x82\xff" + b"\xff" * 8, b""),
        (b"\x02\x05abc", b""),
        (b"\x82\xff" + (2**40).to_bytes(8, "big") + bytes(4), (1009).to_bytes(2, "big")),
    ],
)
def test_garbage_after_the_handshake_closes_the_stream(port, data, code):
    with by_hand.connected(port) as connection:
        connection.sendall(shake_hands() + data)
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    assert received.startswith(b"HTTP/1.1 101 ") and code in received
    assert not by_hand.INSIDE.search(received)


def connect(server):
    return websockets.sync.client.connect(f"{server.url.replace('http', 'ws')}/stream", proxy=None, compression=None)


def last_words(stream):
    """The status of the problem that a stream ends with, and the code it is closed with."""
    problem = stream.recv(timeout=by_hand.PATIENCE_S)
    assert not by_hand.INSIDE.search(problem.encode()) and str(SAMPLE) not in problem
    with pytest.raises(ConnectionClosed) as closed:
        stream.recv(timeout=by_hand.PATIENCE_S)
    return json.loads(problem)["status"], closed.value.rcvd.code


def test_a_frame_that_is_too_large_closes_the_stream(server):
    samples = {"type": "samples", "channels": {"wrist_eda": {"first": 0, "samples": [SAMPLE] * 600_000}}}
    with connect(server) as stream:
        stream.send(json.dumps(START))
        assert json.loads(stream.recv(timeout=by_hand.PATIENCE_S))["type"] == "ready"
        stream.send(json.dumps(samples))
        assert last_words(stream) == (413, 1009)


def test_streams_that_never_start_are_ended(server):
    with ExitStack() as opened:
        for stream in [opened.enter_context(connect(server)) for _ in range(20)]:
            assert last_words(stream) == (408, 1008)
