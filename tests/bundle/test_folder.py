"""A bundle on disk: what is in it, and that nothing of it can change unnoticed."""

import json
import re
import shutil

import minutes
import pandas as pd
import pytest

from wesadlib import models
from wesadlib.artefacts import digest
from wesadlib.bundle import load_bundle, model_card, read_config
from wesadlib.errors import InputError


@pytest.fixture
def copied(saved_bundle, tmp_path):
    return shutil.copytree(saved_bundle, tmp_path / "bundle")


def test_the_configuration_says_what_the_model_needs(saved_bundle):
    config = read_config(saved_bundle)
    assert list(config["channels"]) == list(minutes.RATES_HZ)
    assert config["channels"]["wrist_bvp"] == {"units": "a.u.", "rate_hz": 64.0}
    assert (config["rate_hz"], config["window_s"], config["states"]) == (35.0, 60.0, ["baseline", "stress"])
    assert config["quality"]["min_completeness"] == 0.95
    assert config["data"] == {
        "digest": "0" * 64,
        "simulated": True,
        "subjects": 6,
        "windows": {"baseline": 24, "stress": 18},
    }
    assert config["metrics"][0]["protocol"] == "cold_start"
    assert config["metrics"][0]["ece"] is None
    assert config["drift_threshold"] == {"statistic": 0.4}


def test_every_file_but_the_configuration_has_a_digest_and_none_is_a_pickle(saved_bundle):
    found = {path.relative_to(saved_bundle).as_posix() for path in saved_bundle.rglob("*") if path.is_file()}
    assert set(read_config(saved_bundle)["files"]) == found - {"config.json"}
    assert {"MODEL_CARD.md", "reference.csv"} < found
    assert not [name for name in found if name.endswith((".pkl", ".pickle", ".pt", ".joblib"))]


def test_the_version_is_the_digest_of_the_configuration(saved_bundle):
    config = read_config(saved_bundle)
    version = config.pop("version")
    assert version == digest(config)


def test_the_reference_comes_back(saved_bundle):
    pd.testing.assert_frame_equal(
        load_bundle(saved_bundle).reference,
        pd.DataFrame({"subject": ["S2"], "start_s": [0.0], "wrist_eda_mean": [1.5]}),
    )


@pytest.mark.parametrize("name", ["MODEL_CARD.md", "reference.csv", "model/model.json", "weights"])
def test_a_changed_file_is_refused_by_name(copied, name):
    if name == "weights":
        name = max(read_config(copied)["files"], key=lambda file: (copied / file).stat().st_size)
    path = copied / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=re.escape(f"{path}: changed since the bundle was saved")):
        load_bundle(copied)


NO_CONFIGURATION = r"config\.json: not the configuration of a bundle"
#: file of a bundle -> what becomes of its text (None: it goes), and the sentence
REFUSED = {
    "an added file": ("model/more.skops", lambda _: "", r"more\.skops: not part of the bundle"),
    "a missing file": ("reference.csv", None, r"reference\.csv: missing"),
    "no configuration": ("config.json", None, r"no bundle here \(config\.json is missing\); chapter 41_deployment"),
    "another threshold": (
        "config.json",
        lambda text: text.replace('"min_confidence": 0.7', '"min_confidence": 0.0'),
        r"config\.json: changed since it was saved",
    ),
    "another format": (
        "config.json",
        lambda text: json.dumps(json.loads(text) | {"format": 1}),
        "bundle format 1, this wesadlib reads 4",
    ),
    **{
        f"{content!r}": ("config.json", lambda _, content=content: content, NO_CONFIGURATION)
        for content in ("", "[]", "{}", '{"version": "", "files": 3}', "\0")
    },
}


@pytest.mark.parametrize(("name", "change", "sentence"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_as_it_was_saved_is_refused_by_name(copied, name, change, sentence):
    path = copied / name
    if change:
        path.write_text(change(path.read_text() if path.exists() else ""))
    else:
        path.unlink()
    with pytest.raises(InputError, match=sentence):
        load_bundle(copied)


def test_a_bundle_is_replaced_whole_or_not_at_all(copied, monkeypatch):
    before = read_config(copied)
    home = models.MODELS["logistic"].split(":")
    with monkeypatch.context() as patch:
        patch.setattr(f"{home[0]}.{home[1]}.save", lambda model, folder: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            minutes.save_small_bundle("logistic", copied, people=3)
    assert read_config(copied) == before
    minutes.save_small_bundle("logistic", copied, people=3)
    assert read_config(copied)["data"]["subjects"] == 3
    assert load_bundle(copied).reference is None
    assert [path.name for path in copied.parent.iterdir()] == [copied.name]


def test_the_card_says_whose_data_and_under_which_protocol(saved_bundle):
    config = read_config(saved_bundle)
    card = (saved_bundle / "MODEL_CARD.md").read_text()
    assert "6 simulated people: 24 baseline, 18 stress windows" in card
    assert "nothing about real people" in card
    assert "| stress-baseline | cold_start | all | 0.900 | not defined |" in card
    assert "`min_completeness` 0.95" in card
    real = model_card(config | {"data": config["data"] | {"simulated": False}, "metrics": []})
    assert "simulated" not in real
    assert "treat it as untested" in real


def test_every_file_of_a_bundle_can_be_read_by_another_user(saved_bundle):
    files = [path for path in saved_bundle.rglob("*") if path.is_file()]
    assert files and all(path.stat().st_mode & 0o044 == 0o044 for path in files)
