"""Which connection sees which orders: what the record of subscriptions is asked, and what it answers."""

from collections.abc import Sequence
from enum import Enum, auto
from typing import Protocol
from uuid import UUID

from chalicelib.domain.orders import Order
from chalicelib.domain.progress import Subscription
from chalicelib.values import value


@value
class Missed:
    """A connection did not take an order's events after ``sent_to``."""

    connection_id: str
    order: Order
    sent_to: int


class ReplayKind(Enum):
    """What a replay is for, and so when none begins and nothing is subscribed to.

    Attributes:
        NAMED: Of an order that its client names: always subscribed to, if the account has it.
        OF_ALL: Of one of the orders that a subscription to all of the account's found: not if the connection
            has unsubscribed from everything meanwhile.
        CATCH_UP: Of a subscription that missed something, from no later on than what else that waits for: not
            if the connection has unsubscribed meanwhile or its token has ended.
    """

    NAMED = auto()
    OF_ALL = auto()
    CATCH_UP = auto()


@value
class Replay:
    """What a connection is to be sent again.

    Attributes:
        after_seq: Events after this one.
        batched: In frames that hold several events.
    """

    after_seq: int
    batched: bool


@value
class AccountOrders:
    """An account's unfinished orders, as far as a subscription to all of them replays them.

    Attributes:
        more_rest: More orders rest than these; their events are sent from now on all the same.
    """

    order_ids: Sequence[UUID]
    more_rest: bool = False


class Subscriptions(Protocol):
    """Which connection sees which orders. Raises ``RetryableError`` if the record is unreachable."""

    def of_orders(self, orders: Sequence[Order]) -> Sequence[Subscription]:
        """Return the subscriptions to any of the orders, one per order and connection."""
        ...

    def begin_replay(
        self,
        connection_id: str,
        account_id: str,
        order_id: UUID,
        *,
        replay_id: UUID,
        after_seq: int,
        kind: ReplayKind = ReplayKind.NAMED,
    ) -> Replay | None:
        """Subscribe a connection to an order, not live yet.

        None if the account has no such order, or for the reasons of the replay's kind.
        The replay begins after ``after_seq``, or after the last event if there are fewer.
        A replay that was under way for the same pair is superseded.
        """
        ...

    def go_live(self, connection_id: str, order_id: UUID, *, replay_id: UUID, seq: int) -> bool:
        """Make the subscription live if ``seq`` is still the order's last event; False if not.

        True as well if the replay was superseded: either way the caller has nothing more to send.
        """
        ...

    def subscribe_account(self, connection_id: str, account_id: str) -> AccountOrders:
        """Subscribe to every order of the account; return the unfinished ones,
        which are not live until replayed: of those that rest, the newest.
        """
        ...

    def mark_behind(self, missed: Sequence[Missed]) -> None:
        """Note what connections missed: each is not live for that order until it is caught up.

        One that has unsubscribed meanwhile is not subscribed again.
        """
        ...

    def remove(self, connection_id: str, order_id: UUID | None) -> bool:
        """Unsubscribe from one order, or from everything; return whether it was subscribed to that."""
        ...

    def forget(self, connection_ids: Sequence[str]) -> None:
        """Remove connections that are gone, with all their subscriptions."""
        ...
