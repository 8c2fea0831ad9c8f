"""A bundle of which only drift and counts can be asked, and what it says of windows."""

import numpy as np
import pandas as pd

from wesadlib.bundle import Answer, Result
from wesadlib.drift import find_threshold

NAMES = [f"wrist_eda_f{k}" for k in range(4)]


def features(people, windows, seed, shift=0.0):
    """Windows of people who differ by 2 SDs of what a person's windows differ by: (person, window, feature)."""
    generator = np.random.default_rng(seed)
    values = generator.normal(0, 2, (people, 1, 4)) + generator.normal(0, 1, (people, windows, 4)) + shift
    return values.astype(np.float32)


class StubBundle:
    """Of a bundle what drift and counts need."""

    feature_names = ("other", *NAMES)
    folder = "absent"

    def __init__(self, people=2, false_alarm_rate=0.1, version="a" * 64):
        values = features(12, 20, seed=0).reshape(-1, 4)
        self.version = version
        self.reference = pd.DataFrame(values, columns=NAMES)
        self.reference.insert(0, "subject", np.repeat([f"S{k}" for k in range(12)], 20))
        self.reference.insert(1, "start_s", np.tile(60.0 * np.arange(20), 12))
        threshold = find_threshold(self.reference, people=people, false_alarm_rate=false_alarm_rate)
        self.config = {"drift_threshold": threshold, "window_s": 60.0, "model": "toy"}


def result(status="ok", state="baseline", abstained=False, reasons=(), row=(0.0,) * 5):
    """What a bundle says of one window, and its features."""
    ok = status == "ok"
    answer = Answer(
        status=status,
        state=state if ok else None,
        probabilities={state: 0.9} if ok else None,
        confidence=0.9 if ok else None,
        abstained=abstained,
        quality={},
        reasons=list(reasons),
        protocol="cold_start",
        model_version="a" * 64,
    )
    return Result(answer, np.asarray(row) if ok else None)
