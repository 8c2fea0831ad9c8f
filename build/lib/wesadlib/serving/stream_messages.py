"""What passes over a stream: messages of the client, in JSON (text frames) or MessagePack (binary frames), and answers.

A client starts, sends samples and ends; see :class:`Start`, :class:`SamplesMessage`, :class:`End`. The server answers,
in the form of the start message, with :class:`Ready`, a :class:`StreamPrediction` a window, and at last with an end or
with a problem. A stream that dropped is started again with `start_s`, anywhere: the server keeps nothing of it.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from wesadlib.bundle import Answer
from wesadlib.serving import wire
from wesadlib.serving.schemas import MAX_TOKEN, Channels, PackedSamples, PersonId, Problem, RateHz, SampleList, Strict
from wesadlib.serving.wire import BodyError, Form

#: Longest stream, s: no clock that is right counts further.
MAX_STREAM_S = 366 * 86_400.0

First = Annotated[int, Field(ge=0, le=2**53, description="index of the first sample since the stream's start")]


class StreamChannel(Strict):
    """One channel of a stream."""

    rate_hz: RateHz


class Start(Strict):
    """The first message of a client."""

    type: Literal["start"] = "start"
    channels: Channels[StreamChannel] = Field(description="every channel that the model uses, at any rate")
    hop_s: float = Field(default=5.0, gt=0, le=3600, description="from one window's start to the next, s")
    person: PersonId | None = None
    rest: str | None = Field(default=None, max_length=MAX_TOKEN, description="the person's rest, from `POST /rest`")
    start_s: float = Field(
        default=0.0,
        ge=0,
        le=MAX_STREAM_S,
        description="of a stream that dropped: start of the first window that is still wanted, a whole number of hops; "
        "the samples that the server's `next` names are then sent again",
    )


class SamplesOfChannel(Strict):
    """Samples of one channel that follow each other, in JSON."""

    first: First
    samples: SampleList


class PackedSamplesOfChannel(PackedSamples):
    """Samples of one channel that follow each other, in MessagePack."""

    first: First


class SamplesMessage(Strict):
    """Samples as they come, of some channels or of all."""

    type: Literal["samples"] = "samples"
    channels: Channels[SamplesOfChannel]


class PackedSamplesMessage(Strict):
    """:class:`SamplesMessage` in MessagePack."""

    type: Literal["samples"] = "samples"
    channels: Channels[PackedSamplesOfChannel]


class End(Strict):
    """There is nothing more to come; the server says the same when it has answered what was due, and closes."""

    type: Literal["end"] = "end"


class Ready(BaseModel):
    """The server's first message."""

    type: Literal["ready"] = "ready"
    model_version: str
    window_s: float
    hop_s: float
    samples_per_s: int = Field(description="samples a second, over all channels, that it takes for long")
    next: dict[str, int] = Field(description="index of the sample that comes next, by channel")


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


def read_message(body: bytes, form: Form) -> Start | End | dict[str, Samples]:
    """Read a client's message, that of samples as channel name to chunk; raises :class:`BodyError` where it is none."""
    value = wire.read(body, form)
    kind = value.get("type") if isinstance(value, dict) else None
    if kind == "start":
        return wire.validate(value, Start, "This is not a start message.")
    if kind == "end":
        return wire.validate(value, End, "This is not an end message.")
    if kind != "samples":
        raise BodyError("A message is an object whose `type` is start, samples or end.")
    sentence = "These are not samples of a stream."
    if form == "json":
        parts = wire.validate(value, SamplesMessage, sentence).channels
        return {name: Samples(part.first, np.array(part.samples, np.float32)) for name, part in parts.items()}
    parts = wire.validate(value, PackedSamplesMessage, sentence).channels
    arrays = wire.unpack(parts, sentence)
    return {name: Samples(parts[name].first, values.astype(np.float32)) for name, values in arrays.items()}


def write_samples(channels: Mapping[str, Samples], form: Form) -> bytes:
    """Write a message of samples."""
    parts = {name: {"first": first} | wire.pack(values, form) for name, (first, values) in channels.items()}
    return wire.write({"type": "samples", "channels": parts}, form)


def problem_message(problem: Problem) -> dict[str, Any]:
    """Say a problem over a stream; its own `type`, the kind of problem, gives way to the message's."""
    return problem.model_dump() | {"type": "problem"}
