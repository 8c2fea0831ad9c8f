"""The live page's files: what is served, as what, under which policy, and that nothing in them is from elsewhere."""

import asyncio
import re
from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from wesadlib.plots import STATE_COLORS
from wesadlib.serving.guard import Guard, handle_problems
from wesadlib.serving.page import HEADERS, page_router, read_files
from wesadlib.serving.settings import Settings
from wesadlib.serving.wire import CONTENT_TYPES, read_window, write_window

SVG_NAME = b"http://www.w3.org/2000/svg"
EXAMPLE = ({"wrist_eda": np.linspace(0, 1, 30_000, dtype=np.float32)}, {"wrist_eda": 4.0})


def page_of(example):
    """The page of a service of which there is no more than the example."""
    app = FastAPI()
    handle_problems(app)
    app.include_router(page_router(SimpleNamespace(bundle=SimpleNamespace(example=example))))
    return TestClient(app)


@pytest.fixture(scope="module")
def files():
    return read_files()


def test_the_page_is_at_the_root_and_its_files_have_their_types_and_a_policy(files):
    page = page_of(lambda: EXAMPLE)
    assert page.get("/").content == files["index.html"][0]
    assert page.head("/").status_code == 200
    kinds = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
    for name, (content, _) in files.items():
        response = page.get(f"/page/{name}")
        assert (response.status_code, response.content) == (200, content)
        assert response.headers["content-type"].partition(";")[0] == kinds.get(name.rpartition(".")[2], "text/plain")
        assert HEADERS.items() <= dict(response.headers).items()
    assert HEADERS.items() <= dict(page.get("/").headers).items()
    policy = dict(part.strip().split(" ", 1) for part in HEADERS["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'" and set(policy.values()) == {"'none'", "'self'"}
    allowed = {name for name, sources in policy.items() if sources == "'self'"}
    assert allowed == {"script-src", "style-src", "img-src", "connect-src"}
    assert (HEADERS["x-content-type-options"], HEADERS["referrer-policy"]) == ("nosniff", "no-referrer")


def test_nothing_is_loaded_from_elsewhere_and_nothing_is_written_inline(files):
    for name, (content, _) in files.items():
        if name.startswith("vendor/"):
            continue
        text = content.replace(SVG_NAME, b"") if name.endswith(".svg") else content
        assert not re.search(rb"\b(https?|wss?):|[\"'(]\s*//", text), name
        assert not re.search(rb"@import|\beval\(|innerHTML|localStorage|document\.cookie", text), name
    html = files["index.html"][0].decode()
    assert re.findall(r"<script[^>]*>([^<]*)</script>", html) == ["", "", ""]
    assert not re.search(r"<style|\sstyle=|\son\w+=", html)


def test_every_file_that_is_named_exists(files):
    html = files["index.html"][0].decode()
    named = re.findall(r"(?:src|href)=\"page/([^\"]+)\"", html)
    for content, _ in (files[name] for name in files if name.endswith(".js")):
        named += re.findall(r"from \"\./([^\"]+)\"", content.decode())
    kept = {"uPlot": "vendor/uPlot.iife.min.js", "fflate": "vendor/fflate.umd.min.js"}
    assert set(named) | {"index.html"} | {f"vendor/{name}.LICENSE.txt" for name in kept} == set(files)
    for name, script in kept.items():
        assert b"MIT" in files[f"vendor/{name}.LICENSE.txt"][0]
        # It opens no connection and makes no text into code.
        assert not re.search(rb"fetch\(|XMLHttpRequest|WebSocket|\beval\(|new Function", files[script][0])


def test_the_page_is_short(files):
    written = [content for name, (content, _) in files.items() if not name.startswith("vendor/")]
    assert sum(content.count(b"\n") for content in written) <= 1000


def test_every_control_has_a_label(files):
    html = files["index.html"][0].decode()
    controls = re.findall(r"<(?:input|select)[^>]*\bid=\"([^\"]+)\"", html)
    assert len(controls) == html.count("<input") + html.count("<select") > 5
    assert set(controls) == set(re.findall(r"<label for=\"([^\"]+)\"", html))


OTHERS = "", "__init__.py", "missing.js", "../app.py", "..%2Fapp.py", "%2e%2e/app.py", "%2e%2e%2f%2e%2e%2f__init__.py"


@pytest.mark.parametrize(
    "path", ["example", *(f"page/{name}" for name in (*OTHERS, "/etc/passwd", "%2Fetc%2Fpasswd", "page.js%00.css"))]
)
def test_no_other_path_leads_to_a_file_and_a_missing_example_is_told_without_its_path(path):
    response = page_of(Mock(side_effect=FileNotFoundError("/somewhere/example.msgpack"))).get(f"/{path}")
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"
    assert "/" not in response.json()["detail"]


@pytest.mark.parametrize("form", ["json", "binary"])
def test_the_example_is_the_bundles_own_and_read_once(form):
    example = Mock(return_value=EXAMPLE)
    page = page_of(example)
    for _ in range(2):
        response = page.get("/example", headers={"accept": CONTENT_TYPES[form]})
        assert (response.status_code, response.content) == (200, write_window(*EXAMPLE, form))
        assert response.headers["content-type"] == CONTENT_TYPES[form]
        assert int(response.headers["content-length"]) == len(response.content) > 2**16
    np.testing.assert_array_equal(read_window(response.content, form).channels["wrist_eda"], EXAMPLE[0]["wrist_eda"])
    assert example.call_count == 1
    assert page.get("/example").headers["content-type"] == "application/json"


@pytest.mark.anyio
async def test_who_asks_and_does_not_read_holds_one_piece_until_the_time_is_over():
    content, held, over = write_window(*EXAMPLE, "json"), [], []
    app = page_of(lambda: EXAMPLE).app
    app.add_middleware(Guard, service=SimpleNamespace(settings=Settings(bundle="b", request_time_s=1.0)))
    scope = {"type": "http", "method": "GET", "path": "/example", "headers": [], "query_string": b"", "root_path": ""}

    async def never(*_):
        await asyncio.Event().wait()

    async def send(message):
        held.append(len(message.get("body", b"")))
        if held[-1] == 2**16:
            await never()

    async def ask():
        try:
            await app(scope, never, send)
        except TimeoutError:
            over.append(True)

    await asyncio.gather(*(ask() for _ in range(50)))
    assert 2**16 <= sum(held) <= 50 * 2**16 < 50 * len(content) / 2
    assert over


def test_states_have_the_books_colours(files):
    found = dict(re.findall(r"--state-(\w+): (#\w+);", files["page.css"][0].decode()))
    assert found == STATE_COLORS
