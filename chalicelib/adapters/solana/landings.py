"""What transactions that are final did, as several nodes tell it.

A landing is final once, and what it moved follows from it: so nodes that are right tell the same to the unit,
and where they do not, one of them is broken, or lies.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from chalicelib.adapters.solana.failures import is_leg_refusal, refusal_of
from chalicelib.adapters.solana.fills import Names, fill_of
from chalicelib.adapters.solana.program_logs import logged_error
from chalicelib.adapters.solana.rpc_answers import (
    RpcSignatureStatus,
    TransactionRecord,
    first_signature,
    transaction,
)
from chalicelib.adapters.solana.rpc_errors import MalformedResultError, NodeError
from chalicelib.domain.transactions import SignatureStatus, TransactionStatus


class ToldLanding(NamedTuple):
    """What the node at a place tells of a transaction."""

    place: int
    status: TransactionStatus


def status_of(record: TransactionRecord, names: Names) -> TransactionStatus:
    """Return what a transaction in a block did.

    Raises:
        MalformedResultError: What is shown of it contradicts itself.
    """
    if record.fault is not None:
        named = logged_error(record.logs)
        return TransactionStatus(
            SignatureStatus.REFUSED,
            record.slot,
            refusal=refusal_of(record.fault, record.logs, record.outer, names.ids),
            network_fee_lamports=record.fee_lamports,
            refusal_name=named.name if named is not None else None,
            is_leg_refusal=is_leg_refusal(record.fault, record.outer, names.ids),
        )
    fill = fill_of(record, names)
    return TransactionStatus(
        SignatureStatus.LANDED,
        record.slot,
        fill.input_units,
        fill.output_units,
        fill.legs,
        network_fee_lamports=record.fee_lamports,
    )


def told_landing(
    signature: str,
    answer: object,
    shown: RpcSignatureStatus | None,
    place: int,
    told_by: Callable[[TransactionRecord], TransactionStatus],
) -> ToldLanding:
    """Return what a node tells by its answer to ``getTransaction``.

    Args:
        answer: A result as JSON, or the error in its place.
        shown: The status that has to go with it; None where none is known.

    Raises:
        NodeError: It tells nothing, or contradicts itself or the status.
    """
    if isinstance(answer, NodeError):
        raise answer
    record = transaction(answer)
    if record is None:
        raise NodeError("the node does not show a transaction whose status is final")
    if first_signature(answer) != signature:
        # Answers to several calls are put together by what stands before a node; amounts must be no other
        # order's.
        raise MalformedResultError("the node shows another transaction than was asked for")
    if shown is not None and (record.fault is None) != (shown.fault is None):
        raise MalformedResultError("a status and its transaction disagree whether it failed")
    if shown is not None and record.slot != shown.slot:
        raise MalformedResultError("a status and its transaction disagree in which slot it landed")
    return ToldLanding(place, told_by(record))


def agreed(told: Sequence[ToldLanding], witnesses: int) -> TransactionStatus | None:
    """Return what so many nodes tell alike; None if no such number does, or two that tell differently."""
    enough = [alike for alike in grouped(told) if len(alike) >= witnesses]
    return enough[0][0].status if len(enough) == 1 else None


def grouped(told: Sequence[ToldLanding]) -> list[list[ToldLanding]]:
    """Return what is told, those together that tell the same: nodes, and amounts, but not our words for them.

    Which pool a leg is of, and how far it moved that, is read with the words of the moment.
    """
    groups: dict[object, list[ToldLanding]] = {}
    for one in told:
        status = one.status
        legs = tuple((leg.input_units, leg.output_units, leg.fee_units) for leg in status.legs)
        facts = (
            *(status.signature_status, status.slot, status.input_units, status.output_units, legs),
            *(status.refusal, status.is_leg_refusal, status.network_fee_lamports),
        )
        groups.setdefault(facts, []).append(one)
    return list(groups.values())
