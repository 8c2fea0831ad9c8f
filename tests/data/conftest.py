"""A made-up person in the official layout, small enough to be written for every test."""

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import minutes
import numpy as np
import pytest

from wesadlib.data import CHANNELS, DEVICE_CHANNELS, Recording, make_signals
from wesadlib.data.e4 import write_e4
from wesadlib.data.pickles import save_arrays

SECONDS = 400
BLOCKS = {1: (40, 140), 2: (170, 250), 3: (270, 340), 4: (350, 390)}
CROP_S = 131

QUEST = """# Subj;S2;;;;;;;;;;;;;;;;;;;;;;;;;
# ORDER;Base;TSST;Fun;Medi 1;sRead;;;;
# START;{0};{1};{2};{3};9.5;;;;
# END;{4};{5};{6};{7};10;;;;
;;;;
# PANAS;1;2;3;4;5;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;;
# PANAS;1;2;3;4;5;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;2;3
# PANAS;1;2;3;4;5;1;1;1;1;1;1;1;1;1;1;Nan;1;1;1;1;1;1;1;1;;
# PANAS;1;2;3;4;5;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;;
;;;;
# STAI;4;1;1;4;1;4;;;;
# STAI;1;4;4;1;4;1;;;;
# STAI;3;2;1;4;2;3;;;;
# STAI;3;1;1;3;1;3;;;;
;;;;
# DIM;7;2;;;;
# DIM;4;8;;;;
# DIM;8;3;;;;
# DIM;7;1;;;;
;;;;
# SSSQ;5;4;3;2;1;5;;;;
"""

README = """### Personal information ###
Age: 27
Height (cm): 175
Weight (kg): 80
Gender: female
Dominant hand: left

### Study pre-requisites ###
Did you drink coffee today? YES
Did you drink coffee within the last hour? NO
Did you do any sports today? NO
Are you a smoker? NO
Did you smoke within the last hour? NO
Do you feel ill today? YES

### Additional notes ###
{notes}
"""


def clock(seconds: int) -> str:
    """The way a spreadsheet leaves minutes.seconds."""
    return f"{seconds // 60}.{seconds % 60:02d}".rstrip("0").rstrip(".")


def make_quest() -> str:
    starts = [clock(start - 10 + CROP_S) for start, _ in BLOCKS.values()]
    ends = [clock(end + 10 + CROP_S) for _, end in BLOCKS.values()]
    return QUEST.format(*starts, *ends).replace("\n", "\r\n")


def make_content(subject: str, devices: tuple[str, ...] = ("wrist",), seconds: int = SECONDS) -> dict[str, Any]:
    generator = np.random.default_rng(int(subject[1:]))
    keys = {
        "chest": {"ACC": (700, 3), **dict.fromkeys(("ECG", "EMG", "EDA", "Temp", "Resp"), (700, 1))},
        "wrist": {"ACC": (32, 3), "BVP": (64, 1), "EDA": (4, 1), "TEMP": (4, 1)},
    }
    signal = {
        device: {key: generator.normal(size=(seconds * rate_hz, axes)) for key, (rate_hz, axes) in keys[device].items()}
        for device in devices
    }
    for device, key in (("wrist", "TEMP"), ("chest", "Temp")):
        if device in signal:
            signal[device][key] += 33
            signal[device]["ACC"] = 0.577 + 0.1 * signal[device]["ACC"]
    if "wrist" in signal:
        signal["wrist"]["ACC"] = np.round(64 * signal["wrist"]["ACC"]).astype(np.int8)
    label = np.zeros(seconds * 700, np.int32)
    for code, (start, end) in BLOCKS.items():
        label[start * 700 : end * 700] = code
    return {"subject": subject, "signal": signal, "label": label}


@pytest.fixture
def write_person(tmp_path) -> Callable[..., Path]:
    """Write a person's folder into ``tmp_path``; `change` may edit the pickle's content before."""

    def write(
        subject: str = "S2",
        devices: tuple[str, ...] = ("wrist",),
        change: Callable[[dict[str, Any]], None] | None = None,
        quest: str | None = None,
        readme: str = README.format(notes="-"),
    ) -> Path:
        folder = tmp_path / subject
        folder.mkdir()
        content = make_content(subject, devices)
        if change:
            change(content)
        save_arrays(folder / f"{subject}.pkl", content)
        (folder / f"{subject}_quest.csv").write_bytes((make_quest() if quest is None else quest).encode())
        (folder / f"{subject}_readme.txt").write_text(readme)
        return folder

    return write


@pytest.fixture(scope="session")
def person():
    """100 s of smooth signals, still, with two presses of the button."""
    time = {name: np.arange(100 * CHANNELS[name][1]) / CHANNELS[name][1] for name in DEVICE_CHANNELS["wrist"]}
    samples = {name: np.sin(values) for name, values in time.items()}
    samples["wrist_bvp"] = 40 * np.sin(2 * np.pi * 1.2 * time["wrist_bvp"])
    samples["wrist_eda"] = 2 + 0.5 * samples["wrist_eda"]
    samples["wrist_temp"] = 33 + 0.2 * samples["wrist_temp"]
    samples |= {
        f"wrist_acc_{axis}": np.full(100 * 32, size / 64) for axis, size in zip("xyz", (16, 32, 53), strict=True)
    }
    return Recording("S99", make_signals(samples), start=minutes.START, marks_s=(10.0, 50.5))


@pytest.fixture
def edit_e4(person, tmp_path) -> Callable[..., Path]:
    """Write an export of which some files are changed, or left out where None."""

    def edit(**files: Callable[[str], str | bytes] | None) -> Path:
        archive = write_e4(person, tmp_path / "S99.zip")
        with zipfile.ZipFile(tmp_path / "edited.zip", "w") as edited, zipfile.ZipFile(archive) as given:
            for name in given.namelist():
                stem = name.removesuffix(".csv")
                if stem not in files:
                    edited.writestr(name, given.read(name))
                elif files[stem] is not None:
                    edited.writestr(name, files[stem](given.read(name).decode()))
        return tmp_path / "edited.zip"

    return edit
