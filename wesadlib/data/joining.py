"""Stretches of samples, each with a clock of its own, become channels on one clock; a gap stays a gap."""

import itertools
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np

from wesadlib.data.devices import sensor_of
from wesadlib.data.recording import Recording, make_signals
from wesadlib.errors import InputError

#: Overlaps and differences of rate up to these are a clock's jitter, and no second recording.
LARGEST_OVERLAP_S = 2.0
LARGEST_RATE_DIFFERENCE = 1e-3
#: Channels that start or end further apart than this are told of.
LEAST_EDGE_S = 1.0
#: Samples further from a regular clock than this share of the time between two (RMS) are not resampled but refused.
LARGEST_JITTER = 0.5
#: Sessions further apart than this are no recording of one day.
LARGEST_GAP_S = 24 * 3600.0
#: Unix times in seconds lie between these: the years 1973 and 2096.
EARLIEST_S, LATEST_S = 1e8, 4e9
#: Samples further apart than this are none of a body's sensor.
LARGEST_STEP_S = 60.0


class Stretch(NamedTuple):
    """Samples of a channel that follow each other without a gap: Unix time of the first, rate in Hz, values (time,)."""

    channel: str
    start_s: float
    rate_hz: float
    values: np.ndarray

    @property
    def end_s(self) -> float:
        """Unix time at which the last sample ends."""
        return self.start_s + len(self.values) / self.rate_hz


def join_recording(
    path: Path,
    stretches: Sequence[Stretch],
    device: str,
    notes: Sequence[str],
    *,
    subject: str = "",
    units: Mapping[str, str] | None = None,
    presses: Sequence[float] = (),
) -> Recording:
    """Put stretches on one clock, which starts with the earliest sample and ends with the last of any channel.

    Every channel gets the same length in seconds, NaN where it has no sample, each sample at most half a sample's time
    from where its clock has it; notes name gaps, overlaps, and channels that start or end apart. `presses` of the
    button are Unix times; `path` is what errors name.
    """
    channels: dict[str, list[Stretch]] = {stretch.channel: [] for stretch in stretches}
    for stretch in sorted(stretches, key=lambda stretch: stretch.start_s):
        channels[stretch.channel].append(stretch)
    start_s, end_s = min(part.start_s for part in stretches), max(part.end_s for part in stretches)
    _check_together(path, channels, start_s)
    remarks = []
    for name, parts in channels.items():
        late_s, early_s = parts[0].start_s - start_s, end_s - parts[-1].end_s
        if late_s > LEAST_EDGE_S:
            remarks.append(f"{sensor_of(name)} starts {late_s:.1f} s after the first channel")
        if early_s > LEAST_EDGE_S:
            remarks.append(f"{sensor_of(name)} ends {early_s:.1f} s before the last channel")
    samples, rates_hz = {}, {}
    for name, parts in channels.items():
        rates_hz[name] = _rate(path, parts)
        remarks += _check_order(path, parts)
        samples[name] = _place(parts, rates_hz[name], start_s, end_s)
    marks_s = sorted(time - start_s for time in presses)
    if outside := [mark for mark in marks_s if not 0 <= mark <= end_s - start_s]:
        remarks.append(f"{len(outside)} of {len(marks_s)} presses of the button lie outside the recording")
    return Recording(
        subject=subject or (path.stem if path.is_file() else path.name),
        signals=make_signals(samples, rates_hz, units),
        device=device,
        # A clock that counts from anything else is no date.
        start=datetime.fromtimestamp(start_s, UTC) if start_s > EARLIEST_S else None,
        marks_s=tuple(marks_s),
        notes=(*notes, *dict.fromkeys(remarks)),
    )


def join_sessions(recordings: Sequence[Recording], places: Sequence[Path], subject: str = "") -> Recording:
    """One person's recordings as one, joined in time; `places` are where each was read."""
    if undated := [place for place, one in zip(places, recordings, strict=True) if one.start is None]:
        raise InputError(
            f"{undated[0]}: it does not say when it began, so it cannot be joined with {subject}'s others."
        )
    signals = [(one.start.timestamp(), *item) for one in recordings for item in one.signals.items()]
    return join_recording(
        places[0].parent,
        [Stretch(name, start_s, signal.attrs["rate_hz"], signal.values) for start_s, name, signal in signals],
        min(recordings, key=lambda one: one.start).device,
        [f"{place.name}: {note}" for place, one in zip(places, recordings, strict=True) for note in one.notes],
        subject=subject or min(recordings, key=lambda one: one.start).subject,
        units={name: signal.attrs["units"] for _, name, signal in signals},
        presses=[one.start.timestamp() + mark for one in recordings for mark in one.marks_s],
    )


def _check_together(where: Path, channels: Mapping[str, Sequence[Stretch]], start_s: float) -> None:
    """Refuse clocks that are none, before a wrong one asks for years of memory."""
    if not abs(start_s) < LATEST_S:
        raise InputError(f"{where}: it would begin {start_s:.6g} s after 1970, which is no date; give seconds.")
    spans = {name: (parts[0].start_s, parts[-1].end_s) for name, parts in channels.items()}
    longest = max(spans, key=lambda name: spans[name][1] - spans[name][0])
    for name, (begin, end) in spans.items():
        apart_s = max(begin - spans[longest][1], spans[longest][0] - end)
        if apart_s > 0:
            raise InputError(
                f"{where}: {name} and {longest} were recorded {apart_s:.0f} s apart and at no time together; the start "
                "of one is wrong, or they are two recordings."
            )


def _rate(where: Path, parts: Sequence[Stretch]) -> float:
    rates = np.array([part.rate_hz for part in parts])
    rate_hz = float(np.average(rates, weights=[len(part.values) for part in parts]))
    if np.abs(rates / rate_hz - 1).max() > LARGEST_RATE_DIFFERENCE:
        raise InputError(
            f"{where}: {parts[0].channel} comes at {rates.min():g} and at {rates.max():g} Hz; give these one at a time."
        )
    return rate_hz


def _check_order(where: Path, parts: Sequence[Stretch]) -> list[str]:
    name, notes = parts[0].channel, []
    for before, after in itertools.pairwise(parts):
        gap_s = after.start_s - before.end_s
        if gap_s > LARGEST_GAP_S:
            raise InputError(
                f"{where}: {name} has a gap of {gap_s / 3600:.0f} h; give recordings that lie days apart one at a time."
            )
        if gap_s < -LARGEST_OVERLAP_S:
            raise InputError(
                f"{where}: {name} has two recordings at the same time for {-gap_s:.0f} s; give one of them, "
                "or one person's at a time."
            )
        if gap_s > 1.5 / after.rate_hz:
            notes.append(f"{name.split('_')[0]}: a gap of {gap_s:.1f} s, left missing")
        elif gap_s < -1.5 / after.rate_hz:
            notes.append(f"{name}: {-gap_s:.1f} s recorded twice, kept once")
    return notes


def _place(parts: Sequence[Stretch], rate_hz: float, start_s: float, end_s: float) -> np.ndarray:
    values = np.full(max(round((end_s - start_s) * rate_hz), 1), np.nan, np.float32)
    for part in reversed(parts):
        first = min(round((part.start_s - start_s) * rate_hz), max(len(values) - len(part.values), 0))
        kept = part.values[: len(values) - first]
        values[first : first + len(kept)] = kept
    return values


def split_stretches(where: Path, name: str, time_s: np.ndarray, values: np.ndarray) -> tuple[list[Stretch], str]:
    """Stretches of samples that each came with a time of its own in s, never falling, and a note of rate and jitter.

    They are parted where the time to the next sample is more than three times the median; within, interpolated linearly
    where a clock is not regular, and NaN where a regular one has no sample.
    """
    present = np.isfinite(values) & np.isfinite(time_s)
    time_s, values = time_s[present], values[present]
    if len(values) < 2:
        raise InputError(f"{where}: {name} has {len(values)} sample(s); there is nothing to read.")
    steps = np.diff(time_s)
    if (steps < 0).any():
        row = int(np.argmax(steps < 0)) + 1
        raise InputError(f"{where}: {name}'s clock runs back at its sample {row + 1}; sort the rows.")
    step_s = float(np.median(steps))
    if step_s <= 0:
        raise InputError(f"{where}: most samples of {name} share their time with the one before.")
    if step_s > LARGEST_STEP_S:
        raise InputError(f"{where}: {name} has a sample every {step_s:.4g} s; say the unit of its times.")
    edges = [0, *(np.flatnonzero(steps > 3 * step_s) + 1).tolist(), len(values)]
    # Either each sample follows the last one, or a regular clock went on where there is none.
    place, ticks = np.arange(len(values)), np.append(0, np.maximum(np.rint(steps / step_s), 1).cumsum()).astype(int)
    jitter, rate_hz = _fit_clock(time_s, edges, place)
    if (fit := _fit_clock(time_s, edges, ticks))[0] < jitter / 2:
        (jitter, rate_hz), place = fit, ticks
    if jitter > LARGEST_JITTER:
        raise InputError(
            f"{where}: {name} comes irregularly, {jitter:.1f} samples off a regular clock of {rate_hz:.4g} Hz (RMS); "
            f"at most {LARGEST_JITTER:g} can be read."
        )
    stretches = []
    for start, stop in itertools.pairwise(edges):
        clock = time_s[start] + np.arange(round((time_s[stop - 1] - time_s[start]) * rate_hz) + 1) / rate_hz
        filled = np.interp(clock, time_s[start:stop], values[start:stop])
        steps_on = place[stop - 1] - place[start]
        absent = np.setdiff1d(np.arange(steps_on), place[start:stop] - place[start])
        filled[np.rint(absent * (len(clock) - 1) / max(steps_on, 1)).astype(int)] = np.nan
        stretches.append(Stretch(name, float(clock[0]), rate_hz, filled))
    return stretches, f"{name}: {rate_hz:.6g} Hz, samples {jitter:.2f} of a step off a regular clock (RMS)"


def _fit_clock(time_s: np.ndarray, edges: Sequence[int], place: np.ndarray) -> tuple[float, float]:
    """How far samples at these places of a clock are from a regular one, in steps (RMS), and its rate in Hz."""
    pairs = list(itertools.pairwise(edges))
    counts, lengths = (np.array([of[stop - 1] - of[start] for start, stop in pairs]) for of in (place, time_s))
    rate_hz = counts.sum() / lengths.sum() if lengths.sum() > 0 else 1 / np.median(np.diff(time_s))
    deviations = [
        time_s[start:stop] - time_s[start] - (place[start:stop] - place[start]) * length / max(count, 1)
        for (start, stop), count, length in zip(pairs, counts, lengths, strict=True)
    ]
    return float(np.sqrt(np.mean(np.concatenate(deviations) ** 2)) * rate_hz), float(rate_hz)
