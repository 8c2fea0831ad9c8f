"""What /openapi.json promises, held by requests that are generated from it, right ones and wrong ones."""

from typing import Any

import minutes
import msgpack
import numpy as np
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi import checks
from services import make_service

from wesadlib.serving.app import make_app
from wesadlib.serving.wire import CONTENT_TYPES, read, write_window, write_windows


def plain(value: Any) -> Any:
    """What was generated, with bytes as bytes and no number beyond what MessagePack can hold."""
    if isinstance(value, dict):
        return {str(name): plain(part) for name, part in value.items()}
    if isinstance(value, list):
        return [plain(part) for part in value]
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return float(value) if abs(value) < 1e300 else None
    return getattr(value, "data", value)


@schemathesis.serializer(CONTENT_TYPES["binary"])
def pack(context, value):
    return msgpack.packb(plain(value))


@schemathesis.deserializer(CONTENT_TYPES["binary"])
def unpack(context, response):
    return as_text(msgpack.unpackb(response.content))


def as_text(value: Any) -> Any:
    """What was answered, with bytes as text, which is what a schema calls them."""
    if isinstance(value, dict):
        return {name: as_text(part) for name, part in value.items()}
    return value.decode("latin-1") if isinstance(value, bytes) else value


# Tests are generated from the document when they are collected, before there is a bundle.
service = make_service(None)
app = make_app(service)
schema = schemathesis.openapi.from_dict(app.openapi())
schema.app = app


@pytest.fixture(autouse=True)
def _serve(bundle):
    service.bundle = bundle


@schema.parametrize()
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_one_that_is_described(case):
    # No document says which channels a bundle uses, so a window that keeps to it may still not be one.
    excluded = [checks.positive_data_acceptance]
    if case.path == "/predict/batch":
        # What is wrong inside a window is said in its place.
        excluded.append(checks.negative_data_rejection)
    headers = {"Accept": case.media_type} if case.media_type in CONTENT_TYPES.values() else {}
    case.call_and_validate(headers=headers, excluded_checks=excluded)


@pytest.mark.parametrize("path", ["/predict", "/predict/batch"])
@pytest.mark.parametrize("form", CONTENT_TYPES)
def test_an_answered_window_is_as_described_too(path, form):
    minute = minutes.wrist_signals()
    spoilt = minute | {"wrist_temp": np.zeros(240)}
    windows = [(minute, minutes.RATES_HZ), (spoilt, minutes.RATES_HZ), (spoilt, minutes.RATES_HZ | {"wrist_bvp": 1})]
    body = write_window(*windows[0], form) if path == "/predict" else write_windows(windows, form)
    case = schema[path]["POST"].Case(body=read(body, form), media_type=CONTENT_TYPES[form])
    response = case.call_and_validate(headers={"Accept": CONTENT_TYPES[form]})
    assert response.status_code == 200 and response.headers["content-type"] == [CONTENT_TYPES[form]]
