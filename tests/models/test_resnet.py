"""The network as a model of windows, alone and with features beside it."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from model_examples import of

from wesadlib import models
from wesadlib.errors import InputError
from wesadlib.models import predict
from wesadlib.models.normalisation import separate_by_level, tabulate_levels
from wesadlib.models.resnet import Joint, ResNet
from wesadlib.params import Params

QUICK = {"width": 2, "epochs": 3, "batch_size": 16, "learning_rate": 1e-2, "precision": "float32"}


@pytest.fixture(scope="module")
def parts(examples):
    """Training, validation and test people."""
    return of(examples, "S2", "S3", "S4"), of(examples, "S5"), of(examples, "S6")


@pytest.fixture(scope="module")
def model(parts):
    """A network of width 4, trained well enough to be right."""
    options = {"epochs": 15, "batch_size": 8, "learning_rate": 1e-2, "pick_epoch": True, "patience": 20}
    return ResNet(width=4, **options).fit(*parts[:2], seed=1)


@pytest.fixture(scope="module")
def joint(parts):
    return Joint(**QUICK).fit(parts[0], seed=0)


@pytest.fixture(scope="module", params=[ResNet, Joint])
def calibrated(request, examples, parts):
    rest = of(examples, "S2", "S3", "S4", "S5", "S6", rest=True)
    return request.param(**QUICK).fit(parts[0], rest=rest, seed=0), rest


def changed(examples, rows=slice(None), signal=None, feature=None, by=1.0):
    """The same windows with one channel or feature of some rows raised."""
    values = {name: getattr(examples, name).copy() for name in ("signal", "feature")}
    for name, column in (("signal", signal), ("feature", feature)):
        if column is not None:
            values[name][rows, column] += by
    return replace(examples, **values)


def test_the_network_learns_what_toys_show_on_a_person_never_seen(model, parts):
    assert ((predict(model, parts[2])[:, 1] > 0.5) == (parts[2].label == "stress")).mean() >= 0.9


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
    given = {"classes": model.classes, **model.architecture, "patience": model.patience, **vars(model.training)}
    given["pick_epoch"] = model.validates
    assert {name: given[name] for name in values} == values


def test_the_kept_epoch_is_the_best_and_its_weights_have_that_loss(model, parts):
    history = model.history_
    assert list(history.columns) == ["epoch", "train_loss", "validation_loss", "learning_rate", "seconds"]
    assert history["epoch"].tolist() == list(range(1, len(history) + 1))
    assert history["seconds"].is_monotonic_increasing
    assert history["epoch"].iloc[history["validation_loss"].argmin()] == model.best_epoch_
    right = predict(model, parts[1])[np.arange(len(parts[1])), (parts[1].label == "stress").astype(int)]
    smoothing = model.training.label_smoothing
    loss = -((1 - smoothing / 2) * np.log(right) + smoothing / 2 * np.log(1 - right)).mean()
    assert loss == pytest.approx(history["validation_loss"].min(), abs=1e-5)


def test_training_stops_when_patience_ends(parts):
    wrong = replace(parts[1], label=np.where(parts[1].label == "stress", "baseline", "stress"))
    model = ResNet(**QUICK | {"epochs": 60}, pick_epoch=True, patience=3).fit(parts[0], wrong, seed=0)
    assert len(model.history_) == model.best_epoch_ + 3 < 60


def test_validation_people_choose_and_do_not_teach(parts):
    train, validation, test = parts
    other = replace(validation, signal=validation.signal[::-1])
    first, second = (ResNet(**QUICK, pick_epoch=True).fit(train, people, seed=0) for people in (validation, other))
    assert first.history_["train_loss"].equals(second.history_["train_loss"])
    assert not first.history_["validation_loss"].equals(second.history_["validation_loss"])
    watched, alone = (ResNet(**QUICK).fit(train, people, seed=0) for people in (validation, None))
    assert not watched.validates and watched.best_epoch_ == alone.best_epoch_ == 3
    assert watched.history_["validation_loss"].notna().all() and alone.history_["validation_loss"].isna().all()
    assert np.array_equal(predict(watched, test), predict(alone, test))


def test_progress_is_what_the_history_keeps(parts):
    reports = []
    model = ResNet(**QUICK, pick_epoch=True, patience=1)
    model.fit(parts[0], None, seed=0, progress=lambda *report: reports.append(report))
    assert [report[:3] for report in reports] == [(k + 1, 3, loss) for k, loss in enumerate(model.history_.train_loss)]
    assert model.best_epoch_ == 3 and all(math.isnan(report[3]) for report in reports)


def test_seed_and_augmentation_count(parts):
    first, other_seed = (ResNet(**QUICK).fit(parts[0], seed=seed) for seed in (0, 1))
    plain = ResNet(**QUICK, augment=False).fit(parts[0], seed=0)
    for other in (other_seed, plain):
        assert not np.allclose(predict(first, parts[2]), predict(other, parts[2]))


def test_only_axes_of_acceleration_are_mirrored_and_measures_are_lost_with_their_channel(joint):
    augmentation = joint._augmentation()
    names = [joint.channels_[k] for k in augmentation.mirrored]
    assert names == ["wrist_acc_x", "wrist_acc_y", "wrist_acc_z"]
    assert len(augmentation.channel_of) == joint.network_.measures
    assert augmentation.channel_of[:12] == (*range(6), *range(6))
    for name, channel in zip(joint.feature_names_, augmentation.channel_of[12:], strict=True):
        assert channel == -1 or name.startswith(joint.channels_[channel])
    assert joint.channels_.index("wrist_eda") in augmentation.channel_of[12:]


def test_levels_come_from_the_training_people(model, parts):
    mean = parts[0].signal.mean(axis=2)
    mean[:, 1] = np.log(mean[:, 1])
    assert np.allclose(model.network_.scale.median[:6], np.median(mean, axis=0), rtol=1e-3, atol=1e-3)


def test_no_feature_and_no_channel_is_ignored(joint, parts):
    plain = predict(joint, parts[2])
    for feature in range(len(joint.feature_names_)):
        assert not np.allclose(predict(joint, changed(parts[2], feature=feature, by=1e3)), plain, atol=1e-6)
    for channel in range(6):
        assert not np.allclose(predict(joint, changed(parts[2], signal=channel, by=5)), plain, atol=1e-6)


def test_windows_of_another_shape_are_refused_by_name(model, joint, parts):
    test = parts[2]
    with pytest.raises(InputError, match=r"the channel `wrist_eda` is missing; the model was trained with wrist_bvp"):
        predict(model, replace(test, channels=("wrist_bvp", "wrist_ppg", *test.channels[2:])))
    with pytest.raises(InputError, match="420 samples; the model takes 840"):
        predict(model, replace(test, signal=test.signal[:, :, :420]))
    with pytest.raises(InputError, match="windows at 64 Hz; the model takes 35 Hz"):
        predict(model, replace(test, rate_hz=64.0))
    with pytest.raises(InputError, match="have no features"):
        predict(joint, replace(test, feature=None, feature_names=()))
    with pytest.raises(InputError, match="have no signals"):
        ResNet(**QUICK).fit(replace(test, signal=None, channels=()), seed=0)
    with pytest.raises(InputError, match="unknown unit `degF`"):
        ResNet(**QUICK).fit(replace(test, units=("a.u.", "uS", "degF", "g", "g", "g")), seed=0)


@pytest.mark.parametrize("name", ["signal", "feature"])
def test_infinite_values_are_refused_where_windows_come_in(make_windows_of_toys, name):
    windows = make_windows_of_toys(n_subjects=1, per_subject=6, window_s=24.0)
    if name == "feature":
        windows = windows.assign(feature=(("window", "feature_name"), np.ones((6, 1)))).assign_coords(
            feature_name=["a"]
        )
    windows[name] = windows[name].copy(deep=True)
    windows[name].values[3, 0] = np.inf
    with pytest.raises(InputError, match=r"the (channel `wrist_bvp`|feature `a`) holds an infinite value"):
        models.Examples.from_dataset(windows)


def test_saved_files_hold_no_pickle_and_all_that_the_model_is(model, tmp_path):
    model.save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.json", "weights.safetensors"]
    loaded = ResNet.load(tmp_path)
    names = ("architecture", "training", "best_epoch_", "patience", "augment", "validates", "channels_", "units_")
    assert all(getattr(loaded, name) == getattr(model, name) for name in names)
    assert not loaded.network_.training


def test_weights_or_a_description_of_another_network_are_refused(model, joint, tmp_path):
    model.save(tmp_path)
    joint.save(tmp_path / "other")
    (tmp_path / "other" / "weights.safetensors").replace(tmp_path / "weights.safetensors")
    with pytest.raises(InputError, match=r"weights.safetensors: missing, damaged or of another network"):
        models.load(tmp_path)
    description = json.loads((tmp_path / "model.json").read_text())
    del description["channels"]
    (tmp_path / "model.json").write_text(json.dumps(description))
    with pytest.raises(InputError, match=r"model.json: not the description of a saved network"):
        models.load(tmp_path)


def test_predictions_are_the_same_inside_an_autocast_of_the_caller(model, parts):
    plain = predict(model, parts[2])
    with torch.autocast("cpu", torch.bfloat16):
        assert np.array_equal(predict(model, parts[2]), plain)
    assert predict(model, parts[2].take(slice(0))).shape == (0, 2)


def test_rest_lines_up_by_person_and_concerns_that_person_alone(calibrated, examples):
    model, rest = calibrated
    windows = of(examples, "S5", "S6")
    probability = predict(model, windows, rest)
    order = np.random.default_rng(0).permutation(len(windows))
    assert np.allclose(predict(model, windows.take(order), rest), probability[order], atol=1e-6)
    assert np.allclose(predict(model, windows, rest.take(slice(None, None, -1))), probability, atol=1e-5)
    warmer = changed(rest, rest.subject == "S6", signal=2, feature=1, by=2.0)
    differs = (predict(model, windows, warmer) != probability).any(axis=1)
    assert np.array_equal(differs, windows.subject == "S6")


def test_rest_that_nothing_would_follow_from_is_refused(parts):
    with pytest.raises(InputError, match="`resnet` sees rest in the channels' levels"):
        ResNet(**QUICK, levels=False).fit(parts[0], rest=parts[0], seed=0)


def test_levels_in_a_table_are_those_of_the_signal(make_windows_of_toys):
    windows = make_windows_of_toys(n_subjects=5, window_s=24.0).copy(deep=True)
    windows["signal"][0, 1] = np.nan
    table = tabulate_levels(windows)
    assert list(table.columns) == ["subject", "label", "channel", "units", "mean", "log_spread"]
    temperature = table[table["channel"] == "wrist_temp"]
    signal = windows["signal"].sel(channel="wrist_temp")
    assert np.allclose(temperature["mean"], signal.mean("time"), atol=1e-3)
    # The spread holds the quantisation noise of the unit as well.
    assert np.allclose(temperature["log_spread"], np.log(np.hypot(signal.std("time"), 0.02 / 12**0.5)), atol=1e-3)
    conductance = table[(table["channel"] == "wrist_eda") & table["mean"].notna()]
    assert np.allclose(conductance["mean"], np.log(windows["signal"][1:].sel(channel="wrist_eda").mean("time")))
    assert (set(temperature["units"]), set(conductance["units"])) == ({"degC"}, {"ln(uS)"})
    assert table.loc[table["mean"].isna(), ["subject", "channel"]].values.tolist() == [["S2", "wrist_eda"]]
    areas = separate_by_level(table, "stress", "baseline")
    assert len(areas) == 12 and areas["wrist_eda", "mean"] > 0.8 > 0.5 > areas["wrist_temp", "mean"]
    assert np.allclose(areas, 1 - separate_by_level(table, "baseline", "stress"))
