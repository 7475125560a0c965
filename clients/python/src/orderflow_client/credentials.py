"""The bearer token: given as it is, or by a function that makes a fresh one for each connection."""

import re
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import Final

from orderflow_client.addresses import Addresses
from orderflow_client.errors import DisconnectedError

TokenSource = str | Callable[[], str | Awaitable[str]] | None

_TOKEN: Final = re.compile(r"[!-~]*")
# Without its characters, which are a secret.
_NOT_CARRIED: Final = "the token has a space, a line's end or another character that no header may carry"


class Credentials:
    """Makes the header of a request. The token itself is in no log, no error and no URL."""

    def __init__(self, token: TokenSource, addresses: Addresses) -> None:
        """Take a token, or what makes one; an empty one is none.

        Raises:
            TypeError: It is neither.
            ValueError: It would travel in the clear to another machine, or can be no token.
        """
        if token is not None and not isinstance(token, str) and not callable(token):
            raise TypeError(f"a token is text, or a function that returns it, not {type(token).__name__}")
        if isinstance(token, str) and not _TOKEN.fullmatch(token):
            raise ValueError(_NOT_CARRIED)
        if token and not (addresses.is_secret or addresses.is_local):
            raise ValueError("a token is sent over TLS, or to this machine, alone: use https or wss")
        self._token = token or None

    async def headers(self) -> dict[str, str]:
        """Return the header, or none without a token.

        Raises:
            DisconnectedError: The caller's function makes none: that may pass, as an issuer's fault does.
        """
        if self._token is None:
            return {}
        try:
            made = self._token if isinstance(self._token, str) else self._token()
            token = await made if isawaitable(made) else made
        except Exception as error:
            # Not its words, which may have a secret in them: it is the cause.
            problem = f"the function that makes the token raised {type(error).__name__}"
            raise DisconnectedError(problem) from error
        if not isinstance(token, str):
            raise DisconnectedError(f"the function that makes the token returned {type(token).__name__}")
        if not _TOKEN.fullmatch(token):
            raise DisconnectedError(_NOT_CARRIED)
        if not token:
            raise DisconnectedError("the function that makes the token returned an empty one")
        return {"Authorization": f"Bearer {token}"}
