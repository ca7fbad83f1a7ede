"""The control API of a running local cloud, from another process."""

import json
import urllib.error
import urllib.request
from typing import Any

from constructs_lib.local.errors import LocalCloudError
from constructs_lib.local.faults.api import PATH
from constructs_lib.local.faults.model import Fault
from constructs_lib.local.faults.notation import to_json

# Telling the router takes milliseconds; status asks every queue.
_TIMEOUT = 30.0


class FaultsClient:
    """Begins, ends and lists faults.

    Args:
        endpoint_url: Where AWS answers in that local cloud.
    """

    def __init__(self, endpoint_url: str) -> None:
        self._url = f"{endpoint_url}{PATH}"

    def start(self, fault: Fault) -> str:
        """Begin *fault*; gives the id by which it ends.

        Raises:
            LocalCloudError: If it cannot, or nobody answers.
        """
        begun: str = self._ask("POST", "/faults", to_json(fault))["id"]
        return begun

    def check(self, fault: Fault) -> None:
        """Do nothing if *fault* could begin.

        Raises:
            LocalCloudError: If it could not, or nobody answers.
        """
        self._ask("POST", "/checks", to_json(fault))

    def stop(self, fault_id: str | None = None) -> None:
        """End the fault of that id; None: all.

        Raises:
            LocalCloudError: If there is none, or nobody answers.
        """
        self._ask("DELETE", f"/faults/{fault_id}" if fault_id else "/faults")

    def faults(self) -> list[dict[str, Any]]:
        """The faults of this moment, each with its id.

        Raises:
            LocalCloudError: If nobody answers.
        """
        found: list[dict[str, Any]] = self._ask("GET", "/faults")["faults"]
        return found

    def status(self) -> dict[str, Any]:
        """What `LocalCloud.status` gives there.

        Raises:
            LocalCloudError: If nobody answers.
        """
        return self._ask("GET", "/status")

    def _ask(self, method: str, path: str, content: Any = None) -> dict[str, Any]:
        body = None if content is None else json.dumps(content).encode()
        request = urllib.request.Request(
            f"{self._url}{path}", data=body, method=method, headers={"Content-Type": "application/json"}
        )
        try:
            # A proxy in the environment is for the outside, not for this machine.
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=_TIMEOUT) as answer:
                told: dict[str, Any] = json.load(answer)
                return told
        except urllib.error.HTTPError as error:
            with error:
                raise LocalCloudError(json.load(error)["error"]) from error
        except (OSError, ValueError) as error:
            raise LocalCloudError(f"The local cloud at {self._url} does not answer ({error}).") from error
