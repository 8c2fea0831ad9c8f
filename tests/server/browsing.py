"""The live page as a test handles it, and what a bundle says offline of what the page replays."""

import base64
import io
import json
import math

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page

from wesadlib.serving.wire import Samples, write_window

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


def pick(page: Page, recording: Samples | bytes, name: str = "minutes.json") -> None:
    content = recording if isinstance(recording, bytes) else write_window(*recording, "json")
    page.select_option("#source", "file")
    page.set_input_files("#file", {"name": name, "mimeType": "application/octet-stream", "buffer": content})


def spoil(recording: Samples, channel: str, sample: int, value: object) -> bytes:
    """A recording's body with one sample that is another value."""
    body = json.loads(write_window(*recording, "json"))
    body["channels"][channel]["samples"][sample] = value
    return json.dumps(body).encode()


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


def count_pixels(page: Page, selector: str, colour: str) -> int:
    """How many pixels of a chart have nearly this colour, such as "#D55E00"."""
    url = page.locator(f"{selector} canvas").first.evaluate("(canvas) => canvas.toDataURL()")
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).convert("RGBA")).astype(int)
    near = np.abs(pixels[..., :3] - [*bytes.fromhex(colour[1:])]).max(axis=2) < 8
    return int((near & (pixels[..., 3] > 200)).sum())
