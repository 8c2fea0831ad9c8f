"""Recordings of a wrist in formats that the library reads and does not write: tables and XDF."""

import struct
from xml.sax.saxutils import escape

import numpy as np
import pandas as pd


def make_table(person, start_s=0.0):
    """One table with a clock in ``time``, and empty cells where a slower channel has no sample."""
    columns = [
        pd.Series(signal.values.astype(float), start_s + np.arange(len(signal)) / signal.attrs["rate_hz"], name=name)
        for name, signal in person.signals.items()
    ]
    table = pd.concat(columns, axis=1).rename(columns=lambda name: name.removeprefix("wrist_").upper())
    return table.rename_axis("time").reset_index()


def write_person(person, path):
    """Write streams called by their signals, of which acceleration has three channels."""
    streams = []
    for name in ("bvp", "eda", "temp", "acc"):
        axes = [signal for channel, signal in person.signals.items() if channel.startswith(f"wrist_{name}")]
        labels = [axis.name.removeprefix("wrist_").upper() for axis in axes]
        values = np.stack([axis.values for axis in axes], axis=1)
        time = 500 + axes[0]["time"].values
        streams.append((f"E4 {name}", name.upper(), labels, axes[0].attrs["rate_hz"], time, values))
    return write_xdf(path, streams)


def _chunk(tag, content):
    body = struct.pack("<H", tag) + content
    return b"\x04" + struct.pack("<I", len(body)) + body if len(body) > 255 else b"\x01" + bytes([len(body)]) + body


def write_xdf(path, streams):
    """Write streams, each (name, type, labels, rate_hz, times, values (time, channel)), by the format's description.

    That is a magic word, then chunks of a length, a tag and content.
    """
    chunks = [b"XDF:", _chunk(1, b'<?xml version="1.0"?><info><version>1.0</version></info>')]
    for number, (name, kind, labels, rate_hz, times, values) in enumerate(streams, start=1):
        channels = "".join(f"<channel><label>{escape(label)}</label></channel>" for label in labels)
        header = (
            f'<?xml version="1.0"?><info><name>{escape(name)}</name><type>{escape(kind)}</type>'
            f"<channel_count>{len(labels)}</channel_count><nominal_srate>{rate_hz}</nominal_srate>"
            f"<channel_format>double64</channel_format><desc><channels>{channels}</channels></desc></info>"
        )
        stream = struct.pack("<I", number)
        chunks.append(_chunk(2, stream + header.encode()))
        samples = b"".join(
            b"\x08" + struct.pack("<d", t) + struct.pack(f"<{len(labels)}d", *row)
            for t, row in zip(times, values, strict=False)
        )
        chunks.append(_chunk(3, stream + b"\x04" + struct.pack("<I", len(times)) + samples))
        chunks.append(_chunk(6, stream + b'<?xml version="1.0"?><info></info>'))
    path.write_bytes(b"".join(chunks))
    return path
