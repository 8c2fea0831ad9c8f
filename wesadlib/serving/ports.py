"""Ports: free ones, and those that something else has."""

import ipaddress
import os
import socket

from wesadlib.errors import InputError


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
    """A port of `host` at which nothing listens."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]


def is_loopback(host: str) -> bool:
    """Whether what listens at `host` is reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
