"""What operators are shown, in wire form."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from chalicelib.adapters.postgres.audit_rules import RuleResult
from chalicelib.domain.transactions import ChainHealth
from chalicelib.services.queries.operations import (
    BOUNDS_MS,
    UNFINISHED_MAX,
    ArchivedLetter,
    Consumers,
    Histogram,
    QueueDepth,
    Recent,
    UnfinishedOrders,
    why_no_redrive,
)
from chalicelib.wire.json_text import JsonObject
from chalicelib.wire.moments import rfc3339

SHOWN_CHARS_MAX: Final = 4_000
"""What is shown of a message."""


def moment(at: datetime | None) -> str | None:
    return None if at is None else rfc3339(at)


def queues(depths: Sequence[QueueDepth]) -> list[JsonObject]:
    return [
        {"name": each.name, "waiting": each.waiting, "inFlight": each.in_flight, "delayed": each.delayed}
        for each in depths
    ]


def consumers(found: Consumers) -> JsonObject:
    return {"number": found.number, "oldestMs": found.oldest_ms}


def recent(found: Recent) -> JsonObject:
    return {
        "seconds": round(found.seconds, 3),
        "isWhole": found.is_whole,
        "queuedMs": histogram(found.queued),
        "openedMs": histogram(found.opened),
        "confirmedMs": histogram(found.confirmed),
        "events": [
            {"status": status, "type": order_type, "count": number}
            for (status, order_type), number in sorted(found.events.items())
        ],
        "failures": _counts("code", found.failures),
        "retries": _counts("reason", found.retries),
        "attempts": found.attempts,
    }


def histogram(found: Histogram) -> JsonObject:
    """Return the buckets, each with its upper bound in milliseconds; None for the last, which has none."""
    bounds = (*BOUNDS_MS, None)
    buckets = [{"upTo": bound, "count": count} for bound, count in zip(bounds, found.counts, strict=True)]
    return {"buckets": buckets, "count": found.count, "sumMs": found.sum_ms}


def unfinished(found: Sequence[UnfinishedOrders]) -> JsonObject:
    orders = [
        {
            "status": each.status,
            "type": each.order_type,
            "count": each.count,
            "oldestAt": rfc3339(each.oldest_at),
        }
        for each in found
    ]
    return {"orders": orders, "isWhole": sum(each.count for each in found) < UNFINISHED_MAX}


def chain(found: ChainHealth | None) -> JsonObject | None:
    """Return how far behind a chain of others' nodes is; None if the chain is the database."""
    if found is None:
        return None
    return {
        "slot": found.slot,
        "ageSeconds": max(0, found.age_s),
        "pools": found.pools,
        "refusedPools": found.refused,
    }


def letter(found: ArchivedLetter) -> JsonObject:
    return {
        "messageId": found.message_id,
        "orderId": None if found.order_id is None else str(found.order_id),
        "orderStatus": found.order_status,
        "receiveCount": found.receive_count,
        "reason": found.reason,
        "archivedAt": rfc3339(found.archived_at),
        "body": found.body[:SHOWN_CHARS_MAX],
        "whyNoRedrive": why_no_redrive(found),
    }


def rule(found: RuleResult) -> JsonObject:
    return {
        "ruleId": found.rule_id,
        "rule": found.rule,
        "ranAt": moment(found.ran_at),
        "heldAt": moment(found.held_at),
        "durationMs": found.duration_ms,
        "violations": [{"subject": subject, "problem": problem} for subject, problem in found.violations],
    }


def _counts(name: str, numbers: Mapping[str, int]) -> list[JsonObject]:
    return [{name: key, "count": number} for key, number in sorted(numbers.items())]
