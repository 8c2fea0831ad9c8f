"""What a perfect observer reads of a simulated person's minute, and how readings are spread over people."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy.signal import find_peaks

from wesadlib.data.trajectories import TRAJECTORY_RATE_HZ


def slope(values: np.ndarray) -> float:
    """Per second, in thousandths."""
    return 1000 * np.polyfit(np.arange(len(values)) / TRAJECTORY_RATE_HZ, values, 1)[0]


def root_mean_square(values: np.ndarray) -> float:
    """Of a signal without a level."""
    return np.sqrt((values**2).mean())


#: reading -> what of a trajectory it is read from, and how
OBSERVED: dict[str, tuple[str, Callable[[np.ndarray], float]]] = {
    "heart rate": ("heart_rate", np.mean),
    "RMSSD": ("rmssd", lambda values: np.exp(values).mean()),
    "respiration rate": ("respiration_rate", np.mean),
    "respiration depth": ("respiration_depth", lambda values: np.exp(values).mean()),
    "EDA level": ("wrist_eda_uS", np.mean),
    "ln EDA level": ("wrist_eda_uS", lambda values: np.log(values.mean())),
    "EDA SD": ("wrist_eda_uS", np.std),
    "skin responses": ("wrist_eda_uS", lambda values: len(find_peaks(values, prominence=0.02)[0])),
    "temperature": ("wrist_temperature", np.mean),
    "temperature slope": ("wrist_temperature", slope),
    "movement": ("wrist_movement", root_mean_square),
    "chest EDA": ("chest_eda_uS", lambda values: np.log(values.mean())),
    "chest temperature": ("chest_temperature", np.mean),
    "chest movement": ("chest_movement", root_mean_square),
}


def observe(values: dict[str, np.ndarray], start_s: float, names=tuple(OBSERVED)) -> dict[str, float]:
    """Readings of the minute of a trajectory that starts there."""
    minute = slice(int(start_s * TRAJECTORY_RATE_HZ), int((start_s + 60) * TRAJECTORY_RATE_HZ))
    return {name: read(values[quantity][minute]) for name, (quantity, read) in OBSERVED.items() if name in names}


def summarise(windows: pd.DataFrame) -> pd.DataFrame:
    """Of every reading in columns beside ``person`` and ``state``, the columns of WESAD's table."""
    means = windows.groupby(["person", "state"]).mean().unstack()
    within = windows.groupby(["person", "state"]).std().mean()
    rows = {}
    for name in means.columns.get_level_values(0).unique():
        baseline = means[name]["baseline"]
        response = means[name]["stress"] - baseline
        rows[name] = {
            "baseline": baseline.mean(),
            "between": baseline.std(),
            "within": within[name],
            "response": response.mean(),
            "spread": response.std(),
            # By more than a rounding's worth, since a response may be floored at nothing.
            "other_way": (response * np.sign(response.mean()) < -0.05 * response.std()).mean(),
        }
    return pd.DataFrame(rows).T
