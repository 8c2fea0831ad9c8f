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
#: How far the furthest channel may be ahead before a window goes without the others, s.
LAG_S = 2.0
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
    when every channel has reached its end, or when the channel that is furthest ahead is :data:`LAG_S` past it; what
    has not come by then is missing from it, though what comes later still counts for the windows after it. A window
    without any sample is never due: a gap of a night costs nothing. The first that is wanted starts at `start_s`.
    """

    def __init__(self, rates_hz: Mapping[str, float], *, window_s: float, hop_s: float, start_s: float = 0.0):
        self.rates_hz, self.window_s, self.hop_s = dict(rates_hz), window_s, hop_s
        self._number = round(start_s / hop_s)
        self._joins = self._number > 0
        self._check(start_s)
        # Between windows that are further apart than they are long, a client may go on where the last one ended.
        begin_s = max(0.0, min(self._start_s, self._start_s - hop_s + window_s))
        self._next = {name: round(begin_s * rate) for name, rate in self.rates_hz.items()}
        self._chunks: dict[str, list[Chunk]] = {name: [] for name in self.rates_hz}

    @property
    def next(self) -> dict[str, int]:
        """Index of the sample that comes next, by channel."""
        return dict(self._next)

    def add(self, channels: Mapping[str, Chunk]) -> None:
        """Take samples, of all channels or of some; afterwards :meth:`due` is to be asked until nothing is.

        Raises :class:`BodyError`, and takes nothing, when a channel is unknown, goes back or jumps too far, or when the
        first samples of a stream that is taken up come after its window.
        """
        faults = {f"channels.{name}": self._fault(name, chunk) for name, chunk in channels.items()}
        if items := [ProblemItem(name=name, detail=detail) for name, detail in faults.items() if detail]:
            raise BodyError("These samples do not go on with the stream.", items)
        if self._joins and channels:
            first_s = min(chunk.first / self.rates_hz[name] for name, chunk in channels.items())
            if first_s >= self._start_s + self.window_s:
                detail = f"These samples do not join the stream: it goes on at {self._start_s:g} s, they at {first_s:g}"
                raise BodyError(f"{detail} s; send the last window again.")
            self._joins = False
        for name, chunk in channels.items():
            chunks = self._chunks[name]
            if chunks and chunks[-1].stop == chunk.first and len(chunks[-1].values) < _JOINED:
                last = chunks.pop()
                chunk = Chunk(last.first, np.concatenate([last.values, chunk.values]))
            chunks.append(chunk)
            self._next[name] = chunk.stop

    def due(self, most: int = 1) -> list[StreamWindow]:
        """Cut the next windows that are due, at most so many."""
        windows: list[StreamWindow] = []
        while len(windows) < most and self._is_due():
            channels = {name: self._cut(name) for name in self.rates_hz}
            if any(not np.isnan(values).all() for values in channels.values()):
                windows.append(StreamWindow(self._start_s, self._start_s + self.window_s, channels))
                self._number += 1
            else:
                self._number = self._after_gap()
            for name, chunks in self._chunks.items():
                begin, _ = self._span(name)
                self._chunks[name] = [chunk.after(begin) for chunk in chunks if chunk.stop > begin]
        return windows

    @property
    def _start_s(self) -> float:
        return self._number * self.hop_s

    def _span(self, name: str) -> tuple[int, int]:
        """Indices of the window's first sample and after its last, rounded as windows of recordings are."""
        begin = round(self._start_s * self.rates_hz[name])
        return begin, begin + round(self.window_s * self.rates_hz[name])

    def _check(self, start_s: float) -> None:
        if abs(self._start_s - start_s) > 1e-6:
            detail = f"no window starts there: it is a whole number of hops of {self.hop_s:g} s"
            raise BodyError("This stream cannot be taken up.", [ProblemItem(name="start_s", detail=detail)])
        if short := [name for name, rate in self.rates_hz.items() if round(self.window_s * rate) < 2]:
            detail = f"a window of {self.window_s:g} s has fewer than 2 samples at this rate"
            items = [ProblemItem(name=f"channels.{name}.rate_hz", detail=detail) for name in short]
            raise BodyError("A stream of these rates cannot be answered.", items)
        held_s = self.window_s + LAG_S
        if (held := math.ceil(sum(self.rates_hz.values()) * held_s)) > MAX_HELD:
            raise BodyError(f"A stream has at most {MAX_HELD} samples in {held_s:g} s, not {held}.")

    def _fault(self, name: str, chunk: Chunk) -> str:
        if name not in self.rates_hz:
            return f"unknown channel, this stream has {', '.join(self.rates_hz)}"
        stop, rate = self._next[name], self.rates_hz[name]
        if chunk.first < stop:
            return f"a stream does not go back: sample {stop} comes next, not {chunk.first}"
        if chunk.first - stop > MAX_GAP_S * rate or chunk.stop > MAX_STREAM_S * rate:
            return f"sample {stop} comes next; {chunk.first} is further ahead than a gap may be"
        return ""

    def _is_due(self) -> bool:
        if all(stop >= self._span(name)[1] for name, stop in self._next.items()):
            return True
        furthest_s = max(stop / self.rates_hz[name] for name, stop in self._next.items())
        return furthest_s >= self._start_s + self.window_s + LAG_S

    def _cut(self, name: str) -> np.ndarray:
        first, stop = self._span(name)
        values = np.full(stop - first, np.nan, np.float32)
        for chunk in self._chunks[name]:
            begin, end = max(first, chunk.first), min(stop, chunk.stop)
            if begin < end:
                values[begin - first : end - first] = chunk.values[begin - chunk.first : end - chunk.first]
        return values

    def _after_gap(self) -> int:
        """The first window after an empty one that may hold a sample."""
        later_s = [
            max(chunk.first, self._span(name)[1]) / self.rates_hz[name]
            for name, chunks in self._chunks.items()
            for chunk in chunks
            if chunk.stop > self._span(name)[1]
        ]
        return max(self._number + 1, math.floor((min(later_s, default=0) - self.window_s) / self.hop_s))
