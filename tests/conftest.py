"""Fixtures that several folders of tests share."""

import os
import secrets
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from xdist.scheduler import LoadFileScheduling

from wesadlib.signals import RAW_STATISTICS, Windows

# Ray reads these once, where it is imported: nothing that a test starts answers whoever lacks this token.
os.environ |= {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_AUTH_MODE": "token"}
os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))

REPOSITORY = Path(__file__).resolve().parents[1]
BESIDE = REPOSITORY.parent / "shared" / "wesad"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHANNELS = ("wrist_bvp", "wrist_eda", "wrist_temp", "wrist_acc_x", "wrist_acc_y", "wrist_acc_z")


@pytest.fixture(scope="session")
def repository() -> Path:
    """The checkout."""
    return REPOSITORY


@pytest.fixture
def wesad(monkeypatch, capsys):
    """Run the command line in this process; returns exit status, output and error."""

    from wesadlib import cli

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["wesad", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        captured = capsys.readouterr()
        return caught.value.code, captured.out, captured.err

    return run


def find_browser() -> str | None:
    """A browser that is installed on this machine."""
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


def pytest_collection_modifyitems(config, items):
    """Leave out what needs the real recordings, or a browser, where there is none."""
    absent = set()
    if "WESAD_ROOT" not in os.environ and not BESIDE.is_dir():
        absent.add("real")
    if find_browser() is None:
        absent.add("browser")
    left = [item for item in items if any(item.get_closest_marker(name) for name in absent)]
    config.hook.pytest_deselected(items=left)
    items[:] = [item for item in items if item not in left]


class SharingScheduling(LoadFileScheduling):
    """Files go side by side; but chapters read what those before them wrote, and tests of a server share one."""

    def _split_scope(self, nodeid):
        shared = (folder for folder in ("book/", "tests/server/") if nodeid.startswith(folder))
        return next(shared, super()._split_scope(nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """With ``-n``, whatever ``--dist`` says."""
    return SharingScheduling(config, log)


@pytest.fixture(scope="session")
def browser_path() -> str:
    """The browser that tests of pages run in."""
    return find_browser()


@pytest.fixture(scope="session")
def wesad_root() -> Path:
    """The real wrist recordings: named by WESAD_ROOT, else beside the checkout."""
    root = Path(os.environ.get("WESAD_ROOT", BESIDE))
    assert root.is_dir(), f"WESAD_ROOT={root}: no such folder"
    return root


def make_toy_windows(
    n_subjects: int = 6, per_subject: int = 12, seed: int = 0, rate_hz: float = 35.0, window_s: float = 60.0
) -> xr.Dataset:
    """Windows as the library makes them, of wrist people in whom stress raises heart rate, EDA and movement."""
    generator = np.random.default_rng(seed)
    n, samples = n_subjects * per_subject, int(rate_hz * window_s)
    time = np.arange(samples) / rate_hz
    subject = np.repeat([f"S{k + 2}" for k in range(n_subjects)], per_subject)
    stress = np.tile(np.arange(per_subject) >= per_subject * 2 // 3, n_subjects)
    person = np.repeat(generator.normal(size=n_subjects), per_subject)
    heart_rate = 70 + 5 * person + 15 * stress + generator.normal(0, 4, n)
    eda = np.exp(0.2 + 0.4 * person + 0.8 * stress + generator.normal(0, 0.2, n))
    temperature = 33 + 0.5 * person - 0.5 * stress + generator.normal(0, 0.2, n)
    movement = np.exp(-3.5 + 0.5 * stress + generator.normal(0, 0.3, n))

    signal = np.empty((n, len(CHANNELS), samples), np.float32)
    beats = np.full((n, 1, int(4 * window_s)), np.nan)
    for k in range(n):
        beat = np.arange(0.3, window_s - 0.3, 60 / heart_rate[k])
        beats[k, 0, : len(beat)] = beat
        phase = np.interp(time, beat, np.arange(len(beat)))
        signal[k, 0] = 50 * np.sin(2 * np.pi * phase) + generator.normal(0, 2, samples)
        signal[k, 1] = eda[k] + 0.02 * np.sin(2 * np.pi * 0.05 * time) + generator.normal(0, 0.002, samples)
        signal[k, 2] = temperature[k] + 0.001 * time + generator.normal(0, 0.01, samples)
        signal[k, 3:] = np.array([0.6, 0.5, 0.6])[:, None] + generator.normal(0, movement[k], (3, samples))
    native = np.zeros((n, len(CHANNELS), len(RAW_STATISTICS)), np.float32)
    windows = Windows(signal, beats, native, CHANNELS, ("wrist_bvp",), rate_hz, window_s).to_dataset()
    return windows.assign_coords(
        subject=("window", subject),
        label=("window", np.where(stress, "stress", "baseline")),
        purity=("window", np.ones(n)),
        start_s=("window", np.tile(np.arange(per_subject) * 30.0, n_subjects)),
        units=("channel", ["a.u.", "uS", "degC", "g", "g", "g"]),
    ).assign_attrs(hop_s=window_s / 2, cohort_digest="0" * 64, wesadlib_version="0", device="wrist", simulated=1)


@pytest.fixture(scope="session")
def make_windows_of_toys():
    """Maker of toy windows, for other sizes and seeds."""
    return make_toy_windows


@pytest.fixture(scope="session")
def _toy_windows() -> xr.Dataset:
    return make_toy_windows()


@pytest.fixture
def toy_windows(_toy_windows) -> xr.Dataset:
    """Six wrist people with twelve windows each, eight of baseline and four of stress."""
    return _toy_windows.copy(deep=True)
