"""Submits orders, alone or twenty to a frame: each under a key, again until its outcome is known."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any, Final, NamedTuple
from uuid import uuid4
from weakref import WeakValueDictionary

from orderflow_client.errors import (
    InvalidRequestError,
    OrderflowError,
    RefusedError,
    UnknownOutcomeError,
    error_from,
)
from orderflow_client.models import OrderEventFrame
from orderflow_client.order_calls import OrderCalls
from orderflow_client.orders import Order
from orderflow_client.session import Frame, Session
from orderflow_client.tracking import Tracked
from orderflow_client.tries import Effect, Tries

BATCH_ORDERS_MAX: Final = 20
"""Orders in one frame; ``submit_batch`` takes more and sends several."""

_MARK: Final = "o:"
"""What the ``requestId`` of a submit begins with; a number, a colon and its ``clientOrderId`` follow."""

BatchResult = Order | OrderflowError


class _Pending(NamedTuple):
    """Submitted and not yet answered.

    Attributes:
        mark: Of its frames alone: the answer to another submit under the same key is not this one's.
    """

    key: str
    mark: str
    tracked: Tracked


class Submissions:
    """See the module. ``keep`` takes what is known of an accepted order, and returns what was known."""

    def __init__(self, session: Session, calls: OrderCalls, keep: Callable[[str, Tracked], Tracked]) -> None:
        self._session = session
        self._calls = calls
        self._keep = keep
        self._numbers = count(1)
        # By the keys that this client made.
        self._pending: dict[str, _Pending] = {}
        self._by_key: WeakValueDictionary[str, Tracked] = WeakValueDictionary()

    async def submit(self, wire: dict[str, Any]) -> Order:
        """Submit one order."""
        return await self._submitted(wire, self._begin(wire))

    async def submit_all(self, wires: Sequence[dict[str, Any]]) -> list[BatchResult]:
        """Submit any number; return for each its handle, or why there is none."""
        found: list[BatchResult] = []
        for start in range(0, len(wires), BATCH_ORDERS_MAX):
            found += await self._submit_frame(wires[start : start + BATCH_ORDERS_MAX])
        return found

    def overtaken_by(self, event: OrderEventFrame, frame: Frame) -> Tracked | None:
        """Return what is known of the order if this event comes before its acceptance, and so is one.

        Under a key of the caller's it may be an event of an older order.
        """
        pending = self._pending.get(event.client_order_id or "")
        if pending is None:
            return None
        self._session.answer(pending.mark, frame)
        return pending.tracked

    def refuse_late(self, frame: Frame) -> None:
        """A second content under one key is refused by the record at the latest, after its acceptance."""
        mark = frame.get("requestId")
        if not isinstance(mark, str) or not mark.startswith(_MARK):
            return
        tracked = self._by_key.get(mark.removeprefix(_MARK).partition(":")[2])
        error = error_from(frame)
        if tracked is not None and isinstance(error, RefusedError) and not tracked.history.last_seq:
            tracked.fail(error)

    async def _submitted(
        self, wire: dict[str, Any], pending: _Pending, unknown: UnknownOutcomeError | None = None
    ) -> Order:
        """Submit one order by itself; ``unknown``: it was before, in a batch, and may have been accepted."""
        try:
            answer = await self._session.ask(
                {"action": "submit", **wire}, effect=Effect.SAME, mark=pending.mark, unknown=unknown
            )
            return self._accepted(answer, pending)
        except UnknownOutcomeError as error:
            error.client_order_id = pending.key
            raise
        finally:
            self._pending.pop(pending.key, None)

    async def _submit_frame(self, wires: Sequence[dict[str, Any]]) -> list[BatchResult]:
        begun = [self._begin(wire) for wire in wires]
        try:
            frame = {"action": "submitBatch", "orders": wires}
            try:
                answer, unknown = await self._session.answered(frame, effect=Effect.SAME)
            except InvalidRequestError as error:
                if error.code != "MESSAGE_TOO_LARGE":
                    raise
                # It may be one order's fault, which is that order's alone.
                return list(await asyncio.gather(*map(self._alone, wires, begun)))
            results = answer.get("results")
            if not isinstance(results, list) or len(results) != len(wires):
                raise UnknownOutcomeError("the answer to submitBatch has another number of results")
            settling = (
                self._settled(result, wire, pending, Tries(Effect.SAME, unknown))
                for result, wire, pending in zip(results, wires, begun, strict=True)
            )
            return list(await asyncio.gather(*settling))
        except OrderflowError as error:
            # Orders of frames before are accepted: what ends this one is told of its orders alone.
            return [_of_one(error, pending.key) for pending in begun]
        finally:
            for pending in begun:
                self._pending.pop(pending.key, None)

    async def _settled(
        self, result: Any, wire: dict[str, Any], pending: _Pending, tries: Tries
    ) -> BatchResult:
        """Return what became of one order of a batch; what is not known is asked again by itself."""
        try:
            if not isinstance(result, dict):
                raise UnknownOutcomeError("a result of submitBatch is no JSON object")
            if "code" not in result:
                return self._accepted(result, pending)
            error = error_from(result)
            if not tries.may_follow(error):
                raise tries.failed(error)
            return await self._alone(wire, pending, tries.unknown)
        except OrderflowError as error:
            return _of_one(error, pending.key)

    async def _alone(
        self, wire: dict[str, Any], pending: _Pending, unknown: UnknownOutcomeError | None = None
    ) -> BatchResult:
        try:
            return await self._submitted(wire, pending, unknown)
        except OrderflowError as error:
            return error

    def _begin(self, wire: dict[str, Any]) -> _Pending:
        is_ours = "clientOrderId" not in wire
        key = wire.setdefault("clientOrderId", str(uuid4()))
        pending = _Pending(key, f"{_MARK}{next(self._numbers)}:{key}", Tracked(is_submitted=True))
        if is_ours:
            self._pending[key] = pending
        return pending

    def _accepted(self, answer: Mapping[str, Any], pending: _Pending) -> Order:
        order_id = answer.get("orderId")
        if not isinstance(order_id, str):
            raise UnknownOutcomeError("the acceptance has no orderId")
        # The same order may be here already: submitted before under the same key.
        kept = self._by_key[pending.key] = self._keep(order_id, pending.tracked)
        return Order(self._calls, order_id, pending.key, kept)


def _of_one(error: OrderflowError, key: str) -> OrderflowError:
    """Return a batch's error as that of one of its orders."""
    if not isinstance(error, UnknownOutcomeError):
        return error
    alone = UnknownOutcomeError(str(error), order_id=error.order_id, client_order_id=key)
    alone.__cause__ = error.__cause__
    return alone
