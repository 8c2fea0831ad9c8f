"""Ports: free ones, and those that something else has."""

import ipaddress
import os
import random
import socket
from contextlib import suppress

from wesadlib.errors import InputError

#: Below these are Ray's workers, above them Serve's replicas and what systems hand out.
_QUIET = range(20_000, 30_000)


def require_free_port(host: str, port: int) -> None:
    """Raise :class:`InputError` where nothing can listen at `port` of `host`."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except socket.gaierror:
            raise InputError(f"host {host}: not an address of this machine; use 127.0.0.1.") from None
        except OSError as error:
            raise InputError(
                f"port {port} of {host} cannot be had ({os.strerror(error.errno).lower()}): end what listens there, "
                "or choose another with --port."
            ) from None


def free_port(host: str = "127.0.0.1") -> int:
    """A port of `host` at which nothing listens.

    Drawn from where systems hand out none by themselves, nor Ray to its workers: between now and when something listens
    there, many connections are opened, each of which would otherwise be given a port of its own from the same range.
    """
    kind = socket.AF_INET6 if ":" in host else socket.AF_INET
    for port in [*random.SystemRandom().sample(_QUIET, 50), 0]:
        with socket.socket(kind, socket.SOCK_STREAM) as probe, suppress(OSError):
            probe.bind((host, port))
            return probe.getsockname()[1]
    raise InputError(f"host {host}: no port is free there.")


def is_loopback(host: str) -> bool:
    """Whether what listens at `host` is reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
