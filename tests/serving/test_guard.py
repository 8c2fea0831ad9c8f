"""What the guard lets through, on an app of three routes that computes nothing."""

import asyncio
import inspect
from types import SimpleNamespace

import httpx
import pytest
from fastapi import FastAPI, Request, WebSocket
from fastapi.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from wesadlib.errors import InputError
from wesadlib.serving import guard
from wesadlib.serving.guard import Guard, read_token, require_safe
from wesadlib.serving.old_settings import Settings
from wesadlib.serving.problems import handle_problems

TOKEN = "0123456789abcdef-token"
BEARER = {"authorization": f"Bearer {TOKEN}"}


def make_guarded(token=None, **settings):
    app = FastAPI()
    app.state.release = asyncio.Event()
    handle_problems(app)

    @app.get("/health")
    @app.get("/ready")
    @app.get("/page/page.js")
    @app.get("/page")
    @app.get("/model")
    @app.get("/")
    async def plain() -> str:
        return "plain"

    @app.post("/predict")
    async def read(request: Request) -> int:
        return len(await request.body())

    @app.get("/wait")
    @app.post("/wait")
    async def wait(request: Request) -> str:
        await request.body()
        await app.state.release.wait()
        return "done"

    @app.websocket("/stream")
    async def stream(websocket: WebSocket) -> None:
        await websocket.accept("wesad" if "wesad" in websocket.scope["subprotocols"] else None)
        await websocket.send_text("open")
        await websocket.close()

    app.add_middleware(Guard, service=SimpleNamespace(settings=Settings(**settings)), token=token)
    return app


def ask(app):
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here")


@pytest.mark.parametrize("path", ["/", "/health", "/ready", "/page/page.js"])
def test_page_and_health_are_open_to_all(path):
    assert TestClient(make_guarded(TOKEN)).get(path).status_code == 200


@pytest.mark.parametrize("path", ["/model", "/page", "/docs", "/openapi.json", "/absent", "/health/"])
def test_all_else_needs_the_token(path):
    client = TestClient(make_guarded(TOKEN), follow_redirects=False)
    refused = client.get(path)
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["detail"] == "A bearer token is needed here."
    assert client.get(path, headers=BEARER).status_code in (200, 404, 307)


@pytest.mark.parametrize(
    "shown",
    [
        "",
        "Bearer",
        "Bearer ",
        f"Basic {TOKEN}",
        TOKEN,
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN.upper()}",
    ],
)
def test_only_the_whole_token_opens(shown):
    assert TestClient(make_guarded(TOKEN)).get("/model", headers={"authorization": shown}).status_code == 401


def test_the_scheme_may_be_written_in_any_case():
    assert TestClient(make_guarded(TOKEN)).get("/model", headers={"authorization": f"bearer {TOKEN}"}).is_success


def test_without_a_token_all_is_open():
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
    with pytest.raises(Exception) as caught, client.websocket_connect("/stream", subprotocols=subprotocols):
        pass
    denied = caught.value
    assert isinstance(denied, WebSocketDisconnect) and getattr(denied, "status_code", 401) == 401


def test_requests_past_the_limit_are_refused_and_the_next_is_taken_when_one_ends():
    async def trial():
        app = make_guarded(max_connections=2)
        async with ask(app) as client:
            waiting = [asyncio.create_task(client.get("/wait")) for _ in range(2)]
            await asyncio.sleep(0.05)
            refused, health = await client.get("/model"), await client.get("/health")
            app.state.release.set()
            return refused, health, [await task for task in waiting], await client.get("/model")

    refused, health, waited, after = asyncio.run(trial())
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
    assert refused.json()["detail"] == "2 requests are being answered already; ask again."
    assert [answer.status_code for answer in (health, *waited, after)] == [200] * 4


def test_bodies_that_are_held_are_bounded_together():
    async def trial():
        app = make_guarded(max_bodies_mb=1)
        async with ask(app) as client:
            waiting = asyncio.create_task(client.post("/wait", content=bytes(700_000)))
            await asyncio.sleep(0.05)
            refused = await client.post("/predict", content=bytes(700_000))
            app.state.release.set()
            return refused, await waiting, await client.post("/predict", content=bytes(700_000))

    refused, waited, after = asyncio.run(trial())
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    assert [answer.status_code for answer in (waited, after)] == [200] * 2


def test_a_body_that_does_not_arrive_is_given_up():
    async def slow():
        yield b"begun"
        await asyncio.sleep(10)

    async def trial():
        # Straight, for the client's transport in memory would collect the body first.
        sent, parts = [], slow()

        async def receive():
            return {"type": "http.request", "body": await anext(parts), "more_body": True}

        async def send(message):
            sent.append(message)

        scope = {"type": "http", "method": "POST", "path": "/predict", "query_string": b"", "http_version": "1.1"}
        headers = [(b"transfer-encoding", b"chunked")]
        await make_guarded(body_time_s=0.05)(scope | {"headers": headers}, receive, send)
        return sent

    start, body = asyncio.run(trial())
    assert start["status"] == 408 and dict(start["headers"])[b"connection"] == b"close"
    assert b"The body did not arrive within 0.05 s." in body["body"]


@pytest.mark.parametrize("content", [None, b"whole"])
def test_an_answer_that_takes_too_long_is_given_up(content):
    async def trial():
        app = make_guarded(answer_time_s=0.05, body_time_s=0.05)
        async with ask(app) as client:
            late = await client.request("POST" if content else "GET", "/wait", content=content)
            return late, await client.get("/model")

    late, after = asyncio.run(trial())
    assert (late.status_code, after.status_code) == (504, 200)
    assert late.json()["detail"].startswith("There was no answer within 0.05 s")


def test_a_token_is_read_from_the_variable_that_is_named():
    assert read_token("") is None
    assert read_token("NAME", {"NAME": TOKEN}) == TOKEN


@pytest.mark.parametrize(
    "value", ["", "short", "with a space in the middle", "naïve-naïve-naïve-naïve", "x" * 513, f"{TOKEN}\n"]
)
def test_a_named_variable_without_a_usable_token_is_refused_in_a_sentence_that_does_not_show_it(value):
    with pytest.raises(
        InputError, match=r"^`token_variable` is NAME, an environment variable that .*openssl"
    ) as caught:
        read_token("NAME", {"NAME": value})
    assert "\n" not in str(caught.value) and (not value or value not in str(caught.value))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org", ""])
def test_without_a_token_only_loopback_is_listened_on(host, monkeypatch):
    with pytest.raises(InputError, match=r"without a token the server listens on loopback .*--token-variable"):
        require_safe(host, "")
    monkeypatch.setenv("WESAD_TOKEN", TOKEN)
    require_safe(host, "WESAD_TOKEN")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_loopback_needs_no_token(host):
    require_safe(host, "")
