"""One running server for all tests of this folder, and its page in a real browser."""

import re

import httpx
import minutes
import pytest
from playwright.sync_api import expect, sync_playwright

from wesadlib.bundle import load_bundle
from wesadlib.serving import running_server
from wesadlib.serving.wire import Samples, read_window

#: Names are not looked up: whatever the page asked of another host would fail, and be seen.
OPTIONS = ("--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1")
#: For a page on a slow machine; playwright's own is 5 s.
PATIENCE_MS = 120_000
expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="session")
def served_bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("server") / "bundle"
    return minutes.save_small_bundle("resnet", folder, rested=True)


@pytest.fixture(scope="session")
def server(served_bundle):
    # Slow clients are given up soon, for the tests that wait for just that.
    with running_server(served_bundle, settings={"request_time_s": 10.0}) as client:
        yield client


@pytest.fixture(scope="module")
def browser(browser_path):
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=[*OPTIONS])
        yield browser
        browser.close()


@pytest.fixture
def blank(browser, server):
    """An empty page; afterwards every request of it is found to have gone to the server."""
    context = browser.new_context(viewport={"width": 1300, "height": 900}, base_url=server.url)
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("websocket", lambda socket: asked.append(socket.url))
    yield page
    context.close()
    host = server.url.partition("://")[2]
    assert [url for url in asked if not re.match(rf"(http|ws)://{re.escape(host)}/", url)] == []
    assert asked


@pytest.fixture
def page(blank):
    """The open page; afterwards its console is found empty."""
    said = []
    blank.on("console", lambda message: said.append(message.text))
    blank.on("pageerror", lambda error: said.append(str(error)))
    blank.goto("/")
    expect(blank.locator("#status")).to_have_text("Ready.")
    yield blank
    assert said == []


@pytest.fixture(scope="module")
def bundle(served_bundle):
    return load_bundle(served_bundle)


@pytest.fixture(scope="module")
def example(server) -> Samples:
    return read_window(httpx.get(f"{server.url}/example", trust_env=False).content, "json")


@pytest.fixture(scope="module")
def spoilt() -> Samples:
    """A little more than a minute, in which the skin conductance falls to nothing."""
    channels = minutes.cut(minutes.wrist_recording(3), 70, 80)
    channels["wrist_eda"] = channels["wrist_eda"].copy()
    channels["wrist_eda"][260:] = 0
    return Samples(channels, minutes.RATES_HZ)
