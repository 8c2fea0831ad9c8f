"""Minutes of a person who does not exist, which every bundle carries: to be tried with, and to check it by."""

import math
import tempfile
from functools import cache
from pathlib import Path
from typing import NamedTuple

import msgpack
import numpy as np

from wesadlib.data import open_wesad

#: File of a bundle: channels in MessagePack, longer than one window.
EXAMPLE_FILE = "example.msgpack"

#: Seconds of it, half of them before stress begins.
EXAMPLE_S = 240.0

# Simulated hands move as on a bicycle; this person's, who sits, by so much of it.
_STILLNESS = 0.2
# Of a person whose every window is of good quality on both devices.
_SEED = 12


class Example(NamedTuple):
    """Native samples of several minutes, float32, and the rate of each channel."""

    channels: dict[str, np.ndarray]
    rates_hz: dict[str, float]

    def windows(self, window_s: float, hop_s: float) -> list["Example"]:
        """Windows, each as :meth:`wesadlib.bundle.Bundle.predict_window` takes it."""
        duration_s = min(len(values) / self.rates_hz[name] for name, values in self.channels.items())
        windows = []
        for start_s in np.arange(0, duration_s - window_s + 1e-6, hop_s):
            cut = {name: values[round(start_s * self.rates_hz[name]) :] for name, values in self.channels.items()}
            cut = {name: values[: round(window_s * self.rates_hz[name])] for name, values in cut.items()}
            windows.append(Example(cut, self.rates_hz))
        return windows


@cache
def make_example(names: tuple[str, ...], window_s: float) -> bytes:
    """The minutes about the beginning of stress, at least one window of them; the same bytes each time.

    MessagePack, ``{"channels": {name: {"rate_hz": 64.0, "dtype": "<f4", "samples": bytes}}}``.
    """
    # Needed only here, and slow to import.
    from wesadlib.data.simulate import simulate_cohort

    with tempfile.TemporaryDirectory() as folder:
        recording = open_wesad(simulate_cohort(Path(folder) / "cohort", 1, _SEED, artefact_rate=0.0))[0]
    condition, half_s = recording.protocol.set_index("condition"), max(EXAMPLE_S, window_s) / 2
    begin_s = (condition.loc["baseline", "end_s"] + condition.loc["stress", "start_s"]) / 2 - half_s
    channels = {}
    for name in names:
        rate = float(recording.signals[name].attrs["rate_hz"])
        values = recording.signals[name].values[round(begin_s * rate) :][: math.ceil(2 * half_s * rate)]
        dtype = "<f4"
        if name.split("_")[1] == "acc":
            # In 64ths of g, which half precision holds exactly.
            middle, dtype = np.median(values), "<f2"
            values = np.round(64 * (middle + _STILLNESS * (values - middle))) / 64
        channels[name] = {"rate_hz": rate, "dtype": dtype, "samples": values.astype(dtype).tobytes()}
    return msgpack.packb({"channels": channels})


def read_example(path: Path) -> Example:
    """Read what `make_example` wrote."""
    parts = msgpack.unpackb(path.read_bytes())["channels"]
    channels = {name: np.frombuffer(part["samples"], part["dtype"]) for name, part in parts.items()}
    return Example(
        {name: values.astype(np.float32) for name, values in channels.items()},
        {name: part["rate_hz"] for name, part in parts.items()},
    )
