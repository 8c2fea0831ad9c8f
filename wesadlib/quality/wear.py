"""Whether a device was worn, and which sensors touched, minute by minute: rules as data, each with unit and source."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from wesadlib.data import Recording
from wesadlib.data.checks import MINUTE_S, split_minutes
from wesadlib.data.devices import sensor_of
from wesadlib.signals.filters import mean_of_present, median_of_present


class WearRule(NamedTuple):
    """What a minute of a channel is called, and when."""

    name: str
    signals: tuple[str, ...]
    definition: str
    cutoff: float
    unit: str
    source: str


#: In this order: the first that holds names the minute.
WEAR_RULES: tuple[WearRule, ...] = (
    WearRule("missing", ("bvp", "ecg", "eda", "temp", "acc"), "share of samples missing above", 0.5, "share", ""),
    WearRule("stuck", ("bvp", "ecg", "eda"), "range over the minute at most", 0.0, "unit of the channel", ""),
    WearRule("not touching", ("eda",), "median skin conductance below", 0.05, "uS", "boucsein2012"),
    WearRule("cold", ("temp",), "median temperature below", 26.0, "degC", "zhou2015"),
    WearRule("still", ("acc",), "SD of every axis below", 0.013, "g", "vanhees2013"),
)
#: Of cold, still and not touching, a minute in which so many hold is one in which nobody wears the device.
SIGNS_OF_NO_WEAR = 2
_CUTOFFS = {rule.name: rule.cutoff for rule in WEAR_RULES}


def assess_wear(recording: Recording) -> pd.DataFrame:
    """What each minute of a recording of one device was like, by :data:`WEAR_RULES`.

    A row a minute: ``start_s``, ``recorded`` (bool: not every sensor is missing), ``worn`` (bool), and for each sensor
    what holds of it: the name of a rule, or "good". A last minute that is not whole is left out, unless it is the only
    one.
    """
    minutes = max(int(recording.duration_s // MINUTE_S), 1)
    sensors: dict[str, list[str]] = {}
    for channel in recording.signals:
        sensors.setdefault(sensor_of(channel), []).append(channel)
    table = pd.DataFrame({"start_s": np.arange(minutes) * MINUTE_S, "recorded": False, "worn": True})
    signs = np.zeros(minutes, int)
    for sensor, channels in sensors.items():
        signals = [recording.signals[channel] for channel in channels]
        parts = [split_minutes(one.values.astype(float), one.attrs["rate_hz"], minutes) for one in signals]
        values = np.stack(parts, axis=1)
        state = _states(sensor.rsplit("_", 1)[1], values)
        table[sensor] = state
        table["recorded"] |= state != "missing"
        signs += np.isin(state, ["not touching", "cold", "still"])
    table["worn"] = table["recorded"] & (signs < SIGNS_OF_NO_WEAR)
    return table


def _states(signal: str, values: np.ndarray) -> np.ndarray:
    """Name of what holds of each minute, of values (minute, axis, time)."""
    middle = median_of_present(values.reshape(len(values), -1))
    away = values - mean_of_present(values)[..., None]
    spread = np.fmax.reduce(np.sqrt(mean_of_present(away**2)), axis=1)
    span = np.fmax.reduce(np.fmax.reduce(values, axis=2) - np.fmin.reduce(values, axis=2), axis=1)
    holds = {
        "missing": np.isnan(values).mean(axis=(1, 2)) > _CUTOFFS["missing"],
        "stuck": span <= _CUTOFFS["stuck"],
        "not touching": middle < _CUTOFFS["not touching"],
        "cold": middle < _CUTOFFS["cold"],
        "still": spread < _CUTOFFS["still"],
    }
    state = np.full(len(values), "good", dtype="U12")
    for rule in reversed(WEAR_RULES):
        if signal in rule.signals:
            state[holds[rule.name]] = rule.name
    return state
