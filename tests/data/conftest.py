"""A made-up person in the official layout, small enough to be written for every test."""

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import minutes
import numpy as np
import pytest

from wesadlib.data import CHANNELS, Recording, make_signals
from wesadlib.data.e4 import write_e4
from wesadlib.data.pickles import save_arrays

SECONDS = 400
BLOCKS = {1: (40, 140), 2: (170, 250), 3: (270, 340), 4: (350, 390)}

# Conditions begin 10 s before the blocks and end as much after them, by a clock that is 131 s ahead.
QUEST = """# Subj;S2;;;;;;;;;;;;;;;;;;;;;;;;;
# ORDER;Base;TSST;Fun;Medi 1;sRead;;;;
# START;2.41;4.51;6.31;7.51;9.5;;;;
# END;4.41;6.31;8.01;8.51;10;;;;
;;;;
# PANAS;1;2;3;4;5;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;;
# PANAS;1;2;3;4;5;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;2;3
# PANAS;1;2;3;4;5;1;1;1;1;1;1;1;1;1;1;Nan;1;1;1;1;1;1;1;1;;
# PANAS;1;2;3;4;5;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;;
# STAI;4;1;1;4;1;4;;;;
# STAI;1;4;4;1;4;1;;;;
# STAI;3;2;1;4;2;3;;;;
# STAI;3;1;1;3;1;3;;;;
# DIM;7;2;;;;
# DIM;4;8;;;;
# DIM;8;3;;;;
# DIM;7;1;;;;
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
-
"""


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
        quest: str = QUEST,
        readme: str = README,
    ) -> Path:
        folder = tmp_path / subject
        folder.mkdir()
        content = make_content(subject, devices)
        if change:
            change(content)
        save_arrays(folder / f"{subject}.pkl", content)
        (folder / f"{subject}_quest.csv").write_bytes(quest.replace("\n", "\r\n").encode())
        (folder / f"{subject}_readme.txt").write_text(readme)
        return folder

    return write


@pytest.fixture(scope="session")
def person():
    """100 s of smooth signals, still, with two presses of the button."""
    time = {name: np.arange(100 * rate_hz) / rate_hz for name, (_, rate_hz) in CHANNELS.items()}
    samples = {
        "wrist_bvp": 40 * np.sin(2 * np.pi * 1.2 * time["wrist_bvp"]),
        "wrist_eda": 2 + 0.5 * np.sin(time["wrist_eda"]),
        "wrist_temp": 33 + 0.2 * np.sin(time["wrist_temp"]),
        **{f"wrist_acc_{axis}": np.full(100 * 32, size / 64) for axis, size in zip("xyz", (16, 32, 53), strict=True)},
    }
    return Recording("S99", make_signals(samples), start=minutes.START, marks_s=(10.0, 50.5))


@pytest.fixture
def edit_e4(person, tmp_path) -> Callable[..., Path]:
    """Write an export of which some files are changed, or left out where None."""

    def edit(**files: Callable[[str], str | bytes] | None) -> Path:
        archive = write_e4(person, tmp_path / "S99.zip")
        with zipfile.ZipFile(tmp_path / "edited.zip", "w") as edited, zipfile.ZipFile(archive) as given:
            for name in given.namelist():
                if (change := files.get(name.removesuffix(".csv"), str)) is not None:
                    edited.writestr(name, change(given.read(name).decode()))
        return tmp_path / "edited.zip"

    return edit
