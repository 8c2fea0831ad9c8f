"""The live page as a test handles it, and what a bundle says offline of what the page replays."""

import io
import math

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page

from wesadlib.serving.wire import Samples

HOP_S, WINDOW_S = 5, 60


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
