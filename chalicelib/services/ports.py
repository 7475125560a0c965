"""What the use cases need from the world outside, in the words of the domain."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, Protocol
from uuid import UUID

from chalicelib.domain.chosen_route import RefusedPool
from chalicelib.domain.events import OrderEvent
from chalicelib.domain.orders import Order, OrderState
from chalicelib.domain.progress import Claims, NewOrder, Published, Subscribed, Transition
from chalicelib.domain.statuses import OrderStatus
from chalicelib.domain.transactions import (
    ChainView,
    LostTransaction,
    SignedTransaction,
    SwapInstruction,
)
from chalicelib.values import value

if TYPE_CHECKING:
    # The mathematics of pools, which functions that only accept orders never load.
    from chalicelib.routing.few_legs import Room
    from chalicelib.routing.firm_quotes import FirmQuote, WantedSwap
    from chalicelib.routing.plan import ForeseenSwap, RoutablePool


class Clock(Protocol):
    def now(self) -> datetime:
        """Return the present moment, aware, in UTC."""
        ...

    def elapsed_s(self) -> float:
        """Return the seconds since some moment. Durations are measured by it: ``now`` may be set back."""
        ...

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        ...


class Observer(Protocol):
    """Watches for the operator: log lines and metrics, never a decision."""

    def saw(
        self,
        committed: Sequence[tuple[Order, Sequence[OrderEvent]]],
        correlation_ids: Mapping[UUID, str | None],
    ) -> None:
        """Note the events of one commit, and the requests that brought their orders."""
        ...


class ChainTime(NamedTuple):
    """The time of the chain whose pools are offered: what they open, and charge, by.

    Attributes:
        slot: 0 if the chain has none.
        block_s: About how long a block takes: slots are told in seconds, and seconds in blocks, by it.
    """

    unix_s: int
    slot: int
    block_s: float = 0.4


@value
class Offers:
    """What one venue would trade now.

    Attributes:
        pools: All of its pools, at their present state; the router computes what they would do.
        firm_quotes: Promises for what was wanted, and the venue's alone to compute.
        refused: The pools that are not traded with.
        chain_time: As of which the pools are; None if they go by our own clock, and by no slot.
        room: What one transaction carries of the pools; None if it carries any number of legs and hops.
        on_plan: Told of the swaps of each plan on the pools, by what may have to carry them out itself.
    """

    pools: "Sequence[RoutablePool]" = ()
    firm_quotes: "Sequence[FirmQuote]" = ()
    refused: Sequence[RefusedPool] = ()
    chain_time: ChainTime | None = None
    room: "Room | None" = None
    on_plan: "Callable[[Sequence[ForeseenSwap]], None] | None" = None


class Venue(Protocol):
    """One venue's word on what it would trade now."""

    @property
    def name(self) -> str: ...

    def offers(self, wanted: "Sequence[WantedSwap]") -> Offers:
        """Return the venue's pools as they are now, or firm quotes, or both.

        Args:
            wanted: What is about to be planned, as far as it is known; a venue of pools need not look at it.

        Raises:
            VenueUnavailableError: It did not answer, or not in time.
        """
        ...


class Mints(Protocol):
    """What the market knows of tokens that are not listed."""

    def decimals(self, mints: Collection[str]) -> Mapping[str, int]:
        """Return how many decimals each mint has of which the engine knows a pool; the others are absent.

        Raises ``RetryableError`` if it cannot be asked now.
        """
        ...


class LostTransactions(Protocol):
    """What a chain has executed and the record has lost, as it was set back to an earlier moment."""

    def are_sought(self) -> bool:
        """Return whether the record may lack something; raises ``RetryableError`` if it does not tell."""
        ...

    def of(self, orders: Sequence[Order]) -> Mapping[UUID, LostTransaction]:
        """Return what executed of orders that have no transaction on record which may land, or has.

        Raises ``RetryableError`` if the chain does not tell, or what was sent may land yet; asked of none,
        for what keeps it from telling of any.
        """
        ...


class Chain(Protocol):
    """Where transactions are built for, sent to, and looked up."""

    def sign(self, instructions: Sequence[SwapInstruction]) -> Sequence[SignedTransaction]:
        """Build one transaction per instruction, signed by its account's key, valid for some blocks from now.

        Nothing is sent. Raises ``RetryableError`` if the node does not answer.
        """
        ...

    def send(self, transactions: Sequence[SignedTransaction]) -> None:
        """Hand over transactions. Sending the same bytes again is harmless.

        No answer, or an error, says nothing about whether one will land.
        Raises ``RetryableError``.
        """
        ...

    def view(self, signatures: Sequence[str]) -> ChainView:
        """Return the status of each signature and the height it is true at, from one node.

        Raises ``RetryableError``.
        """
        ...

    def surely_dead(
        self, transactions: Sequence[SignedTransaction], *, margin_blocks: int
    ) -> Collection[str]:
        """Return the signatures of those of which no source that there is shows anything, all looked at anew.

        To be asked of what one view proves dead, before it is given up. Raises ``RetryableError``.
        """
        ...


@value
class QueueMessage:
    """A message to put on the orders queue."""

    body: str
    account_id: str
    delay_s: int = 0


class Sent(StrEnum):
    """What became of a message that was to be put on the queue."""

    TAKEN = "taken"  # durable
    REFUSED = "refused"  # certainly not on the queue
    UNKNOWN = "unknown"


class OrderQueue(Protocol):
    def send(self, messages: Sequence[QueueMessage]) -> None:
        """Put messages on the queue; when this returns they are durable, all of them.

        Raises:
            UnansweredError: Some of them may be on the queue.
            RetryableError: None of them is.
        """
        ...

    def check(self) -> None:
        """Raise ``RetryableError`` if the queue does not answer."""
        ...

    def retry_in(self, seconds: Mapping[str, int]) -> None:
        """Make received messages, by handle, visible again after so many seconds each, best effort."""
        ...


class BatchQueue(Protocol):
    """The orders queue, for messages that are accepted or refused one by one."""

    def send_each(self, messages: Sequence[QueueMessage]) -> Sequence[Sent]:
        """Put messages on the queue, and return what became of each; a fault is told, never raised."""
        ...


class ReceivedMessages(Protocol):
    """The messages of a queue, for a consumer that deletes by itself what it has finished."""

    def delete(self, receipt_handles: Sequence[str]) -> None:
        """Delete received messages, best effort: one that stays is delivered again."""
        ...


@value
class Frame:
    """Text for one connection."""

    connection_id: str
    text: str


class Delivery(StrEnum):
    """What became of the frames for one connection."""

    DELIVERED = "delivered"
    GONE = "gone"
    UNDELIVERED = "undelivered"  # refused or no answer within the bounds; it may have arrived


class Connections(Protocol):
    def post(self, frames: Iterable[Frame]) -> Mapping[str, Delivery]:
        """Send frames, in order for each connection, connections side by side.

        After a frame that could not be delivered the rest for that connection is not tried.
        Bounded in time; returns the outcome by connection id.
        """
        ...

    def close(self, connection_id: str) -> None:
        """Close a connection; one that is gone already is fine."""
        ...


class OrderRecord(Protocol):
    """The record of orders. Each method is one transaction; ``RetryableError`` if it is unreachable."""

    def create(
        self, orders: Sequence[NewOrder], *, lease_ms: int, subscribed: Subscribed | None = None
    ) -> frozenset[UUID]:
        """Record orders that are not on record yet, claimed under fence 1; return those it created.

        One that comes with its signed transaction is left out if all such orders were canceled while it was
        in the queue: either the cancel finds it on record, or it is not created.

        Args:
            subscribed: Takes the subscriptions to the orders, read after the commit, where that costs no
                further question; for an order that is not in it then, they are to be asked for.
        """
        ...

    def claim(self, order_ids: Sequence[UUID], *, lease_ms: int) -> Claims:
        """Claim orders on record whose lease has ended; unknown ids are in no part of the answer."""
        ...

    def record(
        self, transitions: Sequence[Transition], *, lease_ms: int, subscribed: Subscribed | None = None
    ) -> frozenset[UUID]:
        """Append events and renew (or release) leases; return the orders whose transition counted.

        One is dropped if another consumer has moved the order on, or all such orders were canceled before
        this one, now unsent, was on record.

        Args:
            subscribed: As of ``create``.
        """
        ...

    def cancel(self, account_id: str, order_id: UUID, at: datetime) -> tuple[Order, OrderEvent] | None:
        """End an order as canceled if it is not final and nothing of it was ever sent; None if not.

        Raises ``UnansweredError`` if it may be canceled.
        """
        ...

    def cancel_covered(self, order_ids: Sequence[UUID], at: datetime) -> Sequence[tuple[Order, OrderEvent]]:
        """End those orders that were canceled with all others before they were on record."""
        ...

    def amend(
        self,
        account_id: str,
        order_id: UUID,
        at: datetime,
        change: Callable[[OrderState], Order],
        amended: Mapping[str, object],
    ) -> tuple[Order, OrderEvent] | None:
        """Give an order other terms and arm it anew, in one commit; None if the account has no such order.

        Args:
            change: Given where the order stands while its row is held, returns it with other terms, or
                raises.
            amended: What was changed, for the event.

        Raises ``UnansweredError`` if it may be amended.
        """
        ...

    def note_published(self, published: Sequence[Published]) -> None:
        """Note what was published, where all before it had been: the next claimant need not."""
        ...

    def published_elsewhere(self, order_ids: Sequence[UUID], *, within_s: int) -> frozenset[UUID]:
        """Return those orders that were canceled or amended within so long, and are published by the function
        that did, or were: nothing is known yet of whether it comes to that.
        """
        ...

    def state(self, account_id: str, order_id: UUID) -> OrderState | None:
        """Return where an order of the account stands."""
        ...


@value
class OrderView:
    """An order as its owner may read it: the terms, where it stands, and its last event."""

    state: OrderState
    updated_at: datetime
    last_event: OrderEvent


class EventSpan(NamedTuple):
    """Events of an order, from the one after ``after_seq`` up to ``seq``."""

    order_id: UUID
    after_seq: int
    seq: int


class OrderQueries(Protocol):
    """Reading, always within one account. Raises ``RetryableError`` if the record is unreachable."""

    def find(self, account_id: str, order_id: UUID) -> OrderView | None:
        """Return an order; raises ``ArchivedError`` if its events are in an archive."""
        ...

    def page(
        self,
        account_id: str,
        *,
        status: OrderStatus | None,
        limit: int,
        before: tuple[datetime, UUID] | None,
    ) -> Sequence[OrderView]:
        """Return orders newest first; ``before`` is the last entry of the page before.

        The last event of one that is archived says just that.
        """
        ...

    def events_after(self, order_id: UUID, seq: int, *, limit: int) -> Sequence[OrderEvent]:
        """Return events with a greater ``seq``, in order."""
        ...

    def events_of(self, spans: Sequence[EventSpan], *, limit: int) -> Mapping[UUID, Sequence[OrderEvent]]:
        """Return the events of several orders, each order's in order, at most ``limit`` of each.

        An order without any may be left out.
        """
        ...


class ClientOrderContents(Protocol):
    def content_of(self, account_id: str, client_order_id: str) -> str | None:
        """Return the digest of the content that a client's id is tied to; None if it is free.

        Raises ``RetryableError`` if the record is unreachable.
        """
        ...


class ClientOrderKeys(ClientOrderContents, Protocol):
    def reserve(self, account_id: str, client_order_id: str, content_sha256: str) -> bool:
        """Tie a client's id to one content for good; False if it is tied to another already.

        Raises ``RetryableError`` if the record is unreachable.
        """
        ...
