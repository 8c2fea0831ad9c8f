"""What passes over a stream: messages of the client, in JSON (text frames) or MessagePack (binary frames), and answers.

A client starts, sends samples and ends; see :class:`Start`, :class:`SamplesMessage`, :class:`End`. The server answers,
in the form of the start message, with :class:`Ready`, a :class:`StreamPrediction` a window, and at last with an end or
with a problem.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, FailFast, Field

from wesadlib.bundle import Answer
from wesadlib.serving import wire
from wesadlib.serving.schemas import MAX_SAMPLES, Channels, PackedSamples, Problem, RateHz, Sample
from wesadlib.serving.wire import BodyError

#: Longest stream, s: no clock that is right counts further.
MAX_STREAM_S = 366 * 86_400.0

PersonId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
First = Annotated[int, Field(ge=0, le=2**53, description="index of the first sample since the stream's start")]


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class StreamChannel(_Message):
    """One channel of a stream."""

    rate_hz: RateHz


class Start(_Message):
    """The first message of a client."""

    type: Literal["start"] = "start"
    channels: Channels[StreamChannel] = Field(description="every channel that the model uses, at any rate")
    hop_s: float = Field(default=5.0, gt=0, le=3600, description="from one window's start to the next, s")
    person: PersonId | None = Field(default=None, description="whose stream this is, by a name that means nothing here")
    rest: str | None = Field(default=None, max_length=64, description="the person's rest, as a handle")
    session: str | None = Field(
        default=None, max_length=64, description="the dropped stream of this person to go on with"
    )
    start_s: float | None = Field(
        default=None,
        ge=0,
        le=MAX_STREAM_S,
        description="start of the first window that is still wanted, a whole number of hops; for whoever can send "
        "again what the server asks for in `next`, so that no prediction is missed",
    )


class Chunk(_Message):
    """Samples of one channel that follow each other, in JSON."""

    first: First
    samples: Annotated[list[Sample], FailFast()] = Field(min_length=1, max_length=MAX_SAMPLES)


class PackedChunk(PackedSamples):
    """Samples of one channel that follow each other, in MessagePack."""

    first: First


class SamplesMessage(_Message):
    """Samples as they come, of some channels or of all."""

    type: Literal["samples"] = "samples"
    channels: Channels[Chunk]


class PackedSamplesMessage(_Message):
    """:class:`SamplesMessage` in MessagePack."""

    type: Literal["samples"] = "samples"
    channels: Channels[PackedChunk]


class End(_Message):
    """There is nothing more to come; the server says the same when it has answered what was due, and closes."""

    type: Literal["end"] = "end"


class Ready(BaseModel):
    """The server's first message."""

    type: Literal["ready"] = "ready"
    session: str = Field(description="by which a dropped stream is resumed; another than was asked for: a fresh stream")
    model_version: str
    window_s: float
    hop_s: float
    grace_s: float = Field(description="how long a dropped stream can be resumed, s")
    samples_per_s: int = Field(description="samples a second, over all channels, that it takes for long")
    next: dict[str, int] = Field(description="index of the first sample that is still wanted, by channel")


class StreamPrediction(BaseModel):
    """What is said of one window of a stream.

    Window k covers the time from k times `hop_s`, for `window_s`. It is answered when every channel has reached its
    end, or when the channel that is furthest ahead is the server's `lag_s` past it: what has not come by then is
    missing. A window without any sample, inside a gap, is not answered.
    """

    model_config = ConfigDict(frozen=True)

    type: Literal["prediction"] = "prediction"
    start_s: float = Field(description="seconds from the stream's start")
    end_s: float
    answer: Answer
    latency_ms: float = Field(description="from reading the message that made the window complete to sending this")


class Samples(NamedTuple):
    """Samples of one channel: index of the first since the stream's start, and values (time,), float32."""

    first: int
    values: np.ndarray

    @property
    def stop(self) -> int:
        """Index after the last."""
        return self.first + len(self.values)


def read_message(body: bytes, form: wire.Form) -> Start | End | dict[str, Samples]:
    """Read a client's message; that of samples as channel name to samples.

    Raises
    ------
    BodyError
        When it is none; names the fields at fault.
    """
    value = wire.read(body, form)
    kind = value.get("type") if isinstance(value, dict) else None
    if kind == "start":
        return wire.validate(value, Start, "This is not a start message.")
    if kind == "end":
        return wire.validate(value, End, "This is not an end message.")
    if kind != "samples":
        raise BodyError("A message is an object whose `type`, given once, is start, samples or end.")
    what = "These are not samples of a stream."
    if form == "json":
        chunks = wire.validate(value, SamplesMessage, what).channels
        return {name: Samples(chunk.first, np.array(chunk.samples, np.float32)) for name, chunk in chunks.items()}
    chunks = wire.validate(value, PackedSamplesMessage, what).channels
    arrays = wire.unpack(chunks, what)
    return {name: Samples(chunks[name].first, values.astype(np.float32)) for name, values in arrays.items()}


def write_samples(channels: Mapping[str, Samples], form: wire.Form) -> bytes:
    """Write a message of samples."""
    described: dict[str, Any] = {}
    for name, (first, values) in channels.items():
        described[name] = {"first": first}
        if form == "json":
            described[name]["samples"] = values.tolist()
        else:
            described[name] |= {"dtype": "<f4", "samples": values.astype("<f4").tobytes()}
    return wire.write({"type": "samples", "channels": described}, form)


def problem_message(problem: Problem) -> dict[str, Any]:
    """Say a problem over a stream; its own `type`, the kind of problem, gives way to the message's."""
    return problem.model_dump() | {"type": "problem"}
