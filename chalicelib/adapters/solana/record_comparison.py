"""One order of the record against what the chain says of each of its attempts. Pure.

What the chain cannot tell any more is reported as unknown: a node that has pruned its ledger answers for old
transactions as for such that never were.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, NamedTuple
from uuid import UUID

from chalicelib.adapters import base58
from chalicelib.adapters.solana.message_reader import ReadTransaction, read_transaction
from chalicelib.adapters.solana.programs import MEMO, VENUES, SwapProgram
from chalicelib.adapters.solana.signing import verifies
from chalicelib.adapters.solana.swap_message import mark_of
from chalicelib.domain.amounts import format_units
from chalicelib.domain.statuses import FINAL, OrderStatus
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.tokens import Tokens
from chalicelib.domain.transactions import (
    VALIDITY_BLOCKS,
    ChainView,
    SignatureStatus,
    SignedTransaction,
    TransactionStatus,
)

MARGIN_BLOCKS: Final = 2
_LANDED, _REFUSED, _DEAD = "landed", "refused", "dead"
_IN_LOGS: Final = frozenset({VENUES[SwapProgram.CPMM], VENUES[SwapProgram.CLMM]})
"""Whose programs tell of a swap's fee in the transaction's log alone, which nodes cut off."""

_OUTCOMES: Final = {SignatureStatus.LANDED: _LANDED, SignatureStatus.REFUSED: _REFUSED}


class Rule(StrEnum):
    """What is compared."""

    ONE_LANDED = (
        "each confirmed order has exactly one landed transaction, and each landed one is its order's fill"
    )
    OUTCOME = "the outcome of each attempt is what the chain says of it"
    AMOUNTS = "a confirmed order shows what the chain moved: amounts, fees, slot, and what stayed unspent"
    BYTES = "each attempt's bytes are signed under its signature and name its order"
    ON_RECORD = "our wallets sent nothing that is not on record"


class Difference(NamedTuple):
    """What breaks a rule; or, with ``is_unknown``, what the chain cannot tell."""

    rule: Rule
    subject: str
    problem: str
    is_unknown: bool = False


@dataclass(frozen=True, slots=True)
class Attempt:
    """A row of ``attempts``."""

    signature: str
    attempt: int
    payload: bytes
    last_valid_height: int
    outcome: str | None
    threshold_units: int


@dataclass(frozen=True, slots=True)
class ComparedOrder:
    """An order with its attempts, and what was published of it last."""

    order_id: UUID
    status: OrderStatus
    swap_mode: SwapMode
    input_token: str
    output_token: str
    amount_units: int
    tx_signature: str | None
    input_units: int | None
    output_units: int | None
    published: dict[str, Any]
    attempts: tuple[Attempt, ...]


def compared(order: ComparedOrder, view: ChainView, tokens: Tokens) -> Iterator[Difference]:
    """Yield where the record and the chain differ, and what the chain cannot tell."""
    landed: list[str] = []
    doubts: list[str] = []
    for attempt in order.attempts:
        status = view.statuses[attempt.signature]
        if status.signature_status is SignatureStatus.LANDED:
            landed.append(attempt.signature)
        doubt = _doubt(attempt, status, view)
        if doubt is None:
            yield from _outcome(order, attempt, status)
        elif attempt.outcome is not None or order.status in FINAL:
            doubts.append(attempt.signature)
            yield Difference(Rule.OUTCOME, attempt.signature, doubt, is_unknown=True)
        yield from _bytes(order, attempt)
    yield from _one_landed(order, landed, doubts)
    if order.status is OrderStatus.CONFIRMED and order.tx_signature in landed:
        yield from _amounts(order, view.statuses[order.tx_signature or ""], tokens)


def authority_of(payload: bytes) -> bytes | None:
    """Return the key that signed and paid first, None if these are no transaction's bytes."""
    read = _read(payload)
    return bytes(read.message.signers[0]) if read else None


def _doubt(attempt: Attempt, status: TransactionStatus, view: ChainView) -> str | None:
    """Return why the chain's not knowing an attempt proves nothing.

    None if it knows it, or that proves it.
    """
    if status.signature_status is not SignatureStatus.UNKNOWN:
        return None
    sent = SignedTransaction(attempt.signature, attempt.payload, attempt.last_valid_height)
    if view.proves_dead(sent, margin_blocks=MARGIN_BLOCKS):
        return None
    since = max(0, attempt.last_valid_height - VALIDITY_BLOCKS)
    if view.height and since < view.history_from:
        return f"may have landed from height {since} on, and the node remembers from {view.history_from} on"
    if view.height and view.height <= attempt.last_valid_height + MARGIN_BLOCKS:
        return f"may still land, up to height {attempt.last_valid_height}"
    return "the node's answers prove nothing now"


def _outcome(order: ComparedOrder, attempt: Attempt, status: TransactionStatus) -> Iterator[Difference]:
    said = _OUTCOMES.get(status.signature_status, _DEAD)
    if attempt.outcome not in (None, said):
        yield Difference(
            Rule.OUTCOME,
            attempt.signature,
            f"order {order.order_id} has it as {attempt.outcome}, the chain as {said}",
        )
    elif attempt.outcome is None and order.status in FINAL:
        yield Difference(
            Rule.OUTCOME, attempt.signature, f"order {order.order_id} is {order.status} without its outcome"
        )


def _one_landed(order: ComparedOrder, landed: Sequence[str], doubts: Sequence[str]) -> Iterator[Difference]:
    subject = str(order.order_id)
    if len(landed) > 1:
        yield Difference(Rule.ONE_LANDED, subject, f"{len(landed)} transactions landed: {', '.join(landed)}")
    elif order.status is OrderStatus.CONFIRMED:
        if landed and landed[0] != order.tx_signature:
            problem = f"it is confirmed by {order.tx_signature}, and {landed[0]} landed"
            yield Difference(Rule.ONE_LANDED, subject, problem)
        elif not landed:
            is_unknown = order.tx_signature in doubts
            problem = (
                "whether its transaction landed is unknown" if is_unknown else "confirmed, and none landed"
            )
            yield Difference(Rule.ONE_LANDED, subject, problem, is_unknown)
    elif landed and order.status in FINAL:
        yield Difference(Rule.ONE_LANDED, subject, f"it is {order.status}, and {landed[0]} landed")


def _amounts(order: ComparedOrder, status: TransactionStatus, tokens: Tokens) -> Iterator[Difference]:
    subject = str(order.order_id)
    found = order.input_units, order.output_units
    moved = status.input_units, status.output_units
    if found != moved:
        problem = f"order {found[0]} -> {found[1]}, chain {moved[0]} -> {moved[1]} base units"
        yield Difference(Rule.AMOUNTS, subject, problem)
    (attempt,) = (one for one in order.attempts if one.signature == order.tx_signature)
    if order.swap_mode is SwapMode.EXACT_IN:
        is_kept = status.input_units <= order.amount_units and status.output_units >= attempt.threshold_units
    else:
        is_kept = status.output_units >= order.amount_units and status.input_units <= attempt.threshold_units
    if not is_kept:
        yield Difference(Rule.AMOUNTS, subject, "more went in, or less came out, than the order allows")
    for name, value in _facts(order, status, tokens).items():
        if order.published.get(name) != value:
            problem = f"{name} was published as {order.published.get(name)}, and is {value} on chain"
            yield Difference(Rule.AMOUNTS, subject, problem)
    fees = _fees(order, status, tokens)
    published = order.published.get("fees")
    if fees and published not in fees:
        problem = f"fees were published as {published}, and are {fees[0]} on chain"
        yield Difference(Rule.AMOUNTS, subject, problem)


def _facts(order: ComparedOrder, status: TransactionStatus, tokens: Tokens) -> dict[str, Any]:
    """Return what should have been published; nothing of a token of which nothing is known any more."""
    facts: dict[str, Any] = {"slot": status.slot}
    if "networkFeeLamports" in order.published:
        facts["networkFeeLamports"] = status.network_fee_lamports
    given = tokens.find(order.input_token)
    if given is not None and order.swap_mode is SwapMode.EXACT_IN:
        unspent = order.amount_units - status.input_units
        facts["unspentInputAmount"] = format_units(unspent, given.scale) if unspent else None
    return facts


def _fees(order: ComparedOrder, status: TransactionStatus, tokens: Tokens) -> list[list[dict[str, str]]]:
    """Return the fees that may have been published: all of them first, then what logs that are cut off tell.

    None are known where this node's log is cut off, too.
    """
    legs = status.legs
    is_told = not status.untold_legs and all(tokens.find(leg.fee_token) for leg in legs)
    if not is_told or not any(leg.fee_units for leg in legs):
        return []
    found = []
    for cut_at in range(len(legs), -1, -1):
        fees: dict[str, int] = {}
        for place, leg in enumerate(legs):
            if place < cut_at or leg.venue not in _IN_LOGS:
                fees[leg.fee_token] = fees.get(leg.fee_token, 0) + leg.fee_units
        charged = [symbol for symbol in sorted(fees) if fees[symbol]]
        found.append(
            [
                {"token": symbol, "amount": format_units(fees[symbol], tokens[symbol].scale)}
                for symbol in charged
            ]
            or [{"token": order.input_token, "amount": "0"}]
        )
    return found


def _bytes(order: ComparedOrder, attempt: Attempt) -> Iterator[Difference]:
    read = _read(attempt.payload)
    problem = None
    if read is None:
        problem = "the bytes are no transaction"
    elif base58.encode(read.signatures[0]) != attempt.signature:
        problem = "the bytes have another signature"
    elif not verifies(read.message.signers[0], read.raw_message, read.signatures[0]):
        problem = "the bytes are not signed by the wallet that pays"
    elif mark_of(order.order_id, attempt.attempt) not in _marks(read):
        problem = f"the bytes do not name attempt {attempt.attempt} of order {order.order_id}"
    if problem:
        yield Difference(Rule.BYTES, attempt.signature, problem)


def _marks(read: ReadTransaction) -> set[str]:
    calls = read.message.instructions or ()
    return {call.data.decode("ascii", "replace") for call in calls if call.program == MEMO}


def _read(payload: bytes) -> ReadTransaction | None:
    try:
        return read_transaction(payload)
    except ValueError:
        return None
