"""The network as a model of windows."""

import json
import math

import numpy as np
import pytest
import torch
import xarray as xr
from wesadlib.models.levels import tabulate_levels

from wesadlib import models
from wesadlib.errors import InputError
from wesadlib.models.layers import count_parameters
from wesadlib.models.resnet import ResNet
from wesadlib.params import Params


@pytest.fixture(scope="module")
def windows(make_windows_of_toys):
    """Five people of twelve short windows."""
    return make_windows_of_toys(n_subjects=5, per_subject=12, window_s=24.0)


@pytest.fixture(scope="module")
def parts(windows):
    """Training, validation and test people."""
    groups = (["S2", "S3", "S4"], ["S5"], ["S6"])
    return tuple(windows.isel(window=windows["subject"].isin(people)) for people in groups)


@pytest.fixture(scope="module")
def model(parts):
    """A network of width 4, trained well enough to be right."""
    options = {"epochs": 20, "batch_size": 8, "learning_rate": 1e-2, "pick_epoch": True, "patience": 20}
    return ResNet(width=4, **options).fit(*parts[:2], seed=1)


def test_the_network_learns_what_toys_show_on_a_person_never_seen(model, parts):
    guess = model.predict_proba(parts[2]).idxmax("state")
    assert (guess.values == parts[2]["label"].values).mean() >= 0.9


def test_every_parameter_reaches_the_network_and_its_training():
    values = {
        "classes": ["stress", "amusement", "baseline"],
        "width": 6,
        "dropout": 0.35,
        "levels": False,
        "epochs": 7,
        "pick_epoch": True,
        "patience": 4,
        "batch_size": 5,
        "learning_rate": 0.002,
        "weight_decay": 0.03,
        "label_smoothing": 0.15,
        "precision": "float32",
    }
    model = models.create("resnet", Params(**values))
    found = {"classes": model.classes, **model.architecture, "patience": model.patience, **vars(model.recipe)}
    found["pick_epoch"] = model.validates
    assert {name: found[name] for name in values} == values


def test_the_history_has_a_row_an_epoch_and_the_kept_epoch_is_its_best(model):
    history = model.history_
    assert list(history.columns) == ["epoch", "train_loss", "validation_loss", "learning_rate", "seconds"]
    assert history["epoch"].tolist() == list(range(1, len(history) + 1))
    assert history["epoch"].iloc[history["validation_loss"].argmin()] == model.best_epoch_


def test_the_kept_weights_have_the_best_validation_loss(model, parts):
    probability = model.predict_proba(parts[1])
    right = probability.sel(state=parts[1]["label"]).values
    smoothing = model.recipe.label_smoothing
    loss = -((1 - smoothing / 2) * np.log(right) + smoothing / 2 * np.log(1 - right)).mean()
    assert loss == pytest.approx(model.history_["validation_loss"].min(), abs=1e-5)


def test_training_stops_when_patience_ends(parts):
    train, validation, _ = parts
    wrong = validation.assign_coords(label=("window", np.where(validation["label"] == "stress", "baseline", "stress")))
    model = ResNet(width=4, epochs=60, batch_size=8, pick_epoch=True, patience=3).fit(train, wrong, seed=0)
    assert len(model.history_) == model.best_epoch_ + 3 < 60


def test_validation_people_choose_and_do_not_teach(parts):
    train, validation, _ = parts
    other = validation.copy(deep=True)
    other["signal"][:] = other["signal"].values[::-1]
    options = {"epochs": 3, "batch_size": 8, "pick_epoch": True, "patience": 9}
    first, second = (ResNet(width=2, **options).fit(train, people, seed=0) for people in (validation, other))
    assert first.history_["train_loss"].equals(second.history_["train_loss"])
    assert not first.history_["validation_loss"].equals(second.history_["validation_loss"])


def test_without_validation_all_epochs_are_trained_and_the_last_weights_kept(parts):
    heard = []
    model = ResNet(width=2, epochs=4, batch_size=8, pick_epoch=True, patience=1)
    model.fit(parts[0], None, seed=0, progress=lambda *told: heard.append(told))
    assert model.best_epoch_ == len(model.history_) == 4
    assert [told[:2] for told in heard] == [(k, 4) for k in range(1, 5)]
    assert all(math.isnan(told[3]) for told in heard)


def test_people_who_pick_no_epoch_are_watched_and_change_nothing(parts):
    train, validation, test = parts
    watched = ResNet(width=2, epochs=4, batch_size=8, patience=1).fit(train, validation, seed=0)
    alone = ResNet(width=2, epochs=4, batch_size=8, patience=1).fit(train, None, seed=0)
    assert not watched.validates
    assert watched.best_epoch_ == alone.best_epoch_ == len(watched.history_) == 4
    assert watched.history_["validation_loss"].notna().all() and alone.history_["validation_loss"].isna().all()
    assert np.array_equal(watched.predict_proba(test), alone.predict_proba(test))


def test_progress_tells_what_the_history_keeps(parts):
    heard = []
    model = ResNet(width=2, epochs=3, batch_size=8).fit(*parts[:2], seed=0, progress=lambda *told: heard.append(told))
    losses = model.history_[["train_loss", "validation_loss"]].to_numpy().tolist()
    assert [list(told[2:]) for told in heard] == losses


def test_other_seeds_give_other_networks(parts):
    first, second = (ResNet(width=2, epochs=2, batch_size=8).fit(*parts[:2], seed=seed) for seed in (0, 1))
    assert not np.allclose(first.predict_proba(parts[2]), second.predict_proba(parts[2]))


def test_augmentation_can_be_left_out(parts):
    first, second = (
        ResNet(width=2, epochs=2, batch_size=8, augment=augment).fit(*parts[:2], seed=0) for augment in (True, False)
    )
    assert not first.history_["train_loss"].equals(second.history_["train_loss"])


def test_only_axes_of_acceleration_are_mirrored(model):
    assert [model.channels_[k] for k in model._augmentation().mirrored] == ["wrist_acc_x", "wrist_acc_y", "wrist_acc_z"]


def test_levels_come_from_the_training_people(model, parts):
    mean = parts[0]["signal"].mean("time")
    mean[:, 1] = np.log(mean[:, 1])
    assert np.allclose(model.network_.scale.median[:6], mean.median("window"), rtol=1e-3, atol=1e-3)


def test_the_order_of_channels_and_further_ones_do_not_matter(model, parts):
    test = parts[2]
    extra = test.isel(channel=[0]).assign_coords(channel=["wrist_ppg_green"])
    shuffled = xr.concat([test.isel(channel=[3, 1, 0, 5, 2, 4])[["signal"]], extra[["signal"]]], "channel")
    assert np.array_equal(model.predict_proba(shuffled.assign_attrs(test.attrs)), model.predict_proba(test))


def test_windows_of_another_shape_are_refused_by_name(model, parts):
    test = parts[2]
    with pytest.raises(InputError, match="channel `wrist_eda` is missing; the model takes wrist_bvp, wrist_eda"):
        model.predict_proba(test.drop_sel(channel="wrist_eda"))
    with pytest.raises(InputError, match="420 samples at 35 Hz; the model takes 840 samples at 35 Hz"):
        model.predict_proba(test.isel(time=slice(420)))
    with pytest.raises(InputError, match="840 samples at 64 Hz"):
        model.predict_proba(test.assign_attrs(rate_hz=64.0))
    infinite = test.copy(deep=True)
    infinite["signal"][3, 2, 5] = np.inf
    with pytest.raises(InputError, match="channel `wrist_temp` holds an infinite value"):
        model.predict_proba(infinite)


def test_a_unit_that_the_network_does_not_know_is_refused(parts):
    fahrenheit = parts[0].assign_coords(units=("channel", ["a.u.", "uS", "degF", "g", "g", "g"]))
    with pytest.raises(InputError, match="unknown unit `degF`"):
        ResNet(width=2, epochs=1).fit(fahrenheit, None, seed=0)


def test_saved_files_hold_no_pickle_and_say_what_the_model_is(model, tmp_path):
    model.save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.json", "weights.safetensors"]
    saved = json.loads((tmp_path / "model.json").read_text())
    assert saved["model"] == "resnet"
    assert saved["channels"] == model.channels_
    assert saved["architecture"]["width"] == 4
    assert saved["best_epoch"] == model.best_epoch_
    loaded = ResNet.load(tmp_path)
    assert vars(loaded.recipe) == vars(model.recipe)
    assert (loaded.best_epoch_, loaded.patience, loaded.augment, loaded.rested_) == (model.best_epoch_, 20, True, False)
    assert count_parameters(loaded.network_) == count_parameters(model.network_)
    assert loaded.validates
    assert not loaded.network_.training


def test_weights_of_another_network_are_refused(model, parts, tmp_path):
    model.save(tmp_path)
    ResNet(width=2, epochs=1).fit(parts[0], None, seed=0).save(tmp_path / "other")
    (tmp_path / "other" / "weights.safetensors").replace(tmp_path / "weights.safetensors")
    with pytest.raises(InputError, match=r"weights.safetensors: missing, damaged or of another network"):
        models.load(tmp_path)


def test_a_description_with_a_key_missing_is_refused(model, tmp_path):
    model.save(tmp_path)
    saved = json.loads((tmp_path / "model.json").read_text())
    del saved["channels"]
    (tmp_path / "model.json").write_text(json.dumps(saved))
    with pytest.raises(InputError, match=r"model.json: not the description of a saved network"):
        models.load(tmp_path)


def test_predictions_are_the_same_inside_an_autocast_of_the_caller(model, parts):
    plain = model.predict_proba(parts[2])
    with torch.autocast("cpu", torch.bfloat16):
        assert np.array_equal(model.predict_proba(parts[2]), plain)


def test_levels_in_a_table_are_those_of_the_signal(windows):
    gone = windows.copy(deep=True)
    gone["signal"][0, 1] = np.nan
    table = tabulate_levels(gone)
    assert list(table.columns) == ["subject", "label", "channel", "units", "mean", "log_spread"]
    assert len(table) == 60 * 6
    temperature = table[table["channel"] == "wrist_temp"]
    signal = windows["signal"].sel(channel="wrist_temp")
    assert np.allclose(temperature["mean"], signal.mean("time"), atol=1e-3)
    # The spread holds the quantisation noise of the unit as well.
    spread = np.hypot(signal.std("time"), 0.02 / 12**0.5)
    assert np.allclose(temperature["log_spread"], np.log(spread), atol=1e-3)
    assert set(temperature["units"]) == {"degC"}
    conductance = table[(table["channel"] == "wrist_eda") & table["mean"].notna()]
    assert np.allclose(conductance["mean"], np.log(windows["signal"][1:].sel(channel="wrist_eda").mean("time")))
    assert set(conductance["units"]) == {"ln(uS)"}
    assert (temperature["subject"].values == windows["subject"].values).all()
    assert table.loc[table["mean"].isna(), ["subject", "channel"]].values.tolist() == [["S2", "wrist_eda"]]


def test_no_windows_have_no_probabilities(model, parts):
    assert model.predict_proba(parts[2].isel(window=slice(0))).shape == (0, 2)


@pytest.fixture(scope="module")
def rested(windows):
    """Windows after rest, windows at rest (the first four of each person's baseline)."""
    number = np.arange(windows.sizes["window"]) % 12
    at_rest = (windows["label"] == "baseline").values & (number < 4)
    return windows.isel(window=~at_rest), windows.isel(window=at_rest)


@pytest.fixture(scope="module")
def model_with_rest(rested):
    """A network that knows people's rest."""
    train = rested[0].isel(window=rested[0]["subject"] != "S6")
    return ResNet(width=2, epochs=4, batch_size=8, learning_rate=1e-2).fit(train, None, rest=rested[1], seed=0)


def test_rest_lines_up_by_person(model_with_rest, rested):
    windows, rest = rested
    probability = model_with_rest.predict_proba(windows, rest=rest).values
    order = np.random.default_rng(0).permutation(windows.sizes["window"])
    assert np.allclose(model_with_rest.predict_proba(windows.isel(window=order), rest=rest), probability[order])
    backwards = rest.isel(window=slice(None, None, -1))
    assert np.allclose(model_with_rest.predict_proba(windows, rest=backwards), probability, atol=1e-5)


def test_a_persons_rest_concerns_that_person_alone(model_with_rest, rested):
    windows, rest = rested
    probability = model_with_rest.predict_proba(windows, rest=rest).values
    warmer = rest.copy(deep=True)
    of_one = warmer["subject"].values == "S6"
    warmer["signal"][of_one, 2] += 2.0
    changed = (model_with_rest.predict_proba(windows, rest=warmer).values != probability).any(axis=1)
    assert np.array_equal(changed, windows["subject"].values == "S6")


def test_rest_is_needed_by_those_who_were_fitted_with_it_and_by_no_others(model, model_with_rest, rested):
    windows, rest = rested
    with pytest.raises(InputError, match="fitted with people's windows at rest"):
        model_with_rest.predict_proba(windows)
    with pytest.raises(InputError, match="fitted without people's windows at rest"):
        model.predict_proba(windows, rest=rest)
    with pytest.raises(InputError, match="S4: no window at rest"):
        model_with_rest.predict_proba(windows, rest=rest.isel(window=rest["subject"] != "S4"))


def test_rest_that_nothing_would_follow_from_is_refused(rested):
    with pytest.raises(InputError, match="`resnet` sees rest in the channels' levels"):
        ResNet(width=2, epochs=1, levels=False).fit(rested[0], None, rest=rested[1], seed=0)


def test_a_network_with_rest_comes_back_whole(model_with_rest, rested, tmp_path):
    model_with_rest.save(tmp_path)
    loaded = models.load(tmp_path)
    assert loaded.rested_
    expected = model_with_rest.predict_proba(rested[0], rest=rested[1])
    assert np.array_equal(loaded.predict_proba(rested[0], rest=rested[1]), expected)
