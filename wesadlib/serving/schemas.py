"""What travels over HTTP: requests, answers and errors, as OpenAPI shows them."""

from collections.abc import Iterable
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, FailFast, Field, StringConstraints, WithJsonSchema
from pydantic.json_schema import models_json_schema

#: The answer to a window is the bundle's own, so that server and book cannot differ.
from wesadlib.bundle import Answer

#: Largest sample either way. Signals are float32 inside: a larger number could become infinite on the way.
MAX_SAMPLE = 1e9
#: Highest rate, Hz, and the samples of a minute at it.
MAX_RATE_HZ, MAX_SAMPLES = 100_000, 6_000_000
#: Most channels of a window, and windows of a batch.
MAX_CHANNELS, MAX_WINDOWS = 64, 256
#: Longest signed rest, characters.
MAX_TOKEN = 8192

#: Its bounds are checked where samples are arrays, in both forms alike.
Sample = Annotated[float, WithJsonSchema({"type": "number", "minimum": -MAX_SAMPLE, "maximum": MAX_SAMPLE})]
RateHz = Annotated[float, Field(gt=0, le=MAX_RATE_HZ, allow_inf_nan=False, description="samples a second")]
Name = Annotated[str, StringConstraints(max_length=100)]
PersonId = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="whose windows these are, by a name that means nothing")
]
# At the first that is wrong it ends: millions of errors would cost more than the samples.
SampleList = Annotated[list[Sample], FailFast(), Field(min_length=1, max_length=MAX_SAMPLES)]

_Item = TypeVar("_Item")
Channels = Annotated[
    dict[Name, _Item],
    Field(max_length=MAX_CHANNELS, description="channel name, such as wrist_bvp, to its samples"),
]
Windows = Annotated[list[_Item], Field(max_length=MAX_WINDOWS)]

_TEMPERATURE = [33.1, 33.2, 33.2, 33.1]
_WINDOW = {"channels": {"wrist_temp": {"rate_hz": 4, "samples": _TEMPERATURE}}}
_PROBLEM = {
    "type": "about:blank",
    "title": "Unprocessable Entity",
    "status": 422,
    "detail": "This window cannot be used.",
    "errors": [{"name": "wrist_temp", "detail": "60 s at 4 Hz are 240 samples, not 4"}],
}
_PACKED_WINDOW = {"channels": {"wrist_temp": {"rate_hz": 4, "dtype": "<f4", "samples": "(16 bytes)"}}}


class Strict(BaseModel):
    """What has these fields, of these types, and no others."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Channel(Strict):
    """One channel of a window."""

    rate_hz: RateHz
    samples: SampleList = Field(description="rate_hz times the model's window length, in the model's unit")


class Window(Strict):
    """One window of one person: every channel that the model uses, at any rate; `GET /model` names them."""

    model_config = ConfigDict(json_schema_extra={"examples": [_WINDOW]})

    channels: Channels[Channel]


class Batch(Strict):
    """Many windows, of one person or of many; each is answered by itself."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"windows": [_WINDOW]}]})

    windows: Windows[Window]


class PackedSamples(Strict):
    """Samples in MessagePack: the bytes of an array."""

    dtype: Literal["<f4", "<f8"] = Field(description="little-endian floating point, of single or double precision")
    samples: bytes = Field(
        min_length=4,
        max_length=8 * MAX_SAMPLES,
        description="the numbers that JSON has here, one after the other; MessagePack's own type `bin`",
    )


class PackedChannel(PackedSamples):
    """One channel of a window in MessagePack: its samples are the bytes of an array."""

    rate_hz: RateHz


class PackedWindow(Strict):
    """One window of one person in MessagePack."""

    model_config = ConfigDict(json_schema_extra={"examples": [_PACKED_WINDOW]})

    channels: Channels[PackedChannel]


class PackedBatch(Strict):
    """Many windows in MessagePack."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"windows": [_PACKED_WINDOW]}]})

    windows: Windows[PackedWindow]


class ProblemItem(BaseModel):
    """One thing that is wrong with a request."""

    name: str = Field(description="the channel or field at fault")
    detail: str = Field(description="what is wrong with it")


class Problem(BaseModel):
    """An error, in the form of RFC 9457."""

    model_config = ConfigDict(json_schema_extra={"examples": [_PROBLEM]})

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: list[ProblemItem] = []


class Answers(BaseModel):
    """What is said of a batch, window by window and in its order."""

    results: list[Answer | Problem] = Field(description="the answer, or the problem of a window that cannot be used")


class RestAnswer(BaseModel):
    """A person's rest, signed: later calls bring it, and the server keeps nothing of it."""

    token: str = Field(description="for the header `Wesad-Rest` of later calls; it holds a few means, and no signal")
    windows: int = Field(description="windows of good quality, on which it rests")
    expires: str = Field(description="until when it is accepted", json_schema_extra={"format": "date-time"})
    model_version: str = Field(description="the model that it was made for; another refuses it")


class Health(BaseModel):
    """That the server answers."""

    status: Literal["ok"] = "ok"
    model_version: str


class ModelDescription(BaseModel):
    """The served bundle, as its configuration describes it."""

    model_config = ConfigDict(extra="allow")

    version: str
    model: str
    device: str
    channels: dict[str, dict[str, Any]]
    rate_hz: float
    window_s: float
    states: list[str]
    min_confidence: float
    quality: dict[str, float]
    rest: dict[str, Any] | None
    data: dict[str, Any]
    metrics: list[dict[str, Any]]


class DriftFeature(BaseModel):
    """One feature, of the people of late and of the cohort."""

    feature: str
    distance: float = Field(description="Kolmogorov-Smirnov distance, each person weighing the same")
    ks: float | None = Field(description="the same over windows; null where one side has no reading")
    p: float | None = Field(description="of the two-sample test over windows, which are not independent")
    p_holm: float | None = Field(description="p after Holm's correction; nothing rests on it")
    effect_size: float | None = Field(description="difference of people's medians, in SDs between people of the cohort")
    missing_reference: float = Field(description="share of the cohort's windows in which it could not be read")
    missing_current: float = Field(description="share of these windows in which it could not be read")


class DriftReport(BaseModel):
    """Whether there is drift, and what that rests on."""

    model_version: str
    people: int = Field(description="people with enough windows; the report rests on them alone")
    people_needed: int | None = Field(description="how many it takes; null where the bundle has no reference")
    streams: int = Field(description="how many of the people are streams that named nobody, each counted as a person")
    windows: int = Field(description="windows of these people; of streams only those that do not overlap")
    windows_needed: int = Field(description="windows that a person needs to be counted")
    people_with_fewer: int = Field(description="people with fewer windows than that")
    windows_without_person: int = Field(description="windows that came with neither person nor stream: not judged")
    statistic: float | None = Field(description="largest distance over the features; null where it cannot be judged")
    threshold: float | None = Field(description="distance that unshifted batches exceed at the rate of false alarms")
    false_alarm_rate: float | None = Field(description="of one look at one batch; whoever looks often sees more")
    alarm: bool | None = Field(description="whether there is drift; null where it cannot be judged")
    note: str = Field(description="the verdict, or why there is none, in a sentence")
    table: list[DriftFeature] = Field(description="a row a feature, worst first")


def refer(model: type[BaseModel]) -> dict[str, str]:
    """A reference to a model's schema in a document."""
    return {"$ref": f"#/components/schemas/{model.__name__}"}


def define(models: Iterable[type[BaseModel]]) -> dict[str, Any]:
    """Schemas of models, and of what they consist of."""
    named = [(model, "validation") for model in dict.fromkeys(models)]
    return models_json_schema(named, ref_template="#/components/schemas/{model}")[1]["$defs"]
