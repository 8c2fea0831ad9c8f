"""Golden tables: what the pipeline gives for the same recordings, kept outside the checkout, compared after a change.

``python benchmarks/golden.py make FOLDER ROOT…`` writes a folder of tables for each folder of recordings;
``python benchmarks/golden.py compare BEFORE AFTER`` prints how far each value moved, and fails where one moved by more
than 1e-6 of its size.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

import wesadlib as wl
from wesadlib.params import Params

#: Relative difference that is still the same.
TOLERANCE = 1e-6
MODELS = {"logistic": ("cold_start", "rest_calibrated"), "forest": ("cold_start",), "resnet": ("cold_start",)}
PEOPLE_OF_BUNDLE = 4


def make(folder: Path, root: Path, device: str) -> None:
    """Write windows, quality, features, fold predictions and a bundle's answers for one folder of recordings."""
    folder.mkdir(parents=True, exist_ok=True)
    params = Params(device=device, width=4, epochs=2, workers=0)
    cohort = wl.open_wesad(root)
    windows = wl.make_windows(cohort, device=device)
    windows = wl.extract_features(wl.assess_quality(windows))
    rows = windows[["subject", "label", "start_s", "verdict", "reason"]].drop_vars("channel", errors="ignore")
    rows.to_dataframe().reset_index().to_parquet(folder / "windows.parquet")
    windows["feature"].to_pandas().to_parquet(folder / "features.parquet")
    windows["quality"].to_dataset(name="quality").to_netcdf(folder / "quality.nc", engine="h5netcdf")
    samples = windows["signal"].isel(window=slice(None, None, 10))
    samples.to_dataset(name="signal").to_netcdf(folder / "signal.nc", engine="h5netcdf")
    for model, protocols in MODELS.items():
        # Networks take minutes: of them the first people are enough.
        used = windows if model != "resnet" else _first(windows)
        for protocol in protocols:
            table = wl.evaluate(model, used, protocol=protocol, params=params, progress=False)
            table.to_parquet(folder / f"{model}-{protocol}.parquet")
    first = _first(windows)
    bundle = folder / "bundle"
    wl.save_bundle(wl.fit_final("logistic", first, params=params), bundle, windows=first, params=params)
    answers = wl.load_bundle(bundle).predict(windows)
    (folder / "answers.json").write_text(json.dumps([answer.model_dump(mode="json") for answer in answers]))


def _first(windows: xr.Dataset) -> xr.Dataset:
    people = list(dict.fromkeys(windows["subject"].values))[:PEOPLE_OF_BUNDLE]
    return windows.isel(window=np.isin(windows["subject"].values, people))


def compare(before: Path, after: Path) -> int:
    """Print the largest difference of each table; the number of values that moved."""
    moved = 0
    for path in sorted(before.glob("**/*")):
        other = after / path.relative_to(before)
        if path.suffix not in (".parquet", ".nc", ".json") or "bundle" in path.parts:
            continue
        for name, (old, new) in _columns(path, other).items():
            count, largest = _difference(old, new)
            moved += count
            if count:
                where = f"{path.relative_to(before)}: {name}"
                print(f"{where}: {count} of {old.size} moved, by up to {largest:.3g} of their size")
    print(f"{moved} values moved.")
    return moved


def _columns(path: Path, other: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    if path.suffix == ".parquet":
        old, new = pd.read_parquet(path), pd.read_parquet(other)
        return {name: (old[name].to_numpy(), new[name].to_numpy()) for name in old if name in new}
    if path.suffix == ".nc":
        with xr.open_dataset(path, engine="h5netcdf") as old, xr.open_dataset(other, engine="h5netcdf") as new:
            names = [str(name) for name in old.data_vars]
            return {name: (old[name].values, new[name].values) for name in names}
    old, new = (pd.json_normalize(json.loads(file.read_text())) for file in (path, other))
    return {name: (old[name].to_numpy(), new[name].to_numpy()) for name in old if name in new}


def _difference(old: np.ndarray, new: np.ndarray) -> tuple[int, float]:
    if old.shape != new.shape:
        return old.size, np.inf
    if old.dtype.kind not in "fiu":
        count = sum(str(one) != str(other) for one, other in zip(old, new, strict=True))
        return count, np.inf if count else 0.0
    old, new = old.astype(float), new.astype(float)
    scale = np.maximum(np.abs(old), np.nanmedian(np.abs(old)) if np.isfinite(old).any() else 1.0)
    difference = np.where(np.isnan(old) & np.isnan(new), 0.0, np.abs(new - old) / np.where(scale > 0, scale, 1.0))
    difference = np.where(np.isnan(difference), np.inf, difference)
    return int((difference > TOLERANCE).sum()), float(difference.max(initial=0.0))


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("make")
    making.add_argument("folder", type=Path)
    making.add_argument("roots", type=Path, nargs="+")
    making.add_argument("--device", default="wrist")
    comparing = commands.add_parser("compare")
    comparing.add_argument("before", type=Path)
    comparing.add_argument("after", type=Path)
    given = parser.parse_args()
    if given.command == "make":
        for root in given.roots:
            make(given.folder / root.name, root, given.device)
    else:
        sys.exit(compare(given.before, given.after) > 0)


if __name__ == "__main__":
    main()
