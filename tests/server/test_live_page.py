"""The live page in a real browser: what it shows is what the bundle says, and it talks to its own server only."""

import json
import re

import pytest
from browsing import (
    WINDOW_S,
    check_quality,
    check_rows,
    confidence_of,
    count_pixels,
    first_seconds,
    heading_of,
    kind_of,
    offline,
    pick,
    replay,
)
from playwright.sync_api import expect

from wesadlib.plots import STATE_COLORS
from wesadlib.serving.wire import Samples

pytestmark = pytest.mark.browser


def test_the_simulated_recording_is_answered_on_the_page_as_by_the_bundle(page, bundle, example, tmp_path):
    answers = offline(bundle, example)
    assert "known" in {kind_of(answer) for answer in answers}
    states = [STATE_COLORS[state] for state in bundle.config["states"]]
    assert not any(count_pixels(page, "#timeline", colour) for colour in states)
    replay(page)
    page.screenshot(path=tmp_path / "page.png")
    check_rows(page, answers)
    check_quality(page, answers[-1])
    expect(page.locator("#now")).to_have_class(f"answer {kind_of(answers[-1])}")
    expect(page.locator("#state")).to_have_text(heading_of(answers[-1]))
    assert page.locator("#count").inner_text() == str(len(answers))
    assert re.fullmatch(r"[\d.]+ ms", page.locator("#latency").inner_text())
    expect(page.locator("#status")).to_contain_text("The recording has ended, 4:0")
    assert all(count_pixels(page, "#timeline", colour) > 100 for colour in states)
    # Every known answer is a bar in its state's colour, of some 10 by 15 pixels.
    most = max(states, key=lambda colour: count_pixels(page, "#timeline", colour))
    known = [STATE_COLORS[answer.state] for answer in answers if kind_of(answer) == "known"]
    assert most == max(set(known), key=known.count)
    assert count_pixels(page, "#signals .signal", "#4d5b68") > 300


def test_what_is_refused_and_not_known_is_shown_with_its_reason(page, bundle, spoilt):
    answers = offline(bundle, spoilt)
    kinds = [kind_of(answer) for answer in answers]
    assert set(kinds) == {"unsure", "refused"}
    pick(page, spoilt)
    expect(page.locator("#kept")).to_contain_text("sent to this server only")
    replay(page)
    check_rows(page, answers)
    check_quality(page, answers[-1])
    expect(page.locator("#state")).to_have_text("Refused")
    rule = answers[-1].reasons[0].partition("wrist_eda: ")[2]
    assert re.match(rf"Skin conductance: .*{rule}", page.locator("#because").inner_text())
    expect(page.locator(".signal.poor")).to_have_attribute("data-channel", "wrist_eda")
    assert page.locator("#count-refused").inner_text() == str(kinds.count("refused"))
    assert page.locator("#count-unsure").inner_text() == str(kinds.count("unsure"))
    assert re.search("Does not know.*most likely", page.locator("#answers tr.unsure").first.inner_text(), re.DOTALL)


def test_the_state_of_the_moment_is_shown_with_its_probability(page, bundle, example):
    (answer,) = offline(bundle, first_seconds(example, WINDOW_S))
    assert kind_of(answer) == "known"
    pick(page, first_seconds(example, WINDOW_S))
    replay(page)
    expect(page.locator("#now")).to_have_class("answer known")
    expect(page.locator("#because")).to_have_text(f"{confidence_of(answer)} probable, from 0:00–1:00")
    expect(page.locator("#live")).to_have_text(answer.state.capitalize())
    check_quality(page, answer)


def test_missing_samples_are_gaps_of_their_channel(page, bundle, spoilt):
    gap = slice(80, 120)
    body = {"channels": {name: {"rate_hz": rate} for name, rate in spoilt.rates_hz.items()}}
    channels = {name: values.copy() for name, values in spoilt.channels.items()}
    for name, values in channels.items():
        body["channels"][name]["samples"] = values.astype(float).tolist()
    channels["wrist_temp"][gap] = float("nan")
    body["channels"]["wrist_temp"]["samples"][gap] = [None] * 40
    # A byte order mark is what some editors put before it.
    pick(page, b"\xef\xbb\xbf" + json.dumps(body).encode())
    replay(page)
    answers = offline(bundle, Samples(channels, spoilt.rates_hz))
    check_rows(page, answers)
    check_quality(page, answers[-1])
    assert answers[-1].quality["wrist_temp"] < 1


@pytest.mark.parametrize("code", [1001, 1011, 1012])
def test_a_dropped_connection_is_taken_up_where_it_was(page, bundle, spoilt, code):
    def tap(socket):
        server = socket.connect_to_server()
        seen, first = [], not connections
        connections.append(socket)

        def to_page(message):
            socket.send(message)
            seen.extend([message] * (json.loads(message)["type"] == "prediction"))
            if first and len(seen) == 2:
                server.close(code=1000)
                socket.close(code=code)

        server.on_message(to_page)
        # What the page says before it knows is not said to a connection that is closed.
        socket.on_message(lambda message: None if first and len(seen) >= 2 else server.send(message))

    connections = []
    page.route_web_socket("**/stream", tap)
    pick(page, spoilt)
    page.select_option("#speed", "60")
    page.click("#start")
    page.locator("#status", has_text="Nothing has come from the server since").wait_for()
    page.locator("[data-phase=idle]").wait_for()
    check_rows(page, offline(bundle, spoilt))


def test_a_silent_server_is_told_and_left_for_a_new_connection(page, bundle, spoilt):
    def tap(socket):
        server = socket.connect_to_server()
        connections.append(socket)
        if len(connections) == 1:
            # Everything is taken, and of what is said only that the stream is open.
            server.on_message(lambda message: socket.send(message) if "ready" in message else None)
            server.on_close(lambda code, reason: None)

    connections = []
    page.clock.install()
    page.route_web_socket("**/stream", tap)
    page.reload()
    expect(page.locator("#status")).to_have_text("Ready.")
    pick(page, spoilt)
    page.select_option("#speed", "60")
    page.click("#start")
    status = page.locator("#status")
    # By hand, what it waits for comes at once; what the server needs has the time that it takes.
    while "Nothing has come from the server since" not in status.inner_text():
        page.clock.run_for(100)
    assert "Playing" in status.inner_text()
    while len(connections) < 2:
        page.clock.run_for(100)
    page.clock.resume()
    page.locator("[data-phase=idle]").wait_for()
    assert len(connections) == 2
    check_rows(page, offline(bundle, spoilt))


def test_a_phone_shows_all_of_it_without_sideways_scrolling(page, spoilt):
    page.set_viewport_size({"width": 420, "height": 900})
    pick(page, spoilt)
    replay(page)
    for part in ("#controls", ".now", ".course", ".signals", ".answers", "#timeline canvas"):
        box = page.locator(part).bounding_box()
        assert 0 <= box["x"] < box["x"] + box["width"] <= 420
    assert page.evaluate("document.documentElement.scrollWidth") <= 420
