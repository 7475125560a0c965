"""``GET /metrics``.

The operator's numbers for a scraper. Off unless asked for, since it is read all the time.

No execution environment remembers anything: what is counted is what the record says of the last minutes, by
bounded queries, so these are gauges, and none of them is to be given to ``rate()``.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Final

from chalice.app import Request, Response

from chalicelib.adapters.postgres.audit_rules import RuleResult
from chalicelib.bootstrap import services
from chalicelib.domain.errors import Code, RefusedError, RetryableError
from chalicelib.domain.market_prices import MarketPrices
from chalicelib.domain.transactions import ChainHealth
from chalicelib.handlers.identity import http_operator
from chalicelib.handlers.rest_edge import http_errors
from chalicelib.logs import logger
from chalicelib.services.intake.rates import RequestKind
from chalicelib.services.queries.operations import (
    BOUNDS_MS,
    Consumers,
    Histogram,
    QueueDepth,
    Recent,
    UnfinishedOrders,
)
from chalicelib.wire.open_metrics import CONTENT_TYPE, Family, Sample, histogram, open_metrics

PREFIX: Final = "orderflow_"


@http_errors
def metrics(request: Request) -> Response:
    """Return the exposition; a part that cannot be had is missing, and counted as a problem."""
    use = services()
    use.access.requests.admit(http_operator(request.headers), RequestKind.OPERATE)
    if not use.settings.metrics:
        raise RefusedError(Code.NOT_FOUND, "metrics are off: METRICS=1 turns them on")
    now = use.clock.now()
    parts: dict[str, Callable[[], Iterable[Family]]] = {
        "recent": lambda: of_recent(use.operations.recent()),
        "refusals": lambda: of_refusals(use.operations.refusals()),
        "unfinished": lambda: of_unfinished(use.operations.unfinished(), now),
        "queues": lambda: of_queues(use.queue_depths.depths()),
        "consumers": lambda: of_consumers(use.operations.consumers()),
        "connections": lambda: [
            _gauge("connections", "Clients connected", [({}, use.operations.connections())])
        ],
        "prices": lambda: of_prices(use.read_markets.read()),
        "chain": lambda: of_chain(use.check_chain()),
        "audit": lambda: of_audit(use.audit_rules.results(), now),
    }
    families: list[Family] = []
    problems: list[tuple[dict[str, str], float]] = []
    for name, part in parts.items():
        try:
            families += part()
            problems.append(({"part": name}, 0))
        except RetryableError as fault:
            logger.warning("part of the metrics is unknown", check=name, reason=fault.message)
            problems.append(({"part": name}, 1))
    families.append(_gauge("scrape_problems", "1 for a part that could not be had", problems))
    return Response(
        open_metrics(families), headers={"Content-Type": CONTENT_TYPE, "Cache-Control": "no-store"}
    )


def of_recent(found: Recent) -> Iterator[Family]:
    """Yield what the events of the last while say."""
    yield _gauge("recent_seconds", "The time that the recent numbers are of", [({}, found.seconds)])
    yield _histogram("accepted_to_claimed_seconds", "Time in the queue", found.queued)
    yield _histogram("accepted_to_open_seconds", "Time until an order rests", found.opened)
    yield _histogram("accepted_to_confirmed_seconds", "Time until an order is confirmed", found.confirmed)
    yield _gauge(
        "recent_events",
        "Events of orders",
        [({"status": status, "type": kind}, n) for (status, kind), n in sorted(found.events.items())],
    )
    yield _gauge(
        "recent_failures", "Failed orders", [({"code": key}, n) for key, n in sorted(found.failures.items())]
    )
    yield _gauge(
        "recent_retries",
        "Attempts after the first, by what the chain or a venue refused the one before with",
        [({"reason": key}, n) for key, n in sorted(found.retries.items())],
    )
    yield _gauge("recent_attempts", "Transactions signed", [({}, found.attempts)])


def of_refusals(found: Mapping[str, int]) -> Iterator[Family]:
    """Yield what was refused before it was an order, and every other refused request."""
    yield _gauge(
        "recent_refusals",
        "Requests refused in the last five minutes",
        [({"code": code}, number) for code, number in sorted(found.items())],
    )


def of_unfinished(found: Iterable[UnfinishedOrders], now: datetime) -> Iterator[Family]:
    """Yield what is under way, and how old the oldest of it is."""
    rows = [({"status": str(each.status), "type": str(each.order_type)}, each) for each in found]
    yield _gauge("unfinished_orders", "Orders under way", [(labels, each.count) for labels, each in rows])
    yield _gauge(
        "oldest_unfinished_order_seconds",
        "Age of the oldest order under way",
        [(labels, _age_s(each.oldest_at, now)) for labels, each in rows],
    )


def of_queues(found: Iterable[QueueDepth]) -> Iterator[Family]:
    """Yield how many messages wait."""
    states = [
        ({"queue": each.name, "state": state}, number)
        for each in found
        for state, number in (
            ("waiting", each.waiting),
            ("in_flight", each.in_flight),
            ("delayed", each.delayed),
        )
    ]
    yield _gauge("queue_messages", "Messages in queues, approximately", states)


def of_consumers(found: Consumers) -> Iterator[Family]:
    """Yield how many consumers ran, and how long what they took had waited, if they took anything."""
    yield _gauge(
        "consumers", "Environments that took orders from the queue in the last minute", [({}, found.number)]
    )
    ages: list[tuple[dict[str, str], float]] = (
        [] if found.oldest_ms is None else [({}, found.oldest_ms / 1000)]
    )
    yield _gauge("oldest_message_taken_seconds", "How long the oldest of those had been in the queue", ages)


def of_prices(found: MarketPrices) -> Iterator[Family]:
    """Yield how old prices are, which of them are missing, and where the chain stands."""
    yield _gauge(
        "price_age_seconds", "Time since venues were asked for these prices", [({}, found.age_ms / 1000)]
    )
    yield _gauge(
        "price_missing",
        "1 for a pair without the price that triggers look at",
        [({"pair": f"{each.pair.base}/{each.pair.quote}"}, int(each.mark is None)) for each in found.pairs],
    )
    yield _gauge("venues_left_out", "Venues that gave no pools to trade with", [({}, len(found.problems))])
    yield _gauge("chain_height", "The chain's latest block", [({}, found.height)])


def of_chain(found: ChainHealth | None) -> Iterator[Family]:
    """Yield how far behind a chain of others' nodes is; the simulated one is in the database."""
    if found is not None:
        yield _gauge("chain_age_seconds", "Age of the block whose pools were read", [({}, found.age_s)])
        pools = [({"state": "traded"}, found.pools), ({"state": "refused"}, found.refused)]
        yield _gauge("chain_pools", "Pools by whether they can be traded with", pools)


def of_audit(found: Iterable[RuleResult], now: datetime) -> Iterator[Family]:
    """Yield how the rules ended that operators had checked in the console."""
    ran = [each for each in found if each.ran_at is not None]
    yield _gauge(
        "audit_rule_violations",
        "What broke a rule when it was last checked",
        [({"rule": each.rule_id}, len(each.violations)) for each in ran],
    )
    yield _gauge(
        "audit_rule_held_age_seconds",
        "How long ago a rule was last seen to hold",
        [({"rule": each.rule_id}, _age_s(each.held_at, now)) for each in ran if each.held_at is not None],
    )


def _gauge(name: str, about: str, samples: Iterable[tuple[dict[str, str], float]]) -> Family:
    return Family(PREFIX + name, about, [Sample(labels, value) for labels, value in samples])


def _histogram(name: str, about: str, found: Histogram) -> Family:
    return histogram(PREFIX + name, about, found.counts, found.sum_ms, BOUNDS_MS)


def _age_s(since: datetime, now: datetime) -> float:
    return max(0.0, (now - since).total_seconds())
