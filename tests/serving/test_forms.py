"""Both forms, one window and many: the same answers, the same refusals, and no body that ends the app."""

import copy
import json

import minutes
import msgpack
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wesadlib.serving.schemas import MAX_CHANNELS, MAX_WINDOWS
from wesadlib.serving.wire import (
    CONTENT_TYPES,
    BodyError,
    read_window,
    read_windows,
    write,
    write_window,
    write_windows,
)

FORMS = list(CONTENT_TYPES)
RATES = minutes.RATES_HZ
MINUTE = {name: values.astype(np.float32) for name, values in minutes.wrist_signals().items()}


def post(client, path, content, form, accept=None):
    headers = {"content-type": CONTENT_TYPES[form]} | ({"accept": accept} if accept else {})
    return client.post(path, content=content, headers=headers)


def read_answer(response):
    if response.headers["content-type"] == CONTENT_TYPES["binary"]:
        return msgpack.unpackb(response.content)
    return response.json()


def described(form, channels=MINUTE, rates_hz=RATES):
    """What a body holds, to be spoilt and written again."""
    body = write_window(channels, rates_hz, form)
    return json.loads(body) if form == "json" else msgpack.unpackb(body)


def samples_of(form, values, dtype="<f4"):
    return list(map(float, values)) if form == "json" else np.asarray(values, dtype).tobytes()


def names(response, status=422):
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    return [item["name"] for item in response.json()["errors"]]


@pytest.fixture
def alive(client):
    """Afterwards the app still answers."""
    yield
    for form in FORMS:
        assert post(client, "/predict", write_window(MINUTE, RATES, form), form).json()["status"] == "ok"


@pytest.mark.parametrize("wanted", FORMS)
@pytest.mark.parametrize("form", FORMS)
def test_both_forms_get_the_bundles_answer_in_the_form_they_ask_for(client, bundle, form, wanted):
    expected = bundle.predict_window(MINUTE, RATES).model_dump()
    response = post(client, "/predict", write_window(MINUTE, RATES, form), form, CONTENT_TYPES[wanted])
    assert (response.status_code, response.headers["content-type"]) == (200, CONTENT_TYPES[wanted])
    answer = read_answer(response)
    assert answer.pop("probabilities") == pytest.approx(expected.pop("probabilities"), abs=1e-9)
    assert answer.pop("quality") == pytest.approx(expected.pop("quality"), abs=1e-9)
    assert answer.pop("confidence") == pytest.approx(expected.pop("confidence"), abs=1e-9)
    assert answer == expected


@pytest.mark.parametrize("form", FORMS)
def test_a_batch_is_answered_item_by_item_in_its_order(client, bundle, form, alive):
    signals = [minutes.wrist_signals(seed=seed) for seed in range(3)]
    sent = {"windows": [described(form, channels) for channels in signals]}
    spoilt = copy.deepcopy(sent["windows"][0])
    spoilt["channels"]["wrist_eda"]["samples"] = samples_of(
        form, [1.0, 2.0], spoilt["channels"]["wrist_eda"].get("dtype")
    )
    sent["windows"][1:1] = [spoilt, {"channels": 3}, "window", {**sent["windows"][0], "person": "S2"}]
    response = post(client, "/predict/batch", write(sent, form), form, CONTENT_TYPES[form])
    assert response.status_code == 200
    results = read_answer(response)["results"]
    assert [result["status"] for result in results] == ["ok", 422, 422, 422, 422, "ok", "ok"]
    errors = [[(item["name"]) for item in result["errors"]] for result in results[1:5]]
    assert errors == [["wrist_eda"], ["channels"], ["body"], ["person"]]
    assert results[1]["errors"][0]["detail"] == "60 s at 4 Hz are 240 samples, not 2"
    for result, channels in zip((results[0], *results[5:]), signals, strict=True):
        expected = bundle.predict_window(channels, RATES)
        assert result["probabilities"] == pytest.approx(expected.probabilities, abs=1e-6)


@pytest.mark.parametrize("form", FORMS)
def test_a_batch_of_none_is_answered_by_none_and_one_of_too_many_is_refused(client, form, alive):
    assert post(client, "/predict/batch", write({"windows": []}, form), form).json() == {"results": []}
    most = post(client, "/predict/batch", write({"windows": [None] * MAX_WINDOWS}, form), form).json()
    assert [result["status"] for result in most["results"]] == [422] * MAX_WINDOWS
    response = post(client, "/predict/batch", write({"windows": [None] * (MAX_WINDOWS + 1)}, form), form)
    assert names(response, 413) == []
    assert response.json()["detail"] == f"A batch has at most {MAX_WINDOWS} windows."


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("sent", [[], {}, {"windows": None}, {"windows": [], "more": 1}, {"windows": {}}, None, 3, "x"])
def test_what_is_no_batch_is_refused(client, form, sent, alive):
    assert names(post(client, "/predict/batch", write(sent, form), form)) == ["windows"]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 2e9, -1e30])
@pytest.mark.parametrize("dtype", ["<f4", "<f8"])
def test_what_is_no_number_is_named_with_its_place_in_binary_too(client, value, dtype, alive):
    body = described("binary")
    values = MINUTE["wrist_eda"].astype(dtype)
    values[7] = value
    body["channels"]["wrist_eda"] |= {"dtype": dtype, "samples": values.tobytes()}
    assert names(post(client, "/predict", write(body, "binary"), "binary")) == ["channels.wrist_eda.samples.7"]


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"dtype": ">f4"}, "channels.wrist_eda.dtype"),
        ({"dtype": "O"}, "channels.wrist_eda.dtype"),
        ({"dtype": None}, "channels.wrist_eda.dtype"),
        ({"samples": b"\0" * 959}, "channels.wrist_eda.samples"),
        ({"samples": b""}, "channels.wrist_eda.samples"),
        ({"samples": "0" * 960}, "channels.wrist_eda.samples"),
        ({"samples": [1.0] * 240}, "channels.wrist_eda.samples"),
        ({"samples": b"\0" * 964}, "wrist_eda"),
        ({"dtype": "<f8"}, "wrist_eda"),
        ({"shape": [240]}, "channels.wrist_eda.shape"),
    ],
)
def test_bytes_that_are_no_samples_are_named(client, change, name, alive):
    body = described("binary")
    body["channels"]["wrist_eda"] |= change
    assert names(post(client, "/predict", write(body, "binary"), "binary")) == [name]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("rate", [0, -4.0, 1e9, "4", None, True, float("nan"), float("inf"), 10**18, []])
def test_a_rate_that_cannot_be_is_named(client, form, rate, alive):
    body = described(form)
    body["channels"]["wrist_eda"]["rate_hz"] = rate
    content = json.dumps(body).encode() if form == "json" else msgpack.packb(body)
    assert names(post(client, "/predict", content, form)) == ["channels.wrist_eda.rate_hz"]


@pytest.mark.parametrize("form", FORMS)
def test_ragged_huge_and_unknown_are_named(client, form, alive):
    body = described(form)
    body["channels"]["wrist_eda"]["samples"] = [[1.0], [1.0, 2.0]]
    (name,) = names(post(client, "/predict", write(body, form), form))
    assert name.startswith("channels.wrist_eda.samples")
    long = {"channels": {"wrist_hum": {**described(form)["channels"]["wrist_eda"], "rate_hz": 100_000}}}
    long["channels"]["wrist_hum"]["samples"] = samples_of(form, np.zeros(10**6))
    assert "wrist_hum" in names(post(client, "/predict", write(long, form), form))
    many = {"channels": {f"channel_{k}": body["channels"]["wrist_bvp"] for k in range(MAX_CHANNELS + 1)}}
    assert names(post(client, "/predict", write(many, form), form)) == ["channels"]
    named_at_length = {"channels": {"x" * 101: body["channels"]["wrist_bvp"]}}
    assert all(len(name) < 130 for name in names(post(client, "/predict", write(named_at_length, form), form)))


def twice(pairs):
    """An object in MessagePack whose fields may repeat."""
    packer = msgpack.Packer()
    return packer.pack_map_pairs(pairs)


def test_a_field_given_twice_is_named_and_spoils_no_other_window(client, alive):
    channel = json.dumps(described("json")["channels"]["wrist_eda"])
    text = json.dumps(described("json"))
    repeated = text.replace('"wrist_temp":', f'"wrist_eda": {channel}, "wrist_temp":')
    assert names(post(client, "/predict", repeated.encode(), "json")) == ["channels.wrist_eda"]
    inside = text.replace('"wrist_temp": {', '"wrist_temp": {"rate_hz": 8, ')
    assert names(post(client, "/predict", inside.encode(), "json")) == ["channels.wrist_temp.rate_hz"]
    escaped = text.replace('"wrist_temp":', f'"wrist\\u005feda": {channel}, "wrist_temp":')
    assert names(post(client, "/predict", escaped.encode(), "json")) == ["channels.wrist_eda"]
    batch = f'{{"windows": [{text}, {repeated}, {text}]}}'
    results = post(client, "/predict/batch", batch.encode(), "json").json()["results"]
    assert [result["status"] for result in results] == ["ok", 422, "ok"]
    assert names(post(client, "/predict/batch", b'{"windows": [], "windows": []}', "json")) == ["windows"]


def test_a_field_given_twice_is_named_in_binary_too(client, alive):
    channels = described("binary")["channels"]
    body = b"\x81" + msgpack.packb("channels") + twice([*channels.items(), ("wrist_eda", channels["wrist_eda"])])
    assert names(post(client, "/predict", body, "binary")) == ["channels.wrist_eda"]
    whole = write_window(MINUTE, RATES, "binary")
    batch = b"\x81" + msgpack.packb("windows") + b"\x93" + whole + body + whole
    results = post(client, "/predict/batch", batch, "binary").json()["results"]
    assert [result["status"] for result in results] == ["ok", 422, "ok"]


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


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content-type": "text/csv"}, 415),
        ({"content-type": "application/x-npz"}, 415),
        ({"content-type": ""}, 415),
        ({"content-type": "application/json", "content-encoding": "gzip"}, 415),
        ({"content-type": "application/json", "accept": "text/html"}, 406),
        ({"content-type": "application/json", "accept": "application/json;q=0"}, 406),
        ({"content-type": "application/json", "accept": "application/json;q=x"}, 406),
    ],
)
@pytest.mark.parametrize("path", ["/predict", "/predict/batch"])
def test_other_types_are_refused_by_what_is_allowed(client, path, headers, status, alive):
    response = client.post(path, content=b"{}", headers=headers)
    assert names(response, status) == []
    assert all(content_type in response.json()["detail"] for content_type in CONTENT_TYPES.values())


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("*/*", "json"),
        ("application/*", "json"),
        ("text/html, application/vnd.msgpack", "binary"),
        ("application/json;q=0.5, application/vnd.msgpack", "binary"),
        ("application/json, application/vnd.msgpack", "json"),
        ("Application/JSON; q=0.1, */*;q=0.01", "json"),
        ("application/json;q=0, */*", "binary"),
        ("*/*, application/vnd.msgpack", "binary"),
    ],
)
def test_the_answer_comes_in_the_form_that_is_preferred(client, accept, form):
    response = post(client, "/predict/batch", write({"windows": []}, "json"), "json", accept)
    assert response.headers["content-type"] == CONTENT_TYPES[form]


def test_a_type_with_a_parameter_is_the_same_type(client):
    headers = {"content-type": "Application/JSON; charset=utf-8"}
    assert client.post("/predict/batch", content=b'{"windows": []}', headers=headers).status_code == 200


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
