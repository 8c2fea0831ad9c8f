"""What the guard lets through, on an app of a few routes that computes nothing."""

import asyncio
import inspect
from types import SimpleNamespace

import httpx
import pytest
from fastapi import FastAPI, Request, WebSocket
from fastapi.testclient import TestClient
from starlette.testclient import WebSocketDenialResponse

from wesadlib.serving import guard
from wesadlib.serving.guard import Guard, handle_problems
from wesadlib.serving.settings import Settings

TOKEN = "0123456789abcdef-token"
BEARER = {"authorization": f"Bearer {TOKEN}"}


def make_guarded(token=None, **settings):
    app = FastAPI(redirect_slashes=False)
    app.state.release, app.state.waiting = asyncio.Event(), asyncio.Event()
    handle_problems(app)

    @app.get("/health")
    @app.get("/page/page.js")
    @app.get("/page")
    @app.get("/model")
    @app.get("/")
    @app.get("/v2/health/live")
    async def plain() -> str:
        return "plain"

    @app.post("/predict")
    @app.post("/predict/batch")
    @app.post("/v2/models/m/infer")
    async def read(request: Request) -> int:
        return len(await request.body())

    @app.get("/wait")
    @app.post("/wait")
    async def wait(request: Request) -> str:
        await request.body()
        app.state.waiting.set()
        await app.state.release.wait()
        return "done"

    @app.websocket("/stream")
    async def stream(websocket: WebSocket) -> None:
        await websocket.accept("wesad" if "wesad" in websocket.scope["subprotocols"] else None)
        await websocket.send_text("open")
        await websocket.close()

    settings = Settings(**{"bundle": "b", "allowed_hosts": ("testserver",)} | settings)
    app.add_middleware(Guard, service=SimpleNamespace(settings=settings), token=token)
    return app


@pytest.mark.parametrize("path", ["/", "/health", "/page/page.js", "/v2/health/live"])
def test_page_and_health_are_open_to_all(path):
    assert TestClient(make_guarded(TOKEN)).get(path).status_code == 200


@pytest.mark.parametrize("path", ["/model", "/page", "/docs", "/openapi.json", "/absent", "/health/"])
def test_all_else_needs_the_token(path):
    client = TestClient(make_guarded(TOKEN))
    refused = client.get(path)
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["detail"] == "A bearer token is needed here."
    assert client.get(path, headers=BEARER).status_code in (200, 404)


@pytest.mark.parametrize(
    "shown",
    [
        "",
        "Bearer",
        "Bearer ",
        TOKEN,
        *(f"Bearer {t}" for t in (f"{TOKEN}x", TOKEN[:-1], TOKEN.upper())),
        f"Basic {TOKEN}",
    ],
)
def test_only_the_whole_token_opens(shown):
    assert TestClient(make_guarded(TOKEN)).get("/model", headers={"authorization": shown}).status_code == 401


def test_the_scheme_may_be_written_in_any_case_and_without_a_token_all_is_open():
    assert TestClient(make_guarded(TOKEN)).get("/model", headers={"authorization": f"bearer {TOKEN}"}).is_success
    assert TestClient(make_guarded()).get("/model").status_code == 200


def test_tokens_are_compared_in_constant_time():
    source = inspect.getsource(guard)
    assert source.count("compare_digest") == 1 and "== self._token" not in source


@pytest.mark.parametrize(
    ("headers", "subprotocols", "chosen"),
    [(BEARER, [], None), ({}, ["wesad", f"bearer.{TOKEN}"], "wesad"), (BEARER, ["wesad"], "wesad")],
)
def test_a_stream_shows_its_token_in_a_header_or_among_its_subprotocols(headers, subprotocols, chosen):
    client = TestClient(make_guarded(TOKEN))
    with client.websocket_connect("/stream", headers=dict(headers), subprotocols=subprotocols) as websocket:
        # The token is never said back.
        assert websocket.accepted_subprotocol == chosen
        assert websocket.receive_text() == "open"


@pytest.mark.parametrize("subprotocols", [[], ["wesad"], ["wesad", "bearer.wrong"], [TOKEN]])
def test_a_stream_without_the_token_does_not_open(subprotocols):
    client = TestClient(make_guarded(TOKEN))
    with pytest.raises(WebSocketDenialResponse) as denied, client.websocket_connect("/stream", subprotocols):
        pass
    assert denied.value.status_code == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "127.0.0.1:8000"}, 200),
        ({"host": "[::1]:8000"}, 200),
        ({"host": "127.0.0.2"}, 200),
        ({"host": "evil.example"}, 403),
        ({"host": "127.0.0.1.evil.example"}, 403),
        ({"host": "evil.example@127.0.0.1"}, 200),
        ({"host": "127.0.0.1@evil.example"}, 403),
        ({"host": "[::1"}, 403),
        ({"host": "localhost:8000", "origin": "http://localhost:8000"}, 200),
        ({"host": "localhost:8000", "origin": "http://localhost:9000"}, 403),
        ({"origin": "https://pages.example"}, 200),
        ({"origin": "http://pages.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "testserver"}, 403),
    ],
)
def test_pages_from_elsewhere_and_names_that_they_gave_are_refused(headers, status):
    client = TestClient(make_guarded(allowed_origins=("https://pages.example",)))
    response = client.get("/health", headers=headers)
    assert response.status_code == status
    assert status == 200 or not set(headers.values()) & {*response.text.split()}
    try:
        with client.websocket_connect("/stream", headers=headers):
            assert status == 200
    except WebSocketDenialResponse as denied:
        assert denied.status_code == status == 403


def test_whoever_allows_every_host_and_origin_gets_them():
    client = TestClient(make_guarded(allowed_hosts=("*",), allowed_origins=("*",)))
    assert client.get("/health", headers={"host": "a.example", "origin": "https://b.example"}).status_code == 200


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize(
    ("path", "content_type", "most_mb"),
    [
        ("/predict", "application/json", 1),
        ("/predict", "application/vnd.msgpack", 1),
        ("/predict/batch", "application/json", 1),
        ("/predict/batch", "application/vnd.msgpack; a=b", 2),
        ("/v2/models/m/infer", "application/octet-stream", 2),
        ("/v2/models/m/infer", "application/json", 1),
    ],
)
def test_a_body_beyond_the_limit_is_refused_before_it_is_read_whole(path, content_type, most_mb, announced):
    async def run():
        received, sent = [], []

        async def receive():
            received.append(2**18)
            return {"type": "http.request", "body": bytes(2**18), "more_body": True}

        async def send(message):
            sent.append(message)

        headers = [(b"content-type", content_type.encode())]
        headers += [(b"content-length", b"%d" % (3 * 2**20))] if announced else []
        scope = {"type": "http", "method": "POST", "path": path, "headers": headers, "query_string": b""}
        await make_guarded(max_body_mb=1.0, max_batch_body_mb=2.0)(scope, receive, send)
        return sum(received), sent

    received, (start, body) = asyncio.run(run())
    assert received == (0 if announced else (most_mb + 0.25) * 2**20)
    assert start["status"] == 413 and f"at most {most_mb} MiB".encode() in body["body"]
    assert (b'{"error":' in body["body"]) == path.startswith("/v2")


def ask(app):
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver")


def test_bodies_that_are_held_are_bounded_together():
    async def run():
        app = make_guarded(max_bodies_mb=1.0)
        async with ask(app) as client:
            waiting = asyncio.create_task(client.post("/wait", content=bytes(700_000)))
            await app.state.waiting.wait()
            refused = await client.post("/predict", content=bytes(700_000))
            app.state.release.set()
            return refused, await waiting, await client.post("/predict", content=bytes(700_000))

    refused, waited, after = asyncio.run(run())
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    assert [answer.status_code for answer in (waited, after)] == [200] * 2


def test_a_body_that_does_not_arrive_is_given_up():
    async def run():
        sent = []

        async def receive():
            await asyncio.get_running_loop().create_future()

        async def send(message):
            sent.append(message)

        scope = {"type": "http", "method": "POST", "path": "/predict", "query_string": b"", "http_version": "1.1"}
        headers = [(b"transfer-encoding", b"chunked")]
        await make_guarded(request_time_s=0.05)(scope | {"headers": headers}, receive, send)
        return sent

    start, body = asyncio.run(run())
    assert start["status"] == 408 and dict(start["headers"])[b"connection"] == b"close"
    assert b"The body did not arrive within 0.05 s." in body["body"]


@pytest.mark.parametrize("content", [None, b"whole"])
def test_an_answer_that_takes_too_long_is_given_up(content):
    async def run():
        app = make_guarded(request_time_s=0.05)
        async with ask(app) as client:
            late = await client.request("POST" if content else "GET", "/wait", content=content)
            return late, await client.get("/model")

    late, after = asyncio.run(run())
    assert (late.status_code, late.headers["retry-after"], after.status_code) == (503, "1", 200)
    assert late.json()["detail"].startswith("There was no answer within 0.05 s")


def test_head_is_answered_where_get_is():
    client = TestClient(make_guarded())
    assert [client.head(path).status_code for path in ("/", "/health", "/predict")] == [200, 200, 405]
