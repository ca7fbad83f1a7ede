"""Ports of 127.0.0.1."""

import socket

from constructs_lib.local.errors import LocalCloudError

HOST = "127.0.0.1"


def check(port: int) -> None:
    """Do nothing if *port* can be listened on.

    Raises:
        LocalCloudError: If it cannot.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise LocalCloudError(
                f"Port {port} on {HOST} cannot be used ({error.strerror}); choose another one with --port."
            ) from error


def free() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
