"""The live page in a real browser: what it shows is what the bundle says, and it talks to its own server only."""

import io
import re

import httpx
import minutes
import msgpack
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

from wesadlib.bundle import load_bundle
from wesadlib.plots import STATE_COLORS
from wesadlib.serving.wire import Samples, read_window, write_window

pytestmark = pytest.mark.browser

HOP_S, WINDOW_S = 5, 60
#: Names are not looked up: whatever the page asked of another host would fail, and be seen.
OPTIONS = ("--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1")


@pytest.fixture(scope="module")
def browser(browser_path):
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=[*OPTIONS])
        yield browser
        browser.close()


@pytest.fixture
def page(browser, server):
    """The open page; afterwards its console is found empty, and every request went to the server."""
    context = browser.new_context(viewport={"width": 1300, "height": 900})
    page = context.new_page()
    page.set_default_timeout(30_000)
    asked, said = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("websocket", lambda socket: asked.append(socket.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(server.url)
    expect(page.locator("#status")).to_have_text("Ready.")
    yield page
    context.close()
    host = server.url.partition("://")[2]
    assert [url for url in asked if not re.match(rf"(http|ws)://{re.escape(host)}/", url)] == []
    assert said == []


@pytest.fixture(scope="module")
def bundle(served_bundle):
    return load_bundle(served_bundle)


@pytest.fixture(scope="module")
def example(server) -> Samples:
    return read_window(httpx.get(f"{server.url}/example", trust_env=False).content, "binary")


@pytest.fixture(scope="module")
def spoilt(bundle) -> Samples:
    """A minute and a half, of which the skin conductance falls to nothing."""
    recording = minutes.wrist_recording(3)
    channels = minutes.cut(recording, 70, 90)
    channels["wrist_eda"] = channels["wrist_eda"].copy()
    channels["wrist_eda"][300:] = 0
    return Samples(channels, minutes.RATES_HZ)


def offline(bundle, recording: Samples) -> list:
    """What the bundle says of each window of a recording."""
    duration_s = min(len(values) / recording.rates_hz[name] for name, values in recording.channels.items())
    windows = []
    for start in range(0, int(duration_s) - WINDOW_S + 1, HOP_S):
        spans = {name: (round(start * rate), round(WINDOW_S * rate)) for name, rate in recording.rates_hz.items()}
        cut = {name: recording.channels[name][first : first + count] for name, (first, count) in spans.items()}
        windows.append((cut, recording.rates_hz))
    return bundle.predict_windows(windows)


def kind_of(answer) -> str:
    if answer.status == "rejected":
        return "refused"
    return "unsure" if answer.abstained else "known"


def pick(page: Page, content: bytes, name: str = "minutes.msgpack") -> None:
    page.select_option("#source", "file")
    page.set_input_files("#file", {"name": name, "mimeType": "application/octet-stream", "buffer": content})


def replay(page: Page) -> None:
    page.select_option("#speed", "60")
    page.click("#start")
    expect(page.locator("body")).to_have_attribute("data-phase", "running")
    expect(page.locator("body")).to_have_attribute("data-phase", "idle", timeout=30_000)


def check_rows(page: Page, answers: list) -> None:
    """The table holds every answer, the newest first."""
    rows = page.locator("#answers tr").all()[::-1]
    assert len(rows) == len(answers)
    for k, (row, answer) in enumerate(zip(rows, answers, strict=True)):
        assert row.get_attribute("class") == kind_of(answer)
        assert float(row.get_attribute("data-start")) == k * HOP_S
        title = dict(part.rsplit(" ", 1) for part in row.get_attribute("title").split(", ") if part)
        shown = {state: float(share) for state, share in title.items()}
        assert shown == pytest.approx(answer.probabilities or {}, abs=1e-3)


def check_quality(page: Page, answer) -> None:
    rows = page.locator("#signals .signal").all()
    shown = {row.get_attribute("data-channel"): float(row.locator(".score").inner_text()) for row in rows}
    assert shown == pytest.approx(answer.quality, abs=6e-3)


def colours_of(page: Page, selector: str) -> set[tuple[int, ...]]:
    image = Image.open(io.BytesIO(page.locator(selector).screenshot())).convert("RGB")
    return {tuple(pixel) for pixel in np.asarray(image).reshape(-1, 3).tolist()}


def rgb(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour[1:]))


def test_the_simulated_recording_is_answered_on_the_page_as_by_the_bundle(page, bundle, example, tmp_path):
    answers = offline(bundle, example)
    before = colours_of(page, "#timeline")
    replay(page)
    page.screenshot(path=tmp_path / "page.png")
    check_rows(page, answers)
    check_quality(page, answers[-1])
    last = answers[-1]
    assert page.locator("#now").get_attribute("class") == f"answer {kind_of(last)}"
    assert last.state in page.locator("#now").inner_text().lower()
    assert f"{round(100 * last.confidence)} %" in page.locator("#because").inner_text()
    assert page.locator("#count").inner_text() == str(len(answers))
    assert re.fullmatch(r"[\d.]+ ms", page.locator("#latency").inner_text())
    expect(page.locator("#status")).to_contain_text("The recording has ended, 4:0")
    drawn = colours_of(page, "#timeline")
    assert {rgb(STATE_COLORS[state]) for state in bundle.config["states"]} <= drawn - before
    assert len(colours_of(page, "#signals .signal canvas >> nth=0")) > 1


def test_what_is_refused_and_not_known_is_shown_with_its_reason(page, bundle, spoilt, tmp_path):
    answers = offline(bundle, spoilt)
    assert {kind_of(answer) for answer in answers} == {"unsure", "refused"}
    pick(page, write_window(*spoilt, "binary"))
    expect(page.locator("#kept")).to_contain_text("sent to this server only")
    replay(page)
    page.screenshot(path=tmp_path / "spoilt.png")
    check_rows(page, answers)
    check_quality(page, answers[-1])
    expect(page.locator("#state")).to_have_text("Refused")
    assert answers[-1].reasons[0].startswith("wrist_eda: ")
    rule = answers[-1].reasons[0].partition(": ")[2]
    assert re.match(rf"Skin conductance: .*{rule}", page.locator("#because").inner_text())
    expect(page.locator(".signal.poor")).to_have_attribute("data-channel", "wrist_eda")
    kinds = [kind_of(answer) for answer in answers]
    assert page.locator("#count-refused").inner_text() == str(kinds.count("refused"))
    assert page.locator("#count-unsure").inner_text() == str(kinds.count("unsure"))
    unsure = page.locator("#answers tr.unsure").first.inner_text()
    assert "Does not know" in unsure
    assert "most likely" in unsure


def test_a_dropped_connection_goes_on_where_it_was(page, bundle, spoilt):
    def tap(socket):
        server = socket.connect_to_server()
        seen = []

        def to_page(message):
            socket.send(message)
            if msgpack.unpackb(message)["type"] == "prediction" and not drops:
                seen.append(message)
                if len(seen) == 2:
                    drops.append(True)
                    server.close(code=1001)
                    socket.close(code=1012)

        server.on_message(to_page)

    drops = []
    page.route_web_socket("**/stream", tap)
    pick(page, write_window(*spoilt, "json"), "minutes.json")
    page.select_option("#speed", "60")
    page.click("#start")
    expect(page.locator("#status")).to_contain_text("Connection lost: the server is starting again.")
    expect(page.locator("body")).to_have_attribute("data-phase", "idle")
    check_rows(page, offline(bundle, spoilt))


def test_pause_holds_the_clock_and_stop_ends_it(page, spoilt):
    pick(page, write_window(*spoilt, "binary"))
    page.select_option("#speed", "20")
    page.click("#start")
    expect(page.locator("#status")).to_contain_text("Playing 0:1")
    page.click("#pause")
    expect(page.locator("#status")).to_contain_text("Paused at")
    held = page.locator("#status").inner_text()
    page.wait_for_timeout(300)
    expect(page.locator("#status")).to_have_text(held)
    page.click("#pause")
    expect(page.locator("#status")).to_contain_text("Playing 0:3")
    page.click("#stop")
    expect(page.locator("#status")).to_have_text("Stopped.")
    expect(page.locator("#start")).to_be_enabled()


@pytest.mark.parametrize(
    ("content", "hop", "words"),
    [
        (b"\x93no", "5", "The file is neither whole JSON nor whole MessagePack."),
        (b'{"channels": {"wrist_eda": {"rate_hz": 4, "samples": [1]}}}', "5", "The file lacks wrist_bvp, wrist_temp"),
        (b'{"channels": {"wrist_eda": {"rate_hz": 4, "samples": ["1"]}}}', "5", "wrist_eda: a sample must be a number"),
        (None, "0.5", "hop_s: "),
    ],
)
def test_what_is_wrong_is_said_in_words(page, spoilt, content, hop, words):
    pick(page, content or write_window(*spoilt, "binary"), "minutes")
    page.fill("#hop", hop)
    page.click("#start")
    expect(page.locator("#problem")).to_contain_text(words)
    expect(page.locator("#start")).to_be_enabled()


def test_a_phone_shows_all_of_it_without_sideways_scrolling(page):
    page.set_viewport_size({"width": 420, "height": 900})
    for part in ("#controls", ".now", ".course", ".signals", ".answers"):
        box = page.locator(part).bounding_box()
        assert 0 <= box["x"] < box["x"] + box["width"] <= 420


def test_messagepack_is_written_and_read_as_python_does(browser, server):
    value = {
        "numbers": [0, 1, 127, 128, 255, 256, 65535, 65536, 2**32, 2**53 - 1, -1, -32, -33, -(2**40), 0.5, 1e300],
        "text": ["", "µS", "x" * 31, "x" * 32, "x" * 300, "x" * 70_000],
        "bytes": [b"", b"\x00" * 255, b"\x01" * 256, b"\x02" * 70_000],
        "rest": [None, True, False, [], {}, {str(k): k for k in range(20)}, list(range(20))],
    }
    # The policy of the page lets nobody evaluate text, a test neither.
    context = browser.new_context(bypass_csp=True)
    page = context.new_page()
    page.goto(server.url)
    ours = page.evaluate(
        """async (bytes) => {
            const { decode, encode } = await import("/page/msgpack.js");
            return Array.from(encode(decode(Uint8Array.from(bytes))));
        }""",
        list(msgpack.packb(value)),
    )
    refused = page.evaluate(
        """async (bodies) => {
            const { decode } = await import("/page/msgpack.js");
            const fails = (bytes) => { try { decode(Uint8Array.from(bytes)); return false; } catch { return true; } };
            return bodies.map(fails);
        }""",
        [[0xA5, 0x61], [0xC1], [0x01, 0x02], [0x92, 0x01]],
    )
    context.close()
    assert msgpack.unpackb(bytes(ours)) == value
    assert refused == [True] * 4
