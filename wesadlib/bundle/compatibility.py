"""Whether a bundle suits a recording: the channels that its model reads, and the units that its features depend on."""

from collections.abc import Iterator
from dataclasses import replace

from wesadlib.bundle.predict import Bundle
from wesadlib.data import Recording
from wesadlib.data.devices import sensor_of
from wesadlib.errors import InputError
from wesadlib.features import describe_features
from wesadlib.models import exertion


def fit_to_recording(bundle: Bundle, recording: Recording) -> Bundle:
    """The bundle with the channels that its model reads, all of which the recording has in a unit that suits."""
    channels, model = bundle.config["channels"], bundle.model
    read = [name for name in channels if model.channels_ or bundle.features_of(name)]
    if absent := [name for name in read if name not in recording.signals]:
        raise InputError(
            f"{recording.subject}: the recording has no {', '.join(absent)}, which the model `{model.name}` of "
            f"{bundle.folder} reads; it was trained on the {bundle.config['device']} and needs such a device."
        )
    for name in read:
        unit, known = recording.signals[name].attrs["units"], channels[name]["units"]
        if unit != known and (reason := _depends_on_unit(bundle, name)):
            raise InputError(
                f"{recording.subject}: {name} is in {unit} ({recording.device or 'another device'}), and the model "
                f"`{model.name}` of {bundle.folder} knows it in {known} and reads {reason}; it was trained on another "
                "device, and has no answer here."
            )
    gate = bundle.gate if _shows_movement(recording) else None
    needed = [name for name in channels if name in read or (gate and name in exertion.CHANNELS)]
    if len(needed) == len(channels):
        return bundle
    return replace(bundle, gate=gate, config={**bundle.config, "channels": {name: channels[name] for name in needed}})


def _shows_movement(recording: Recording) -> bool:
    signals = [recording.signals.get(name) for name in exertion.CHANNELS]
    return all(signal is not None and signal.attrs["units"] == "g" for signal in signals)


def _depends_on_unit(bundle: Bundle, channel: str) -> str:
    """What the model reads that has the channel's own unit; empty where nothing has."""
    if bundle.model.channels_:
        return "the signal itself"
    scaled = scaled_features(bundle)
    return next((name for name in bundle.model.feature_names_ if scaled.get(name) == channel), "")


def feature_units(bundle: Bundle) -> dict[str, str]:
    """Unit of each feature that the bundle computes."""
    return {name: unit.replace("{unit}", own) for name, unit, own, _ in _features(bundle)}


def scaled_features(bundle: Bundle) -> dict[str, str]:
    """Features whose unit is their channel's own, so that they follow its scale -> that channel."""
    return {name: channel for name, unit, _, channel in _features(bundle) if "{unit}" in unit}


def _features(bundle: Bundle) -> Iterator[tuple[str, str, str, str]]:
    """Of each feature its name, its unit, that of its channel, and the channel."""
    kinds = describe_features()
    units = dict(zip(kinds["name"].str.partition("_")[2], kinds["unit"], strict=True))
    channels = {name: facts["units"] for name, facts in bundle.config["channels"].items()}
    channels |= {sensor_of(name): unit for name, unit in channels.items()}
    for channel, own in channels.items():
        for statistic, unit in units.items():
            yield f"{channel}_{statistic}", unit, own, channel


def note_units(bundle: Bundle, recording: Recording) -> tuple[str, ...]:
    """Channels whose unit is another than the model's, in a sentence each."""
    units = {name: recording.signals[name].attrs["units"] for name in bundle.config["channels"]}
    return tuple(
        f"{name} is in {unit}, and the model knows it in {bundle.config['channels'][name]['units']}; nothing that it "
        "reads depends on that"
        for name, unit in units.items()
        if unit != bundle.config["channels"][name]["units"]
    )
