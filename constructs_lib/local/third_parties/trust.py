"""Who trusts whom over TLS: functions trust the proxy in a host's place, the proxy trusts what this machine trusts."""

import ssl
import tempfile
from functools import cached_property
from pathlib import Path

import botocore

from constructs_lib.local.third_parties.certificates import Authority


class Trust:
    """TLS on both sides of the proxy.

    Args:
        file: Where certificates go that functions shall trust: those that this machine trusts, and one of the proxy's
            own, made now. Written by `publish`.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._authority = Authority()
        self._hosts: dict[str, ssl.SSLContext] = {}

    def publish(self) -> None:
        """Write the file."""
        known = ssl.get_default_verify_paths().cafile
        # Not every Python finds its machine's certificates; botocore brings those that browsers trust.
        machine = Path(known) if known else Path(botocore.__file__).with_name("cacert.pem")
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_bytes(machine.read_bytes() + b"\n" + self._authority.certificate.encode())

    def in_place_of(self, host: str) -> ssl.SSLContext:
        """For the side of the function: answers as *host*, a name or an IP address."""
        if host not in self._hosts:
            context = self._hosts[host] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.set_alpn_protocols(["http/1.1"])
            # Keys are read from files only: one that nobody else can open, and that is gone at once.
            with tempfile.NamedTemporaryFile("w", suffix=".pem") as chain:
                chain.write(self._authority.vouch(host))
                chain.flush()
                context.load_cert_chain(chain.name)
        return self._hosts[host]

    @cached_property
    def outside(self) -> ssl.SSLContext:
        """For the side of the third party."""
        return ssl.create_default_context(cafile=self._file)
