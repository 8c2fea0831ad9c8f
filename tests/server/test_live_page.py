"""The live page in a real browser: what it shows is what the bundle says, and it talks to its own server only."""

import io
import math
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
from wesadlib.serving.wire import Samples, read_window, read_windows, write_window

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
def blank(browser, server):
    """An empty page; afterwards every request of it is found to have gone to the server."""
    context = browser.new_context(viewport={"width": 1300, "height": 900}, base_url=server.url)
    page = context.new_page()
    page.set_default_timeout(30_000)
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
    return read_window(httpx.get(f"{server.url}/example", trust_env=False).content, "binary")


@pytest.fixture(scope="module")
def spoilt() -> Samples:
    """A little more than a minute, in which the skin conductance falls to nothing."""
    channels = minutes.cut(minutes.wrist_recording(3), 70, 80)
    channels["wrist_eda"] = channels["wrist_eda"].copy()
    channels["wrist_eda"][260:] = 0
    return Samples(channels, minutes.RATES_HZ)


def first_seconds(recording: Samples, seconds: float) -> Samples:
    rates_hz = recording.rates_hz
    return Samples(
        {name: values[: round(seconds * rates_hz[name])] for name, values in recording.channels.items()}, rates_hz
    )


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


def heading_of(answer) -> str:
    return {"refused": "Refused", "unsure": "Does not know"}.get(kind_of(answer)) or answer.state.capitalize()


def confidence_of(answer) -> str:
    """As the page writes it; what is not enough is not rounded up to what would be."""
    if answer.confidence is None:
        return "–"
    return f"{math.floor(100 * answer.confidence + (0 if answer.abstained else 0.5))} %"


def pick(page: Page, content: bytes, name: str = "minutes.msgpack") -> None:
    page.select_option("#source", "file")
    page.set_input_files("#file", {"name": name, "mimeType": "application/octet-stream", "buffer": content})


def replay(page: Page) -> None:
    page.select_option("#speed", "60")
    page.click("#start")
    # Seen at once, where an expectation looks now and then and could miss it.
    page.locator("[data-phase=running]").wait_for()
    page.locator("[data-phase=idle]").wait_for()


def check_rows(page: Page, answers: list) -> None:
    """The table holds every answer, the newest first."""
    rows = page.locator("#answers tr").all()[::-1]
    assert len(rows) == len(answers)
    for k, (row, answer) in enumerate(zip(rows, answers, strict=True)):
        assert row.get_attribute("class") == kind_of(answer)
        cells = row.locator("td").all_inner_texts()
        assert cells[1].strip().startswith(heading_of(answer))
        assert cells[2] == confidence_of(answer)
        assert float(row.get_attribute("data-start")) == k * HOP_S
        title = dict(part.rsplit(" ", 1) for part in row.get_attribute("title").split(", ") if part)
        shown = {state: float(share) for state, share in title.items()}
        assert shown == pytest.approx(answer.probabilities or {}, abs=1e-3)


def check_quality(page: Page, answer) -> None:
    rows = page.locator("#signals .signal").all()
    shown = {row.get_attribute("data-channel"): float(row.locator(".score").inner_text()) for row in rows}
    assert shown == pytest.approx(answer.quality, abs=6e-3)


def colours_of(page: Page, selector: str, rows: slice = slice(None)) -> set[tuple[int, ...]]:
    image = Image.open(io.BytesIO(page.locator(selector).screenshot())).convert("RGB")
    return {tuple(pixel) for pixel in np.asarray(image)[rows].reshape(-1, 3).tolist()}


def rgb(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour[1:]))


def test_the_simulated_recording_is_answered_on_the_page_as_by_the_bundle(page, bundle, example, tmp_path):
    answers = offline(bundle, example)
    assert "known" in {kind_of(answer) for answer in answers}
    lines, answered = slice(0, 145), slice(152, 170)
    states = {rgb(STATE_COLORS[state]) for state in bundle.config["states"]}
    assert not states & colours_of(page, "#timeline")
    replay(page)
    page.screenshot(path=tmp_path / "page.png")
    check_rows(page, answers)
    check_quality(page, answers[-1])
    expect(page.locator("#now")).to_have_class(f"answer {kind_of(answers[-1])}")
    expect(page.locator("#state")).to_have_text(heading_of(answers[-1]))
    assert page.locator("#count").inner_text() == str(len(answers))
    assert re.fullmatch(r"[\d.]+ ms", page.locator("#latency").inner_text())
    expect(page.locator("#status")).to_contain_text("The recording has ended, 4:0")
    assert states <= colours_of(page, "#timeline", lines)
    known = {rgb(STATE_COLORS[answer.state]) for answer in answers if kind_of(answer) == "known"}
    assert states & colours_of(page, "#timeline", answered) == known
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


def test_the_state_of_the_moment_is_shown_with_its_probability(page, bundle, example):
    (answer,) = offline(bundle, first_seconds(example, WINDOW_S))
    assert kind_of(answer) == "known"
    pick(page, write_window(*first_seconds(example, WINDOW_S), "binary"))
    replay(page)
    expect(page.locator("#now")).to_have_class("answer known")
    expect(page.locator("#state")).to_have_text(answer.state.capitalize())
    expect(page.locator("#because")).to_have_text(f"{confidence_of(answer)} probable, from 0:00–1:00")
    expect(page.locator("#live")).to_have_text(answer.state.capitalize())
    check_quality(page, answer)


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
    page.locator("#status", has_text="Connection lost: the server is starting again.").wait_for()
    page.locator("[data-phase=idle]").wait_for()
    check_rows(page, offline(bundle, spoilt))


def test_pause_holds_the_clock_and_stop_ends_it(page, spoilt):
    pick(page, write_window(*spoilt, "binary"))
    page.select_option("#speed", "20")
    page.click("#start")
    status = page.locator("#status")
    page.locator("#status", has_text="Playing").wait_for()
    page.click("#pause")
    page.locator("#status", has_text="Paused at").wait_for()
    held = status.inner_text()
    page.wait_for_timeout(300)
    assert status.inner_text() == held
    page.click("#pause")
    page.wait_for_timeout(300)
    page.click("#pause")
    page.locator("#status", has_text="Paused at").wait_for()
    assert status.inner_text() != held
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


def test_a_table_of_numbers_is_replayed_with_its_gaps(page, bundle, spoilt):
    """Every channel at one rate; what is missing in one of them lowers its quality, and no other."""
    rate = 32.0
    channels = {name: np.full(round(61 * rate), 33.0) for name in spoilt.channels}
    for name, values in channels.items():
        original = spoilt.channels[name][: round(61 * spoilt.rates_hz[name])]
        values[:] = np.interp(np.arange(len(values)) / rate, np.arange(len(original)) / spoilt.rates_hz[name], original)
    channels["wrist_temp"][320:640] = np.nan
    rows = np.column_stack(list(channels.values())).tolist()
    cells = [["" if math.isnan(value) else repr(value) for value in row] for row in rows]
    table = "\n".join([",".join(channels), *map(",".join, cells)])
    pick(page, table.encode(), "minutes.csv")
    page.get_by_label("Rate of the CSV, Hz").fill("32")
    replay(page)
    single = {name: values.astype(np.float32) for name, values in channels.items()}
    answers = offline(bundle, Samples(single, dict.fromkeys(channels, rate)))
    check_rows(page, answers)
    check_quality(page, answers[-1])
    assert answers[-1].quality["wrist_temp"] < 1


def test_a_token_is_asked_for_and_sent(blank, spoilt):
    sent = []

    def guard(route):
        sent.append(route.request.headers.get("authorization"))
        if sent[-1] == "Bearer secret-of-the-server":
            route.continue_()
        else:
            route.fulfill(status=401, content_type="application/problem+json", body='{"detail": "A token is needed."}')

    blank.route("**/model", guard)
    blank.goto("/")
    expect(blank.locator("#problem")).to_have_text("This server asks for a token: enter it, then start.")
    expect(blank.get_by_label("Token of this server")).to_be_focused()
    blank.keyboard.type("another")
    blank.keyboard.press("Enter")
    expect(blank.locator("#problem")).to_have_text("The server does not know this token.")
    blank.get_by_label("Token of this server").fill("secret-of-the-server")
    pick(blank, write_window(*spoilt, "binary"))
    replay(blank)
    expect(blank.locator("#count")).to_have_text("5")
    assert sent == [None, "Bearer another", "Bearer secret-of-the-server"]


def test_the_first_minutes_calibrate_where_the_server_can(blank, example):
    asked, started = [], []

    def with_rest(route):
        route.fulfill(json=route.fetch().json() | {"rest": {"minutes": 2}})

    def keep(route):
        asked.append(route.request)
        route.fulfill(status=201, json={"rest": "handle-of-rest"})

    def look(socket):
        def refuse(message):
            started.append(msgpack.unpackb(message))
            socket.send(msgpack.packb({"type": "problem", "detail": "Enough is seen."}))
            socket.close(code=1008)

        socket.on_message(refuse)

    blank.route("**/model", with_rest)
    blank.route("**/people/P-17/rest", keep)
    blank.route_web_socket("**/stream", look)
    blank.goto("/")
    blank.get_by_text("More", exact=True).click()
    blank.get_by_label("Person’s code").fill("P-17")
    blank.get_by_label("First minutes at rest").fill("2")
    pick(blank, write_window(*example, "binary"))
    blank.click("#start")
    expect(blank.locator("#problem")).to_have_text("Enough is seen.")
    windows = read_windows(asked[0].post_data_buffer, "binary")
    assert len(windows) == 3
    for name, rate in example.rates_hz.items():
        np.testing.assert_array_equal(
            windows[1].channels[name], example.channels[name][round(30 * rate) :][: round(60 * rate)]
        )
    assert (started[0]["rest"], started[0]["person"]) == ("handle-of-rest", "P-17")


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
        """async (text) => {
            const { decode, encode } = await import("/page/msgpack.js");
            const bytes = Uint8Array.from(text.match(/../g), (pair) => parseInt(pair, 16));
            return Array.from(encode(decode(bytes)), (byte) => byte.toString(16).padStart(2, "0")).join("");
        }""",
        msgpack.packb(value).hex(),
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
    assert msgpack.unpackb(bytes.fromhex(ours)) == value
    assert refused == [True] * 4
