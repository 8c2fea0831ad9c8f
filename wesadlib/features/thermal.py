"""Skin temperature: its trend; its level is among the statistics."""

import numpy as np

from wesadlib.features.block import Block, Description, slope

DESCRIPTIONS = (
    Description("thermal", "temperature", "slope", "mdegC/s", "slope of the least-squares line through the window"),
)


def extract(block: Block) -> dict[str, np.ndarray]:
    """Trend of every temperature channel."""
    return {
        f"{channel}_slope": 1000 * slope(values, block.rate_hz)
        for channel, values in block.signal.items()
        if channel.endswith("_temp")
    }
