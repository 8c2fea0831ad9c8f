"""The training loop, and the hooks through which it reports."""

import contextlib
import copy
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from wesadlib.models.network import ResNet1D, RestWindows

#: Windows at rest of each person that a training step compares with.
REST_WINDOWS = 3


@dataclass(frozen=True)
class TrainingConfig:
    """Constants of training: see the parameters of the same names.

    `averaging_epochs` is the time constant of the running mean of the weights that is validated and kept.
    """

    epochs: int = 25
    batch_size: int = 64
    learning_rate: float = 3e-3
    weight_decay: float = 1e-2
    label_smoothing: float = 0.05
    precision: str = "auto"
    averaging_epochs: float = 1.0


@dataclass
class LoopState:
    """Where training stands; hooks read it, and set `stop` to end it after the epoch."""

    network: nn.Module
    epochs: int
    epoch: int = 0
    train_loss: float = float("nan")
    validation_loss: float = float("nan")
    learning_rate: float = float("nan")
    seconds: float = 0.0
    stop: bool = False


class Hook:
    """Called by the loop; override what is needed."""

    def on_epoch_end(self, state: LoopState) -> None:
        """After each epoch, with the losses known."""

    def on_train_end(self, state: LoopState) -> None:
        """After the last epoch."""


@dataclass
class Report(Hook):
    """Hand epoch, epochs, training loss and validation loss to a function."""

    report: Callable[[int, int, float, float], None]

    def on_epoch_end(self, state: LoopState) -> None:
        """Report."""
        self.report(state.epoch, state.epochs, state.train_loss, state.validation_loss)


@dataclass
class Curves(Hook):
    """Keep the learning curves."""

    rows: list[dict] = field(default_factory=list)

    def on_epoch_end(self, state: LoopState) -> None:
        """Add a row."""
        names = ("epoch", "train_loss", "validation_loss", "learning_rate", "seconds")
        self.rows.append({name: getattr(state, name) for name in names})

    def table(self) -> pd.DataFrame:
        """A row an epoch: epoch, train_loss, validation_loss, learning_rate, seconds."""
        return pd.DataFrame(self.rows)


@dataclass
class BestWeights(Hook):
    """Keep the weights of the lowest validation loss, put them back at the end, stop when none comes for long."""

    patience: int
    epoch: int = 0
    loss: float = float("inf")
    weights: dict[str, Tensor] = field(default_factory=dict)

    def on_epoch_end(self, state: LoopState) -> None:
        """Compare."""
        if state.validation_loss < self.loss:
            self.epoch, self.loss = state.epoch, state.validation_loss
            self.weights = copy.deepcopy(state.network.state_dict())
        state.stop = state.epoch - self.epoch >= self.patience

    def on_train_end(self, state: LoopState) -> None:
        """Put the best weights back."""
        if self.weights:
            state.network.load_state_dict(self.weights)


def choose_device() -> torch.device:
    """The GPU where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def choose_dtype(precision: str, device: torch.device) -> torch.dtype:
    """What convolutions are computed in.

    ``auto`` takes bfloat16 where the hardware multiplies it, which is the fastest at equal accuracy, else float32: a
    CPU that must emulate it is slower with it.
    """
    if precision == "auto":
        if device.type == "cuda":
            native = torch.cuda.is_bf16_supported(including_emulation=False)
        else:
            capabilities = torch.cpu.get_capabilities()
            native = bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
        precision = "bfloat16" if native else "float32"
    return getattr(torch, precision)


@contextlib.contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[torch.Generator]:
    """A block in which all that torch draws follows from the seed; outside, torch's generators are as before."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices), torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True):
        torch.manual_seed(seed)
        yield torch.Generator().manual_seed(seed)


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """A block in which torch computes on one thread of the CPU.

    Folds run beside each other, so more threads would only get in each other's way; and with two threads the backward
    pass of narrow convolutions writes outside its memory on some processors (torch 2.13.0).
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@one_thread()
def train(
    network: ResNet1D,
    windows: Sequence[Tensor],
    target: Tensor,
    validation: tuple[Sequence[Tensor], Tensor] | None,
    config: TrainingConfig,
    generator: torch.Generator,
    hooks: Sequence[Hook] = (),
    augment: Callable[[Tensor, Tensor, torch.Generator], tuple[Tensor, Tensor]] | None = None,
    rest: RestWindows | None = None,
) -> ResNet1D:
    """Train; every batch and every epoch is on this screen.

    AdamW, a one-cycle learning rate, label smoothing. What is validated and kept is the running mean of the weights
    over about the last epoch, which is steadier from epoch to epoch than the weights themselves.

    `windows` are what ``network.classify`` takes, `validation` the same and the target of other people, whose loss
    reaches the hooks and nothing else. `augment` makes other windows of a batch. `rest` are windows at rest of all the
    people, of which each step compares with a few, drawn anew.
    """
    device = next(network.parameters()).device
    windows, target = [part.to(device) for part in windows], target.to(device)
    rest = rest and RestWindows(*(part.to(device) for part in rest))
    dtype = choose_dtype(config.precision, device)
    steps = -(-len(target) // config.batch_size)
    decay = max(0.0, 1 - 1 / (config.averaging_epochs * steps))
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)
    weights = network.parameters()
    optimiser = torch.optim.AdamW(weights, config.learning_rate, weight_decay=config.weight_decay, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, config.learning_rate, total_steps=steps * config.epochs)
    state = LoopState(average.module, config.epochs)
    started = time.perf_counter()

    for state.epoch in range(1, config.epochs + 1):
        network.train()
        losses = []
        # Equal parts, so that no step rests on a handful of windows.
        for batch in torch.randperm(len(target), generator=generator).tensor_split(steps):
            inputs = [part[batch] for part in windows]
            if augment:
                inputs[:2] = augment(*inputs[:2], generator)
            if rest is not None:
                inputs.append(_draw_rest(rest, *inputs[1:], generator, augment))
            with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
                logits = network.classify(*inputs)
            loss = functional.cross_entropy(logits.float(), target[batch], label_smoothing=config.label_smoothing)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            state.learning_rate = schedule.get_last_lr()[0]
            schedule.step()
            average.update_parameters(network)
            losses.append(loss.item() * len(batch))
        state.train_loss = sum(losses) / len(target)
        if validation is not None:
            state.validation_loss = evaluate_loss(state.network, *validation, config.label_smoothing, rest)
        state.seconds = time.perf_counter() - started
        for hook in hooks:
            hook.on_epoch_end(state)
        if state.stop:
            break
    for hook in hooks:
        hook.on_train_end(state)
    return average.module


def _draw_rest(
    rest: RestWindows, measures: Tensor, person: Tensor, generator: torch.Generator, augment: Callable | None
) -> RestWindows:
    windows = rest.draw(torch.unique(person), REST_WINDOWS, generator)
    if augment is None:
        return windows
    bare = measures.new_zeros(len(windows.person), measures.shape[1])
    return windows._replace(normal=augment(windows.normal, bare, generator)[0])


@torch.no_grad()
def evaluate_loss(
    network: ResNet1D,
    windows: Sequence[Tensor],
    target: Tensor,
    label_smoothing: float,
    rest: RestWindows | None = None,
    batch_size: int = 64,
) -> float:
    """Mean loss over windows, of the same kind as in training; in float32 and in batches."""
    device, logits = next(network.parameters()).device, []
    network.eval()
    # Also where the caller computes in another precision.
    with torch.autocast(device.type, enabled=False):
        for batch in zip(*(part.split(batch_size) for part in windows), strict=True):
            inputs = [part.to(device) for part in batch]
            logits.append(network.classify(*inputs, *([] if rest is None else [rest.of(inputs[2])])))
    return functional.cross_entropy(torch.cat(logits), target.to(device), label_smoothing=label_smoothing).item()
