"""The last window of a stream: samples go in as they come, windows come out as soon as they are due.

Nothing here waits or knows of a network, so that a stream can be held against the offline result.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import msgpack
import numpy as np

from wesadlib.serving.schemas import ProblemItem
from wesadlib.serving.stream_messages import MAX_STREAM_S, Samples
from wesadlib.serving.wire import BodyError

#: Longest gap in a channel, s: a night without the device is one, a clock that is wrong is not.
MAX_GAP_S = 7 * 86_400.0
#: Most samples that are held for one stream, over its channels; a minute of the chest has a third of it.
MAX_HELD = 2**20


class StreamWindow(NamedTuple):
    """One window of a stream: its number, its time in seconds from the stream's start, and what a bundle takes.

    `channels` holds native samples (time,), float32, NaN where missing.
    """

    number: int
    start_s: float
    end_s: float
    channels: dict[str, np.ndarray]
    rates_hz: dict[str, float]


class StreamBuffer:
    """The samples of a stream that some window still needs.

    Window k covers the time from ``k * hop_s`` for `window_s`, cut at the native rates as
    :meth:`wesadlib.bundle.Bundle.cut` cuts it. It is due when every channel has reached its end, or when the channel
    that is furthest ahead is `lag_s` past it; what has not come by then is missing from it, though what comes later
    still counts for the windows after it. A window without any sample is never due: a gap of a night costs nothing.

    Parameters
    ----------
    rates_hz : mapping of str to float
        Native rate of each channel, in the bundle's order.
    window_s, hop_s : float
        Length of a window, and from one window's start to the next.
    lag_s : float
        How far a channel may be ahead before a window goes without the others.

    Raises
    ------
    BodyError
        When a window has fewer than 2 samples of a channel, or so many that they are not held.

    Examples
    --------
    >>> buffer = StreamBuffer({"wrist_temp": 4.0}, window_s=1.0, hop_s=0.5)
    >>> buffer.add({"wrist_temp": Samples(0, np.arange(7, dtype=np.float32))})
    >>> while due := buffer.due():
    ...     for window in due:
    ...         print(window.start_s, window.channels["wrist_temp"])
    ...         buffer.answered(window)
    0.0 [0. 1. 2. 3.]
    0.5 [2. 3. 4. 5.]
    >>> buffer.next
    {'wrist_temp': 7}
    """

    def __init__(self, rates_hz: Mapping[str, float], *, window_s: float, hop_s: float, lag_s: float = 2.0):
        self.rates_hz = dict(rates_hz)
        self.window_s, self.hop_s, self.lag_s = window_s, hop_s, lag_s
        self._tracks = {name: _Track(rate, window_s) for name, rate in self.rates_hz.items()}
        self._number = 0
        what = "A stream of these rates cannot be answered."
        short = [name for name, track in self._tracks.items() if track.width < 2]
        if short:
            detail = f"a window of {window_s:g} s has fewer than 2 samples at this rate"
            raise BodyError(what, [ProblemItem(name=f"channels.{name}.rate_hz", detail=detail) for name in short])
        held = math.ceil(sum(self.rates_hz.values()) * (window_s + lag_s))
        if held > MAX_HELD:
            raise BodyError(f"A stream has at most {MAX_HELD} samples in {window_s + lag_s:g} s, not {held}.")

    @property
    def next(self) -> dict[str, int]:
        """Index of the first sample that is still wanted, by channel; what is being answered is still wanted."""
        return {name: track.received for name, track in self._tracks.items()}

    def add(self, channels: Mapping[str, Samples]) -> None:
        """Take samples, of all channels or of some; afterwards :meth:`due` is to be asked until nothing is.

        Parameters
        ----------
        channels : mapping of str to (first, values)
            Index of the first sample since the stream's start, at or after the channel's last; what is jumped over is
            missing.

        Raises
        ------
        BodyError
            When a channel is unknown, goes back, or jumps too far; then nothing is taken.
        """
        if self._is_due():
            raise RuntimeError("windows are due that were not answered")
        self._settle()
        items = [
            ProblemItem(name=f"channels.{name}", detail=detail)
            for name, samples in channels.items()
            if (detail := self._fault(name, samples))
        ]
        if items:
            raise BodyError("These samples do not go on with the stream.", items[:20])
        for name, samples in channels.items():
            self._tracks[name].coming = samples

    def due(self, most: int = 1) -> list[StreamWindow]:
        """Cut the windows that are due, the next ones, at most so many; they stay due until :meth:`answered`."""
        found: list[StreamWindow] = []
        number = self._number
        while len(found) < most and self._is_due(number):
            window = self._cut(number)
            if any(not np.isnan(values).all() for values in window.channels.values()):
                found.append(window)
                number += 1
            else:
                number = self._after_gap(number)
        if not found:
            self._number = number
            self._settle()
        return found

    def answered(self, window: StreamWindow) -> None:
        """Take note that this window and those before it were answered."""
        self._number = window.number + 1

    def restart(self, start_s: float) -> None:
        """Go on with the window that starts there, for which everything is asked for again.

        Raises
        ------
        BodyError
            When no window starts there.
        """
        number = round(start_s / self.hop_s)
        if abs(number * self.hop_s - start_s) > 1e-6:
            detail = f"no window starts there: it is a whole number of hops of {self.hop_s:g} s"
            raise BodyError("This is not a start message.", [ProblemItem(name="start_s", detail=detail)])
        if number != self._number:
            self._number = number
            self._tracks = {name: _Track(rate, self.window_s) for name, rate in self.rates_hz.items()}
            for track in self._tracks.values():
                track.received = track.first = track.start(number * self.hop_s)

    def to_bytes(self) -> bytes:
        """Write all of it, in MessagePack; samples of which windows are still due are not part of it."""
        tracks = {name: [track.received, track.held.tobytes()] for name, track in self._tracks.items()}
        state = [self.rates_hz, self.window_s, self.hop_s, self.lag_s, self._number, tracks]
        return msgpack.packb(state)

    @classmethod
    def from_bytes(cls, state: bytes) -> "StreamBuffer":
        """Read what :meth:`to_bytes` wrote."""
        rates_hz, window_s, hop_s, lag_s, number, tracks = msgpack.unpackb(state)
        buffer = cls(rates_hz, window_s=window_s, hop_s=hop_s, lag_s=lag_s)
        buffer._number = number
        for name, (received, held) in tracks.items():
            values = np.frombuffer(held, np.float32)
            track = buffer._tracks[name]
            track.received = received
            track.first = received - len(values)
            track.append(values)
        buffer._settle()
        return buffer

    def _fault(self, name: str, samples: Samples) -> str:
        if name not in self._tracks:
            return f"unknown channel, this stream has {', '.join(self._tracks)}"
        received, rate = self._tracks[name].received, self.rates_hz[name]
        if samples.first < received:
            return f"a stream does not go back: sample {received} comes next, not {samples.first}"
        if samples.first - received > MAX_GAP_S * rate or samples.stop > MAX_STREAM_S * rate:
            return f"sample {received} comes next; {samples.first} is further ahead than a gap may be"
        return ""

    def _is_due(self, number: int | None = None) -> bool:
        start_s = (self._number if number is None else number) * self.hop_s
        tracks = self._tracks.values()
        if all(track.stop >= track.start(start_s) + track.width for track in tracks):
            return True
        return max(track.stop / track.rate_hz for track in tracks) >= start_s + self.window_s + self.lag_s

    def _cut(self, number: int) -> StreamWindow:
        start_s = number * self.hop_s
        channels = {name: track.cut(track.start(start_s)) for name, track in self._tracks.items()}
        return StreamWindow(number, start_s, start_s + self.window_s, channels, self.rates_hz)

    def _after_gap(self, number: int) -> int:
        """The first window after an empty one that may hold a sample."""
        start_s = number * self.hop_s
        ahead = [time_s for track in self._tracks.values() if (time_s := track.after(start_s)) is not None]
        if not ahead:
            return number + 1
        return max(number + 1, math.floor((min(ahead) - self.window_s) / self.hop_s))

    def _settle(self) -> None:
        """Hold what has come, as far as some window still needs it; of a window that is not due that is bounded."""
        for track in self._tracks.values():
            track.settle(track.start(self._number * self.hop_s))


class _Track:
    """One channel: samples that are held, without gaps (NaN where missing), and those that have just come."""

    def __init__(self, rate_hz: float, window_s: float):
        self.rate_hz = rate_hz
        self.width = round(window_s * rate_hz)
        self.first = 0  # index of the first sample that is held
        self.received = 0  # index after the last that has come and settled
        self.coming: Samples | None = None
        self._room = np.empty(0, np.float32)
        self._begin = self._end = 0  # what is held lies there in the room

    @property
    def held(self) -> np.ndarray:
        return self._room[self._begin : self._end]

    @property
    def stop(self) -> int:
        return self.coming.stop if self.coming else self.received

    def start(self, start_s: float) -> int:
        """Index of the first sample of a window, rounded as windows of recordings are."""
        return round(start_s * self.rate_hz)

    def cut(self, first: int) -> np.ndarray:
        values = np.full(self.width, np.nan, np.float32)
        for part in (Samples(self.first, self.held), self.coming):
            if part is not None:
                begin, end = max(first, part.first), min(first + self.width, part.stop)
                if begin < end:
                    values[begin - first : end - first] = part.values[begin - part.first : end - part.first]
        return values

    def after(self, start_s: float) -> float | None:
        """Time of the first sample past a window, where there is one."""
        stop = self.start(start_s) + self.width
        if self.first + len(self.held) > stop:
            return stop / self.rate_hz
        if self.coming and self.coming.stop > stop:
            return max(self.coming.first, stop) / self.rate_hz
        return None

    def settle(self, needed: int) -> None:
        """Forget what comes before index `needed`, and hold what has come."""
        dropped = min(max(needed - self.first, 0), len(self.held))
        self._begin += dropped
        self.first = max(self.first, needed)
        if self.coming is None:
            return
        first, values = self.coming
        begin = max(self.first, self.received)
        if first > begin:
            self.append(np.full(first - begin, np.nan, np.float32))
        self.append(values[max(begin - first, 0) :])
        self.received, self.coming = self.coming.stop, None

    def append(self, values: np.ndarray) -> None:
        if self._end + len(values) > len(self._room):
            held = self.held
            # Twice the size, so that samples that come one by one are seldom moved.
            self._room = np.empty(2 * (len(held) + len(values)), np.float32)
            self._room[: len(held)] = held
            self._begin, self._end = 0, len(held)
        self._room[self._end : self._end + len(values)] = values
        self._end += len(values)
