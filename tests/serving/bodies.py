"""Bodies of requests, as they should be and to be spoilt, in both forms."""

import json

import minutes
import msgpack
import numpy as np

from wesadlib.serving.wire import CONTENT_TYPES, write_window

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
