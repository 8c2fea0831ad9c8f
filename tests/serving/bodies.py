"""Bodies of requests, as they should be and to be spoilt, in both forms."""

import minutes
import numpy as np

from wesadlib.serving.wire import CONTENT_TYPES, read, write_window

FORMS = list(CONTENT_TYPES)
RATES = minutes.RATES_HZ
MINUTE = {name: values.astype(np.float32) for name, values in minutes.wrist_signals().items()}


def post(client, path, content, form, **headers):
    return client.post(path, content=content, headers={"content-type": CONTENT_TYPES[form]} | headers)


def plain(form, channels=MINUTE, rates_hz=RATES):
    """What a body holds, to be spoilt and written again."""
    return read(write_window(channels, rates_hz, form), form)


def names(response, status=422):
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    return [item["name"] for item in response.json()["errors"]]
