"""What transactions that are final did, as several nodes tell it.

A landing is final once, and what it moved follows from it: so nodes that are right tell the same to the unit,
and where they do not, one of them is broken, or lies.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from chalicelib.adapters.solana.failures import is_delegated, is_leg_refusal, refusal_of
from chalicelib.adapters.solana.fills import Names, fill_of
from chalicelib.adapters.solana.leg_impact import UNKNOWN
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
            is_delegated=is_delegated(record.outer, names.ids),
        )
    fill = fill_of(record, names)
    return TransactionStatus(
        SignatureStatus.LANDED,
        record.slot,
        fill.input_units,
        fill.output_units,
        fill.legs,
        network_fee_lamports=record.fee_lamports,
        untold_legs=fill.untold,
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

    Which pool a leg is of, and how far it moved that, is read with the words of the moment. Nodes keep logs
    of different lengths: where one lacks a part of a landed one's, no more counts as told by any than all of
    them tell; what was refused goes by the name in the log that has it.
    """
    groups: list[list[ToldLanding]] = []
    for alike in _by(told, _proven):
        common = _in_common([one.status for one in alike])
        if common is None:
            groups += _by(alike, _logged)
        else:
            groups.append([one._replace(status=common) for one in alike])
    return groups


def _by(
    told: Sequence[ToldLanding], facts_of: Callable[[TransactionStatus], object]
) -> list[list[ToldLanding]]:
    groups: dict[object, list[ToldLanding]] = {}
    for one in told:
        groups.setdefault(facts_of(one.status), []).append(one)
    return list(groups.values())


def _proven(status: TransactionStatus) -> object:
    """Return what is told apart from the log, which may be cut off."""
    return (
        *(status.signature_status, status.slot, status.input_units, status.output_units),
        *(status.is_leg_refusal, status.network_fee_lamports),
        tuple(leg.input_units for leg in status.legs),
    )


def _logged(status: TransactionStatus) -> object:
    return status.refusal, tuple((leg.output_units, leg.fee_units) for leg in status.legs)


def _in_common(told: Sequence[TransactionStatus]) -> TransactionStatus | None:
    """Return what logs of different lengths leave of a transaction; None where they are not what differs."""
    if any(status.untold_legs for status in told):
        return _without_fees(told)
    named = [status for status in told if status.refusal_name is not None]
    if len({status.refusal for status in named}) == 1 and len(named) < len(told):
        return named[0]
    return None


def _without_fees(told: Sequence[TransactionStatus]) -> TransactionStatus:
    """Return what the node with the shortest log tells, less the fees that not all tell alike."""
    least = max(told, key=lambda status: len(status.untold_legs))
    untold = frozenset(
        place
        for place in range(len(least.legs))
        if any(place in status.untold_legs for status in told)
        or len({status.legs[place].fee_units for status in told}) > 1
    )
    legs = tuple(
        replace(leg, fee_units=0, impact_bps=UNKNOWN) if place in untold else leg
        for place, leg in enumerate(least.legs)
    )
    return replace(least, legs=legs, untold_legs=untold)
