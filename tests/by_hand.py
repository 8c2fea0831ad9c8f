"""Requests written by hand, as no client library sends them, and what comes back."""

import re
import socket
import struct
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple

from wesadlib.serving.wire import CONTENT_TYPES

#: Seconds after which a server that neither answers nor closes counts as hanging.
PATIENCE_S = 300.0
#: What of the inside could be told: a stack trace, a folder, a file of code.
INSIDE = re.compile(rb"Traceback|File \"|\.py\b|site-packages|/tmp/|" + re.escape(sys.prefix.encode()))
#: A WebSocket's opening handshake with the key of the standard's own example.
HANDSHAKE = {
    "upgrade": "websocket",
    "connection": "upgrade",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
}


class Reply(NamedTuple):
    """What came back; the status is 0 where the server closed without a word."""

    status: int = 0
    headers: Mapping[str, str] = {}
    body: bytes = b""


def request(
    method: str = "POST", path: str = "/predict", body: bytes = b"", form: str = "binary", **headers: str | None
) -> bytes:
    """A whole request; a header that is None is left out."""
    named = {"host": "127.0.0.1", "content_type": CONTENT_TYPES[form], "content_length": str(len(body))} | headers
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in named.items() if value is not None]
    return "\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""]).encode() + body


def connected(port: int) -> socket.socket:
    """A connection to this machine."""
    return socket.create_connection(("127.0.0.1", port), PATIENCE_S)


def exchange(port: int, data: bytes, *, finished: bool = False) -> Reply:
    """Send bytes, where asked with their end, and read one reply; TimeoutError where nothing comes."""
    with connected(port) as connection:
        # It may have answered before the end, and closed.
        with suppress(OSError):
            connection.sendall(data)
            if finished:
                connection.shutdown(socket.SHUT_WR)
        return read_reply(connection)


def read_reply(connection: socket.socket) -> Reply:
    """Read one reply."""
    try:
        with connection.makefile("rb") as file:
            status = file.readline()
            headers = {}
            while line := file.readline().strip():
                name, _, value = line.decode("latin1").partition(":")
                headers[name.lower()] = value.strip()
            if not status.startswith(b"HTTP/1."):
                return Reply()
            return Reply(int(status.split()[1]), headers, file.read(int(headers.get("content-length", 0))))
    except ConnectionError:
        return Reply()


def break_off(port: int, data: bytes, *, after_s: float = 0.0, read: int = 0) -> None:
    """Send bytes, read some where asked, and reset the connection, as a client does whose machine goes."""
    with connected(port) as connection, suppress(ConnectionError):
        connection.sendall(data)
        time.sleep(after_s)
        if read:
            connection.recv(read)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
