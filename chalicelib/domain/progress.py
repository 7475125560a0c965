"""An order that a consumer has claimed: claims, attempts, and the transitions that move it on."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, NamedTuple
from uuid import UUID

from chalicelib.domain.errors import Code
from chalicelib.domain.events import OrderEvent
from chalicelib.domain.orders import OrderState
from chalicelib.domain.rates import Bound
from chalicelib.domain.transactions import SignedTransaction
from chalicelib.domain.watches import Fired, Watch
from chalicelib.values import value


@value
class NewOrder:
    """An order to record for the first time, with the events it starts with.

    Attributes:
        connection_id: The WebSocket connection that submitted it, subscribed to it from its first event.
        failure_code: Of an order that ends as failed with these events.
        attempt: Its signed transaction, if these events go as far as that: written in the same commit, before
            anything is sent.
    """

    state: OrderState
    events: tuple[OrderEvent, ...]
    connection_id: str | None
    failure_code: Code | None = None
    attempt: "OpenAttempt | None" = None


class Published(NamedTuple):
    """Events of an order that were published, from the one after ``after_seq`` up to ``seq``."""

    order_id: UUID
    after_seq: int
    seq: int


@value
class OpenAttempt:
    """A signed transaction whose outcome is not on record yet.

    Attributes:
        threshold_units: The least output (exact in) or most input (exact out) that it accepts.
    """

    transaction: SignedTransaction
    attempt: int
    quoted_in_units: int
    quoted_out_units: int
    threshold_units: int


@value
class ClaimedOrder:
    """An order that this consumer, and no other, may move on until the lease ends.

    Attributes:
        fence: Grows with each claim; a write with an old one changes nothing.
        fired: How the watch of an ``open`` order fired; None while it is armed, and for any other status.
        held_to: The strictest threshold of its transactions that the chain refused, of an order without
            a limit that is no stop; None if there is none since its owner last amended its amount. No later
            transaction accepts worse: its slippage counts from the quote that was refused.
        is_abandoned: The lease before this one ran out: its consumer died, or could not reach the record.
    """

    state: OrderState
    fence: int
    open_attempt: OpenAttempt | None = None
    fired: Fired | None = None
    held_to: int | None = None
    is_abandoned: bool = False

    @property
    def bound(self) -> Bound | None:
        """The worst that the order accepts, if that does not depend on the plan."""
        terms = self.state.order.terms
        if self.held_to is None:
            return terms.bound
        return Bound(terms.swap_mode, self.held_to)

    def is_late(self, now: datetime) -> bool:
        """Return whether the order may not be sent any more.

        What the record's clock has woken at its end has ended, whatever ours says: one that is behind would
        have it sent after its end, or woken again each second.
        """
        woken_at = now if self.fired is None else self.fired.fired_at
        return self.state.order.is_late(max(now, woken_at))


@value
class Claims:
    """What became of a request to claim some orders; each known id is in exactly one of the three."""

    claimed: Mapping[UUID, ClaimedOrder]
    busy: Mapping[UUID, OrderState]
    final: Mapping[UUID, OrderState]


@value
class AttemptOutcome:
    """What became of an attempt, now certain."""

    signature: str
    outcome: Literal["landed", "refused", "dead"]


@value
class Transition:
    """One claimed order's next events, to be recorded together or not at all.

    Attributes:
        claimed: As it was before; the transition counts only if the record still says so.
        new_attempt: Written in the same commit, before anything is sent.
        release: Give up the lease with this transition.
        watch: What the order waits for from now on; armed in the same commit. An order that is ``open`` no
            more loses its watch in the same commit.
        moved_pools: The pools that a transaction which landed traded with.
        is_found: It writes down that the order has executed, which the record had lost: no cancel comes
            before it.
    """

    claimed: ClaimedOrder
    state: OrderState
    events: tuple[OrderEvent, ...]
    new_attempt: OpenAttempt | None = None
    outcome: AttemptOutcome | None = None
    filled: tuple[int, int] | None = None  # input and output units of a confirmed order
    failure_code: Code | None = None
    release: bool = False
    watch: Watch | None = None
    moved_pools: frozenset[str] = frozenset()
    is_found: bool = False


@value
class Subscription:
    """A connection and an order whose events it should see.

    Attributes:
        live: Events may be sent to it now; otherwise it is being caught up.
        replayed_to: It has seen events up to this one by other means.
        batched: It asked for frames that hold several events.
        is_of_all: It asked for every order of the account, and for this one not by itself: it sees what
            happens from then on.
    """

    order_id: UUID
    connection_id: str
    live: bool
    replayed_to: int
    batched: bool = False
    is_of_all: bool = False


Subscribed = dict[UUID, list[Subscription]]
"""The subscriptions to orders, by order, as they were at one moment; one that no connection sees has none."""
