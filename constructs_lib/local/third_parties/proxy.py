"""The proxy of a local cloud: started with it, told what fails, and asked who was called."""

import asyncio
import re
import threading
from collections.abc import Coroutine, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Final, TypeVar

from constructs_lib.local import ports
from constructs_lib.local.errors import LocalCloudError
from constructs_lib.local.faults.model import ThirdParty
from constructs_lib.local.third_parties.calls import Calls
from constructs_lib.local.third_parties.server import ProxyServer
from constructs_lib.local.third_parties.trust import Trust

_NOT_THROUGH_IT: Final = "127.0.0.1,localhost,::1"
# A name without a dot is rather that of something else, mistyped.
_HOST: Final = re.compile(r"(\*|[a-z0-9*?_-]+(\.[a-z0-9*?_-]+)+)(:[0-9]+)?", re.IGNORECASE)

T = TypeVar("T")


class ThirdParties:
    """What functions call outside AWS, through a proxy that can make any host fail.

    Without a fault, calls and tunnels go through it untouched. A host with a fault is played by the proxy, over TLS too:
    functions trust a certificate that is made anew for each local cloud, and nobody else does. A call that is open when
    a fault of its host begins breaks.

    Whether a function's calls come this way is up to its HTTP library: `environment` is what most of them go by.

    Args:
        directory: Where the file of trusted certificates goes.

    Attributes:
        environment: What functions find in their environment.
    """

    def __init__(self, directory: Path) -> None:
        self._port = ports.free()
        trusted = directory / "trusted.pem"
        self._trust = Trust(trusted)
        url = f"http://{ports.HOST}:{self._port}"
        self.environment: Mapping[str, str] = {
            "HTTP_PROXY": url,
            "HTTPS_PROXY": url,
            "NO_PROXY": _NOT_THROUGH_IT,
            **dict.fromkeys(("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE"), str(trusted)),
        }
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server = ProxyServer(self._trust)
        self._thread = threading.Thread(target=self._run, name="third parties", daemon=True)
        self._listening: Future[None] = Future()
        self._end = asyncio.Event()

    def start(self) -> None:
        """Begin to pass calls on.

        Raises:
            LocalCloudError: If its port was taken meanwhile.
        """
        self._trust.publish()
        self._thread.start()
        try:
            self._listening.result()
        except OSError as error:
            raise LocalCloudError(
                f"The proxy to third parties cannot listen on {ports.HOST}:{self._port} ({error.strerror}); start again."
            ) from error

    def objection(self, fault: ThirdParty) -> str | None:
        """Why *fault* cannot happen here, in a sentence; None if it can: it names a host, with or without a port."""
        if _HOST.fullmatch(fault.where):
            return None
        return f"{fault.where!r} is not the name of a host, such as api.example.com or *.example.com"

    def apply(self, faults: Mapping[str, ThirdParty]) -> None:
        """Have exactly *faults* happen, also to calls under way; where several are of one host, the first one counts.

        Args:
            faults: By any id. A fault's `where` names the host as shells name files (`*.example.com`), with a port if
                it means only that one (`api.example.com:8443`).
        """
        self._do(self._server.apply(faults))

    def status(self) -> Sequence[Calls]:
        """What became of all calls so far, by host."""
        return self._do(self._server.calls()) if self._loop else ()

    def stop(self) -> None:
        """Pass nothing on any more, and break what is open."""
        if self._loop:
            self._loop.call_soon_threadsafe(self._end.set)
            self._thread.join()
            self._loop = None

    def _do(self, action: Coroutine[Any, Any, T]) -> T:
        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(action, self._loop).result()

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        try:
            listening = await self._server.listen(self._port)
        except OSError as error:
            self._listening.set_exception(error)
            return
        self._loop = asyncio.get_running_loop()
        self._listening.set_result(None)
        await self._end.wait()
        listening.close()
        await self._server.close()
