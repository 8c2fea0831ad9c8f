"""Minutes of a person who does not exist, which every bundle carries: to be tried with, and to check it by."""

import math
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import msgpack
import numpy as np

from wesadlib.data import open_wesad

#: File of a bundle: the body of a request in MessagePack, longer than one window.
EXAMPLE_FILE = "example.msgpack"

#: Seconds of it, half of them before stress begins.
EXAMPLE_S = 240.0

# Of a person whose every window is of good quality on both devices.
_SEED = 5


class Example(NamedTuple):
    """Native samples of several minutes, float32, and the rate of each channel."""

    channels: dict[str, np.ndarray]
    rates_hz: dict[str, float]

    def windows(self, window_s: float, hop_s: float) -> list["Example"]:
        """Windows, each as :meth:`wesadlib.bundle.Bundle.predict_window` takes it."""
        duration_s = min(len(values) / self.rates_hz[name] for name, values in self.channels.items())
        starts = np.arange(0, duration_s - window_s + 1e-6, hop_s)
        return [Example(self._cut(start, window_s), self.rates_hz) for start in starts]

    def _cut(self, start_s: float, window_s: float) -> dict[str, np.ndarray]:
        return {
            name: values[round(start_s * rate) :][: round(window_s * rate)]
            for (name, values), rate in zip(self.channels.items(), self.rates_hz.values(), strict=True)
        }


@cache
def make_example(names: Sequence[str], window_s: float) -> bytes:
    """Simulate the minutes about the beginning of stress; the same bytes each time.

    Parameters
    ----------
    names : tuple of str
        Channels.
    window_s : float
        Length of a window: the example holds at least one.

    Returns
    -------
    bytes
        MessagePack, ``{"channels": {name: {"rate_hz": 64.0, "dtype": "<f4", "samples": bytes}}}``.
    """
    # Needed only here, and slow to import.
    from wesadlib.data.simulate import simulate_cohort

    with tempfile.TemporaryDirectory() as folder:
        recording = open_wesad(simulate_cohort(Path(folder) / "cohort", 1, _SEED, artefact_rate=0.0))[0]
    condition = recording.protocol.set_index("condition")
    middle_s = (condition.loc["baseline", "end_s"] + condition.loc["stress", "start_s"]) / 2
    half_s = max(EXAMPLE_S, window_s) / 2
    channels = {}
    for name in names:
        rate = float(recording.signals[name].attrs["rate_hz"])
        first = round((middle_s - half_s) * rate)
        values = recording.signals[name].values[first : first + math.ceil(2 * half_s * rate)]
        channels[name] = {"rate_hz": rate, "dtype": "<f4", "samples": values.astype("<f4").tobytes()}
    return msgpack.packb({"channels": channels})


def read_example(path: Path) -> Example:
    """Read what :func:`make_example` wrote."""
    channels = msgpack.unpackb(path.read_bytes())["channels"]
    return Example(
        {name: np.frombuffer(channel["samples"], channel["dtype"]) for name, channel in channels.items()},
        {name: channel["rate_hz"] for name, channel in channels.items()},
    )
