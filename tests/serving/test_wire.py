"""Bodies of both forms: what was written is read, and what is no window is refused by name, soon and whole."""

import json

import msgpack
import numpy as np
import pytest
from bodies import FORMS, MINUTE, plain
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from wesadlib.serving.schemas import MAX_CHANNELS, MAX_WINDOWS
from wesadlib.serving.wire import BodyError, read_window, read_windows, write, write_window, write_windows

LAX = settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))


@st.composite
def windows(draw):
    names = draw(st.lists(st.text(max_size=8), max_size=4, unique=True))
    samples = arrays(
        draw(st.sampled_from([np.float32, np.float64])), st.integers(1, 9), elements=st.floats(-99, 99, width=32)
    )
    return {name: draw(samples) for name in names}, {name: draw(st.floats(0.5, 999)) for name in names}


@given(batch=st.lists(windows(), max_size=4), form=st.sampled_from(FORMS))
@LAX
def test_what_was_written_is_read(batch, form):
    read = read_windows(write_windows(batch, form), form)
    if batch:
        read.append(read_window(write_window(*batch[0], form), form))
        batch = [*batch, batch[0]]
    for (channels, rates_hz), window in zip(batch, read, strict=True):
        assert window.rates_hz == rates_hz and list(window.channels) == list(channels)
        for name, values in channels.items():
            np.testing.assert_array_equal(window.channels[name], values)
            assert form == "json" or window.channels[name].dtype == values.dtype


def refused(body, form, read=read_window):
    with pytest.raises(BodyError) as error:
        read(body, form)
    assert str(error.value).endswith(".") and "\n" not in str(error.value)
    return error.value.status, [item.name for item in error.value.items]


def spoil(form, place, value):
    """A window's body in which something stands in another's place; None: it is left out."""
    body = plain(form)
    *path, last = place.split(".")
    part = body
    for name in path:
        part = part[int(name) if name.isdigit() else name]
    part[int(last) if last.isdigit() else last] = value
    return json.dumps(body).encode() if form == "json" else msgpack.packb(body)


EDA = "channels.wrist_eda"
RATES_THAT_CANNOT_BE = [0, -4.0, 1e9, "4", None, True, float("nan"), float("inf"), 10**18, []]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("channels", []),
        ("channels", 3),
        (EDA, [1.0]),
        (f"{EDA}.more", 1),
        ("person", "S2"),
        (f"{EDA}.samples", None),
        *[(f"{EDA}.rate_hz", rate) for rate in RATES_THAT_CANNOT_BE],
    ],
)
def test_what_is_no_window_is_named(form, place, value):
    assert refused(spoil(form, place, value), form) == (422, [place])


NO_NUMBERS = [np.nan, np.inf, -np.inf, 2e9]


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        *((None, value) for value in (*NO_NUMBERS, "1.0", True, None, [1])),
        *((dtype, value) for dtype in ("<f4", "<f8") for value in NO_NUMBERS),
    ],
)
def test_what_is_no_number_is_named_with_its_place(dtype, value):
    if dtype is None:
        body, form = spoil("json", f"{EDA}.samples.7", value), "json"
    else:
        values, form = MINUTE["wrist_eda"].astype(dtype), "binary"
        values[7] = value
        body = spoil(form, EDA, {"rate_hz": 4, "dtype": dtype, "samples": values.tobytes()})
    assert refused(body, form) == (422, [f"{EDA}.samples.7"])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("dtype", value) for value in (">f4", "O", None)),
        *(("samples", value) for value in (b"\0" * 959, b"", "0" * 960, [1.0])),
    ],
)
def test_bytes_that_are_no_samples_are_named(field, value):
    assert refused(spoil("binary", f"{EDA}.{field}", value), "binary") == (422, [f"{EDA}.{field}"])


@pytest.mark.parametrize("form", FORMS)
def test_a_window_that_cannot_be_read_is_an_error_in_its_place(form):
    good = plain(form)
    read = read_windows(write({"windows": [good, {"channels": 3}, "window", good]}, form), form)
    assert [isinstance(window, BodyError) for window in read] == [False, True, True, False]
    assert [[item.name for item in window.items] for window in read[1:3]] == [["channels"], ["body"]]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "value", [[], {}, {"windows": None}, {"windows": [], "more": 1}, {"windows": {}}, None, 3, "x"]
)
def test_what_is_no_batch_is_refused(form, value):
    assert refused(write(value, form), form, read_windows) == (422, ["windows"])


@pytest.mark.parametrize("form", FORMS)
def test_a_batch_of_too_many_is_refused(form):
    assert len(read_windows(write({"windows": [None] * MAX_WINDOWS}, form), form)) == MAX_WINDOWS
    assert refused(write({"windows": [None] * (MAX_WINDOWS + 1)}, form), form, read_windows) == (413, [])
    many = {f"channel_{k}": plain(form)["channels"]["wrist_temp"] for k in range(MAX_CHANNELS + 1)}
    assert refused(write({"channels": many}, form), form) == (422, ["channels"])
    names = {"windows": [{str(k): {str(k): 1 for k in range(200)} for k in range(200)}] * 256}
    assert refused(write(names, form), form) == (413, [])


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"\x81\xa8channels\xc7\x01\x05\x00", "extension type"),
        (b"\x81\xa8channels\xd6\xff\x00\x00\x00\x00", "extension type"),
        (b"\xc9" + (168_001).to_bytes(4) + bytes(168_002), "extension type"),
        (b"\xdd\xff\xff\xff\xff", "a list has at most 256"),
        (msgpack.packb({"channels": {"wrist_eda": {"samples": [1.0] * 3840}}}), "samples are bytes"),
    ],
)
def test_what_messagepack_could_hold_and_none_here_does_is_said_in_a_sentence(body, words):
    for read in (read_window, read_windows):
        with pytest.raises(BodyError, match=words):
            read(body, "binary")


GARBAGE = {
    "binary": [
        b"",
        b"\xc1",
        b"\xdf\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\x91" * 100_000,
        b"\x81\xa1a" * 100_000,
        b"\x81\xc4\x08channels\x80",
        b"\x81\x01\x80",
        b"\x81\xa2\xff\xff\x80",
        b"\xc0\xc0",
    ],
    "json": [b"", b"[" * 90_000, b'{"a":' * 90_000, b"\xff\xfe{", b"1" * 5000, b'{"channels": {"\\ud800": 1}}'],
}


@pytest.mark.parametrize(("form", "body"), [(form, body) for form in FORMS for body in GARBAGE[form]])
def test_what_goes_too_deep_or_means_nothing_is_refused(form, body):
    for read in (read_window, read_windows):
        status, _ = refused(body, form, read)
        assert status in (413, 422)


@pytest.mark.parametrize("form", FORMS)
@given(data=st.data())
@LAX
def test_a_body_cut_short_or_garbled_is_refused_or_read_and_never_fails(form, data):
    window = {"wrist_eda": np.arange(6.0), "wrist_temp": [33.5]}, {"wrist_eda": 4, "wrist_temp": 4}
    body = bytearray(write_windows([window], form))
    for _ in range(data.draw(st.integers(0, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(body[: data.draw(st.integers(0, len(body)))])
    for read in (read_window, read_windows):
        try:
            found = read(cut, form)
        except BodyError as error:
            assert error.status in (413, 422) and str(error)
            continue
        for part in found if read is read_windows else [found]:
            assert isinstance(part, BodyError) or set(part.channels) == set(part.rates_hz)
