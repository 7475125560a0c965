"""Questions over REST, asked again where that is safe."""

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from typing import Any, Final

import httpx

from orderflow_client.addresses import Addresses
from orderflow_client.backoff import Backoff, pause
from orderflow_client.credentials import Credentials
from orderflow_client.errors import (
    ClientClosedError,
    DisconnectedError,
    OrderflowError,
    ProtocolError,
    RefusedError,
    UnknownOutcomeError,
    error_from,
)
from orderflow_client.limits import Limits
from orderflow_client.tries import Effect, Tries

_CONNECTIONS_MAX: Final = 10
_LOOKS_MAX: Final = 5
"""Of these, for looks at the record: a client that follows thousands of silent orders makes as many."""
# Nothing left this machine, or the engine cannot have read it whole.
_UNSENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError)
_SENDING: Final = "http11.send_request_headers.started"
"""What httpx tells of a request ahead of its first byte."""


class Rest:
    """The REST API; one pool of connections."""

    def __init__(self, addresses: Addresses, credentials: Credentials, limits: Limits) -> None:
        self._credentials = credentials
        self._limits = limits
        self._closed = asyncio.Event()
        # Not httpx's own: there a request that is given up at the moment of its turn keeps its place.
        self._slots = asyncio.Semaphore(_CONNECTIONS_MAX)
        self._looks = asyncio.Semaphore(_LOOKS_MAX)
        self._under_way: set[asyncio.Timeout] = set()
        self._is_one_over = asyncio.Event()
        self._http = httpx.AsyncClient(
            base_url=addresses.rest,
            timeout=limits.answer_s,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=_CONNECTIONS_MAX),
            # The proxies of the environment are for other machines.
            trust_env=not addresses.is_local,
            verify=addresses.rest.startswith("https:") or _no_tls(),
        )

    async def close(self) -> None:
        if not self._closed.is_set():
            self._closed.set()
            for request in self._under_way:
                request.reschedule(asyncio.get_running_loop().time())
        # One that is under way would leave its connection open behind the pool's end.
        while self._under_way:
            self._is_one_over.clear()
            await self._is_one_over.wait()
        await self._http.aclose()

    async def ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        effect: Effect = Effect.NOTHING,
        answers: frozenset[int] = frozenset(),
        is_look: bool = False,
    ) -> dict[str, Any]:
        """Return the answer, a JSON object.

        Args:
            answers: Statuses beside 2xx that are no errors.
            is_look: A caller's own question goes ahead of it.

        Raises:
            RefusedError: As the engine said, for good or for all of the time limit.
            UnknownOutcomeError: No answer came that speaks for each time that it was sent.
            DisconnectedError: The engine was not reached.
            WithinTokenError: The caller is what makes the token.
        """
        self._credentials.check_outside()
        deadline, backoff = time.monotonic() + self._limits.time_limit_s, Backoff()
        tries = Tries(effect)
        error: OrderflowError | None = None
        while True:
            try:
                async with self._slot(deadline, *([self._looks] if is_look else []), self._slots):
                    return await self._once(method, path, query, body, answers, deadline)
            except OrderflowError as failure:
                is_late = isinstance(failure, DisconnectedError) and time.monotonic() >= deadline
                # What went wrong before says more than that the time is over.
                error = error if error is not None and is_late else failure
            asked_s = error.retry_after_s if isinstance(error, RefusedError) else None
            wait_s = backoff.next_s(asked_s)
            if not tries.may_follow(error) or time.monotonic() + wait_s >= deadline:
                raise tries.failed(error)
            await pause(wait_s, self._closed)

    @asynccontextmanager
    async def _slot(self, deadline: float, *turns: asyncio.Semaphore) -> AsyncIterator[None]:
        """Wait for a turn in each, and hold them."""
        async with AsyncExitStack() as held:
            try:
                async with asyncio.timeout(deadline - time.monotonic()):
                    for each in turns:
                        await held.enter_async_context(each)
            except TimeoutError as error:
                raise DisconnectedError(
                    "other requests were not answered in time; nothing was sent"
                ) from error
            yield

    @asynccontextmanager
    async def _within(self, left_s: float | None) -> AsyncIterator[None]:
        """End a part of a request with its time or with the client, by a ``TimeoutError``.

        The limits of httpx are for each piece of an answer, which may come in any number of them.
        """
        try:
            async with asyncio.timeout(left_s) as until:
                self._under_way.add(until)
                yield
        finally:
            self._under_way.discard(until)
            self._is_one_over.set()

    async def _once(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: Mapping[str, Any] | None,
        answers: frozenset[int],
        deadline: float,
    ) -> dict[str, Any]:
        if self._closed.is_set():
            raise ClientClosedError("the client is closed")
        happened: set[str] = set()

        async def note(event: str, _about: Any) -> None:
            happened.add(event)

        accepted = {"Accept": "application/json"}
        try:
            async with self._within(None):
                headers = accepted | await self._credentials.headers(deadline - time.monotonic())
            async with (
                self._within(deadline - time.monotonic()),
                self._http.stream(
                    method, path, params=query, json=body, headers=headers, extensions={"trace": note}
                ) as response,
            ):
                return _read(response, await self._bytes(response), answers)
        except _UNSENT as error:
            raise DisconnectedError(
                f"the engine cannot be reached: {str(error) or type(error).__name__}"
            ) from error
        except httpx.HTTPError as error:
            raise UnknownOutcomeError(f"no answer came: {str(error) or type(error).__name__}") from error
        except TimeoutError as error:
            raise self._over(is_sent=_SENDING in happened) from error

    def _over(self, *, is_sent: bool) -> OrderflowError:
        if self._closed.is_set():
            if is_sent:
                return UnknownOutcomeError("the client was closed before an answer came")
            return ClientClosedError("the client is closed")
        within = f"within {self._limits.time_limit_s:g} s"
        if is_sent:
            return UnknownOutcomeError(f"no answer came {within}")
        return DisconnectedError(f"the engine was not reached {within}; nothing was sent")

    async def _bytes(self, response: httpx.Response) -> bytes:
        parts, size = [], 0
        async for part in response.aiter_bytes():
            size += len(part)
            if size > self._limits.body_bytes_max:
                raise ProtocolError(f"the answer is larger than {self._limits.body_bytes_max} bytes")
            parts.append(part)
        return b"".join(parts)


def _no_tls() -> ssl.SSLContext:
    """Return what trusts no authority, for addresses without TLS.

    To read all authorities that this machine trusts takes 50 ms.
    """
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _read(response: httpx.Response, content: bytes, answers: frozenset[int]) -> dict[str, Any]:
    try:
        body = json.loads(content, parse_float=Decimal)
    except (ValueError, RecursionError):
        body = None
    if response.is_success or (response.status_code in answers and isinstance(body, dict)):
        if not isinstance(body, dict):
            raise ProtocolError(f"the answer to {response.request.method} is no JSON object")
        return body
    told = body if isinstance(body, dict) else {}
    if response.status_code >= 500 and "code" not in told:
        # A gateway's own 502 or 504 says nothing about what was done behind it.
        raise UnknownOutcomeError(
            f"the gateway answered {response.status_code}: whether it was done is not known"
        )
    raise error_from(told, status=response.status_code, headers=response.headers)
