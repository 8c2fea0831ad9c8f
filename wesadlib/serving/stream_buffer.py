"""The last window of a stream: samples go in as they come, windows come out as soon as they are due.

Nothing here waits or knows of a network, so that a stream can be held against the offline result.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from wesadlib.serving.schemas import ProblemItem
from wesadlib.serving.stream_messages import MAX_STREAM_S
from wesadlib.serving.wire import BodyError, Chunk

#: Longest gap in a channel, s: a night without the device is one, a clock that is wrong is not.
MAX_GAP_S = 7 * 86_400.0
#: Most samples that are held for one stream, over its channels; a minute of the chest has a third of it.
MAX_HELD = 2**20
#: Chunks that follow each other are joined up to so many samples.
_JOINED = 4096


class StreamWindow(NamedTuple):
    """One window of a stream: its time in seconds from the stream's start, and native samples, NaN where missing."""

    start_s: float
    end_s: float
    channels: dict[str, np.ndarray]


class StreamBuffer:
    """The samples of a stream that some window still needs.

    Window k covers the time from ``k * hop_s`` for `window_s`, cut at the native rates as recordings are. It is due
    when every channel has reached its end, or when the channel that is furthest ahead is `lag_s` past it; what has not
    come by then is missing from it, though what comes later still counts for the windows after it. A window without any
    sample is never due: a gap of a night costs nothing. The first window that is wanted starts at `start_s`.

    Examples
    --------
    >>> buffer = StreamBuffer({"wrist_temp": 4.0}, window_s=1.0, hop_s=0.5)
    >>> buffer.add({"wrist_temp": Chunk(0, np.arange(7, dtype=np.float32))})
    >>> for window in buffer.due(8):
    ...     print(window.start_s, window.channels["wrist_temp"])
    0.0 [0. 1. 2. 3.]
    0.5 [2. 3. 4. 5.]
    >>> buffer.next
    {'wrist_temp': 7}
    """

    def __init__(
        self, rates_hz: Mapping[str, float], *, window_s: float, hop_s: float, lag_s: float = 2.0, start_s: float = 0.0
    ):
        self.rates_hz = dict(rates_hz)
        self.window_s, self.hop_s, self.lag_s = window_s, hop_s, lag_s
        self._number = round(start_s / hop_s)
        self._joins = self._number > 0
        self._check(start_s)
        # Between windows that are further apart than they are long, a client may go on where the last one ended.
        begin_s = max(0.0, min(self._start_s, self._start_s - hop_s + window_s))
        self._tracks = {
            name: _Track(rate, round(window_s * rate), round(begin_s * rate)) for name, rate in self.rates_hz.items()
        }

    @property
    def next(self) -> dict[str, int]:
        """Index of the sample that comes next, by channel."""
        return {name: track.stop for name, track in self._tracks.items()}

    def add(self, channels: Mapping[str, Chunk]) -> None:
        """Take samples, of all channels or of some; afterwards :meth:`due` is to be asked until nothing is.

        Raises :class:`BodyError` when a channel is unknown, goes back or jumps too far, or when the first samples of a
        stream that is taken up come after its window; then nothing is taken.
        """
        items = [
            ProblemItem(name=f"channels.{name}", detail=detail)
            for name, chunk in channels.items()
            if (detail := self._fault(name, chunk))
        ]
        if items:
            raise BodyError("These samples do not go on with the stream.", items)
        if self._joins and channels:
            first_s = min(chunk.first / self.rates_hz[name] for name, chunk in channels.items())
            if first_s >= self._start_s + self.window_s:
                detail = f"These samples do not join the stream: it goes on at {self._start_s:g} s, they at {first_s:g}"
                raise BodyError(f"{detail} s; send the last window again.")
            self._joins = False
        for name, chunk in channels.items():
            self._tracks[name].add(chunk)

    def due(self, most: int = 1) -> list[StreamWindow]:
        """Cut the next windows that are due, at most so many."""
        windows: list[StreamWindow] = []
        while len(windows) < most and self._is_due():
            start_s = self._start_s
            channels = {name: track.cut(start_s) for name, track in self._tracks.items()}
            if any(not np.isnan(values).all() for values in channels.values()):
                windows.append(StreamWindow(start_s, start_s + self.window_s, channels))
                self._number += 1
            else:
                self._number = self._after_gap()
            for track in self._tracks.values():
                track.forget(self._start_s)
        return windows

    @property
    def _start_s(self) -> float:
        return self._number * self.hop_s

    def _check(self, start_s: float) -> None:
        if abs(self._start_s - start_s) > 1e-6:
            detail = f"no window starts there: it is a whole number of hops of {self.hop_s:g} s"
            raise BodyError("This stream cannot be taken up.", [ProblemItem(name="start_s", detail=detail)])
        if short := [name for name, rate in self.rates_hz.items() if round(self.window_s * rate) < 2]:
            detail = f"a window of {self.window_s:g} s has fewer than 2 samples at this rate"
            items = [ProblemItem(name=f"channels.{name}.rate_hz", detail=detail) for name in short]
            raise BodyError("A stream of these rates cannot be answered.", items)
        held = math.ceil(sum(self.rates_hz.values()) * (self.window_s + self.lag_s))
        if held > MAX_HELD:
            duration = f"{self.window_s + self.lag_s:g} s"
            raise BodyError(f"A stream has at most {MAX_HELD} samples in {duration}, not {held}.")

    def _fault(self, name: str, chunk: Chunk) -> str:
        if name not in self._tracks:
            return f"unknown channel, this stream has {', '.join(self._tracks)}"
        stop, rate = self._tracks[name].stop, self.rates_hz[name]
        if chunk.first < stop:
            return f"a stream does not go back: sample {stop} comes next, not {chunk.first}"
        if chunk.first - stop > MAX_GAP_S * rate or chunk.stop > MAX_STREAM_S * rate:
            return f"sample {stop} comes next; {chunk.first} is further ahead than a gap may be"
        return ""

    def _is_due(self) -> bool:
        tracks = self._tracks.values()
        if all(track.stop >= track.start(self._start_s) + track.width for track in tracks):
            return True
        return max(track.stop / track.rate_hz for track in tracks) >= self._start_s + self.window_s + self.lag_s

    def _after_gap(self) -> int:
        """The first window after an empty one that may hold a sample."""
        times_s = [time_s for track in self._tracks.values() if (time_s := track.after(self._start_s)) is not None]
        if not times_s:
            return self._number + 1
        return max(self._number + 1, math.floor((min(times_s) - self.window_s) / self.hop_s))


class _Track:
    """One channel: chunks in their order, with gaps between them."""

    def __init__(self, rate_hz: float, width: int, stop: int):
        self.rate_hz, self.width = rate_hz, width
        self.stop = stop  # index after the last sample that has come
        self._chunks: list[Chunk] = []

    def start(self, start_s: float) -> int:
        """Index of the first sample of a window, rounded as windows of recordings are."""
        return round(start_s * self.rate_hz)

    def add(self, chunk: Chunk) -> None:
        last = self._chunks[-1] if self._chunks else None
        if last and last.stop == chunk.first and len(last.values) < _JOINED:
            self._chunks[-1] = Chunk(last.first, np.concatenate([last.values, chunk.values]))
        else:
            self._chunks.append(chunk)
        self.stop = chunk.stop

    def cut(self, start_s: float) -> np.ndarray:
        first = self.start(start_s)
        values = np.full(self.width, np.nan, np.float32)
        for chunk in self._chunks:
            begin, end = max(first, chunk.first), min(first + self.width, chunk.stop)
            if begin < end:
                values[begin - first : end - first] = chunk.values[begin - chunk.first : end - chunk.first]
        return values

    def after(self, start_s: float) -> float | None:
        """Time of the first sample past a window, where there is one."""
        end = self.start(start_s) + self.width
        return next((max(chunk.first, end) / self.rate_hz for chunk in self._chunks if chunk.stop > end), None)

    def forget(self, start_s: float) -> None:
        """Drop what comes before a window."""
        first = self.start(start_s)
        self._chunks = [
            Chunk(begin, chunk.values[begin - chunk.first :])
            for chunk in self._chunks
            if (begin := max(first, chunk.first)) < chunk.stop
        ]
