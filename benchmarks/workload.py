"""The bundle that the servers are measured with, and the windows that they are sent.

The model is a network of width 16 that sees the wrist, trained for two epochs: what it answers is of no account here,
and a wrist window is still accepted at 35 Hz, the rate at which the plain app takes windows, where a chest's ECG is
not.
"""

import math
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wesadlib.bundle import Bundle, load_bundle, save_bundle
from wesadlib.data import open_cohort
from wesadlib.errors import InputError
from wesadlib.evaluation.runner import fit_final
from wesadlib.params import Params
from wesadlib.serving import wire
from wesadlib.signals import make_windows, windows_from_channels

PARAMS = Params(device="wrist", width=16, epochs=2, simulated_subjects=4)
BATCH, N_WINDOWS = 64, 16


def make_bundle(folder: Path) -> Bundle:
    """The bundle of the bench: the one that is there, or a new one where that is none or older than the library."""
    with suppress(InputError):
        return load_bundle(folder)
    windows = make_windows(open_cohort(PARAMS), device=PARAMS.device)
    windows = windows.isel(window=np.isin(windows["label"].values, PARAMS.classes))
    model, rested = (
        fit_final("resnet", windows, params=PARAMS, protocol=protocol) for protocol in ("cold_start", "rest_calibrated")
    )
    save_bundle(model, folder, calibrated=rested, windows=windows, params=PARAMS)
    return load_bundle(folder)


def choose_windows(bundle: Bundle) -> tuple[list[wire.Samples], list[wire.Samples]]:
    """Windows that the bundle accepts, at native rates and at the model's own."""
    native, plain = [], []
    for recording in open_cohort(PARAMS):
        for start_s in range(60, 1800, 30):
            window = wire.Samples(*bundle.cut(recording, start_s))
            if bundle.problems(*window):
                break
            windows = windows_from_channels([window], rate_hz=PARAMS.rate_hz, window_s=PARAMS.window_s)
            at_rate = wire.Samples(
                dict(zip(windows.channels, windows.signal[0], strict=True)),
                dict.fromkeys(window.channels, PARAMS.rate_hz),
            )
            if all(bundle.predict_window(*both).status == "ok" for both in (window, at_rate)):
                native.append(window)
                plain.append(at_rate)
            if len(native) == N_WINDOWS:
                return native, plain
    raise InputError(f"{bundle.folder}: refuses nearly all of the simulated windows; delete it and start again.")


@dataclass(frozen=True)
class Bodies:
    """What is posted."""

    native: tuple[bytes, ...]
    batch: tuple[bytes, ...]
    plain: tuple[bytes, ...]
    json: tuple[bytes, ...]
    bare_json: tuple[bytes, ...]

    @classmethod
    def of(cls, native: list[wire.Samples], plain: list[wire.Samples]) -> "Bodies":
        """Write windows in the forms in which they are posted."""
        many = native * math.ceil(BATCH / len(native))
        return cls(
            native=tuple(wire.write_window(*window, "binary") for window in native),
            batch=(wire.write_windows(many[:BATCH], "binary"),),
            plain=tuple(wire.write_window(*window, "binary") for window in plain),
            json=tuple(wire.write_window(*window, "json") for window in plain),
            bare_json=tuple(
                wire.write({"signal": [values.tolist() for values in window.channels.values()]}, "json")
                for window in plain
            ),
        )
