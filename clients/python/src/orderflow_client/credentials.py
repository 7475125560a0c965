"""The bearer token: given as it is, or by a function that makes a fresh one for each connection."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from inspect import isawaitable
from typing import Final

from orderflow_client.addresses import Addresses
from orderflow_client.errors import DisconnectedError, WithinTokenError

TokenSource = str | Callable[[], str | Awaitable[str]] | None

_TOKEN: Final = re.compile(r"[!-~]*")
# Without its characters, which are a secret.
_NOT_CARRIED: Final = "the token has a space, a line's end or another character that no header may carry"


class _Making:
    """A call of a token's function. What it begins inherits the context, and may outlive it."""

    def __init__(self, credentials: "Credentials", outer: "_Making | None") -> None:
        self.outer = outer
        self._credentials: Credentials | None = credentials

    def end(self) -> None:
        self._credentials = None

    def is_of(self, credentials: "Credentials") -> bool:
        inner = self._credentials is credentials
        return inner or (self.outer is not None and self.outer.is_of(credentials))


_MAKING: Final[ContextVar[_Making | None]] = ContextVar("_MAKING", default=None)


def _is_canceled() -> bool:
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


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

    def check_outside(self) -> None:
        """Raise ``WithinTokenError`` if the function that makes the token is what goes on here."""
        making = _MAKING.get()
        if making is not None and making.is_of(self):
            raise WithinTokenError

    async def headers(self, within_s: float) -> dict[str, str]:
        """Return the header, or none without a token.

        Raises:
            DisconnectedError: The caller's function makes none, or not in time: that may pass, as an issuer's
                fault does.
            WithinTokenError: It called the client that waits for it.
        """
        if self._token is None:
            return {}
        limit = asyncio.timeout(within_s)
        try:
            async with limit:
                token = await self._made()
        except WithinTokenError:
            raise
        except (Exception, asyncio.CancelledError) as error:
            # It may have waited for a task of its own that was canceled; whose own task is, ends.
            if isinstance(error, asyncio.CancelledError) and _is_canceled():
                raise
            if limit.expired():
                problem = f"the function that makes the token took longer than {round(within_s, 2):g} s"
            else:
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

    async def _made(self) -> object:
        if self._token is None or isinstance(self._token, str):
            return self._token
        making = _Making(self, _MAKING.get())
        before = _MAKING.set(making)
        try:
            made = self._token()
            return await made if isawaitable(made) else made
        finally:
            making.end()
            _MAKING.reset(before)
