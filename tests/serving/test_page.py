"""The live page's files: what is served, as what, under which policy, and that nothing in them is from elsewhere."""

import asyncio
import re
from types import SimpleNamespace

import msgpack
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from wesadlib.plots import STATE_COLORS
from wesadlib.serving.page import page_router, read_files
from wesadlib.serving.problems import handle_problems

SVG_NAME = b"http://www.w3.org/2000/svg"


class Service:
    def __init__(self, folder):
        self.bundle = SimpleNamespace(folder=folder)

    async def in_thread(self, function, *arguments):
        return await asyncio.to_thread(function, *arguments)


@pytest.fixture
def page(tmp_path):
    app = FastAPI()
    handle_problems(app)
    app.include_router(page_router(Service(tmp_path)))
    return TestClient(app)


@pytest.fixture(scope="module")
def files():
    return read_files()


def policy_of(response):
    return dict(part.strip().split(" ", 1) for part in response.headers["content-security-policy"].split(";"))


def test_the_page_is_at_the_root_and_its_files_have_their_types(page, files):
    assert page.get("/").content == files["index.html"][0]
    assert {name.rpartition(".")[2] for name in files} == {"html", "css", "js", "svg"}
    kinds = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
    for name, (content, _) in files.items():
        response = page.get(f"/page/{name}")
        assert (response.status_code, response.content) == (200, content)
        assert response.headers["content-type"].partition(";")[0] == kinds[name.rpartition(".")[2]]


@pytest.mark.parametrize("path", ["/", "/page/page.js", "/page/page.css", "/page/icon.svg"])
def test_every_file_comes_with_a_policy_that_allows_this_server_only(page, path):
    response = page.get(path)
    policy = policy_of(response)
    assert policy["default-src"] == "'none'"
    assert set(policy.values()) == {"'none'", "'self'"}
    assert {name for name, sources in policy.items() if sources == "'self'"} == {
        "script-src",
        "style-src",
        "img-src",
        "connect-src",
    }
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "no-referrer"


def test_nothing_is_loaded_from_elsewhere_and_nothing_is_written_inline(files):
    for name, (content, _) in files.items():
        text = content.replace(SVG_NAME, b"") if name.endswith(".svg") else content
        assert not re.search(rb"(https?|wss?):|[\"'(]\s*//", text), name
        assert not re.search(rb"@import|\beval\(|innerHTML|localStorage|document\.cookie", text), name
    html = files["index.html"][0].decode()
    assert re.findall(r"<script[^>]*>([^<]*)</script>", html) == [""]
    assert not re.search(r"<style|\sstyle=|\son\w+=", html)


def test_every_file_that_is_named_exists(files):
    html = files["index.html"][0].decode()
    named = re.findall(r"(?:src|href)=\"page/([^\"]+)\"", html)
    for content, _ in (files[name] for name in files if name.endswith(".js")):
        named += re.findall(r"from \"\./([^\"]+)\"", content.decode())
    assert set(named) | {"index.html"} == set(files)


def test_every_control_has_a_label(files):
    html = files["index.html"][0].decode()
    controls = re.findall(r"<(?:input|select)[^>]*\bid=\"([^\"]+)\"", html)
    assert len(controls) == html.count("<input") + html.count("<select") > 5
    assert set(controls) == set(re.findall(r"<label for=\"([^\"]+)\"", html))


@pytest.mark.parametrize(
    "path",
    [
        "/page/",
        "/page/__init__.py",
        "/page/missing.js",
        "/page/../app.py",
        "/page/..%2Fapp.py",
        "/page/%2e%2e/app.py",
        "/page/%2e%2e%2f%2e%2e%2f__init__.py",
        "/page//etc/passwd",
        "/page/%2Fetc%2Fpasswd",
        "/page/page.js%00.css",
    ],
)
def test_no_other_path_leads_to_a_file(page, path):
    response = page.get(path)
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"
    assert "/" not in response.json()["detail"]


def test_the_example_is_the_bundles_own(page, tmp_path):
    body = msgpack.packb({"channels": {}})
    (tmp_path / "example.msgpack").write_bytes(body)
    response = page.get("/example")
    assert (response.status_code, response.content) == (200, body)
    assert response.headers["content-type"] == "application/vnd.msgpack"


def test_a_bundle_without_an_example_is_told_without_its_path(page, tmp_path):
    response = page.get("/example")
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["detail"].startswith("This bundle holds no simulated recording")
    assert str(tmp_path) not in response.text


def test_states_have_the_books_colours(files):
    found = dict(re.findall(r"--state-(\w+): (#\w+);", files["page.css"][0].decode()))
    assert found == STATE_COLORS
