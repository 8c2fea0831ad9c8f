"""Everything about a server that can be tuned, in one description; ``params/serve.yaml`` names what differs from it.

The file is one that Ray's own tools take (``serve run``, ``serve deploy``): :class:`Start` is checked against its
``args``, :class:`Live` against the ``user_config`` of its deployment, which a running replica takes over in place.
"""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


def _field(default: Any, group: str, help: str, **bounds: Any) -> Any:
    return Field(default, description=help, json_schema_extra={"group": group}, **bounds)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Start(_Strict):
    """What a server is started with; to change it is to start it anew."""

    threads: int = _field(1, "model", "batches that a replica computes at a time, each on one core", ge=1, le=256)
    token_variable: str = _field(
        "",
        "access",
        "environment variable that holds the bearer token; empty: no token, and loopback only",
        pattern=r"^([A-Za-z_][A-Za-z0-9_]*)?$",
    )
    max_people: int = _field(1000, "people", "people whose rest is kept; the longest unused is dropped", ge=1, le=10**6)
    people_age_h: float = _field(24.0, "people", "how long a person's rest is kept unused, h", gt=0, le=24 * 366)
    drift_windows: int = _field(10_000, "drift", "windows in the reservoir that drift is judged on", ge=10, le=10**6)
    drift_windows_per_person: int = _field(200, "drift", "of these, most of one person", ge=1, le=10**6)


class Live(_Strict):
    """What a running server takes over without a stop."""

    max_body_mb: float = _field(
        16.0, "limits", "largest body of one window, and of a batch in JSON, MiB", gt=0, le=1024
    )
    max_batch_body_mb: float = _field(96.0, "limits", "largest body of a batch in MessagePack, MiB", gt=0, le=4096)
    max_windows: int = _field(256, "limits", "most windows of a batch", ge=1, le=256)
    max_connections: int = _field(256, "limits", "requests at a time in one replica, past which it is 429", ge=1)
    max_bodies_mb: float = _field(
        512.0, "limits", "bodies that one replica holds at a time, MiB, past which it is 503", gt=0, le=2**20
    )
    body_time_s: float = _field(20.0, "limits", "time that a body may take to arrive, s", gt=0, le=3600)
    answer_time_s: float = _field(30.0, "limits", "time that an answer may take from the body's end, s", gt=0, le=3600)

    batch_size: int = _field(64, "batches", "most windows that are computed together", ge=1, le=4096)
    batch_wait_ms: float = _field(
        1.0, "batches", "how long windows wait for others, where several came together before, ms", ge=0, le=1000
    )
    queue_length: int = _field(512, "batches", "windows that may wait, past which it is 503", ge=1, le=10**6)

    max_streams: int = _field(256, "streams", "streams at a time in one replica", ge=1, le=10**5)
    hop_min_s: float = _field(1.0, "streams", "shortest hop that a stream may ask for, s", gt=0, le=300)
    lag_s: float = _field(
        2.0,
        "streams",
        "how far the furthest channel may be ahead before a window goes without the others, s",
        ge=0,
        le=60,
    )
    grace_s: float = _field(30.0, "streams", "how long a dropped stream can be resumed, s", ge=0, le=3600)
    stream_samples_per_s: int = _field(
        500_000,
        "streams",
        "samples a second that one stream may send for long, over all its channels",
        ge=100,
        le=10**8,
    )
    max_message_mb: float = _field(4.0, "streams", "largest message of a stream, MiB", gt=0, le=256)


class Settings(Start, Live):
    """Every setting, with its default, bounds and meaning.

    Raises
    ------
    pydantic.ValidationError
        On an unknown name, a wrong type or a value out of bounds.
    """


class Arguments(Start):
    """What the application's builder takes: ``args`` of the file."""

    bundle: str = _field(..., "model", "folder of the bundle; readable where the replicas run", min_length=1)


class UserConfig(Live):
    """What replicas take over in place: ``user_config`` of the file."""

    bundle: str = _field("", "model", "folder of another bundle, which takes the place of the one in `args`")
    version: str = _field(
        "", "model", "any text, such as the bundle's version; when it changes, the bundle is read again"
    )


def make_settings(start: Start, live: Live) -> Settings:
    """Put both halves together, without the bundle that may be named beside them."""
    values = {**start.model_dump(), **live.model_dump()}
    return Settings(**{name: values[name] for name in Settings.model_fields})
