"""An order's line of an archive, made of what the database says of its rows.

The server writes its rows as JSON, and these texts become the line as they are: to parse and to render them
again would be most of the work.
"""

from typing import Final

from chalicelib.wire.packed_fields import UnreadableFieldsError, unpacked_text

# JSON has no control characters but as escapes.
_AFTER_EVENT: Final = "\x1e"
_WITHIN_EVENT: Final = "\x1f"


def archived_line(order_id: str, order: str, events: str, attempts: str, transactions: str) -> str:
    """Return the line of an order.

    An event's fields are as they were written; those that cannot be read stay packed.

    Args:
        order: Its row, as ``row_to_json`` has it.
        events: Likewise, by ``seq``, with U+001E between two. Each is its row without its fields, then
            ``data``, then ``packed`` in hexadecimal digits, with U+001F between them.
        attempts: Likewise, as elements of a JSON array, by ``attempt``.
        transactions: Likewise, by ``ordinal``.
    """
    told = ",".join(map(_event, events.split(_AFTER_EVENT))) if events else ""
    # The line's own order says whose they are. Quotes within a string are escaped: nothing else reads so.
    whose = f'"order_id":"{order_id}",'
    line = f'{{"order":{order},"events":[{told}],"attempts":[{attempts.replace(whose, "")}]'
    if transactions:
        line += f',"transactions":[{transactions.replace(whose, "")}]'
    return line + "}"


def _event(text: str) -> str:
    row, data, packed = text.split(_WITHIN_EVENT)
    if packed:
        try:
            data = unpacked_text(bytes.fromhex(packed))
        except UnreadableFieldsError:
            data += f',"packed":"\\\\x{packed}"'
    return f'{row[:-1]},"data":{data}}}'
