"""What the use cases need from the world outside, in the words of the domain."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from chalicelib.amm.swaps import SwapMode
from chalicelib.domain.errors import Code
from chalicelib.routing.pools import RoutablePool


class Clock(Protocol):
    def now(self) -> datetime:
        """Return the present moment, aware, in UTC."""
        ...

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        ...


class Venue(Protocol):
    """One venue's word on what it would trade now."""

    @property
    def name(self) -> str: ...

    def pools(self, tokens: frozenset[str]) -> Sequence[RoutablePool]:
        """Return the present state of the venue's pools whose both tokens are among ``tokens``.

        Raises:
            VenueUnavailableError: It did not answer, or not in time.
        """
        ...


@dataclass(frozen=True, slots=True)
class Hop:
    """One pool of a path, by name."""

    pool_id: str
    token_in: str
    token_out: str


@dataclass(frozen=True, slots=True)
class Path:
    """Pools in a row, and what goes in at its start (exact in) or comes out at its end (exact out)."""

    hops: tuple[Hop, ...]
    amount_units: int


@dataclass(frozen=True, slots=True)
class SwapInstruction:
    """What a transaction does: all of its paths, or nothing.

    Attributes:
        threshold_units: The least total output (exact in) or the most total input (exact out).
    """

    order_id: UUID
    attempt: int
    swap_mode: SwapMode
    input_token: str
    output_token: str
    paths: tuple[Path, ...]
    threshold_units: int


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    """The bytes that execute at most once.

    Attributes:
        signature: Base58 of 64 bytes; known before anything is sent.
        last_valid_height: At a greater block height these bytes can never land.
    """

    signature: str
    payload: bytes
    last_valid_height: int


class Fate(StrEnum):
    """What the chain knows of a signature."""

    UNKNOWN = "unknown"  # not seen by this node: it may be on its way, or lost
    LANDED = "landed"  # executed, the swap took place
    REFUSED = "refused"  # executed with an error: paid nothing, will never execute again


@dataclass(frozen=True, slots=True)
class LegFill:
    """What one pool really exchanged."""

    pool_id: str
    venue: str
    token_in: str
    token_out: str
    input_units: int
    output_units: int
    fee_units: int
    fee_token: str


@dataclass(frozen=True, slots=True)
class TransactionStatus:
    """What the chain answers for one signature; amounts and slot only if it landed."""

    fate: Fate
    slot: int | None = None
    input_units: int = 0
    output_units: int = 0
    legs: tuple[LegFill, ...] = ()
    refusal: Code | None = None


@dataclass(frozen=True, slots=True)
class ChainView:
    """One node's answer, all of it as of one block height."""

    height: int
    statuses: Mapping[str, TransactionStatus]


class Chain(Protocol):
    """Where transactions are built for, sent to, and looked up."""

    def sign(self, account_id: str, instructions: Sequence[SwapInstruction]) -> Sequence[SignedTransaction]:
        """Build and sign one transaction per instruction, valid for a number of blocks from now.

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
        """Return the fate of each signature and the height it is true at, from one node.

        Raises ``RetryableError``.
        """
        ...


@dataclass(frozen=True, slots=True)
class QueueMessage:
    """A message to put on the orders queue."""

    body: str
    account_id: str
    delay_s: int = 0


class OrderQueue(Protocol):
    def send(self, messages: Sequence[QueueMessage]) -> None:
        """Put messages on the queue; when this returns they are durable, all of them.

        Raises ``RetryableError``: some may be on the queue, none is lost that was reported sent.
        """
        ...

    def retry_in(self, receipt_handle: str, seconds: int) -> None:
        """Make a received message visible again after ``seconds``, best effort."""
        ...


@dataclass(frozen=True, slots=True)
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
