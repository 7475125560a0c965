"""An order's line of an archive, made of what the database says of its rows.

The server writes its rows as JSON, and these texts become the line as they are: to parse and to render them
again would be most of the work. Only events are taken apart, since their fields are packed.
"""

import json
from collections.abc import Callable
from typing import Any, Final

from chalicelib.adapters.postgres.rows import written_text

_rendered: Final[Callable[[Any], str]] = json.JSONEncoder(
    # What was parsed a moment ago holds no cycle: to look for one takes a third of the time.
    check_circular=False,
    separators=(",", ":"),
    ensure_ascii=False,
).encode


def archived_line(order_id: str, order: str, events: str, attempts: str, transactions: str) -> str:
    """Return the line of an order.

    An event's fields are as they were written; one whose fields cannot be read stays as its row is.

    Args:
        order: Its row, as ``row_to_json`` has it.
        events: Likewise, a JSON array, ordered by ``seq``.
        attempts: Likewise, without the brackets, by ``attempt``.
        transactions: Likewise, by ``ordinal``.
    """
    told = ",".join(_event(event) for event in json.loads(events))
    # The line's own order says whose they are. Quotes within a string are escaped: nothing else reads so.
    whose = f'"order_id":"{order_id}",'
    line = f'{{"order":{order},"events":[{told}],"attempts":[{attempts.replace(whose, "")}]'
    if transactions:
        line += f',"transactions":[{transactions.replace(whose, "")}]'
    return line + "}"


def _event(row: dict[str, Any]) -> str:
    row.pop("order_id", None)
    try:
        fields = written_text(row)
    except ValueError:
        return _rendered(row)
    row.pop("packed", None)
    if fields is None:
        return _rendered(row)
    del row["data"]
    return f'{_rendered(row)[:-1]},"data":{fields}}}'
