"""The live page in a real browser replays an E4 export of the reader's own, and says what is wrong with one."""

import io
import zipfile
from datetime import UTC, datetime

import numpy as np
import pytest
from browsing import check_rows, offline, pick, replay
from playwright.sync_api import expect

from wesadlib.data import open_recording
from wesadlib.data.e4 import write_e4
from wesadlib.data.recording import Recording, make_signals
from wesadlib.serving.wire import Samples

pytestmark = pytest.mark.browser
START = datetime(2024, 2, 3, 4, 5, 6, tzinfo=UTC)


@pytest.fixture
def export(spoilt, tmp_path):
    """A little more than a minute, as `wesad simulate --format e4` writes it."""
    return write_e4(Recording("S99", make_signals(dict(spoilt.channels)), start=START), tmp_path / "S99.zip")


def members(export):
    with zipfile.ZipFile(export) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(files):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return content.getvalue()


def zip_in_a_zip(files):
    return {"study/S99.zip": packed(files), "__MACOSX/study/._BVP.csv": b"\0"}


def of_a_spreadsheet(files):
    """A byte order mark and Windows' line ends, the start as a date, and one channel that starts five seconds late."""
    files = {
        name: "\ufeff" + text.decode().replace(f"{START.timestamp():.6f}", str(START)[:19]).replace("\n", "\r\n")
        for name, text in files.items()
    }
    late = files["TEMP.csv"].replace("04:05:06", "04:05:11").split("\r\n")
    return files | {"TEMP.csv": "\r\n".join(late[: -5 * 4])}


def of_uneven_ends(files):
    """A pulse that ends a second before the other channels."""
    return files | {"BVP.csv": b"\n".join(files["BVP.csv"].splitlines()[:-64])}


@pytest.mark.parametrize("wrap", [dict, zip_in_a_zip, of_a_spreadsheet, of_uneven_ends])
def test_an_e4_export_is_answered_on_the_page_as_by_the_bundle(page, bundle, export, tmp_path, wrap):
    content = packed(wrap(members(export)))
    path = tmp_path / "wrapped.zip"
    path.write_bytes(content)
    recording = open_recording(path)
    channels = {name: recording.signals[name].to_numpy() for name in bundle.config["channels"]}
    answers = offline(bundle, Samples(channels, {name: recording.signals[name].attrs["rate_hz"] for name in channels}))
    assert len(answers) == 5 and any(answer.status == "ok" for answer in answers)
    pick(page, content, "mine.zip")
    replay(page)
    check_rows(page, answers)


def without(name):
    return lambda files: packed({other: text for other, text in files.items() if other != name})


NOT_WHOLE = "The zip is not whole, or locked by a password ("


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (without("BVP.csv"), "The zip has no BVP.csv; an export of an E4 has BVP, EDA, TEMP and ACC."),
        (without("EDA.csv"), "The file lacks wrist_eda; this model needs "),
        (
            lambda files: packed({name: b"\n".join(text.splitlines()[: 2 + 20 * 4]) for name, text in files.items()}),
            "are shorter than one window of 60 s.",
        ),
        (
            lambda files: packed({f"{session}/{name}": text for session in "ab" for name, text in files.items()}),
            ".csv twice: pick the export of one session.",
        ),
        (
            lambda files: packed(files | {"EDA.csv": files["EDA.csv"].replace(b"0.", b"0,", 9)}),
            "EDA.csv: line 3 is “",
        ),
        (lambda files: packed(files)[:-30], NOT_WHOLE),
        (lambda files: packed(files).replace(b"\0BVP.csv", b"\0BVP.cs\1", 1)[:200] + b"PK" * 300, NOT_WHOLE),
        (
            lambda files: packed(files | {"BVP.csv": b"time,value\n" + files["BVP.csv"]}),
            "BVP.csv: the first two lines are not the start and the rate in Hz.",
        ),
        (lambda files: packed({}), "The zip has no BVP.csv"),
        (lambda files: b"S99.zip was not sent", "The file is not whole JSON"),
    ],
)
def test_what_is_wrong_with_an_export_is_said_in_words(page, export, spoil, words):
    pick(page, spoil(members(export)), "mine.zip")
    page.click("#start")
    expect(page.locator("#problem")).to_contain_text(words)
    expect(page.locator("#start")).to_be_enabled()


def test_a_channel_that_ends_earlier_holds_up_no_other(page, bundle, spoilt):
    channels = {name: np.tile(values, 2) for name, values in spoilt.channels.items()}
    channels["wrist_temp"] = channels["wrist_temp"][: 62 * 4]
    pick(page, Samples(channels, spoilt.rates_hz))
    replay(page)
    expect(page.locator("#status")).to_contain_text("The recording has ended, 2:40")
