"""What travels over HTTP: the request, the answers and the errors, as OpenAPI shows them."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

#: The answer to a window is the bundle's own, so that server and book cannot differ.
from wesadlib.bundle import Answer

__all__ = ["Answer", "Channel", "Health", "ModelDescription", "Problem", "ProblemItem", "Window"]

# Signals are float32 inside: a larger number could become infinite on the way.
Sample = Annotated[float, Field(ge=-1e9, le=1e9, allow_inf_nan=False)]


class Channel(BaseModel):
    """One channel of a window."""

    model_config = ConfigDict(extra="forbid", strict=True)

    rate_hz: float = Field(gt=0, le=100_000, allow_inf_nan=False, description="samples a second")
    samples: list[Sample] = Field(
        min_length=1, description="rate_hz times the model's window length, in the model's unit"
    )


class Window(BaseModel):
    """One window of one person: every channel that the model uses, at any rate; `GET /model` names them."""

    model_config = ConfigDict(extra="forbid", strict=True)

    channels: dict[str, Channel] = Field(description="channel name, such as wrist_bvp, to its samples")

    def split(self) -> tuple[dict[str, list[float]], dict[str, float]]:
        """The samples and the rates, as :meth:`wesadlib.bundle.Bundle.predict_window` takes them."""
        return (
            {name: channel.samples for name, channel in self.channels.items()},
            {name: channel.rate_hz for name, channel in self.channels.items()},
        )


class ProblemItem(BaseModel):
    """One thing that is wrong with a request."""

    name: str = Field(description="the channel or field at fault")
    detail: str = Field(description="what is wrong with it")


class Problem(BaseModel):
    """An error, in the form of RFC 9457."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: list[ProblemItem] = []


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
    data: dict[str, Any]
    metrics: list[dict[str, Any]]
