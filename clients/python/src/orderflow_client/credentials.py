"""The bearer token: given as it is, or by a function that makes a fresh one for each connection."""

from collections.abc import Awaitable, Callable
from inspect import isawaitable

from orderflow_client.addresses import Addresses

TokenSource = str | Callable[[], str | Awaitable[str]] | None


class Credentials:
    """Makes the header of a request. The token itself is in no log, no error and no URL."""

    def __init__(self, token: TokenSource, addresses: Addresses) -> None:
        """Raises ``ValueError`` where a token would travel in the clear to another machine."""
        if token is not None and not (addresses.is_secret or addresses.is_local):
            raise ValueError("a token is sent over TLS, or to this machine, alone: use https or wss")
        self._token = token

    async def headers(self) -> dict[str, str]:
        if self._token is None:
            return {}
        made = self._token if isinstance(self._token, str) else self._token()
        token = await made if isawaitable(made) else made
        return {"Authorization": f"Bearer {token}"}
