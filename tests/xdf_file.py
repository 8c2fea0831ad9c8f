"""Writes XDF by the format's published description: a magic word, then chunks of a length, a tag and content."""

import struct
from xml.sax.saxutils import escape


def _chunk(tag, content):
    body = struct.pack("<H", tag) + content
    return b"\x04" + struct.pack("<I", len(body)) + body if len(body) > 255 else b"\x01" + bytes([len(body)]) + body


def write_xdf(path, streams):
    """Streams: (name, type, labels, rate_hz, times, values (time, channel))."""
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
