"""How much of the engine one account may take.

The accept path must work without the database and must not wait for it, so the limits on orders are best
effort, on the safe side of refusing: the rate is counted where the order arrives, in each execution
environment for itself, and the number of open orders is asked of the record beside the accept path, never
in it, and only for accounts that are busy. The limits on connections and subscriptions are looked up, since
opening and subscribing go to the record anyway. ``docs/adr`` tells why.
"""

from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from chalicelib.domain.errors import Code, LimitExceededError, RetryableError
from chalicelib.domain.principals import Principal
from chalicelib.logs import logger
from chalicelib.services.ports import Clock

CONNECTION_DURATION_MAX: Final = timedelta(hours=2)
"""API Gateway closes every connection after this long (WebSocket quotas)."""

ACCOUNTS_MAX: Final = 10_000
"""Accounts remembered per environment; an account that comes back after that many others starts afresh."""

_RECOUNT_S: Final = 1.0
_BUSY_SHARE: Final = 10
_LASTING_BUSY_SHARE: Final = 100

CountOpenOrders = Callable[[str, int], int]
"""Given an account and a number that is high enough,
returns the smaller of it and the account's open orders.
"""


@dataclass(frozen=True, slots=True)
class NotedConnection:
    """A connection that was let in: whose it is, until when, and whether it wants its events in batches."""

    principal: Principal
    is_batched: bool


class Usage(Protocol):
    """What accounts and connections take up. Raises ``RetryableError`` if the record is unreachable."""

    def note_connection(
        self, connection_id: str, account_id: str, expires_at: datetime, *, batched: bool, limit: int
    ) -> bool:
        """Note a connection unless the account has ``limit`` already; return whether it is noted.

        ``batched``: it asked for frames that hold several events.
        """
        ...

    def noted_connection(self, connection_id: str) -> NotedConnection | None:
        """Return what was noted of a connection; None if it is not, or is forgotten."""
        ...

    def subscription_count(self, connection_id: str) -> int:
        """Return how many unfinished orders a connection is subscribed to."""
        ...


class OrderRate:
    """A token bucket per account: so many orders at once, and so many a second after that."""

    def __init__(self, per_second: int, burst: int, clock: Clock) -> None:
        self._per_second = per_second
        self._burst = float(burst)
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, account_id: str) -> bool:
        """Count one order; False if the account has to wait."""
        buckets = self._buckets
        left, now_s = self._left(buckets.pop(account_id, None))
        is_allowed = left >= 1
        buckets[account_id] = (left - 1 if is_allowed else left, now_s)
        if len(buckets) > ACCOUNTS_MAX:
            buckets.popitem(last=False)
        return is_allowed

    def has_some(self, account_id: str) -> bool:
        """Return whether the account could submit an order now, which is not counted."""
        return self._left(self._buckets.get(account_id))[0] >= 1

    def wait_s(self, account_id: str) -> float:
        """Return in how many seconds the account could submit an order, if it submits none until then."""
        left, _ = self._left(self._buckets.get(account_id))
        return max(0.0, 1 - left) / self._per_second

    def _left(self, bucket: tuple[float, float] | None) -> tuple[float, float]:
        """Return how many orders are left to an account, and the time in seconds."""
        now_s = self._clock.elapsed_s()
        if bucket is None:
            return self._burst, now_s
        left, at_s = bucket
        return min(self._burst, left + (now_s - at_s) * self._per_second), now_s


@dataclass(slots=True)
class _Tally:
    """What is known of one account: a count of the record, and the orders accepted here since."""

    counted: int = 0
    since: int = 0
    counted_at_s: float = float("-inf")
    is_counting: bool = False
    was_counted: bool = False


class OpenOrders:
    """An estimate of an account's open orders that makes no order wait that has room.

    A count runs in the background once an account has taken a tenth of its limit here, or is near it. Without
    an answer no order is refused. So the limit can be passed by what arrives during one count, in each
    environment; it cannot be passed for long. The one order that waits for a count is one that would be
    refused for what was counted a second ago or earlier: orders end, and an account that comes back later is
    not to be told of those it had.

    Args:
        is_lasting: Such orders stay for weeks, and environments come and go meanwhile: each of them has the
            account counted with its first such order, and again with every hundredth part of the limit.
            Else a tenth of the limit would be had anew in each, for good.
    """

    def __init__(
        self,
        count: CountOpenOrders,
        clock: Clock,
        executor: Executor,
        *,
        limit: int,
        is_lasting: bool = False,
    ) -> None:
        self._count = count
        self._clock = clock
        self._executor = executor
        self._limit = limit
        self._is_lasting = is_lasting
        self._busy_share = _LASTING_BUSY_SHARE if is_lasting else _BUSY_SHARE
        self._tallies: OrderedDict[str, _Tally] = OrderedDict()

    def take(self, account_id: str) -> bool:
        """Count one order; False if the account has too many open."""
        tally = self._tally(account_id)
        if tally.counted + tally.since >= self._limit:
            if self._begins_count(tally):
                self._ask(account_id, tally, tally.since)
            if tally.counted + tally.since >= self._limit:
                return False
        tally.since += 1
        if self._is_busy(tally) and self._begins_count(tally):
            self._executor.submit(self._ask, account_id, tally, tally.since)
        return True

    def has_room(self, account_id: str) -> bool:
        """Return whether the account could have one more order open, by the record's own count.

        Nothing is counted here. It waits for the record, so it is not for the accept path.

        Raises:
            RetryableError: The record is unreachable.
        """
        tally = self._tallies.get(account_id, _Tally())
        known = 0 if self._is_old(tally) else tally.counted + tally.since
        return max(self._count(account_id, self._limit), known) < self._limit

    def _tally(self, account_id: str) -> _Tally:
        """Return what is known of an account, which is now the last to be forgotten."""
        found = self._tallies.get(account_id)
        if found is not None:
            self._tallies.move_to_end(account_id)
            return found
        made = self._tallies[account_id] = _Tally()
        if len(self._tallies) > ACCOUNTS_MAX:
            self._tallies.popitem(last=False)
        return made

    def _is_busy(self, tally: _Tally) -> bool:
        if tally.since * self._busy_share >= self._limit or tally.counted * 2 >= self._limit:
            return True
        return self._is_lasting and not tally.was_counted

    def _begins_count(self, tally: _Tally) -> bool:
        """Return whether to count an account now: not beside another count, nor a moment after the last."""
        if tally.is_counting or not self._is_old(tally):
            return False
        tally.is_counting, tally.counted_at_s = True, self._now_s()
        return True

    def _is_old(self, tally: _Tally) -> bool:
        return self._now_s() - tally.counted_at_s >= _RECOUNT_S

    def _now_s(self) -> float:
        return self._clock.elapsed_s()

    def _ask(self, account_id: str, tally: _Tally, included: int) -> None:
        try:
            tally.counted = self._count(account_id, self._limit)
            tally.was_counted = True
        except RetryableError as fault:
            logger.warning("open orders not counted", account_id=account_id, reason=fault.message)
            tally.counted = 0
        except Exception:  # noqa: BLE001  # no order is refused for it, and the executor would swallow it
            logger.exception("defect", doing="counting open orders", account_id=account_id)
            tally.counted = 0
        finally:
            tally.since -= included
            tally.is_counting = False


_TOO_FAST: Final = "too many orders a second; slow down"
_TOO_MANY_OPEN: Final = Code.TOO_MANY_OPEN_ORDERS, "too many open orders; wait for some to end"
_TOO_MANY_RESTING: Final = (
    Code.TOO_MANY_RESTING_ORDERS,
    "too many resting orders; cancel some, or wait for some to end",
)


class OrderLimits:
    """Whether an account may submit one more order now."""

    def __init__(
        self, rate: OrderRate, open_orders: OpenOrders, resting_orders: OpenOrders | None = None
    ) -> None:
        self._rate = rate
        self._open_orders = open_orders
        self._resting_orders = resting_orders

    def check_rate(self, account_id: str) -> None:
        """Raise what ``admit`` would raise for the account's pace; nothing is counted.

        Raises:
            LimitExceededError: The account is too fast.
        """
        if not self._rate.has_some(account_id):
            raise self._too_fast(account_id)

    def check_number(self, account_id: str, *, may_rest: bool) -> None:
        """Raise what ``admit`` would raise for the number of such orders; nothing is counted.

        Raises:
            LimitExceededError: The account has too many.
            RetryableError: The record is unreachable.
        """
        counted, refusal = self._counted(may_rest=may_rest)
        if not counted.has_room(account_id):
            raise LimitExceededError(*refusal)

    def admit(self, account_id: str, *, may_rest: bool = False) -> None:
        """Count an order that is about to be accepted.

        Args:
            may_rest: It may rest, and counts as if it did: whether it will is not known yet.

        Raises:
            LimitExceededError: The account is too fast, or has too many open or resting orders.
        """
        if not self._rate.take(account_id):
            raise self._too_fast(account_id)
        counted, refusal = self._counted(may_rest=may_rest)
        if not counted.take(account_id):
            raise LimitExceededError(*refusal)

    def _too_fast(self, account_id: str) -> LimitExceededError:
        return LimitExceededError(Code.RATE_LIMITED, _TOO_FAST, wait_s=self._rate.wait_s(account_id))

    def _counted(self, *, may_rest: bool) -> tuple[OpenOrders, tuple[Code, str]]:
        """Return which orders an order counts among, and what is said if they are too many."""
        if may_rest and self._resting_orders is not None:
            return self._resting_orders, _TOO_MANY_RESTING
        return self._open_orders, _TOO_MANY_OPEN

    def admit_subscription(self, account_id: str) -> None:
        """Count a message about an order that waits in the same queue as orders do.

        Raises:
            LimitExceededError: The account is too fast.
        """
        if not self._rate.take(account_id):
            raise self._too_fast(account_id)


class ConnectionLimits:
    """Whether an account may open one more connection, and a connection subscribe to one more order."""

    def __init__(self, usage: Usage, clock: Clock, *, connections_max: int, subscriptions_max: int) -> None:
        self._usage = usage
        self._clock = clock
        self._connections_max = connections_max
        self._subscriptions_max = subscriptions_max

    def admit(
        self, connection_id: str, principal: Principal, *, batched: bool = False, is_relied_on: bool = False
    ) -> None:
        """Note a new connection, which lasts no longer than its credential.

        ``is_relied_on``: the note alone will tell whose the connection is, so without it none is let in.

        Raises:
            LimitExceededError: The account has too many.
            RetryableError: It is relied on and could not be noted.
        """
        longest = self._clock.now() + CONNECTION_DURATION_MAX
        expires_at = min(longest, principal.expires_at or longest)
        try:
            is_noted = self._usage.note_connection(
                connection_id,
                principal.account_id,
                expires_at,
                batched=batched,
                limit=self._connections_max,
            )
        except RetryableError as fault:
            if is_relied_on:
                raise
            # Orders are accepted without the database, so connections are let in without it too.
            logger.warning("connection not noted", connection_id=connection_id, reason=fault.message)
            return
        if not is_noted:
            raise LimitExceededError(Code.TOO_MANY_CONNECTIONS, "too many connections; close some")

    def check_subscriptions(self, connection_id: str) -> None:
        """Refuse one more subscription to a connection that has too many.

        Raises:
            LimitExceededError: It has.
            RetryableError: The record is unreachable.
        """
        if self._usage.subscription_count(connection_id) >= self._subscriptions_max:
            raise LimitExceededError(
                Code.TOO_MANY_SUBSCRIPTIONS,
                "this connection subscribes to too many orders; unsubscribe from some",
            )
