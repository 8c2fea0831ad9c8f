"""The live page in a real browser: what can be set and stopped, what is asked for, and what is wrong said in words."""

import msgpack
import numpy as np
import pytest
from browsing import pick, replay
from playwright.sync_api import expect

from wesadlib.serving.wire import read_windows, write_window

pytestmark = pytest.mark.browser


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
