"""The one description of every parameter: name, type, default, bounds and help."""

import difflib
import os
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from wesadlib.errors import InputError

State = Literal["baseline", "stress", "amusement", "non-stress"]


def _field(group: str, default: Any, help: str, **bounds: Any) -> Any:
    return Field(default, description=help, json_schema_extra={"group": group}, **bounds)


_GROUPS = ("run", "recordings", "windows", "quality", "models", "network", "evaluation", "audit", "reliability")
_run, _recordings, _windows, _quality, _models, _network, _evaluation, _audit, _reliability, _deployment = (
    partial(_field, group) for group in (*_GROUPS, "deployment")
)


class Params(BaseModel):
    """Every parameter of a run; a profile in ``params/`` names those that differ from the defaults."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    run: str = _run("smoke", "name of the run: its folder is outputs/<run>", pattern=r"^[a-z0-9][a-z0-9_-]*$")

    source: Literal["simulated", "wesad", "stress-predict", "hongn"] = _recordings(
        "simulated", "where recordings come from"
    )
    wesad_root: str = _recordings("", "folder that holds S2, S3, …; empty: the environment variable WESAD_ROOT")
    stress_predict_root: str = _recordings("", "folder that holds Raw_data; empty: STRESS_PREDICT_ROOT")
    hongn_root: str = _recordings("", "folder that holds Wearable_Dataset; empty: HONGN_ROOT")
    device: Literal["chest", "wrist"] = _recordings("chest", "the device that is modelled")
    subjects: list[str] = _recordings([], "subjects to use, such as S2; empty: all")
    simulated_subjects: int = _recordings(4, "how many people to simulate", ge=1, le=1000)
    simulation_seed: int = _recordings(7, "seed of the simulated cohort", ge=0)
    effect_size: float = _recordings(1.0, "simulated people: factor on every response to stress", ge=0, le=10)
    between_person_spread: float = _recordings(
        1.0, "simulated people: factor on the spread between people", ge=0, le=10
    )
    artefact_rate: float = _recordings(1.0, "simulated people: factor on the rate of artefacts", ge=0, le=10)

    rate_hz: float = _windows(35.0, "common rate of every channel, Hz", ge=8, le=256)
    window_s: float = _windows(60.0, "length of a window, s", ge=20, le=300)
    hop_s: float = _windows(30.0, "from one window's start to the next, s", gt=0, le=300)
    min_purity: float = _windows(0.0, "least share of a window that carries its label", ge=0, le=1)

    min_completeness: float = _quality(0.95, "least share of samples present", ge=0, le=1)
    max_flat_fast_s: float = _quality(1.0, "longest stretch without change in ECG, BVP, EMG and respiration, s", gt=0)
    max_flat_s: float = _quality(10.0, "the same in EDA, s", gt=0)
    max_flat_coarse_s: float = _quality(
        40.0, "the same in temperature and acceleration, whose sensors count in coarse steps, s", gt=0
    )
    max_saturated_share: float = _quality(0.05, "largest share of samples at a saturation limit", ge=0, le=1)
    min_in_range_share: float = _quality(0.9, "least share of samples in the physiological range", ge=0, le=1)
    min_motion_score: float = _quality(
        0.1, "least share of a window's seconds without strong movement; 0 accepts any", ge=0, le=1
    )
    min_beat_plausibility: float = _quality(0.5, "least share of a window covered by plausible beats, ECG", ge=0, le=1)
    min_pulse_plausibility: float = _quality(0.2, "the same in BVP, which movement blurs at the wrist", ge=0, le=1)
    fault_windows: int = _quality(12, "good windows into which each fault is injected", ge=2, le=500)

    classes: list[State] = _models(
        ["baseline", "stress"], "states to tell apart; non-stress: baseline and amusement together", min_length=2
    )
    mean_of: list[str] = _models(
        ["logistic", "resnet"], "models whose probabilities the model `mean` averages", min_length=2
    )
    width: int = _network(4, "width w of the network's first stage", ge=2, le=128)
    dropout: float = _network(0.2, "dropout in the network", ge=0, lt=1)
    levels: bool = _network(True, "join each channel's mean and log-spread to the pooled vector")
    epochs: int = _network(3, "most epochs of training", ge=1, le=500)
    pick_epoch: bool = _network(
        False, "let validation people pick the epoch whose weights are kept; else they are training people"
    )
    patience: int = _network(
        10, "epochs without a better validation loss before training stops, where an epoch is picked", ge=1
    )
    batch_size: int = _network(64, "windows a training step", ge=2, le=4096)
    learning_rate: float = _network(3e-3, "peak learning rate of the one-cycle schedule", gt=0, le=1)
    weight_decay: float = _network(1e-2, "AdamW's weight decay", ge=0, le=1)
    label_smoothing: float = _network(0.05, "share of a label spread over the other states", ge=0, lt=1)
    precision: Literal["auto", "float32", "bfloat16"] = _network(
        "auto", "arithmetic of training; auto: the fastest that this machine has at equal accuracy"
    )

    models: list[str] = _evaluation(["logistic", "resnet", "mean"], "models to compare", min_length=1)
    protocols: list[str] = _evaluation(
        ["cold_start", "rest_calibrated", "whole_recording"],
        "what a model may see of the person it is tested on; the first is the book's own",
        min_length=1,
    )
    rest_minutes: float = _evaluation(
        2.0, "how much of a person's first baseline `rest_calibrated` may see, min", gt=0, le=30
    )
    other_tasks: list[Annotated[list[State], Field(min_length=2)]] = _evaluation(
        [["baseline", "stress", "amusement"], ["non-stress", "stress"]],
        "states to tell apart besides `classes`, by one seed",
    )
    seeds: list[Annotated[int, Field(ge=0)]] = _evaluation([0], "seeds of every model", min_length=1)
    selection_groups: int = _evaluation(4, "groups of people for the nested choice of a configuration", ge=3, le=50)
    validation_subjects: int = _evaluation(1, "training subjects set aside where an epoch is picked", ge=1)
    learning_models: list[str] = _evaluation(
        ["logistic"], "models of the learning curve, at every second number of people", min_length=1
    )
    learning_networks: list[str] = _evaluation(
        ["resnet"], "models of the learning curve that take long, at three numbers of people"
    )
    learning_draws: int = _evaluation(2, "draws of people; of `learning_networks` one", ge=1, le=50)
    explained_people: int = _evaluation(2, "left-out people whose windows are destroyed and explained", ge=1)
    retrained_models: list[str] = _evaluation(
        ["logistic"], "models that are trained again on destroyed windows and without a sensor"
    )
    workers: int = _evaluation(0, "folds at a time; 0: one after the other in this process", ge=0, le=256)
    ray_address: str = _evaluation("", "address of a Ray cluster; empty: this machine")
    bootstrap: int = _evaluation(1000, "resamples of people for an interval", ge=100, le=100_000)

    audit_models: list[str] = _audit(
        ["logistic", "resnet"], "models, of those compared, that the shortcuts are tried on", min_length=1
    )
    audit_seeds: int = _audit(2, "seeds of which a shortcut shows the best", ge=2, le=100)
    control_networks: list[str] = _audit([], "models that take long, trained on heart and skin alone as well")
    dropped_share: float = _audit(0.1, "share of windows that a shortcut drops when scored", gt=0, lt=1)

    min_confidence: float = _reliability(0.7, "below this confidence the model abstains", ge=0, le=1)
    false_alarm_rate: float = _reliability(
        0.05, "share of unshifted batches that may raise the drift alarm", gt=0, lt=1
    )
    drift_people: int = _reliability(2, "people in a batch that drift is judged on", ge=1)

    served_model: str = _deployment("resnet", "the model that goes into the bundle")
    requests: int = _deployment(40, "requests that the chapter sends to measure latency", ge=5, le=10_000)
    own_recording: str = _deployment("", "path of a recording of your own, for the chapter on these; empty: none")
    stream_minutes: float = _deployment(6.0, "minutes of a recording that the chapter streams", ge=2, le=120)

    @field_validator("classes")
    @classmethod
    def _each_once(cls, states: list[State]) -> list[State]:
        if len(set(states)) < len(states):
            raise ValueError("each state may be named once")
        return states


#: What a chapter's parameter cell declares by the one line ``network = {}``.
NETWORK = tuple(name for name, field in Params.model_fields.items() if field.json_schema_extra["group"] == "network")


def chapter_values(params: Params, names: Iterable[str]) -> dict[str, Any]:
    """Values of the parameters that a chapter's cell names, of which `network` stands for all of the network's."""
    network = {name: getattr(params, name) for name in NETWORK}
    return {name: network if name == "network" else getattr(params, name) for name in names}


def read_params(path: str | Path, overrides: Mapping[str, Any] | None = None) -> Params:
    """Read a profile, a flat YAML file such as ``params/demo.yaml``, strictly; `overrides` win over its values."""
    values = read_yaml(path, "the profiles are in params/")
    values = {} if values is None else values
    if not isinstance(values, dict) or not all(isinstance(name, str) for name in values):
        raise InputError(f"{path}: a profile is a flat list of `name: value` lines.")
    # By itself first, so that an error names where the value is: in the file, or among what wins over it.
    params = make_params({name: value for name, value in values.items() if name not in (overrides or {})}, str(path))
    if overrides:
        params = make_params({**values, **overrides}, origin="-p")
    if params.served_model not in params.models:
        raise InputError(
            f"{path}: `served_model` is {params.served_model}, which is not among `models` "
            f"({', '.join(params.models)}); add it there, or serve one of them."
        )
    if params.source == "simulated":
        return params
    name, root = data_root(params, f"{path}: ")
    return params.model_copy(update={name: root if getattr(params, name) else str(Path(root).resolve())})


def data_root(params: Any, where: str = "") -> tuple[str, str]:
    """Parameter that names the folder of the data set `source`, and the folder, else of the environment."""
    name = f"{params.source.replace('-', '_')}_root"
    root = getattr(params, name) or os.environ.get(name.upper(), "")
    if not root:
        raise InputError(
            f"{where}`source: {params.source}` needs the folder of the data set: set {name.upper()} or `{name}`."
        )
    return name, root


def read_yaml(path: str | Path, advice: str) -> Any:
    """What a YAML file holds; `advice` is what to do where there is none."""
    try:
        return yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: not a readable file ({error.strerror.lower()}); {advice}.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not readable as YAML ({' '.join(str(error).split())}).") from None


def make_params(values: Mapping[str, Any], origin: str = "parameters") -> Params:
    """Make :class:`Params` of plain values; an error is one sentence that names `origin` and the parameter."""
    try:
        return Params(**values)
    except ValidationError as error:
        first = error.errors()[0]
    name, problem = str(first["loc"][0]), first["msg"]
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(name, Params.model_fields, n=1)
        hint = f"did you mean `{near[0]}`?" if near else "the parameters are listed by `wesad params`."
        raise InputError(f"{origin}: unknown parameter `{name}`; {hint}")
    raise InputError(f"{origin}: parameter `{name}`: {problem[0].lower()}{problem[1:]}, not {first['input']!r}.")


class ChapterParams:
    """The parameters that a chapter's parameter cell names; to read another is an error.

    Else a chapter would silently work with a default where the profile says something else.
    """

    def __init__(self, params: Params, declared: frozenset[str]):
        self._params = params
        self._declared = declared

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name in Params.model_fields and name not in self._declared:
            raise InputError(f"this chapter uses the parameter `{name}`, which its parameter cell does not name.")
        return getattr(self._params, name)


def chapter_params(namespace: Mapping[str, Any]) -> ChapterParams:
    """Check and gather the parameters among a chapter's variables: ``params = chapter_params(globals())``.

    The variable `network` is a mapping of the network's parameters, and one of these by its own name wins over it.
    """
    network = namespace.get("network", {})
    values = {**network, **{name: namespace[name] for name in Params.model_fields if name in namespace}}
    declared = frozenset(values).union(NETWORK if "network" in namespace else ())
    return ChapterParams(make_params(values, origin="the parameter cell"), declared)
