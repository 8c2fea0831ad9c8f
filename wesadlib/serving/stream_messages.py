"""What travels over `WS /stream`, and its description.

A client starts, sends samples and ends, in JSON (text frames) or MessagePack (binary frames). The server answers, in
the form of the start message, that it is ready, with a prediction a window, and at last with an end or with a problem.
A stream that dropped is started again with `start_s` and `scores`, anywhere: the server keeps nothing of it.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, FailFast, Field

from wesadlib.bundle import Answer
from wesadlib.evaluation.running import MOST_SCORES
from wesadlib.serving.schemas import (
    MAX_SAMPLES,
    MAX_TOKEN,
    Channels,
    PackedSamples,
    PersonId,
    Problem,
    RateHz,
    Sample,
    Strict,
    define,
    refer,
)

#: Longest stream, s: no clock that is right counts further. Largest score either way.
MAX_STREAM_S, MAX_SCORE = 366 * 86_400.0, 30.0

Score = Annotated[float, Field(ge=-MAX_SCORE, le=MAX_SCORE)]
Scores = (
    Annotated[list[Score | None], Field(max_length=MOST_SCORES, fail_fast=True)]
    | Annotated[bytes, Field(max_length=8 * MOST_SCORES)]
)
First = Annotated[int, Field(ge=0, le=2**53, description="index of the first sample since the stream's start")]


class StreamChannel(Strict):
    """One channel of a stream."""

    rate_hz: RateHz


class Start(Strict):
    """The first message of a client."""

    type: Literal["start"] = "start"
    channels: Channels[StreamChannel] = Field(description="every channel that the model uses, at any rate")
    hop_s: float = Field(default=5.0, ge=1, le=3600, description="from one window's start to the next, s")
    person: PersonId | None = None
    rest: str | None = Field(default=None, max_length=MAX_TOKEN, description="the person's rest, from `POST /rest`")
    start_s: float = Field(
        default=0.0,
        ge=0,
        le=MAX_STREAM_S,
        description="of a stream that dropped: start of the first window that is still wanted, a whole number of hops; "
        "the samples that the server's `next` names are then sent again",
    )
    scores: Scores | None = Field(
        default=None,
        description="of a stream that dropped: the `score` of each window before that, null for one without, the last "
        f"{MOST_SCORES} at most; in MessagePack the bytes of little-endian doubles, NaN for null. Without them a "
        "threshold that follows the person begins anew. They hold neither heart rates, which later windows may lack, "
        "nor exertion: for a minute or two answers, and alarms after exercise, may differ from those without the drop",
    )


class SamplesOfChannel(Strict):
    """Samples of one channel that follow each other, in JSON."""

    first: First
    samples: Annotated[list[Sample | None], FailFast(), Field(min_length=1, max_length=MAX_SAMPLES)] = Field(
        description="null where one is missing"
    )


class PackedSamplesOfChannel(PackedSamples):
    """Samples of one channel that follow each other, in MessagePack; NaN where one is missing."""

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
    end, or when the channel that is furthest ahead is two seconds past it: what has not come by then is missing. A
    window without any sample, inside a gap, is not answered, nor is one whose end only some channels have reached when
    the stream ends: of a channel that stops sooner, missing samples are sent for the rest. Whether somebody wears the
    device is judged over whole minutes of a recording, as `wesad predict` does, and not here.
    """

    model_config = ConfigDict(frozen=True)

    type: Literal["prediction"] = "prediction"
    start_s: float = Field(description="seconds from the stream's start")
    end_s: float
    answer: Answer
    score: float | None = Field(
        default=None,
        description="log odds of the second state before the threshold followed the person; null where rejected, or "
        "where the model's threshold does not",
    )
    latency_ms: float = Field(description="from reading the message that made the window complete to sending this")


class StreamProblem(Problem):
    """What ends a stream; its connection is closed with 1008, or 1009 (too large), 1011 (failed), 1013 (no room)."""

    type: Literal["problem"] = "problem"


_SENT = {"start": Start, "samples": SamplesMessage, "packedSamples": PackedSamplesMessage, "end": End}
_HEARD = {"ready": Ready, "prediction": StreamPrediction, "problem": StreamProblem, "end": End}
#: All messages, by the name that they have in the description.
MESSAGES: dict[str, type[BaseModel]] = _SENT | _HEARD


def describe_stream(version: str) -> dict[str, Any]:
    """The messages of a stream, in AsyncAPI's form."""
    messages = {
        name: {"summary": model.__doc__.partition("\n")[0], "payload": refer(model)} for name, model in MESSAGES.items()
    }
    operations = {
        name: {
            "action": action,
            "channel": {"$ref": "#/channels/stream"},
            "messages": [{"$ref": f"#/channels/stream/messages/{message}"} for message in part],
        }
        for name, action, part in (("listen", "receive", _SENT), ("answer", "send", _HEARD))
    }
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "wesadlib", "version": version, "description": __doc__.partition("\n\n")[2]},
        "defaultContentType": "application/json",
        "channels": {"stream": {"address": "/stream", "messages": messages}},
        "operations": operations,
        "components": {"schemas": define(MESSAGES.values())},
    }
