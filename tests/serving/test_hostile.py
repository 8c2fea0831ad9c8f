"""No body ends the app: cut short, garbled, too deep, too many, or nothing that a window could be."""

import json

import msgpack
import numpy as np
import pytest
from bodies import FORMS, MINUTE, RATES, names, post
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wesadlib.serving import wire
from wesadlib.serving.wire import BodyError, read_window, read_windows, write_window, write_windows


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xc1",
        b"\xdd\xff\xff\xff\xff",  # a list of four billion
        b"\xdf\xff\xff\xff\xff",  # a map of as many
        b"\xc6\xff\xff\xff\xff",  # bytes of as many
        b"\x91" * 100_000,  # lists in lists
        b"\x81\xa1a" * 100_000,  # maps in maps
        b"\x81\xc4\x08channels\x80",  # a name in bytes
        b"\x81\x01\x80",
        b"\x81\xa8channels\xc7\x01\x05\x00",  # a type of one's own
        b"\x81\xa8channels\xd6\xff\x00\x00\x00\x00",  # a time
        b"\x81\xa2\xff\xff\x80",  # a name that is no text
        b"\xc0\xc0",
    ],
)
def test_bodies_that_ask_for_too_much_or_mean_nothing_are_refused(client, body, alive):
    for path in ("/predict", "/predict/batch"):
        response = post(client, path, body, "binary")
        assert names(response, response.status_code) or response.status_code == 413
        assert response.status_code in (413, 422)


@pytest.mark.parametrize(
    "body", [b"", b"[" * 100_000, b'{"a":' * 100_000, b"\xff\xfe{", b"1" * 5000, b'{"channels": {"\\ud800": 1}}']
)
def test_json_that_goes_too_deep_or_means_nothing_is_refused(client, body, alive):
    for path in ("/predict", "/predict/batch"):
        assert names(post(client, path, body, "json"))


def test_names_by_the_hundred_thousand_are_refused_soon(client, alive):
    body = b"{" + b",".join(b'"a":1' for _ in range(300_000)) + b"}"
    assert names(post(client, "/predict", body, "json")) == ["a"]
    body = b'{"channels": {"wrist_eda": {"rate_hz": 4, "samples": [' + b",".join([b"null"] * 10**6) + b"]}}}"
    assert names(post(client, "/predict", body, "json")) == ["channels.wrist_eda.samples.0"]


@pytest.mark.parametrize("form", FORMS)
@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_body_cut_short_or_garbled_is_refused_or_read_and_never_fails(form, data):
    body = bytearray(
        write_windows([({"wrist_eda": np.arange(6.0), "wrist_temp": [33.5]}, {"wrist_eda": 4, "wrist_temp": 4})], form)
    )
    for _ in range(data.draw(st.integers(0, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(body)))
    for reader in (read_window, read_windows):
        try:
            found = reader(bytes(body[:cut]), form)
        except BodyError as error:
            assert error.status in (413, 422) and str(error)
            continue
        for window in found if reader is read_windows else [found]:
            assert isinstance(window, BodyError) or set(window.channels) == set(window.rates_hz)


@given(cut=st.integers(0, 10**6), form=st.sampled_from(FORMS))
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_beginning_of_a_body_is_refused(client, cut, form):
    body = write_window(MINUTE, RATES, form)
    assert names(post(client, "/predict", body[: cut % len(body)], form)) == ["body"]


json_like = st.recursive(
    st.none()
    | st.booleans()
    | st.floats()
    | st.integers(-(2**63), 2**63)
    | st.text(max_size=8)
    | st.sampled_from(["<f4", "<f8"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["channels", "windows", "rate_hz", "samples", "dtype", "wrist_eda"]) | st.text(max_size=4),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(value=json_like, form=st.sampled_from(FORMS), path=st.sampled_from(["/predict", "/predict/batch"]))
@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
def test_anything_else_is_answered_by_a_problem(client, value, form, path):
    content = json.dumps(value).encode() if form == "json" else msgpack.packb(value)
    response = post(client, path, content, form)
    if response.status_code == 200:
        assert path == "/predict/batch"
        assert all(result["status"] == 422 for result in response.json()["results"])
    else:
        assert names(response, response.status_code) and response.status_code == 422


numbers = st.floats() | st.integers(-(2**63), 2**64) | st.sampled_from([0, 4, 4.5, -0.0, 5e-324, 1e9, 1e300])
window_like = st.fixed_dictionaries(
    {
        "channels": st.dictionaries(
            st.text(alphabet="a\0/[\u00e9", max_size=3),
            st.fixed_dictionaries(
                {
                    "rate_hz": st.floats(1, 99) | numbers,
                    "samples": st.lists(st.floats(-99, 99), min_size=1, max_size=5)
                    | st.lists(numbers | st.lists(numbers, max_size=2) | st.booleans(), max_size=4),
                }
            ),
            max_size=3,
        )
    }
)


def heard(read, body):
    """What reading comes to: samples and rates, or which fields are at fault."""
    try:
        found = read(body, "json")
    except BodyError as error:
        return error.status, [item.name for item in error.items]
    if isinstance(found, list):
        return [heard(lambda window, _: reraise(window), window) for window in found]
    return {name: (found.rates_hz[name], values.tolist()) for name, values in found.channels.items()}


def reraise(window):
    if isinstance(window, BodyError):
        raise window
    return window


@given(windows=st.lists(window_like, min_size=1, max_size=2), twice=st.booleans(), mark=st.booleans())
@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
def test_json_read_at_once_is_read_as_piece_by_piece(windows, twice, mark):
    for read, value in ((read_window, windows[0]), (read_windows, {"windows": windows})):
        text = json.dumps(value)
        body = (text.replace('"a": {', '"a": 1, "a": {', 1) if twice else text).encode()
        body = b"\xef\xbb\xbf" * mark + body
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(wire, "_read_valid", lambda *_: None)
            piecewise = heard(read, body)
        assert heard(read, body) == piecewise
