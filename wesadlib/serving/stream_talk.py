"""A client's side of a stream, without the sending: what is said, what is kept to be said again, what was answered."""

import math
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from wesadlib.data import Recording
from wesadlib.errors import InputError
from wesadlib.serving import wire
from wesadlib.serving.calls import RequestRefused
from wesadlib.serving.schemas import Problem
from wesadlib.serving.stream_messages import End, Ready, Samples, Start, StreamPrediction, write_samples

#: Longest part of a stream in one message, s: a message is bounded, and a minute of the chest in JSON is not small.
_LONGEST_S = 10.0


class Frame(NamedTuple):
    """What is sent at once, and how long to wait before more is, s: a server refuses who sends faster than it takes."""

    body: str | bytes
    pause_s: float = 0.0


class StreamTalk:
    """One stream as its client knows it.

    Samples are kept until the server has answered all windows that they are in, so that whatever was lost on the way
    is sent again: after a resumption no prediction is missing and none comes twice.

    Parameters
    ----------
    rates_hz : mapping of str to float
        Native rate of each channel.
    hop_s : float
        From one window's start to the next.
    rest, person : str, optional
        The person's rest, as a handle, and a name of the person.
    form : "json" or "binary"
        How messages travel.

    Attributes
    ----------
    ready : Ready or None
        What the server said last when it took the stream up.
    finished : bool
        Whether the server has answered the end.
    """

    def __init__(
        self,
        rates_hz: Mapping[str, float],
        *,
        hop_s: float = 5.0,
        rest: str | None = None,
        person: str | None = None,
        form: wire.Form = "binary",
    ):
        wire.check_form(form)
        self.rates_hz = {name: float(rate) for name, rate in rates_hz.items()}
        self.ready: Ready | None = None
        self.finished = False
        self._start = {"hop_s": float(hop_s), "rest": rest, "person": person}
        self._hop_s, self._form = float(hop_s), form
        self._sent = dict.fromkeys(self.rates_hz, 0)
        self._kept: deque[dict[str, Samples]] = deque()
        self._wanted = 0
        self._ending = False

    @property
    def progress(self) -> tuple[int, ...]:
        """Windows that were answered, and samples that the server had when it took the stream up; grows with either."""
        return self._wanted, *(self.ready.next.values() if self.ready else ())

    def start(self) -> Frame:
        """The first message of a connection."""
        channels = {name: {"rate_hz": rate} for name, rate in self.rates_hz.items()}
        known = {}
        if self.ready is not None:
            known = {"session": self.ready.session, "start_s": self._wanted * self._hop_s}
        message = Start.model_construct(**self._start, **known).model_dump(exclude_none=True) | {"channels": channels}
        return self._frame(wire.write(message, self._form))

    def again(self, ready: Ready) -> list[Frame]:
        """What is to be sent after the server has taken the stream up: nothing at first, later what it lacks."""
        self.ready = ready
        frames = []
        for chunk in list(self._kept):
            lacking = {
                name: Samples(first, values[first - samples.first :])
                for name, samples in chunk.items()
                if (first := max(samples.first, ready.next.get(name, 0))) < samples.stop
                for values in [samples.values]
            }
            if lacking:
                frames.append(self._samples_frame(lacking))
        return [*frames, self.end()] if self._ending else frames

    def samples(self, channels: Mapping[str, Any], first: Mapping[str, int] | None = None) -> list[Frame]:
        """Messages with these samples; see :meth:`wesadlib.serving.stream_client.AsyncStream.send`."""
        if self._ending:
            raise InputError("This stream was ended: it takes no more samples.")
        arrays = {}
        for name, values in channels.items():
            if name not in self.rates_hz:
                raise InputError(f"{name}: this stream has the channels {', '.join(self.rates_hz)}.")
            begin = self._sent[name] if first is None else int(first.get(name, self._sent[name]))
            arrays[name] = Samples(begin, np.asarray(values, np.float32))
            if (shape := arrays[name].values.shape) != (arrays[name].values.size,):
                raise InputError(f"{name}: samples are an array (time), not one of shape {shape}.")
        frames = []
        for chunk in _cut_at_gaps(arrays, self.rates_hz):
            self._kept.append(chunk)
            frames.append(self._samples_frame(chunk))
        self._sent |= {name: samples.stop for name, samples in arrays.items()}
        return frames

    def end(self) -> Frame:
        """The last message."""
        self._ending = True
        return self._frame(wire.write(End().model_dump(), self._form))

    def receive(self, frame: str | bytes) -> Ready | StreamPrediction | None:
        """Read what the server says.

        Raises
        ------
        RequestRefused
            When it is a problem for which there is no use in trying again.
        """
        form = "json" if isinstance(frame, str) else "binary"
        message = wire.read(frame.encode() if isinstance(frame, str) else frame, form)
        kind = message.pop("type")
        if kind == "ready":
            return Ready(**message)
        if kind == "prediction":
            prediction = StreamPrediction(**message)
            self._answered(prediction)
            return prediction
        if kind == "problem" and message["status"] != 503:
            raise RequestRefused(message["status"], Problem(**message))
        self.finished = kind == "end"
        return None

    def _answered(self, prediction: StreamPrediction) -> None:
        self._wanted = round(prediction.start_s / self._hop_s) + 1
        start_s = self._wanted * self._hop_s
        needed = {name: round(start_s * rate) for name, rate in self.rates_hz.items()}
        while self._kept and all(samples.stop <= needed[name] for name, samples in self._kept[0].items()):
            self._kept.popleft()

    def _samples_frame(self, chunk: Mapping[str, Samples]) -> Frame:
        # Before the stream is taken up nothing is sent, only kept.
        per_s = self.ready.samples_per_s if self.ready else math.inf
        pause_s = sum(len(samples.values) for samples in chunk.values()) / per_s
        return self._frame(write_samples(chunk, self._form), pause_s)

    def _frame(self, body: bytes, pause_s: float = 0.0) -> Frame:
        return Frame(body.decode() if self._form == "json" else body, pause_s)


def _cut_at_gaps(arrays: Mapping[str, Samples], rates_hz: Mapping[str, float]) -> Iterator[dict[str, Samples]]:
    """Cut samples into stretches of time in each of which a channel has all of its samples or none.

    Channels are not cut one by one: one that ran ahead of the others would make the server go on without them.
    """
    times = {name: (first + np.arange(len(values))) / rates_hz[name] for name, (first, values) in arrays.items()}
    missing = {name: np.isnan(samples.values) for name, samples in arrays.items()}
    filled = [time for time in times.values() if len(time)]
    if not filled:
        return
    begin, last = min(time[0] for time in filled), max(time[-1] for time in filled)
    edges = [begin + _LONGEST_S * np.arange((last - begin) // _LONGEST_S + 1)]
    edges += [times[name][1:][gap[1:] != gap[:-1]] for name, gap in missing.items()]
    cuts = np.append(np.unique(np.concatenate(edges)), np.inf)
    places = {name: np.searchsorted(time, cuts) for name, time in times.items()}
    for k in range(len(cuts) - 1):
        chunk = {}
        for name, (first, values) in arrays.items():
            start, stop = places[name][k : k + 2]
            if start < stop and not missing[name][start]:
                chunk[name] = Samples(first + int(start), values[start:stop])
        if chunk:
            yield chunk


def recording_rates(recording: Recording, channels: Iterable[str]) -> dict[str, float]:
    """The native rates of a recording's channels.

    Raises
    ------
    InputError
        When it lacks one.
    """
    if absent := [name for name in channels if name not in recording.signals]:
        raise InputError(f"{recording.subject}: the recording has no channel {absent[0]}, which the model needs.")
    return {name: float(recording.signals[name].attrs["rate_hz"]) for name in channels}


def pace(
    recording: Recording, rates_hz: Mapping[str, float], chunk_s: float, speed: float | None
) -> Iterator[tuple[float, dict[str, np.ndarray]]]:
    """A recording's chunks, each with how long to wait before it is sent, s."""
    signals = {name: recording.signals[name].to_numpy() for name in rates_hz}
    begun = time.monotonic()
    for k in range(int(np.ceil(max(len(values) / rates_hz[name] for name, values in signals.items()) / chunk_s))):
        due_s = (k + 1) * chunk_s / speed if speed else 0.0
        chunk = {
            name: values[round(k * chunk_s * rates_hz[name]) : round((k + 1) * chunk_s * rates_hz[name])]
            for name, values in signals.items()
        }
        yield max(0.0, begun + due_s - time.monotonic()), {name: part for name, part in chunk.items() if len(part)}
