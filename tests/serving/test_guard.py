"""What the guard lets through, on an app of a few routes that computes nothing."""

import asyncio
import inspect
from types import SimpleNamespace

import httpx
import pytest
from fastapi import FastAPI, Request, WebSocket
from fastapi.testclient import TestClient
from services import make_service
from starlette.testclient import WebSocketDenialResponse

from wesadlib.serving import guard
from wesadlib.serving.app import make_app
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


@pytest.mark.parametrize(
    ("path", "shown", "status"),
    [
        *((path, None, 200) for path in ("/", "/health", "/page/page.js", "/v2/health/live")),
        *((path, None, 401) for path in ("/model", "/page", "/docs", "/openapi.json", "/absent", "/health/")),
        *(("/model", shown, 401) for shown in ("", "Bearer", "Bearer ", TOKEN, f"Basic {TOKEN}")),
        *(("/model", f"Bearer {token}", 401) for token in (f"{TOKEN}x", TOKEN[:-1], TOKEN.upper())),
        *(("/model", f"{scheme} {TOKEN}", 200) for scheme in ("Bearer", "bearer")),
        ("/absent", f"Bearer {TOKEN}", 404),
    ],
)
def test_page_and_health_are_open_to_all_and_all_else_to_the_whole_token(path, shown, status):
    answer = TestClient(make_guarded(TOKEN)).get(path, headers={} if shown is None else {"authorization": shown})
    assert answer.status_code == status
    if status == 401:
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["detail"] == "A bearer token is needed here."
    assert TestClient(make_guarded()).get("/model").status_code == 200


def test_of_all_else_that_the_app_offers_nothing_is_open(bundle):
    guarded = TestClient(make_app(make_service(bundle), TOKEN))
    paths = guarded.get("/openapi.json", headers=BEARER).json()["paths"]
    asked = [(method, path) for path, methods in paths.items() for method in methods] + [
        ("get", "/docs"),
        ("get", "/openapi.json"),
        ("get", "/no-such-path"),
    ]
    assert {("post", "/predict"), ("post", "/rest"), ("get", "/metrics")} <= set(asked)
    for method, path in asked:
        if path in ("/", "/health", "/ready", "/v2/health/live", "/v2/health/ready") or path.startswith("/page/"):
            continue
        for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": f"Basic {TOKEN}"}):
            refused = guarded.request(method, path, headers=headers)
            assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer"), (method, path)
            # In the form of the protocol under /v2.
            detail = "error" if path.startswith("/v2") else "detail"
            assert refused.json()[detail] == "A bearer token is needed here."
            assert TOKEN not in refused.text


def test_tokens_are_compared_in_constant_time():
    source = inspect.getsource(guard)
    assert source.count("compare_digest") == 1 and "== self._token" not in source


@pytest.mark.parametrize(
    ("headers", "subprotocols", "chosen"),
    [
        (BEARER, [], None),
        ({}, ["wesad", f"bearer.{TOKEN}"], "wesad"),
        (BEARER, ["wesad"], "wesad"),
        *(({}, names, "refused") for names in ([], ["wesad"], ["wesad", "bearer.wrong"], [TOKEN])),
    ],
)
def test_a_stream_shows_its_token_in_a_header_or_among_its_subprotocols(headers, subprotocols, chosen):
    connection = TestClient(make_guarded(TOKEN)).websocket_connect("/stream", subprotocols, headers=dict(headers))
    if chosen == "refused":
        with pytest.raises(WebSocketDenialResponse) as denied, connection:
            pass
        assert denied.value.status_code == 401
        return
    with connection as websocket:
        # The token is never said back.
        assert websocket.accepted_subprotocol == chosen
        assert websocket.receive_text() == "open"


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
    all_allowed = TestClient(make_guarded(allowed_hosts=("*",), allowed_origins=("*",)))
    assert all_allowed.get("/health", headers=headers).status_code == 200
    client = TestClient(make_guarded(allowed_origins=("https://pages.example",)))
    response = client.get("/health", headers=headers)
    assert response.status_code == status
    assert status == 200 or not set(headers.values()) & {*response.text.split()}
    try:
        with client.websocket_connect("/stream", headers=headers):
            assert status == 200
    except WebSocketDenialResponse as denied:
        assert denied.status_code == status == 403


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
    received = []

    async def receive():
        received.append(2**18)
        return {"type": "http.request", "body": bytes(2**18), "more_body": True}

    headers = [(b"content-type", content_type.encode())]
    headers += [(b"content-length", b"%d" % (3 * 2**20))] if announced else []
    app = make_guarded(max_body_mb=1.0, max_batch_body_mb=2.0)
    start, body = converse(app, headers, receive, path)
    assert sum(received) == (0 if announced else (most_mb + 0.25) * 2**20)
    assert start["status"] == 413 and f"at most {most_mb} MiB".encode() in body["body"]
    assert (b'{"error":' in body["body"]) == path.startswith("/v2")


def ask(app):
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver")


@pytest.mark.anyio
async def test_bodies_that_are_held_are_bounded_together():
    app = make_guarded(max_bodies_mb=1.0)
    async with ask(app) as client:
        waiting = asyncio.create_task(client.post("/wait", content=bytes(700_000)))
        await app.state.waiting.wait()
        refused = await client.post("/predict", content=bytes(700_000))
        app.state.release.set()
        answered = [await waiting, await client.post("/predict", content=bytes(700_000))]
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    assert [answer.status_code for answer in answered] == [200] * 2


def converse(app, headers, receive, path="/predict"):
    """What an app says to a request whose body comes as `receive` gives it."""
    sent = []

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": headers}
    asyncio.run(app(scope | {"http_version": "1.1"}, receive, send))
    return sent


def test_a_body_that_does_not_arrive_is_given_up():
    async def never():
        await asyncio.get_running_loop().create_future()

    start, body = converse(make_guarded(request_time_s=0.05), [(b"transfer-encoding", b"chunked")], never)
    assert start["status"] == 408 and dict(start["headers"])[b"connection"] == b"close"
    assert b"The body did not arrive within 0.05 s." in body["body"]


@pytest.mark.anyio
@pytest.mark.parametrize("content", [None, b"whole"])
async def test_an_answer_that_takes_too_long_is_given_up(content):
    async with ask(make_guarded(request_time_s=0.05)) as client:
        late = await client.request("POST" if content else "GET", "/wait", content=content)
        after = await client.get("/model")
    assert (late.status_code, late.headers["retry-after"], after.status_code) == (503, "1", 200)
    assert late.json()["detail"].startswith("There was no answer within 0.05 s")


def test_head_is_answered_where_get_is():
    client = TestClient(make_guarded())
    assert [client.head(path).status_code for path in ("/", "/health", "/predict")] == [200, 200, 405]
