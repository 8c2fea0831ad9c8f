"""What moved an answer: exact contributions of features to the log odds of a linear model; of a network's, samples."""

import copy
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from wesadlib.errors import InputError, needs
from wesadlib.evaluation import attribution
from wesadlib.evaluation.destruction import signal_of
from wesadlib.models import Examples, Model
from wesadlib.models.base import select_inputs
from wesadlib.models.calibration import Calibrated
from wesadlib.models.physiology import HEART, SATURATION, Physiology
from wesadlib.models.tabular import Logistic

if TYPE_CHECKING:
    import xarray as xr

    from wesadlib.models.resnet import ResNet


class Contributions(NamedTuple):
    """What each feature adds to the log odds of the second of two states.

    `values` (window, feature_name) and `base` (window,), where every feature is at its reference, sum to the model's
    own log odds; `difference` is each feature less its reference in its own unit, NaN where missing.
    """

    values: np.ndarray
    base: np.ndarray
    difference: np.ndarray


def contributions(model: Model, feature: np.ndarray, rest: np.ndarray | None = None) -> Contributions:
    """Exact additive contributions to a linear model's answer, against the person's own `rest`, or else what is usual.

    Models are ``logistic`` and ``physiology``, of two states; usual is what the model has learnt from.
    """
    if isinstance(model, Calibrated):
        values, base, difference = contributions(model.model, feature, rest)
        return Contributions(values / model.temperature, base / model.temperature, difference)
    if not isinstance(model, Logistic) or len(model.classes) != 2:
        raise InputError(
            f"the model `{model.name}` cannot tell what moved its answers; a linear one of two states can."
        )
    if isinstance(model, Physiology):
        reference = np.broadcast_to(model.centre_ if rest is None else rest, feature.shape)
        scaled = SATURATION * np.tanh((feature - reference) / model.spread_ / SATURATION)
        # Where no heart rate is read the skin answers, with weights of its own.
        unread = np.isnan(scaled[:, [HEART]])
        weight = np.where(unread, model.skin_weight_, model.weight_)
        base = np.where(unread[:, 0], model.skin_intercept_, model.intercept_)
        return Contributions(np.nan_to_num(scaled) * weight, base, feature - reference)
    scaler, imputer, standard, classifier = (step for _, step in model.pipeline_.steps)
    moved = scaler.transform(feature) - (0 if rest is None else rest)
    weight = classifier.coef_[0] / standard.scale_
    # At rest nothing differs from rest; among strangers the mean of the windows learnt from is the usual.
    origin = standard.mean_ if rest is None else np.zeros(len(weight))
    base = classifier.intercept_[0] + weight @ (origin - standard.mean_)
    usual = np.sinh(origin if rest is None else rest) * scaler.scale_ + scaler.centre_
    return Contributions((imputer.transform(moved) - origin) * weight, np.full(len(feature), base), feature - usual)


def separate_by_feature(fitted: Mapping[tuple[str, str], Model], examples: Examples) -> pd.DataFrame:
    """How far each feature (subject, feature) moves a person's windows of the second state from the first's, log odds.

    `fitted` are linear models as :func:`~wesadlib.evaluation.held_out.fit_people` gives them.
    """
    rows = {}
    for (_, person), model in fitted.items():
        theirs = examples.take(examples.subject == person)
        values = contributions(model, select_inputs(model, theirs)[1]).values
        second = theirs.label == model.classes[1]
        rows[person] = values[second].mean(axis=0) - values[~second].mean(axis=0)
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(model.feature_names_)).rename_axis("subject")


class Attribution(NamedTuple):
    """What moves a network's log odds of the second of two states away from `base`, a flat window's of usual levels.

    `samples` (window, channel, time) is of normalised shapes; `levels` (window, 2 * channel) of channels' means, then
    spreads, against the medians of training windows. All sum to the model's own, up to the steps of the integral.
    """

    samples: np.ndarray
    levels: np.ndarray
    base: float


def attribute(model: "ResNet", signal: np.ndarray, *, steps: int = 32) -> Attribution:
    """Integrated gradients (Sundararajan et al. 2017) of a network of two states on signals alone."""
    with needs("explain", "attribution"):
        import torch
        from captum.attr import IntegratedGradients

    inputs = _normalise(model, signal)
    flat = tuple(torch.zeros_like(part[:1]) for part in inputs)
    origin = tuple(part.expand_as(whole) for part, whole in zip(flat, inputs, strict=True))
    gradients = IntegratedGradients(_log_odds_of(model))
    parts = gradients.attribute(inputs, origin, n_steps=steps, internal_batch_size=steps)
    with torch.no_grad():
        base = float(_log_odds_of(model)(*flat))
    return Attribution(*(part.detach().numpy() for part in parts), base)


def explain_people(
    networks: Mapping[str, "ResNet"], windows: "xr.Dataset", number: int = 4
) -> tuple[pd.DataFrame, "xr.Dataset"]:
    """Attribute windows of left-out people, so many of each state, and try whether the attribution could be believed.

    Returns ``measure how x value subject``, around events and of deleted seconds
    (:mod:`~wesadlib.evaluation.attribution`), the ``share`` of each sensor's shapes and of levels, and the
    ``agreement`` with random weights and with another's network; and windows with ``attribution`` and ``log_odds``.
    """
    import xarray as xr

    people, tables, explained = list(networks), [], []
    for place, person in enumerate(people):
        part = windows.isel(window=attribution.choose_windows(windows, person, number))
        table, part = _explain_person(networks[person], networks[people[place - 1]], part)
        tables.append(table.assign(subject=person))
        explained.append(part)
    return pd.concat(tables, ignore_index=True), xr.concat(explained, "window", data_vars="minimal", coords="minimal")


def _explain_person(model: "ResNet", another: "ResNet", windows: "xr.Dataset") -> tuple[pd.DataFrame, "xr.Dataset"]:
    signal = windows["signal"].transpose("window", "channel", "time").values
    samples, levels, base = attribute(model, signal)
    sum_seconds = partial(attribution.sum_seconds, rate_hz=float(windows.attrs["rate_hz"]))
    moved = pd.DataFrame(samples.sum(axis=-1).T).groupby([signal_of(name) for name in model.channels_]).sum().T
    moved = moved.assign(levels=levels.sum(axis=1)).abs().mean()
    rows = [("share", how, value) for how, value in (moved / moved.sum()).items()]
    for how, other in (("random weights", randomise_weights(model)), ("another network", another)):
        agreement = attribution.agree(sum_seconds(samples), sum_seconds(attribute(other, signal).samples))
        rows.append(("agreement", how, agreement))
    deleted = attribution.delete_seconds(partial(log_odds_without, model, signal), sum_seconds(samples), signal.shape)
    single = pd.DataFrame(rows, columns=["measure", "how", "value"])
    table = pd.concat([single, attribution.follow_events(windows, samples), deleted], ignore_index=True)
    log_odds = samples.sum(axis=(1, 2)) + levels.sum(axis=1) + base
    signals = ("window", "channel", "time")
    return table, windows.assign(attribution=(signals, samples), log_odds=("window", log_odds))


def log_odds_without(model: "ResNet", signal: np.ndarray, removed: np.ndarray) -> np.ndarray:
    """A network's log odds (window,) where its samples `removed` (window, channel, time) are flat; levels stay."""
    import torch

    normal, measures = _normalise(model, signal)
    with torch.no_grad():
        return _log_odds_of(model)(normal.masked_fill(torch.from_numpy(removed), 0), measures).numpy()


def randomise_weights(model: "ResNet") -> "ResNet":
    """The same network as it was before it learnt anything but the scales of its levels."""
    import torch

    untrained = copy.copy(model)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        untrained.network_ = model._make_network().eval()
    untrained.network_.scale.load_state_dict(model.network_.scale.state_dict())
    return untrained


def _normalise(model: "ResNet", signal: np.ndarray) -> tuple[Any, Any]:
    """What the first trained weights see: normalised signals (window, channel, time), and levels."""
    import torch

    if model.feature_names_ or model.uses_rest_ or len(model.classes) != 2:
        raise InputError(
            f"the model `{model.name}` cannot be attributed; a network of two states on signals alone can."
        )
    network = model.network_
    with torch.no_grad():
        normal, levels = network.normalisation(torch.from_numpy(np.ascontiguousarray(signal, np.float32)))
        return normal, network.compare(network.scale(network.join_measures(levels)))


def _log_odds_of(model: "ResNet") -> Any:
    def log_odds(normal: Any, measures: Any) -> Any:
        logits = model.network_.decide(model.network_.embed(normal), measures)
        return logits[:, 1] - logits[:, 0]

    return log_odds
