"""Minutes of some people, as they are sent, and what a bundle says of them."""

import minutes
import numpy as np

from wesadlib.bundle import Bundle
from wesadlib.serving.wire import write_window, write_windows

WINDOWS = [
    ({name: values.astype(np.float32) for name, values in minutes.wrist_signals(seed=seed).items()}, minutes.RATES_HZ)
    for seed in range(4)
]
BODIES = [write_window(*window, "binary") for window in WINDOWS]
#: 16 windows: much work for a server, little for a client.
BATCHES = [write_windows(WINDOWS * 4, "binary")]


def probabilities(bundle: Bundle) -> list[dict[str, float]]:
    """What a bundle says of each of the windows."""
    return [answer.probabilities for answer in bundle.predict_windows(WINDOWS)]


def at_rest(seed: int = 0) -> list[tuple[dict[str, np.ndarray], dict[str, float]]]:
    """Three minutes of somebody at rest, a window every 30 s."""
    recording = minutes.wrist_recording(seed, 600.0)
    return [(minutes.cut(recording, start_s), minutes.RATES_HZ) for start_s in range(0, 150, 30)]
