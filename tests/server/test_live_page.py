"""The live page in a real browser: what it shows is what the bundle says, and it talks to its own server only."""

import math
import re

import msgpack
import numpy as np
import pytest
from browsing import (
    WINDOW_S,
    check_quality,
    check_rows,
    colours_of,
    confidence_of,
    first_seconds,
    heading_of,
    kind_of,
    offline,
    pick,
    replay,
    rgb,
)
from playwright.sync_api import expect

from wesadlib.plots import STATE_COLORS
from wesadlib.serving.wire import Samples, write_window

pytestmark = pytest.mark.browser


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


def test_a_phone_shows_all_of_it_without_sideways_scrolling(page):
    page.set_viewport_size({"width": 420, "height": 900})
    for part in ("#controls", ".now", ".course", ".signals", ".answers"):
        box = page.locator(part).bounding_box()
        assert 0 <= box["x"] < box["x"] + box["width"] <= 420
