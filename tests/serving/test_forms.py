"""Both forms, one window and many: the same answers, and the same refusals by name."""

import copy
import json

import minutes
import msgpack
import numpy as np
import pytest
from bodies import FORMS, MINUTE, RATES, described, names, post, read_answer, samples_of

from wesadlib.serving.schemas import MAX_CHANNELS, MAX_WINDOWS
from wesadlib.serving.wire import CONTENT_TYPES, write, write_window


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
    told = {
        "json": f"A batch has at most {MAX_WINDOWS} windows.",
        "binary": f"In MessagePack a list has at most {MAX_WINDOWS} entries: a batch its windows; samples are bytes.",
    }
    assert response.json()["detail"] == told[form]


def test_samples_as_a_list_in_binary_are_told_to_be_bytes(client, alive):
    body = described("binary")
    body["channels"]["wrist_bvp"]["samples"] = [1.0] * 3840
    response = post(client, "/predict", write(body, "binary"), "binary")
    assert names(response, 413) == []
    assert "samples are bytes" in response.json()["detail"]


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
