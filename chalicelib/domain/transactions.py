"""Transactions: what one instructs, its bytes, and what the chain answers for it."""

from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from typing import Final, NamedTuple
from uuid import UUID

from chalicelib.domain.errors import Code
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.values import value

VALIDITY_BLOCKS: Final = 150
"""A block hash is good for so many blocks (Solana, ``MAX_PROCESSING_AGE``)."""


@value
class InstructedLeg:
    """One pool's planned part of a hop: what goes in (exact in) or comes out (exact out)."""

    pool_id: str
    planned_units: int


@value
class InstructedPath:
    """Hops in a row from the input to the output token, each shared by one pool or more.

    The first hop (exact in) or the last (exact out) moves the planned amounts. Every other hop
    shares what its neighbour really paid or needs, in proportion to the planned amounts: each leg
    gets ``floor(total * planned / sum of planned)`` and the last leg the rest. If nothing else
    traded in between, that is exactly the plan.
    """

    tokens: tuple[str, ...]
    hops: tuple[tuple[InstructedLeg, ...], ...]


@value
class InstructedQuote:
    """A venue's firm quote, by the venue's own name for it."""

    venue: str
    quote_id: str


@value
class SwapInstruction:
    """What a transaction does: all of its paths, or nothing.

    Attributes:
        firm_quote: What fills all of it, for the venue's own settlement; None if pools do. The one leg then
            has the quote's id in the place of a pool's.
        threshold_units: The least total output (exact in) or the most total input (exact out).
    """

    account_id: str
    order_id: UUID
    attempt: int
    swap_mode: SwapMode
    input_token: str
    output_token: str
    paths: tuple[InstructedPath, ...]
    threshold_units: int
    firm_quote: InstructedQuote | None = None


class ExpectedSwap(NamedTuple):
    """A swap that will probably be signed for soon; its route is not known yet."""

    account_id: str
    input_token: str
    output_token: str


@value
class SignedTransaction:
    """The bytes that execute at most once.

    Attributes:
        signature: Base58 of 64 bytes; known before anything is sent.
        last_valid_height: At a greater block height these bytes can never land.
    """

    signature: str
    payload: bytes
    last_valid_height: int


class LostTransaction(NamedTuple):
    """A transaction that executed for an order, and that the record does not have: it was set back.

    Attributes:
        attempt: At the order, as the transaction itself says.
        status: What it did.
    """

    transaction: SignedTransaction
    attempt: int
    status: "TransactionStatus"


class ChainHealth(NamedTuple):
    """How a chain of others' nodes is.

    Attributes:
        age_s: Of the block whose pools were read, by the chain's own clock, which may run behind ours.
        pools: So many can be traded with.
        refused: So many cannot.
    """

    slot: int
    age_s: int
    pools: int
    refused: int


class SignatureStatus(StrEnum):
    """What the chain knows of a signature."""

    UNKNOWN = "unknown"  # not seen by this node: it may be on its way, or lost
    LANDED = "landed"  # executed, the swap took place
    REFUSED = "refused"  # executed with an error: paid nothing, will never execute again


@value
class LegFill:
    """What one pool really exchanged, and how far that moved its price, fees aside."""

    pool_id: str
    venue: str
    token_in: str
    token_out: str
    input_units: int
    output_units: int
    fee_units: int
    fee_token: str
    impact_bps: str = "0.00"


@value
class TransactionStatus:
    """What the chain answers for one signature; amounts and slot only if it landed.

    Attributes:
        refusal_name: The program's own name for what it refused it for, None if it named nothing.
        is_leg_refusal: What was refused is one leg of several, by a threshold of its own: whether the order
            as a whole could have kept its threshold is not known.
        is_delegated: What was refused moves another's tokens, as far as the owner has approved of it.
        network_fee_lamports: What the chain took for it, landed or refused; None on a chain without such
            fees.
        untold_legs: Places of legs of which the chain tells no fee and impact any more.
    """

    signature_status: SignatureStatus
    slot: int | None = None
    input_units: int = 0
    output_units: int = 0
    legs: tuple[LegFill, ...] = ()
    refusal: Code | None = None
    network_fee_lamports: int | None = None
    refusal_name: str | None = None
    is_leg_refusal: bool = False
    is_delegated: bool = False
    untold_legs: frozenset[int] = frozenset()


@value
class ChainView:
    """One node's answer, all of it as of one block height.

    Attributes:
        history_from: The node has forgotten what landed below this height: that it does not know a
            transaction which might have, proves nothing.
        doubted: Signatures that are not known here, and of which others may say more.
    """

    height: int
    statuses: Mapping[str, TransactionStatus]
    history_from: int = 0
    doubted: Collection[str] = ()

    def proves_dead(self, transaction: SignedTransaction, *, margin_blocks: int) -> bool:
        """Return whether a transaction that this view does not know can never land, nor has."""
        last = transaction.last_valid_height
        may_have_landed_from = max(0, last - VALIDITY_BLOCKS)
        is_over = self.height > last + margin_blocks and may_have_landed_from >= self.history_from
        return is_over and transaction.signature not in self.doubted

    def dead(self, transactions: Iterable[SignedTransaction], *, margin_blocks: int) -> frozenset[str]:
        """Return the signatures of those that this view does not know and proves dead."""
        return frozenset(
            each.signature
            for each in transactions
            if self.statuses[each.signature].signature_status is SignatureStatus.UNKNOWN
            and self.proves_dead(each, margin_blocks=margin_blocks)
        )
