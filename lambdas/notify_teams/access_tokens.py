"""Access tokens for the connector: the bot's own, got with its password, kept until shortly before they end."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from urllib.parse import quote, urlencode

from constructs_lib.runtime import DependencyUnavailable
from lambdas.shared.cached_secret import KEPT_SECONDS, REREAD_AFTER_SECONDS, CachedSecret
from lambdas.shared.provider_http import ProviderHttp

SCOPE = "https://api.botframework.com/.default"

# A token is renewed this long before it ends, so that none ends on the way.
MARGIN_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class _Credentials:
    app_id: str
    app_password: str
    directory: str


class AccessTokens:
    """Gets access tokens by the client credentials grant.

    Whatever is wrong with the bot's credentials is wrong for all tenants, so records wait until it is put right.

    Args:
        http: Makes the calls.
        secret: The bot's credentials.
        url: Where tokens are issued.
        clock: Seconds that only ever grow.
    """

    def __init__(
        self, http: ProviderHttp, secret: CachedSecret, *, url: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._http = http
        self._secret = secret
        self._url = url
        self._clock = clock
        self._token = ""
        self._ends = 0.0
        self._lock = Lock()

    def current(self) -> str:
        """A token that is good for some minutes.

        Raises:
            DependencyUnavailable: None is to be had.
        """
        # One of the records at work gets it, for all of them.
        with self._lock:
            if not self._token or self._clock() >= self._ends - MARGIN_SECONDS:
                self._renew(at_most_old=KEPT_SECONDS)
            return self._token

    def renewed(self) -> str:
        """A new token, got with credentials read anew, because the current one was refused.

        Raises:
            DependencyUnavailable: None is to be had.
        """
        with self._lock:
            self._renew(at_most_old=REREAD_AFTER_SECONDS)
            return self._token

    def app_id(self) -> str:
        """The bot's id.

        Raises:
            DependencyUnavailable: The secret cannot be read.
        """
        return self._credentials(at_most_old=KEPT_SECONDS).app_id

    def _renew(self, *, at_most_old: float) -> None:
        credentials = self._credentials(at_most_old=at_most_old)
        form = {
            "grant_type": "client_credentials",
            "client_id": credentials.app_id,
            "client_secret": credentials.app_password,
            "scope": SCOPE,
        }
        answer = self._http.call(
            "token",
            "POST",
            f"{self._url}/{quote(credentials.directory, safe='')}/oauth2/v2.0/token",
            headers={"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"},
            body=urlencode(form).encode(),
        )
        content = answer.json_object() or {}
        if answer.status != 200:
            raise DependencyUnavailable(
                f"no access token for teams: {answer.status} {str(content.get('error', ''))[:100]}",
                retry_after=answer.retry_after,
            )
        token, lasts = content.get("access_token"), content.get("expires_in")
        if not isinstance(token, str) or not isinstance(lasts, int) or not token.isascii() or not token.isprintable():
            raise DependencyUnavailable("no access token for teams: the answer holds none")
        self._token = token
        # Even a short-lived token serves for the calls at hand.
        self._ends = self._clock() + max(float(lasts), MARGIN_SECONDS + 1)

    def _credentials(self, *, at_most_old: float) -> _Credentials:
        secret = self._secret.json_object(at_most_old=at_most_old)
        values = [secret.get(name) for name in ("app_id", "app_password", "directory")]
        if not all(isinstance(value, str) and value for value in values):
            raise DependencyUnavailable("the secret of the teams bot must hold app_id, app_password and directory")
        return _Credentials(*map(str, values))
