"""The live page in a real browser: what can be set and stopped, what is asked for, and what is wrong said in words."""

import json

import numpy as np
import pytest
from browsing import first_seconds, pick, replay, spoil
from playwright.sync_api import expect

from wesadlib.serving.wire import read_windows

pytestmark = pytest.mark.browser


def test_pause_holds_the_clock_and_stop_ends_it(page, spoilt):
    pick(page, spoilt)
    page.select_option("#speed", "20")
    page.click("#start")
    status = page.locator("#status")
    page.locator("#status", has_text="Playing").wait_for()
    page.click("#pause")
    page.locator("#status", has_text="Paused at").wait_for()
    held = status.inner_text()
    place = held.partition("at ")[2].partition(" of")[0]
    page.wait_for_timeout(300)
    assert status.inner_text() == held
    page.click("#pause")
    page.locator("#status", has_not_text=f" {place} of ").wait_for()
    page.click("#pause")
    page.locator("#status", has_text="Paused at").wait_for()
    assert status.inner_text() != held
    page.click("#stop")
    expect(page.locator("#status")).to_have_text("Stopped.")
    expect(page.locator("#start")).to_be_enabled()


def test_the_keyboard_starts_and_pauses(page, spoilt):
    pick(page, spoilt)
    page.focus("#start")
    page.keyboard.press("Enter")
    page.locator("[data-phase=running]").wait_for()
    expect(page.locator("#pause")).to_be_focused()
    page.keyboard.press("Enter")
    page.locator("#status", has_text="Paused at").wait_for()
    expect(page.locator("#pause")).to_be_focused()
    page.click("#stop")
    expect(page.locator("#start")).to_be_focused()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\x93no", "The file is not whole JSON: "),
        (b"wrist_bvp,wrist_eda\n1,2\n", "The file is not whole JSON: "),
        (b'{"windows": []}', 'The file has no "channels"'),
        (b'{"channels": {"wrist_eda": {"rate_hz": 4,\n "samples": [1, NaN]}}}', "line 2, character 17 is NaN"),
        (b'{"channels": {"wrist_eda": {"rate_hz": 0, "samples": [1]}}}', "wrist_eda: rate_hz must be a number"),
        (b'{"channels": {"wrist_eda": {"rate_hz": 4, "samples": [1]}}}', "The file lacks wrist_bvp, wrist_temp"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_in_words(page, content, words):
    pick(page, content)
    page.click("#start")
    expect(page.locator("#problem")).to_contain_text(words)
    expect(page.locator("#start")).to_be_enabled()


@pytest.mark.parametrize("value", ["1", True, [1], {"a": 1}])
def test_a_sample_that_is_no_number_is_named_by_its_place(page, spoilt, value):
    pick(page, spoil(spoilt, "wrist_eda", 16, value))
    page.click("#start")
    expect(page.locator("#problem")).to_have_text(
        f"wrist_eda, sample 17: {json.dumps(value, separators=(',', ':'))} is no number; a missing sample is null."
    )


def test_a_short_file_and_a_hop_that_the_server_does_not_take_are_named(page, spoilt):
    pick(page, first_seconds(spoilt, 30))
    page.click("#start")
    expect(page.locator("#problem")).to_have_text("wrist_bvp: 30.0 s are shorter than one window of 60 s.")
    pick(page, spoilt)
    page.locator("#hop").evaluate("(field) => field.removeAttribute('min')")
    page.fill("#hop", "0.5")
    page.click("#start")
    expect(page.locator("#problem")).to_contain_text("hop_s: ")


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
    pick(blank, spoilt)
    replay(blank)
    expect(blank.locator("#count")).to_have_text("5")
    assert sent == [None, "Bearer another", "Bearer secret-of-the-server"]


def test_the_first_minutes_calibrate_where_the_server_can(blank, example):
    asked, started = [], []

    def with_rest(route):
        route.fulfill(json=route.fetch().json() | {"rest": {"minutes": 2}})

    def keep(route):
        asked.append(route.request)
        route.fulfill(status=200, json={"token": "signed"})

    def look(socket):
        def refuse(message):
            started.append(json.loads(message))
            socket.send(json.dumps({"type": "problem", "status": 422, "detail": "Enough is seen."}))
            socket.close(code=1008)

        socket.on_message(refuse)

    blank.route("**/model", with_rest)
    blank.route("**/rest", keep)
    blank.route_web_socket("**/stream", look)
    blank.goto("/")
    blank.get_by_text("More", exact=True).click()
    blank.get_by_label("Person’s code").fill("P-17")
    blank.get_by_label("First minutes at rest").fill("2")
    pick(blank, example)
    blank.click("#start")
    expect(blank.locator("#problem")).to_have_text("Enough is seen.")
    windows = read_windows(asked[0].post_data_buffer, "json")
    assert len(windows) == 3
    for name, rate in example.rates_hz.items():
        np.testing.assert_array_equal(
            windows[1].channels[name], example.channels[name][round(30 * rate) :][: round(60 * rate)]
        )
    assert (started[0]["rest"], started[0]["person"]) == ("signed", "P-17")
