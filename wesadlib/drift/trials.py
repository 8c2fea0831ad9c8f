"""The alarm tried on healthy people: a test that counts windows, the rate of false alarms, the shifts it notices."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr
from scipy.stats import binom

from wesadlib.data.devices import sensor_of, write_channel
from wesadlib.drift import alarm
from wesadlib.evaluation.protocols import non_overlapping
from wesadlib.features import extract_features

CLAIMED_RATES = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
# Batches that the threshold of the people who are left is learnt from; batches, and windows of a person, to be shifted.
_NESTED_SPLITS, _BATCHES, _WINDOWS_PER_PERSON = 150, 40, 15
SIZES = {
    "gain": (1.02, 1.1, 1.5, 4.0),
    "offset": (0.1, 0.5, 1.0, 3.0),
    "noise": (0.01, 0.1, 0.3, 1.0),
    "population": (0.25, 0.5, 1.0, 2.0),
    "prevalence": (0.5, 0.75, 1.0),
}

# Held-out batches (person,) and the null distribution of the people that are left.
Trials = list[tuple[np.ndarray, np.ndarray]]


def naive_alarms(reference: pd.DataFrame, *, window_s: float) -> pd.DataFrame:
    """What a test that counts windows says of each healthy person, held against all the others.

    Only windows that do not overlap are used, so that nothing but their common wearer ties them together. Rows
    ``subject least_distance features alarm``: how many features are significant at 0.05 after Holm's correction and
    differ by more than the distance, and whether any does.
    """
    kept = reference.iloc[non_overlapping(reference, window_s)].reset_index(drop=True)
    rows = []
    for person in kept["subject"].unique() if kept["subject"].nunique() > 1 else ():
        inside = kept["subject"] == person
        table = alarm.compare_windows(kept[~inside], kept[inside])
        for least in (0.0, 0.3, 0.5, 0.7):
            count = int(((table["p_holm"] < 0.05) & (table["ks"] > least)).sum())
            rows.append((person, least, count, count > 0))
    return pd.DataFrame(rows, columns=["subject", "least_distance", "features", "alarm"])


def nulls_by_size(reference: pd.DataFrame, sizes: Sequence[int]) -> pd.DataFrame:
    """How far healthy batches of several sizes lie from the rest of the cohort: ``people distance``, a row a batch."""
    distributions = alarm.person_distributions(reference, alarm.make_grid(reference))
    generator = np.random.default_rng(0)
    nulls = {size: alarm.null_distribution(distributions, size, 300, generator) for size in sizes}
    rows = [(size, distance) for size, null in nulls.items() for distance in null]
    return pd.DataFrame(rows, columns=["people", "distance"])


def verify_rate(reference: pd.DataFrame, people: int, claimed: Sequence[float] = CLAIMED_RATES) -> pd.DataFrame:
    """Whether the alarm goes off on healthy batches of `people` as often as it claims to.

    `observed` is NaN where the people that are left are too few for the rate, `independent` how many batches have no
    person in common: 90 % of observed shares of so many lie between `low` and `high` where the claim is true.
    """
    distributions = alarm.person_distributions(reference, alarm.make_grid(reference))
    trials = leave_batches_out(distributions, people, 200)
    statistics = [alarm.distances(distributions[batch], distributions[~batch]).max() for batch, _ in trials]
    independent = len(distributions) // people
    rows = [(float(rate), *_share_of_alarms(statistics, trials, rate), independent) for rate in claimed]
    table = pd.DataFrame(rows, columns=["claimed", "observed", "batches", "independent"])
    low, high = binom.interval(0.9, max(independent, 1), table["claimed"])
    return table.assign(low=low / max(independent, 1), high=high / max(independent, 1))


def describe_rate(rates: pd.DataFrame, false_alarm_rate: float) -> str:
    """Say in words what :func:`verify_rate` found, at the claimed rate that is nearest to `false_alarm_rate`."""
    judged = rates.dropna(subset="observed")
    if judged.empty:
        return (
            "Once a batch is left out, too few people remain to claim any of the rates tried, so there is nothing to "
            "verify in this run."
        )
    nearest = judged.loc[(judged["claimed"] - false_alarm_rate).abs().idxmin()]
    gap = (judged["observed"] - judged["claimed"]).max()
    exceeds = f"exceeds the claimed one by at most {gap:.3f}" if gap > 0 else "nowhere exceeds the claimed one"
    return (
        f"Where {nearest['claimed']:g} is claimed, {nearest['observed']:.3f} of {int(nearest['batches'])} "
        f"unshifted batches raise the alarm; over all rates tried, the observed rate {exceeds}."
    )


def leave_batches_out(distributions: np.ndarray, people: int, batches: int) -> Trials:
    """Batches of people, each with the null distribution of the people that are left; none where nobody is."""
    if len(distributions) <= people:
        return []
    generator = np.random.default_rng(0)
    chosen = alarm.choose_batches(len(distributions), people, batches, generator)
    return [
        (batch, alarm.null_distribution(distributions[~batch], people, _NESTED_SPLITS, generator)) for batch in chosen
    ]


def _share_of_alarms(statistics: Sequence[float], trials: Trials, rate: float) -> tuple[float, int]:
    """Share of left-out batches above their threshold, of those that have one, and the number of these."""
    limits = [alarm.quantile_of_null(null, rate) for _, null in trials]
    alarms = [value > limit for value, limit in zip(statistics, limits, strict=True) if limit is not None]
    return (float(np.mean(alarms)) if alarms else np.nan), len(alarms)


def shift_windows(windows: xr.Dataset, kind: str, sensor: str, size: float) -> xr.Dataset:
    """A sensor's channels alone, changed in every window alike, with the beats as they were found.

    `kind` is ``gain``, a factor, or ``offset`` or white ``noise`` in the sensor's own spread, the SD over all samples.
    """
    names = [name for name in windows["channel"].values.tolist() if sensor_of(name) == sensor]
    sources = [name for name in windows["beat_source"].values.tolist() if name in names]
    shifted = windows.sel(channel=names, beat_source=sources)
    signal = shifted["signal"]
    if kind == "gain":
        return shifted.assign(signal=signal * np.float32(size))
    white = np.random.default_rng(0).standard_normal(signal.shape, np.float32)
    shift = signal.copy(data=white if kind == "noise" else np.ones_like(white))
    return shifted.assign(signal=signal + size * signal.std(("window", "time")) * shift)


def notice_shifts(
    windows: xr.Dataset,
    *,
    people: int,
    false_alarm_rate: float,
    sizes: Mapping[str, Sequence[float]] = SIZES,
) -> pd.DataFrame:
    """How large a shift has to be to be noticed: left-out batches are shifted and judged by the rest.

    ``population`` is every feature higher by so many SDs between people, ``prevalence`` the share of a person's windows
    that is stress; `distance` is the median of the statistic over batches, `noticed` the share of them that raise the
    alarm, NaN where the people are too few for the rate; the first row, of the kind ``none``, is not shifted.
    """
    subject = windows["subject"].values
    few = windows.isel(window=np.concatenate([_evenly(subject == person) for person in dict.fromkeys(subject)]))
    reference = alarm.make_reference(few)
    grid = alarm.make_grid(reference)
    healthy = alarm.person_distributions(reference, grid)
    trials = leave_batches_out(healthy, people, _BATCHES)
    rows = []
    for kind, sensor, size, shifted in _shifted(few, windows, reference, grid, sizes):
        statistics = [alarm.distances(shifted[batch], healthy[~batch]).max() for batch, _ in trials]
        share, _ = _share_of_alarms(statistics, trials, false_alarm_rate)
        rows.append((kind, sensor, float(size), float(np.median(statistics)) if statistics else np.nan, share))
    return pd.DataFrame(rows, columns=["kind", "sensor", "size", "distance", "noticed"])


def _evenly(chosen: np.ndarray) -> np.ndarray:
    rows = np.flatnonzero(chosen)
    return rows[np.linspace(0, len(rows) - 1, min(_WINDOWS_PER_PERSON, len(rows))).round().astype(int)]


def _shifted(
    few: xr.Dataset,
    windows: xr.Dataset,
    reference: pd.DataFrame,
    grid: np.ndarray,
    sizes: Mapping[str, Sequence[float]],
) -> Iterator[tuple[str, str, float, np.ndarray]]:
    """Each shift with the people's distributions (person, feature, point) under it."""
    features = alarm.feature_columns(reference)
    yield "none", "", 0.0, alarm.person_distributions(reference, grid)
    for kind in ("gain", "offset", "noise"):
        for sensor in dict.fromkeys(map(sensor_of, few["channel"].values.tolist())):
            for size in sizes.get(kind, ()):
                table = extract_features(shift_windows(few, kind, sensor, size))["feature"].to_pandas()
                changed = {name: table[name].to_numpy() for name in table if name in features}
                yield kind, sensor, size, alarm.person_distributions(reference.assign(**changed), grid)
    between = reference.groupby("subject")[features].median().std()
    for size in sizes.get("population", ()):
        moved = reference.assign(**(reference[features] + size * between))
        yield "population", "", size, alarm.person_distributions(moved, grid)
    everything, label = alarm.make_reference(windows, features), windows["label"].values
    in_state = [everything[label == state] for state in ("baseline", "stress")]
    # Everybody needs both states.
    if all(rows["subject"].nunique() == reference["subject"].nunique() for rows in in_state):
        rest, stress = (alarm.person_distributions(rows, grid, least=1) for rows in in_state)
        for share in sizes.get("prevalence", ()):
            yield "prevalence", "", share, (1 - share) * rest + share * stress


def describe_noticed(shifts: pd.DataFrame) -> str:
    """Say in words what :func:`notice_shifts` found: a line a kind, what is noticed first named first."""
    if shifts["noticed"].isna().all():
        return (
            "Too few people remain for a threshold at this rate, so the figure shows how far each shift moves a batch, "
            "not whether it would be detected."
        )
    lines = []
    for kind, part in shifts[shifts["kind"] != "none"].groupby("kind", sort=False):
        smallest = {write_channel(sensor): _smallest(rows) for sensor, rows in part.groupby("sensor", sort=False)}
        never = ", ".join(sensor for sensor, size in smallest.items() if np.isnan(size))
        often = sorted((pair for pair in smallest.items() if not np.isnan(pair[1])), key=lambda pair: pair[1])
        parts = [f"{sensor} from {size:g}".strip() for sensor, size in often]
        if len(often) < len(smallest):
            parts.append(f"not detected at any size tried: {never}".removesuffix(": "))
        lines.append(f"- {kind}: {'; '.join(parts)}")
    unshifted = shifts.loc[shifts["kind"] == "none", "noticed"].iloc[0]
    return (
        f"Of the unshifted batches {100 * unshifted:.0f} % raise the alarm. Smallest shift detected in at least "
        "half of the batches, sizes as in the figure:\n\n" + "\n".join(lines)
    )


def _smallest(rows: pd.DataFrame) -> float:
    """The smallest size from which on at least half of the batches raise the alarm; NaN where there is none."""
    rows = rows.sort_values("size", ascending=False)
    # From the largest down: a small shift that is noticed by chance says nothing where a larger one is not.
    return rows.loc[(rows["noticed"] >= 0.5).cummin(), "size"].min()
