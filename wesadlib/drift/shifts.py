"""Which shifts the alarm notices: another gain, an offset, noise, other people, another load."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from wesadlib.drift.alarm import quantile_of_null
from wesadlib.drift.reference import cumulative, feature_columns, make_grid, make_reference, person_distributions
from wesadlib.drift.trials import NESTED_SPLITS, largest_distance, leave_batches_out
from wesadlib.errors import InputError
from wesadlib.features import extract_features

SIZES = {
    "gain": (1.02, 1.1, 1.5, 4.0),
    "offset": (0.1, 0.5, 1.0, 3.0),
    "noise": (0.01, 0.1, 0.3, 1.0),
    "population": (0.25, 0.5, 1.0, 2.0),
    "load": (0.5, 0.75, 1.0),
}


def shift_windows(windows: xr.Dataset, kind: str, sensor: str, size: float, *, seed: int = 0) -> xr.Dataset:
    """Change a sensor's signal in every window alike, as another device or a worse contact would.

    Parameters
    ----------
    windows : Dataset
        With ``signal (window, channel, time)``.
    kind : str
        ``gain``, a factor; ``offset`` and ``noise`` (white), in the sensor's own spread, the SD over all samples.
    sensor : str
        Such as ``wrist_eda``; ``wrist_acc`` is all three axes.
    size : float
        Of the shift.
    seed : int
        Of the noise.

    Returns
    -------
    Dataset
        Of the sensor's channels alone; beats are kept as they were found.

    Raises
    ------
    InputError
        On an unknown kind or sensor.
    """
    names = [str(name) for name in windows["channel"].values if f"{name}_".startswith(f"{sensor}_")]
    if not names:
        raise InputError(f"sensor {sensor} is not in the windows, which hold {', '.join(windows['channel'].values)}.")
    sources = [str(name) for name in windows["beat_source"].values if name in names]
    shifted = windows.sel(channel=names, beat_source=sources).copy(deep=True)
    signal = shifted["signal"]
    spread = signal.std(("window", "time"))
    if kind == "gain":
        shifted["signal"] = signal * np.float32(size)
    elif kind == "offset":
        shifted["signal"] = signal + size * spread
    elif kind == "noise":
        white = xr.zeros_like(signal) + np.random.default_rng(seed).standard_normal(signal.shape, np.float32)
        shifted["signal"] = signal + size * spread * white
    else:
        raise InputError(f"shift {kind}: unknown; a sensor's are gain, offset, noise.")
    return shifted


def notice_shifts(
    windows: xr.Dataset,
    *,
    people: int,
    false_alarm_rate: float,
    batches: int = 40,
    splits: int = NESTED_SPLITS,
    windows_per_person: int = 15,
    sizes: dict[str, Sequence[float]] | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """How large a shift has to be to be noticed: left-out batches are shifted and judged by the rest.

    Beside the sensors' shifts (:func:`shift_windows`) there are two of the people: ``population``, every feature higher
    by so many SDs between people; and ``load``, the share of a person's windows that is stress, the sensors as ever.

    Parameters
    ----------
    windows : Dataset
        With signal, beats and features, and the labels ``baseline`` and ``stress``.
    people : int
        In a batch.
    false_alarm_rate : float
        Claimed.
    batches, splits : int
        As in :func:`verify_rate`.
    windows_per_person : int
        At most so many, evenly over the recording.
    sizes : dict, optional
        Kind to sizes; default: :data:`SIZES`.
    seed : int
        Of batches and noise.

    Returns
    -------
    DataFrame
        ``kind sensor size distance noticed``: the median of the statistic over batches, and the share of them that
        raise the alarm, NaN where the people are too few for the rate; the first row, kind ``none``, is not shifted.
    """
    sizes = SIZES if sizes is None else sizes
    few = windows.isel(window=_evenly(windows["subject"].values, windows_per_person))
    reference = make_reference(few)
    grid = make_grid(reference)
    _, healthy = person_distributions(reference, grid)
    trials = leave_batches_out(healthy, people, batches, splits, np.random.default_rng(seed))
    limits = [quantile_of_null(null, false_alarm_rate) for _, null in trials]

    def judge(kind: str, sensor: str, size: float, shifted: np.ndarray) -> tuple:
        statistic = [largest_distance(shifted[batch], healthy[~batch]) for batch, _ in trials]
        alarms = [s > limit for s, limit in zip(statistic, limits, strict=True) if limit is not None]
        middle = float(np.median(statistic)) if statistic else np.nan
        return kind, sensor, float(size), middle, float(np.mean(alarms)) if alarms else np.nan

    rows = [judge("none", "", 0.0, healthy)]
    for kind, sensor, size, table in _shifted_tables(few, reference, sizes, seed):
        rows.append(judge(kind, sensor, size, person_distributions(table, grid)[1]))
    rows += [judge("load", "", s, d) for s, d in _loads(windows, reference, grid, sizes.get("load", ()))]
    return pd.DataFrame(rows, columns=["kind", "sensor", "size", "distance", "noticed"])


def smallest_noticed(shifts: pd.DataFrame, share: float = 0.5) -> pd.DataFrame:
    """The smallest size of each shift from which on at least a `share` of the batches raise the alarm.

    Parameters
    ----------
    shifts : DataFrame
        From :func:`notice_shifts`.
    share : float
        In (0, 1].

    Returns
    -------
    DataFrame
        ``kind sensor size``; `size` is NaN where no size that was tried is noticed so often.
    """
    rows = []
    for (kind, sensor), sizes in shifts[shifts["kind"] != "none"].groupby(["kind", "sensor"], sort=False):
        sizes = sizes.sort_values("size")
        # From the largest down: a small shift that is noticed by chance says nothing where a larger one is not.
        often = (sizes["noticed"] >= share)[::-1].cummin()[::-1]
        rows.append((kind, sensor, sizes.loc[often, "size"].min()))
    return pd.DataFrame(rows, columns=["kind", "sensor", "size"])


def describe_noticed(smallest: pd.DataFrame) -> list[str]:
    """Say in words what :func:`smallest_noticed` found: a phrase a kind, what is noticed first named first."""
    phrases = []
    for kind, rows in smallest.groupby("kind", sort=False):
        rows = rows.sort_values("size", kind="stable").assign(sensor=rows["sensor"].str.replace("_", " "))
        found, never = rows[rows["size"].notna()], rows[rows["size"].isna()]
        parts = [f"{row.sensor} from {row.size:g}".strip() for row in found.itertuples()]
        if len(never):
            parts.append(f"at no size tried: {', '.join(never['sensor'])}".removesuffix(": "))
        phrases.append(f"{kind}: {'; '.join(parts)}")
    return phrases


def sensors_in(windows: xr.Dataset) -> list[str]:
    """Sensors of the windows: their channels, the axes of an accelerometer as one."""
    return list(dict.fromkeys("_".join(str(name).split("_")[:2]) for name in windows["channel"].values))


def _evenly(subjects: np.ndarray, most: int) -> np.ndarray:
    """Positions of at most `most` windows of each person, evenly over the recording."""
    chosen = []
    for person in dict.fromkeys(subjects):
        positions = np.flatnonzero(subjects == person)
        chosen.append(
            positions[np.unique(np.linspace(0, len(positions) - 1, min(most, len(positions))).round().astype(int))]
        )
    return np.concatenate(chosen)


def _shifted_tables(
    windows: xr.Dataset, reference: pd.DataFrame, sizes: Mapping[str, Sequence[float]], seed: int
) -> Iterator[tuple[str, str, float, pd.DataFrame]]:
    for kind in ("gain", "offset", "noise"):
        for sensor in sensors_in(windows):
            for size in sizes.get(kind, ()):
                shifted = extract_features(shift_windows(windows, kind, sensor, size, seed=seed))
                changed = shifted["feature"].to_pandas().reset_index(drop=True)
                yield kind, sensor, size, reference.assign(**{n: changed[n] for n in changed if n in reference})
    features = feature_columns(reference)
    between = reference.groupby("subject")[features].median().std()
    for size in sizes.get("population", ()):
        yield "population", "", size, reference.assign(**(reference[features] + size * between))


def _loads(
    windows: xr.Dataset, reference: pd.DataFrame, grid: np.ndarray, shares: Sequence[float]
) -> Iterator[tuple[float, np.ndarray]]:
    """Distributions of people who are under stress for a share of their windows; none where one never was."""
    features = feature_columns(reference)
    values = make_reference(windows, features)[features].to_numpy(float)
    people = list(dict.fromkeys(reference["subject"]))
    under = {}
    for state in ("baseline", "stress"):
        rows = [(windows["subject"].values == person) & (windows["label"].values == state) for person in people]
        if not all(row.any() for row in rows):
            return
        under[state] = np.stack([cumulative(values[row], grid) for row in rows])
    for share in shares:
        yield share, (1 - share) * under["baseline"] + share * under["stress"]
