"""Nodes by their addresses: one call to one of them, or the same to all.

A node that limits us is left alone for as long as it asks, within reason; one that is behind, unwell or
silent is passed over for the next. Addresses often hold a key of the provider's: nothing here says more of
one than its host.
"""

from collections.abc import Callable, Collection, Sequence
from itertools import count
from secrets import SystemRandom
from time import monotonic, sleep
from typing import Any, Final, Protocol, TypeVar
from urllib.parse import urlsplit

from chalicelib.adapters.aws.connection_pool import ConnectionPool
from chalicelib.adapters.aws.http_request import NoAnswerError, NotSentError
from chalicelib.adapters.aws.http_response import HttpResponse
from chalicelib.adapters.aws.single_request import ask_single
from chalicelib.adapters.solana.rpc_answers import result_of
from chalicelib.adapters.solana.rpc_batches import (
    CALLS_MAX,
    BatchRefusedError,
    body_of,
    one_by_one,
    results_of,
)
from chalicelib.adapters.solana.rpc_calls import RpcCall
from chalicelib.adapters.solana.rpc_errors import NodeError, RateLimitedError, Remedy, SilentNodeError
from chalicelib.logs import logger


class Ask(Protocol):
    """Makes calls to one node."""

    def __call__(self, call: RpcCall) -> Any:
        """Make one call and return its result.

        Raises:
            NodeError: There is none.
        """
        ...

    def each(self, calls: Sequence[RpcCall]) -> list[Any]:
        """Make several calls with as few requests as the node allows; return a result or an error for each.

        In which order the node makes them is not known.

        Raises:
            NodeError: Nothing is known of any of them.
        """
        ...

    def all(self, calls: Sequence[RpcCall]) -> list[Any]:
        """Return the results of several calls.

        Raises:
            NodeError: The first of theirs.
        """
        ...


Answer = TypeVar("Answer")

CALL_TIME_LIMIT_S: Final = 2.0
"""For one call to one node, of what the whole may take."""

LAST_FOR_S: Final = 30.0
"""A node that was silent to a question, or alone called it a mistake, is asked last for so long.

Whatever else it answers: it may be so to that one alone, and silence costs all the time that there is.
"""

BATCHES_AGAIN_S: Final = 600.0
"""A node that has refused a request with several calls is offered none for so long."""

_RANDOM: Final = SystemRandom()
_BACKOFF_S: Final = 0.25
_BACKOFF_MAX_S: Final = 8.0
_TELLING: Final = frozenset({Remedy.DEFECT, Remedy.POLL, Remedy.REFUSAL})
"""These say nothing against the node; a defect is another one's to confirm, the others are told at once."""


class RpcNode:
    """One address, over connections that are kept; safe to share between threads."""

    def __init__(self, url: str) -> None:
        """Take an address.

        Raises:
            ValueError: It is not http or https with a host, or holds a user's name.
        """
        address = urlsplit(url)
        if address.scheme not in {"http", "https"} or not address.hostname or address.username is not None:
            raise ValueError(
                "a node's address is http(s)://host[:port][/path][?query], without a user's name"
            )
        self.name = address.hostname
        target = (address.path or "/") + (f"?{address.query}" if address.query else "")
        self._head = (
            f"POST {target} HTTP/1.1\r\nhost: {address.netloc}\r\n"
            "content-type: application/json\r\naccept: application/json\r\n"
        ).encode("ascii")
        self._sockets = ConnectionPool(address)
        self._one_by_one_until_s = 0.0
        # A proxy that has mixed its answers up may hand us one that is of the same shape.
        self._ids = count(1, CALLS_MAX)

    def call(self, call: RpcCall, *, time_limit_s: float) -> Any:
        """Make one call and return its result, as JSON.

        Raises:
            SilentNodeError: No answer in time, or the connection broke.
            NodeError: Another answer than a result.
        """
        call_id = next(self._ids)
        found = self._posted(call.body(call_id), call.method, time_limit_s)
        return result_of(found.status, found.body, found.retry_after, call_id=call_id)

    def call_all(self, calls: Sequence[RpcCall], *, time_limit_s: float) -> list[Any]:
        """Make calls in one request, or one by one where the node refuses that; as ``Ask.each``.

        Raises:
            NodeError: Nothing is known of any of them.
        """
        if len(calls) > 1 and monotonic() >= self._one_by_one_until_s:
            deadline_s, first_id = monotonic() + time_limit_s, next(self._ids)
            found = self._posted(body_of(calls, first_id), calls[0].method, time_limit_s)
            try:
                return results_of(found.status, found.body, found.retry_after, len(calls), first_id)
            except BatchRefusedError as error:
                logger.warning("node takes no batches", node=self.name, reason=str(error))
                self._one_by_one_until_s = monotonic() + BATCHES_AGAIN_S
            time_limit_s = max(0.001, deadline_s - monotonic())
        return one_by_one(self.call, calls, time_limit_s=time_limit_s)

    def _posted(self, body: bytes, method: str, time_limit_s: float) -> HttpResponse:
        request = self._head + f"content-length: {len(body)}\r\n\r\n".encode() + body
        try:
            return ask_single(self._sockets, request, time_limit_s=time_limit_s)
        except (NotSentError, NoAnswerError) as error:
            raise SilentNodeError(f"{self.name}: no answer to {method}") from error

    def close(self) -> None:
        """Close the connections that are not in use."""
        self._sockets.close()


class RpcNodes:
    """Some addresses, the preferred one first."""

    def __init__(
        self,
        nodes: Sequence[RpcNode],
        *,
        now_s: Callable[[], float] = monotonic,
        pause: Callable[[float], None] = sleep,
        jitter: Callable[[], float] = _RANDOM.random,
        within: Callable[[float], float] = lambda seconds: seconds,
    ) -> None:
        """Take the nodes.

        Args:
            within: Given how long something may take by itself, returns how long it may now.
        """
        assert nodes, "at least one node"
        self._within = within
        self._nodes = list(nodes)
        self._now_s, self._pause, self._jitter = now_s, pause, jitter
        self._free_at_s = [0.0] * len(self._nodes)
        self._asked_until_s = [0.0] * len(self._nodes)
        self._limited = [0] * len(self._nodes)
        self._last_until_s = [0.0] * len(self._nodes)

    @property
    def names(self) -> tuple[str, ...]:
        """The nodes' hosts, the preferred one first; one that others have too comes with its place."""
        hosts = [node.name for node in self._nodes]
        return tuple(
            host if hosts.count(host) == 1 else f"{host}#{place}" for place, host in enumerate(hosts)
        )

    def ask(self, call: RpcCall, *, time_limit_s: float) -> Any:
        """Return the first result that a node gives; for calls that may be made twice.

        Raises:
            NodeError: The last error, once the time is over; or at once what no node would answer otherwise,
                or what all of them call a mistake of ours.
        """
        return self.converse(lambda ask, _: ask(call), time_limit_s=time_limit_s)

    def converse(
        self,
        talk: Callable[[Ask, int], Answer],
        *,
        time_limit_s: float,
        without: Collection[int] = (),
    ) -> Answer:
        """Return what comes of several calls that must all go to one node, whichever it is.

        Args:
            talk: Given what makes a call, and the node's place. Begun anew with another node if it raises.
            without: Places of the nodes that are not to be asked.

        Raises:
            NodeError: As ``ask``.
        """
        deadline_s = self._now_s() + self._within(time_limit_s)
        last: NodeError | None = None
        useless: set[int] = set()
        while True:
            now_s = self._now_s()
            in_time = [
                (now_s < self._last_until_s[index], max(at_s, now_s), index)
                for index, at_s in enumerate(self._free_at_s)
                if index not in without and index not in useless and max(at_s, now_s) < deadline_s
            ]
            if not in_time:
                raise last or SilentNodeError("no node is free in time: each limits us, or has just failed")
            _, free_at_s, index = min(in_time)
            self._pause(max(0.0, free_at_s - self._now_s()))

            try:
                answer = talk(_Talk(self, index, deadline_s), index)
            except NodeError as e:
                last = e
                if e.remedy is Remedy.DEFECT:
                    useless.add(index)
                elif e.remedy in _TELLING:
                    raise
                else:
                    self._leave_alone(index, e)
                # Where another one answers, nothing else tells of it.
                logger.info("node passed over", node=self.names[index], reason=str(e))
            else:
                # Another one has shown that it was no mistake of ours.
                for wrong in useless:
                    self._ask_last(wrong)
                return answer

    def pass_over(self, index: int, *, seconds: float) -> None:
        """Ask the node at a place last for a while: another one has shown it to be wrong."""
        self._free_at_s[index] = max(self._free_at_s[index], self._now_s() + seconds)

    def tell_all(self, call: RpcCall, *, time_limit_s: float) -> dict[str, Any]:
        """Make a call to each node that is not left alone, and return by its name the result or the error.

        If all are, then to those that did not ask for it: what is told is not to wait for our own guesses.
        Each has its share of the time that is left, so that one which never answers keeps it from no other.
        """
        told: dict[str, Any] = {}
        names = self.names
        now_s = self._now_s()
        deadline_s = now_s + self._within(time_limit_s)
        busy_until_s = self._free_at_s if min(self._free_at_s) <= now_s else self._asked_until_s
        for index, name in enumerate(names):
            left_s = deadline_s - self._now_s()
            if busy_until_s[index] > now_s or left_s <= 0:
                continue
            try:
                told[name] = self._call(index, call, min(CALL_TIME_LIMIT_S, left_s / (len(names) - index)))
            except NodeError as e:
                told[name] = e
        return told

    def close(self) -> None:
        """Close the connections that are not in use."""
        for node in self._nodes:
            node.close()

    def call_at(self, index: int, calls: Sequence[RpcCall], deadline_s: float) -> list[Any]:
        """Make calls to the node at a place; return results and errors as ``Ask.each``."""
        results: list[Any] = []
        for start in range(0, len(calls), CALLS_MAX):
            some = calls[start : start + CALLS_MAX]
            left_s = deadline_s - self._now_s()
            if left_s <= 0:
                raise SilentNodeError(f"{self._nodes[index].name}: no time left for {some[0].method}")
            results += self._called(index, some, min(CALL_TIME_LIMIT_S, left_s))
            if isinstance(results[-1], SilentNodeError):
                self._ask_last(index)
            if isinstance(results[-1], RateLimitedError | SilentNodeError):
                return results + results[-1:] * (len(calls) - len(results))
        return results

    def _call(self, index: int, call: RpcCall, time_limit_s: float) -> Any:
        (result,) = self._called(index, [call], time_limit_s)
        if isinstance(result, NodeError):
            raise result
        return result

    def _called(self, index: int, calls: Sequence[RpcCall], time_limit_s: float) -> list[Any]:
        node, is_paused = self._nodes[index], self._free_at_s[index] > self._now_s()
        try:
            if len(calls) == 1:
                results = [node.call(calls[0], time_limit_s=time_limit_s)]
            else:
                results = node.call_all(calls, time_limit_s=time_limit_s)
        except NodeError as error:
            results = [error] * len(calls)
        errors = [result for result in results if isinstance(result, NodeError)]
        failed = [error for error in errors if error.remedy not in _TELLING]
        if failed:
            # One that answers the rest is neither down nor, unless it says so, asked too much.
            is_well = len(errors) < len(results) and not isinstance(failed[0], RateLimitedError)
            # What is told during its pause, ten orders in a row, is not to keep it from being asked after it.
            if not is_paused:
                self._limited[index] = 1 if is_well else self._limited[index] + 1
            self._leave_alone(index, failed[0], is_paused=is_paused)
        elif len(errors) < len(results):
            self._limited[index], self._free_at_s[index] = 0, 0.0
        return results

    def _ask_last(self, index: int) -> None:
        self._last_until_s[index] = self._now_s() + LAST_FOR_S

    def _leave_alone(self, index: int, error: NodeError, *, is_paused: bool = False) -> None:
        asked_s = error.retry_after_s if isinstance(error, RateLimitedError) else None
        if asked_s is not None and asked_s >= _BACKOFF_S:
            wait_s = asked_s
            self._asked_until_s[index] = self._now_s() + asked_s
        elif is_paused:
            return
        else:  # some limit us, and ask for 0 s
            backoff_s = min(_BACKOFF_S * 2.0 ** min(max(0, self._limited[index] - 1), 8), _BACKOFF_MAX_S)
            wait_s = backoff_s * (0.5 + self._jitter() / 2)
        self._free_at_s[index] = max(self._free_at_s[index], self._now_s() + wait_s)


class _Talk:
    """``Ask`` to the node at a place, until a time."""

    def __init__(self, nodes: RpcNodes, index: int, deadline_s: float) -> None:
        self._nodes, self._index, self._deadline_s = nodes, index, deadline_s

    def __call__(self, call: RpcCall) -> Any:
        return self.all([call])[0]

    def each(self, calls: Sequence[RpcCall]) -> list[Any]:
        return self._nodes.call_at(self._index, calls, self._deadline_s)

    def all(self, calls: Sequence[RpcCall]) -> list[Any]:
        results = self.each(calls)
        for result in results:
            if isinstance(result, NodeError):
                raise result
        return results
