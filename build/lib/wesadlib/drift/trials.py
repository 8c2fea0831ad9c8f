"""The alarm tried on healthy people: a test that counts windows, the rate of false alarms, the shifts it notices."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr
from scipy.stats import binom

from wesadlib.drift import alarm
from wesadlib.errors import InputError
from wesadlib.evaluation.protocols import non_overlapping
from wesadlib.features import extract_features

NESTED_SPLITS = 150
SIZES = {
    "gain": (1.02, 1.1, 1.5, 4.0),
    "offset": (0.1, 0.5, 1.0, 3.0),
    "noise": (0.01, 0.1, 0.3, 1.0),
    "population": (0.25, 0.5, 1.0, 2.0),
    "load": (0.5, 0.75, 1.0),
}


def naive_alarms(
    reference: pd.DataFrame,
    *,
    window_s: float,
    level: float = 0.05,
    least_distances: Sequence[float] = (0, 0.3, 0.5, 0.7),
) -> pd.DataFrame:
    """What a test that counts windows says of each healthy person, held against all the others.

    Only windows that do not overlap are used, so that nothing but their common wearer ties them together. Rows
    ``subject least_distance features alarm``: how many features are significant at `level` after Holm's correction and
    differ by more than the distance, and whether any does.
    """
    subject, start_s = (reference[name].to_numpy() for name in ("subject", "start_s"))
    kept = reference.iloc[non_overlapping(subject, start_s, window_s)].reset_index(drop=True)
    rows = []
    for person in kept["subject"].unique():
        inside = kept["subject"] == person
        if inside.all():
            continue
        table = alarm.compare_windows(kept[~inside], kept[inside])
        for least in least_distances:
            count = int(((table["p_holm"] < level) & (table["ks"] > least)).sum())
            rows.append((person, float(least), count, count > 0))
    return pd.DataFrame(rows, columns=["subject", "least_distance", "features", "alarm"])


def nulls_by_size(reference: pd.DataFrame, sizes: Sequence[int], *, splits: int = 300, seed: int = 0) -> pd.DataFrame:
    """How far healthy batches of several sizes lie from the rest of the cohort: ``people distance``, a row a batch."""
    distributions = alarm.person_distributions(reference, alarm.make_grid(reference))
    generator = np.random.default_rng(seed)
    nulls = [(size, alarm.null_distribution(distributions, size, splits, generator)) for size in sizes]
    return pd.concat([pd.DataFrame({"people": size, "distance": null}) for size, null in nulls], ignore_index=True)


def verify_rate(
    reference: pd.DataFrame,
    people: int,
    claimed: Sequence[float] = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5),
    *,
    batches: int = 200,
    splits: int = NESTED_SPLITS,
    seed: int = 0,
) -> pd.DataFrame:
    """Whether the alarm goes off on healthy batches of `people` as often as it claims to.

    Nested: a batch is left out, the threshold is found on the rest alone, and the batch is judged by it. Rows
    ``claimed observed batches independent low high``: `observed` is NaN where the people that are left are too few for
    the rate; `independent` is how many batches have no person in common; 90 % of observed shares of so many lie
    between `low` and `high` where the claim is true.
    """
    distributions = alarm.person_distributions(reference, alarm.make_grid(reference))
    trials = leave_batches_out(distributions, people, batches, splits, np.random.default_rng(seed))
    statistics = [alarm.distances(distributions[batch], distributions[~batch]).max() for batch, _ in trials]
    independent = len(distributions) // people
    rows = [(float(rate), *_share_of_alarms(statistics, trials, rate), independent) for rate in claimed]
    table = pd.DataFrame(rows, columns=["claimed", "observed", "batches", "independent"])
    low, high = binom.interval(0.9, max(independent, 1), table["claimed"])
    return table.assign(low=low / max(independent, 1), high=high / max(independent, 1))


def describe_rate(rates: pd.DataFrame, false_alarm_rate: float) -> str:
    """Say in words what :func:`verify_rate` found, at the claimed rate that is nearest to `false_alarm_rate`."""
    judged = rates[rates["observed"].notna()]
    if judged.empty:
        return (
            "With the people that are left after leaving a batch out, no rate that was tried can be claimed, so there "
            "is nothing to verify in this run."
        )
    nearest = judged.iloc[(judged["claimed"] - false_alarm_rate).abs().argmin()]
    gap = (judged["observed"] - judged["claimed"]).max()
    exceeds = f"exceeds the claimed one by at most {gap:.3f}" if gap > 0 else "nowhere exceeds the claimed one"
    return (
        f"Where {nearest['claimed']:g} is claimed, {nearest['observed']:.3f} of {int(nearest['batches'])} healthy "
        f"batches raise the alarm; over all rates tried, the observed rate {exceeds}."
    )


def leave_batches_out(
    distributions: np.ndarray, people: int, batches: int, splits: int, generator: np.random.Generator
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Batches (person,), True for their people, each with the null distribution of the people that are left."""
    if len(distributions) <= people:
        return []
    chosen = alarm.choose_batches(len(distributions), people, batches, generator)
    return [(batch, alarm.null_distribution(distributions[~batch], people, splits, generator)) for batch in chosen]


def _share_of_alarms(
    statistics: Sequence[float], trials: Sequence[tuple[np.ndarray, np.ndarray]], rate: float
) -> tuple[float, int]:
    """Share of left-out batches above their threshold, of those that have one, and the number of these."""
    limits = [alarm.quantile_of_null(null, rate) for _, null in trials]
    alarms = [value > limit for value, limit in zip(statistics, limits, strict=True) if limit is not None]
    return (float(np.mean(alarms)) if alarms else np.nan), len(alarms)


def shift_windows(windows: xr.Dataset, kind: str, sensor: str, size: float, *, seed: int = 0) -> xr.Dataset:
    """A sensor's channels alone, changed in every window alike, as by another device or a worse contact.

    `kind` is ``gain``, a factor, or ``offset`` or white ``noise`` in the sensor's own spread, the SD over all samples;
    beats are kept as they were found.
    """
    if sensor not in sensors_in(windows):
        raise InputError(f"sensor {sensor} is not in the windows, which hold {', '.join(sensors_in(windows))}.")
    names = [str(name) for name in windows["channel"].values if f"{name}_".startswith(f"{sensor}_")]
    sources = [str(name) for name in windows["beat_source"].values if name in names]
    shifted = windows.sel(channel=names, beat_source=sources)
    signal = shifted["signal"]
    spread = signal.std(("window", "time"))
    if kind == "gain":
        return shifted.assign(signal=signal * np.float32(size))
    if kind == "offset":
        return shifted.assign(signal=signal + size * spread)
    if kind == "noise":
        white = signal.copy(data=np.random.default_rng(seed).standard_normal(signal.shape, np.float32))
        return shifted.assign(signal=signal + size * spread * white)
    raise InputError(f"shift {kind}: unknown; a sensor's are gain, offset, noise.")


def notice_shifts(
    windows: xr.Dataset,
    *,
    people: int,
    false_alarm_rate: float,
    batches: int = 40,
    splits: int = NESTED_SPLITS,
    windows_per_person: int = 15,
    sizes: Mapping[str, Sequence[float]] = SIZES,
    seed: int = 0,
) -> pd.DataFrame:
    """How large a shift has to be to be noticed: left-out batches are shifted and judged by the rest.

    Beside the sensors' shifts (:func:`shift_windows`) there are two of the people: ``population``, every feature higher
    by so many SDs between people; and ``load``, the share of a person's windows that is stress, the sensors as ever.
    Rows ``kind sensor size distance noticed``: the median of the statistic over batches, and the share of them that
    raise the alarm, NaN where the people are too few for the rate; the first row, kind ``none``, is not shifted.

    At most `windows_per_person` are used, evenly over the recording, in `batches` batches, each with a threshold from
    `splits` of the rest.
    """
    few = windows.isel(window=_evenly(windows["subject"].values, windows_per_person))
    reference = alarm.make_reference(few)
    grid = alarm.make_grid(reference)
    healthy = alarm.person_distributions(reference, grid)
    trials = leave_batches_out(healthy, people, batches, splits, np.random.default_rng(seed))
    rows = []
    for kind, sensor, size, shifted in _shifted(few, windows, reference, grid, sizes, seed):
        statistics = [alarm.distances(shifted[batch], healthy[~batch]).max() for batch, _ in trials]
        share, _ = _share_of_alarms(statistics, trials, false_alarm_rate)
        rows.append((kind, sensor, float(size), float(np.median(statistics)) if statistics else np.nan, share))
    return pd.DataFrame(rows, columns=["kind", "sensor", "size", "distance", "noticed"])


def _evenly(subjects: np.ndarray, most: int) -> np.ndarray:
    """Positions of at most `most` windows of each person, evenly over the recording."""
    people = pd.Series(np.arange(len(subjects))).groupby(subjects, sort=False)
    return np.concatenate(
        [rows.iloc[np.linspace(0, len(rows) - 1, min(most, len(rows))).round().astype(int)] for _, rows in people]
    )


def _shifted(
    few: xr.Dataset,
    windows: xr.Dataset,
    reference: pd.DataFrame,
    grid: np.ndarray,
    sizes: Mapping[str, Sequence[float]],
    seed: int,
) -> Iterator[tuple[str, str, float, np.ndarray]]:
    """Each shift with the people's distributions (person, feature, point) under it."""
    features = alarm.feature_columns(reference)
    yield "none", "", 0.0, alarm.person_distributions(reference, grid)
    for kind in ("gain", "offset", "noise"):
        for sensor in sensors_in(few):
            for size in sizes.get(kind, ()):
                table = extract_features(shift_windows(few, kind, sensor, size, seed=seed))["feature"].to_pandas()
                changed = {name: table[name].to_numpy() for name in table if name in features}
                yield kind, sensor, size, alarm.person_distributions(reference.assign(**changed), grid)
    between = reference.groupby("subject")[features].median().std()
    for size in sizes.get("population", ()):
        moved = reference.assign(**(reference[features] + size * between))
        yield "population", "", size, alarm.person_distributions(moved, grid)
    everything = alarm.make_reference(windows, features)
    in_state = {state: everything[windows["label"].values == state] for state in ("baseline", "stress")}
    # Everybody needs both states.
    if all(rows["subject"].nunique() == reference["subject"].nunique() for rows in in_state.values()):
        rest, stress = (alarm.person_distributions(rows, grid, least=1) for rows in in_state.values())
        for share in sizes.get("load", ()):
            yield "load", "", share, (1 - share) * rest + share * stress


def sensors_in(windows: xr.Dataset) -> list[str]:
    """Sensors of the windows: their channels, the axes of an accelerometer as one."""
    return list(dict.fromkeys("_".join(str(name).split("_")[:2]) for name in windows["channel"].values))


def smallest_noticed(shifts: pd.DataFrame, share: float = 0.5) -> pd.DataFrame:
    """The smallest size of each shift from which on at least a `share` of the batches raise the alarm.

    Rows ``kind sensor size`` from the table of :func:`notice_shifts`; `size` is NaN where no size that was tried is
    noticed so often.
    """
    rows = []
    for (kind, sensor), sizes in shifts[shifts["kind"] != "none"].groupby(["kind", "sensor"], sort=False):
        sizes = sizes.sort_values("size")
        # From the largest down: a small shift that is noticed by chance says nothing where a larger one is not.
        often = (sizes["noticed"] >= share)[::-1].cummin()[::-1]
        rows.append((kind, sensor, sizes.loc[often, "size"].min()))
    return pd.DataFrame(rows, columns=["kind", "sensor", "size"])


def describe_noticed(shifts: pd.DataFrame) -> str:
    """Say in words what :func:`notice_shifts` found: a line a kind, what is noticed first named first."""
    if shifts["noticed"].isna().all():
        return (
            "Too few people are left for a threshold at this rate, so the figure shows how far each shift moves a "
            "batch, and not whether it would be noticed."
        )
    lines = []
    for kind, rows in smallest_noticed(shifts).groupby("kind", sort=False):
        rows = rows.sort_values("size", kind="stable").assign(sensor=rows["sensor"].str.replace("_", " "))
        parts = [f"{row.sensor} from {row.size:g}".strip() for row in rows.dropna().itertuples()]
        if rows["size"].isna().any():
            parts.append(f"at no size tried: {', '.join(rows.loc[rows['size'].isna(), 'sensor'])}".removesuffix(": "))
        lines.append(f"- {kind}: {'; '.join(parts)}")
    return "Noticed in at least half of the batches, sizes as in the figure:\n\n" + "\n".join(lines)
