"""One order as people read it: what was ordered, what happened, what was sent."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from chalicelib.domain.amounts import format_units
from chalicelib.domain.tokens import Tokens
from infra.cli.columns import column_lines
from infra.cli.moments import to_the_millisecond

_SAID: Final = ("inputAmount", "outputAmount", "executedPrice", "observedPrice", "code", "message", "reason")


def terms_text(row: Mapping[str, Any]) -> str:
    """Return what an order executes on, such as ``limit 145`` or ``below 140, market``.

    Args:
        row: Of the table of orders.
    """
    words = []
    if (trigger := row.get("trigger_terms")) is not None:
        words.append(f"{trigger['when']} {trigger['price']}")
    limit = row.get("limit_terms")
    words.append(row["order_type"] if limit is None else f"{row['order_type']} {limit['price']}")
    return ", ".join(words)


def story_lines(
    order: Mapping[str, Any],
    swap: str,
    events: Sequence[Mapping[str, Any]],
    attempts: Sequence[Mapping[str, Any]],
    tokens: Tokens,
) -> Iterator[str]:
    """Yield the lines about an order: its head, its terms, each event, each attempt.

    Args:
        swap: What it swaps, in words.
    """
    yield f"{order['order_id']}  {order['status']}  {swap}"
    yield from _facts(order)
    yield ""
    happened = [
        (
            str(event["seq"]),
            _moment(event["occurred_at"], order["accepted_at"]),
            event["status"] if event["attempt"] == 1 else f"{event['status']} (attempt {event['attempt']})",
            _said(event["data"]),
        )
        for event in events
    ]
    yield from column_lines(("seq", "at", "status", ""), happened, right=frozenset({0}))
    for attempt in attempts:
        yield ""
        yield f"attempt {attempt['attempt']}  {attempt['outcome'] or 'not known yet'}  {attempt['signature']}"
        signed = _moment(attempt["signed_at"], order["accepted_at"])
        yield f"  signed {signed}, {_bound(attempt, order, tokens)}"


def _facts(order: Mapping[str, Any]) -> Iterator[str]:
    terms = [terms_text(order)]
    if order.get("slippage_bps") is not None:
        terms.append(f"slippage {order['slippage_bps']} bps")
    if order.get("time_in_force") is not None:
        terms.append(order["time_in_force"])
    until = order.get("expires_at") or order.get("valid_until")
    facts = (
        ("terms", "  ".join(terms)),
        ("account", order["account_id"]),
        ("client order id", order.get("client_order_id")),
        ("accepted", to_the_millisecond(order["accepted_at"])),
        ("until", None if until is None else to_the_millisecond(until)),
        ("failure", order.get("failure_code")),
    )
    for name, value in facts:
        if value is not None:
            yield f"  {name:<15}  {value}"


def _said(data: Mapping[str, Any]) -> str:
    words = [f"{name} {data[name]}" for name in _SAID if data.get(name) is not None]
    words += [f"{name} {value}" for name, value in (data.get("amended") or {}).items()]
    return "  ".join(words)


def _bound(attempt: Mapping[str, Any], order: Mapping[str, Any], tokens: Tokens) -> str:
    """Return the worst that a transaction takes.

    The least output of an exact-in order, else the most input.
    """
    side, word = ("output", "at least") if order["swap_mode"] == "exact_in" else ("input", "at most")
    symbol, units = order[f"{side}_token"], int(attempt["threshold_units"])
    if symbol not in tokens:
        return f"{word} {units} units of {symbol}"
    return f"{word} {format_units(units, tokens[symbol].scale)} {symbol}"


def _moment(at: str, accepted_at: str) -> str:
    """Return a time of day, with the day where it is another than that of the acceptance."""
    whole = to_the_millisecond(at)
    return whole[11:] if whole[:10] == to_the_millisecond(accepted_at)[:10] else whole[5:]
