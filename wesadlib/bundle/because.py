"""What moved a bundle's answers most, in words."""

from collections.abc import Mapping

import numpy as np

from wesadlib.bundle.predict import Bundle
from wesadlib.data.devices import write_unit
from wesadlib.drift.person import describe_feature
from wesadlib.errors import InputError
from wesadlib.explain import contributions

#: How many features are named.
MOST = 3


def describe_movers(
    bundle: Bundle, features: np.ndarray, rest: np.ndarray | None, units: Mapping[str, str]
) -> tuple[str, ...]:
    """The features that moved the answers to windows most, as "heart rate 14 bpm above rest, …".

    `features` (window, feature_name) are named by the bundle, `rest` is the person's, `units` are those of features. Of
    a model that cannot tell there is one sentence, which says so.
    """
    model = bundle.model if rest is None else bundle.calibrated
    columns = [bundle.feature_names.index(name) for name in model.feature_names_]
    try:
        moved = contributions(model, features[:, columns], None if rest is None else np.tile(rest, (len(features), 1)))
    except InputError as error:
        return (str(error),)
    values, reference = moved.values.mean(axis=0), "usual" if rest is None else "rest"
    phrases = []
    for k in np.argsort(-np.abs(values), kind="stable")[:MOST]:
        known = moved.difference[:, k][np.isfinite(moved.difference[:, k])]
        if len(known):
            name, size = model.feature_names_[k], float(np.mean(known))
            heart = name.endswith("_heart_rate")
            unit = "bpm" if heart else write_unit(units.get(name, ""))
            side = "above" if size > 0 else "below"
            effect = "for" if values[k] > 0 else "against"
            amount = " ".join(filter(None, [f"{abs(size):.2g}", unit]))
            words = "heart rate" if heart else describe_feature(name)
            phrases.append(f"{words} {amount} {side} {reference}, {effect} {model.classes[1]}")
    return tuple(phrases)
