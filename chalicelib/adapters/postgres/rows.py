"""Between rows and domain values: orders, states and events."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from pydantic_core import to_json

from chalicelib.adapters.postgres.order_columns import SELECTED, order_of
from chalicelib.adapters.postgres.statements import Row
from chalicelib.domain.events import OrderEvent, Recorded
from chalicelib.domain.orders import OrderState
from chalicelib.domain.statuses import OrderStatus
from chalicelib.wire.json_text import JsonObject
from chalicelib.wire.packed_fields import unpacked

ORDER_COLUMNS: Final = (
    f"{SELECTED}, o.status, o.seq, o.attempt, o.tx_signature IS NOT NULL AS was_sent, o.told_seq, "
    "o.is_triggered, o.refused_at_bound, o.paid_refusals, o.given_up"
)
"""What ``order_state`` reads, from a table that the statement calls ``o``."""


def order_state(row: Row) -> OrderState:
    """Return the state that one row of ``orders`` holds."""
    status = OrderStatus(row.status)
    return OrderState(
        order_of(row),
        status,
        row.seq,
        row.attempt,
        row.was_sent,
        row.told_seq,
        row.is_triggered,
        row.refused_at_bound,
        row.paid_refusals,
        row.given_up,
    )


def order_event(row: Row) -> OrderEvent:
    """Return the event that one row of ``order_events`` holds, with its fields as they were stored.

    Raises:
        ValueError: They cannot be read, or a word in the row is another release's.
    """
    status = OrderStatus(row.status)
    recorded = Recorded(status, _by_todays_names(status, stored_fields(row.data, row.packed)))
    return OrderEvent(row.order_id, row.seq, row.attempt, row.occurred_at, recorded)


def stored_fields(data: JsonObject, packed: bytes | None) -> JsonObject:
    """Return an event's fields as they were written: they are in one of these two columns.

    Raises:
        ValueError: They cannot be read.
    """
    return unpacked(bytes(packed)) if packed else data


def written_event(columns: JsonObject) -> JsonObject:
    """Return a row of ``order_events``, as ``to_jsonb`` has it, with its fields as they were written.

    Raises:
        ValueError: They cannot be read.
    """
    rest = {name: value for name, value in columns.items() if name != "packed"}
    packed = bytes.fromhex(str(columns.get("packed") or "").removeprefix("\\x"))
    return rest | {"data": stored_fields(columns["data"], packed)}


def _by_todays_names(status: OrderStatus, stored: JsonObject) -> JsonObject:
    """Return an event's fields by today's names.

    Earlier releases wrote the realised slippage of a confirmed order as ``slippageBps``, the name of the
    tolerance among its terms. Events are never rewritten, so the old name is read here.
    """
    if status is not OrderStatus.CONFIRMED or "slippageBps" not in stored:
        return stored
    renamed = dict(stored)
    renamed.setdefault("realizedSlippageBps", renamed.pop("slippageBps"))
    return renamed


@lru_cache(maxsize=1_024)
def text_array(*texts: str) -> str:
    """Return texts as a parameter that is an array of them; mostly those of the last batch."""
    quoted = (each.replace("\\", "\\\\").replace('"', '\\"') for each in texts)
    return "{" + ",".join(f'"{each}"' for each in quoted) + "}"


def json_rows(rows: Sequence[Mapping[str, Any] | str]) -> str:
    """Return rows as one JSON parameter: one statement then serves any number of them.

    Values may be ids, times and dataclasses too; integers stay integers, of any size.
    """
    return to_json(rows).decode()
