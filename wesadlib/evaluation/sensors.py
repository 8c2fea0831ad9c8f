"""Windows of which some sensors are seen, or of which one says what it said at another time."""

from collections.abc import Collection
from dataclasses import replace

import numpy as np
import xarray as xr

from wesadlib.models import Examples


def sensor_of(name: str) -> str:
    """The sensor of a channel or a feature: ``eda`` of ``wrist_eda_log_level``."""
    return name.split("_")[1]


def select_sensors(windows: xr.Dataset, sensors: Collection[str]) -> xr.Dataset:
    """Windows with the channels and features of some sensors."""
    for dimension in ("channel", "feature_name"):
        chosen = [sensor_of(name) in sensors for name in map(str, windows[dimension].values)]
        windows = windows.isel({dimension: chosen})
    return windows


def permute_sensor(examples: Examples, sensor: str, *, seed: int = 0) -> Examples:
    """Windows whose channels and features of one sensor are those of another window of the same person."""
    generator, source = np.random.default_rng([seed, *sensor.encode()]), np.arange(len(examples))
    for person in dict.fromkeys(examples.subject):
        rows = np.flatnonzero(examples.subject == person)
        source[rows] = generator.permutation(rows)
    changed = {}
    for name, columns in (("signal", examples.channels), ("feature", examples.feature_names)):
        values = getattr(examples, name).copy()
        theirs = [sensor_of(column) == sensor for column in columns]
        values[:, theirs] = values[source][:, theirs]
        changed[name] = values
    return replace(examples, **changed)
