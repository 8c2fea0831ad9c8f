"""The loop, its hooks, and the altered windows that it shows."""

import math
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn

from wesadlib.models import training
from wesadlib.models.augmentation import Augmentation
from wesadlib.models.network import RestWindows
from wesadlib.models.normalisation import WindowNormalisation
from wesadlib.models.training import (
    REST_WINDOWS,
    BestWeights,
    Curves,
    Hook,
    LoopState,
    TrainingConfig,
    _draw_rest,
    seeded,
    train,
)

CPU = torch.device("cpu")
CONFIG = TrainingConfig(epochs=5, batch_size=16, learning_rate=1e-2, precision="float32")


class Linear(nn.Module):
    """One linear layer with dropout on the channels' means; notes what it is trained on in `seen`."""

    seen: ClassVar[list[torch.Tensor]] = []

    def __init__(self):
        super().__init__()
        self.layer, self.dropout = nn.Linear(3, 2), nn.Dropout(0.1)

    def classify(self, signal, measures):
        if self.training:
            self.seen.append(signal[:, 0, 0])
        return self.layer(self.dropout(signal.mean(-1)))


@pytest.fixture(autouse=True)
def _forget():
    Linear.seen.clear()


def make_data(n: int = 40, seed: int = 0) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Signals and measures, of which there are none, and states."""
    generator = torch.Generator().manual_seed(seed)
    target = torch.arange(n) % 2
    return [torch.randn(n, 3, 20, generator=generator) + target[:, None, None], torch.empty(n, 0)], target


def run(config: TrainingConfig = CONFIG, validation=None, hooks=(), seed: int = 0, data=None) -> nn.Module:
    with seeded(seed, CPU) as generator:
        return train(Linear(), *(data or make_data()), validation, config, generator, hooks)


def test_the_learning_rate_rises_once_and_falls_to_nothing():
    curves = Curves()
    run(TrainingConfig(epochs=20, batch_size=8, learning_rate=0.05, precision="float32"), hooks=[curves])
    rate = curves.table()["learning_rate"].to_numpy()
    peak = rate.argmax()
    assert rate[peak] == pytest.approx(0.05, rel=0.05)
    assert (np.diff(rate[: peak + 1]) > 0).all()
    assert (np.diff(rate[peak:]) < 0).all()
    assert rate[-1] < 1e-6


def test_every_window_is_seen_once_an_epoch_in_equal_parts_and_another_order():
    (signal, measures), target = make_data(33)
    run(TrainingConfig(epochs=2, batch_size=16, precision="float32"), data=([signal, measures], target))
    assert [len(batch) for batch in Linear.seen] == [11] * 6
    first, second = torch.cat(Linear.seen[:3]), torch.cat(Linear.seen[3:])
    assert torch.equal(first.sort()[0], signal[:, 0, 0].sort()[0])
    assert torch.equal(second.sort()[0], signal[:, 0, 0].sort()[0])
    assert not torch.equal(first, second)


def test_windows_are_augmented_in_training_and_not_in_validation():
    zero = lambda signal, measures, generator: (0 * signal, measures)  # noqa: E731
    curves, (other, label) = Curves(), make_data(seed=1)
    with seeded(0, CPU) as generator:
        network = train(Linear(), *make_data(), (other, label), CONFIG, generator, [curves], augment=zero)
    assert all((batch == 0).all() for batch in Linear.seen)
    expected = training.evaluate_loss(network, other, label, CONFIG.label_smoothing)
    assert curves.table()["validation_loss"].iloc[-1] == pytest.approx(expected)
    assert not math.isclose(
        expected, training.evaluate_loss(network, [0 * other[0], other[1]], label, CONFIG.label_smoothing)
    )


def test_what_is_kept_is_the_mean_of_the_weights_over_the_last_epochs():
    class Trail(Hook):
        def __init__(self):
            self.kept = []

        def on_epoch_end(self, state):
            self.kept.append(state.network.layer.weight.detach().clone())

    trails = []
    for averaging in (1 / 3, 4.0):
        trails.append(Trail())
        config = TrainingConfig(
            epochs=12, batch_size=16, learning_rate=0.1, precision="float32", averaging_epochs=averaging
        )
        run(config, hooks=[trails[-1]])
    steps = [torch.stack(trail.kept).diff(dim=0).norm(dim=(1, 2)).max() for trail in trails]
    # A third of an epoch is one step of three: no averaging at all.
    assert steps[1] < 0.7 * steps[0]


def play(hook: BestWeights, losses: list[float]) -> tuple[nn.Module, int]:
    """Lead a hook through made-up validation losses; the weight of an epoch is its number."""
    network = nn.Linear(1, 1)
    state = LoopState(network, epochs=len(losses))
    for state.epoch, state.validation_loss in enumerate(losses, start=1):
        nn.init.constant_(network.weight, state.epoch)
        hook.on_epoch_end(state)
        if state.stop:
            break
    hook.on_train_end(state)
    return network, state.epoch


@pytest.mark.parametrize(
    ("losses", "patience", "best", "last"),
    [
        ([3.0, 1.0, 2.0, 2.0, 1.0, 0.5], 3, 2, 5),
        ([3.0, 3.5, 2.0, 2.5, 1.0, 1.5, 1.5, 0.0], 2, 5, 7),
        ([2.0, math.nan, math.nan], 5, 1, 3),
    ],
    ids=["patience ends", "renewed by a better loss", "no number"],
)
def test_the_best_weights_come_back_and_patience_ends_the_training(losses, patience, best, last):
    hook = BestWeights(patience=patience)
    network, ended = play(hook, losses)
    assert (hook.epoch, hook.loss, ended, network.weight.item()) == (best, losses[best - 1], last, best)


def test_label_smoothing_keeps_a_network_from_certainty():
    sure = []
    for smoothing in (0.0, 0.4):
        options = {"epochs": 30, "batch_size": 8, "learning_rate": 0.1, "precision": "float32"}
        network = run(TrainingConfig(**options, label_smoothing=smoothing)).eval()
        sure.append(network.classify(*make_data()[0]).softmax(1).max(1)[0].mean().item())
    assert sure[0] > 0.9 > 0.85 > sure[1]


def test_the_loss_does_not_depend_on_the_batches():
    network, (windows, target) = Linear(), make_data(10)
    losses = [training.evaluate_loss(network, windows, target, 0.1, batch_size=size) for size in (10, 3)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        ({"avx512_bf16": True}, "bfloat16"),
        ({"amx_bf16": True}, "bfloat16"),
        ({"avx512_bf16": False}, "float32"),
        ({}, "float32"),
    ],
)
def test_auto_takes_bfloat16_only_where_the_cpu_has_it(monkeypatch, capabilities, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    assert training.choose_dtype("auto", CPU) == getattr(torch, expected)
    assert training.choose_dtype("float32", CPU) == torch.float32
    assert training.choose_dtype("bfloat16", CPU) == torch.bfloat16


def test_bfloat16_trains_to_about_the_same_weights():
    weights = []
    for precision in ("float32", "bfloat16"):
        weights.append(
            run(TrainingConfig(epochs=3, batch_size=16, learning_rate=1e-2, precision=precision)).layer.weight
        )
    assert not torch.equal(*weights)
    assert torch.allclose(*weights, atol=0.02)
    assert weights[1].dtype == torch.float32


def test_weight_decay_pulls_the_weights_to_zero():
    norms = []
    for decay in (0.0, 1.0):
        config = TrainingConfig(epochs=20, batch_size=16, learning_rate=3e-2, weight_decay=decay, precision="float32")
        norms.append(run(config).layer.weight.norm().item())
    assert norms[1] < 0.8 * norms[0]


def test_training_computes_on_one_thread_and_leaves_the_setting_as_it_was():
    before = torch.get_num_threads()
    seen = []

    class Watch(Hook):
        def on_epoch_end(self, state):
            seen.append(torch.get_num_threads())

    train(Linear(), *make_data(16), None, TrainingConfig(epochs=1), torch.Generator(), [Watch()])
    assert seen == [1] and torch.get_num_threads() == before


def test_rest_of_the_same_people_is_drawn_anew_and_altered_as_other_windows_are():
    rest = RestWindows(torch.ones(8, 2, 16), torch.tensor([0, 0, 0, 0, 0, 1, 1, 2]))
    measures, person = torch.zeros(5, 3), torch.tensor([0, 1, 1, 0, 0])
    generator = torch.Generator().manual_seed(0)
    shown = _draw_rest(rest, measures, person, generator, lambda normal, measures, _: (2 * normal, measures))
    assert shown.person.tolist() == [0] * REST_WINDOWS + [1, 1]
    assert torch.equal(shown.normal, torch.full((5, 2, 16), 2.0))
    assert torch.equal(_draw_rest(rest, measures, person, generator, None).normal, torch.ones(5, 2, 16))


def draw_normalised(windows: int = 200, channels: int = 3, samples: int = 50) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    signal = torch.randn(windows, channels, samples, generator=generator) + 4
    return WindowNormalisation(["g"] * channels)(signal)


def generator(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_shift_turns_all_channels_of_a_window_together():
    signal, measures = draw_normalised()
    shifted, same = Augmentation(channel_of=(0, 1, 2) * 2, lost=0.0)(signal, measures, generator())
    starts = []
    for before, after in zip(signal, shifted, strict=True):
        (start,) = (k for k in range(50) if torch.equal(torch.roll(before, -k, dims=-1), after))
        starts.append(start)
    assert len(set(starts)) > 40
    assert torch.equal(same, measures)


def test_mirrored_axes_swing_the_other_way_in_half_of_the_windows():
    signal, measures = draw_normalised(windows=400)
    options = {"channel_of": (0, 1, 2) * 2, "lost": 0.0}
    mirrored, same = Augmentation(mirrored=(1,), **options)(signal, measures, generator())
    plain, _ = Augmentation(**options)(signal, measures, generator())
    assert torch.equal(mirrored[:, [0, 2]], plain[:, [0, 2]])
    turned = (mirrored[:, 1] != plain[:, 1]).any(-1)
    assert 150 < turned.sum() < 250
    assert torch.equal(mirrored[turned, 1], -plain[turned, 1])
    assert torch.equal(same, measures)


def test_a_lost_channel_is_lost_whole_with_its_measures_and_as_often_as_asked():
    signal, measures = draw_normalised(windows=1000)
    measures = torch.cat([measures, torch.ones(1000, 1)], dim=1)
    altered, known = Augmentation(channel_of=(0, 1, 2, 0, 1, 2, -1), lost=0.2)(signal, measures, generator())
    gone = (altered == 0).all(-1)
    assert 0.17 < gone.float().mean() < 0.23
    assert torch.equal(known == 0, torch.cat([gone, gone, torch.zeros(1000, 1, dtype=bool)], dim=1))
    assert torch.equal(known[known != 0], measures[known != 0])
