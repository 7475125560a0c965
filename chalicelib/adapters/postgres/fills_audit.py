"""Whether what was published of confirmed orders is what the record shows.

The last event against the order.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from sqlalchemy import Connection, Row, text

from chalicelib.adapters.audit_checks import Finding
from chalicelib.adapters.postgres.rows import stored_fields
from chalicelib.domain.amounts import format_units
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.tokens import Tokens
from chalicelib.wire.packed_fields import UnreadableFieldsError

_PAGE: Final = 1_000

_FILLS: Final = text("""
    SELECT o.order_id, o.tx_signature, o.swap_mode, o.amount_units, o.input_token, o.output_token,
        o.input_units, o.output_units, e.data, e.packed
    FROM orders o JOIN order_events e ON e.order_id = o.order_id AND e.seq = o.seq
    WHERE o.status = 'confirmed' AND o.order_id > CAST(:after AS uuid) ORDER BY o.order_id LIMIT :page
""")


MintScales = Callable[[Connection], Mapping[str, int]]
"""Returns the decimals of the mints that the market knows beside the listed tokens."""


def check_fills(connection: Connection, tokens: Tokens, mint_scales: MintScales) -> Iterator[Finding]:
    """Yield the confirmed orders whose last event, which is what was published, says something else.

    An amount of a token that is neither listed nor known to the market is not compared: how many decimals it
    has is not known.
    """
    scales = {token.symbol: token.scale for token in tokens}
    scales |= mint_scales(connection)
    after = "00000000-0000-0000-0000-000000000000"
    while rows := connection.execute(_FILLS, {"after": after, "page": _PAGE}).all():
        for row in rows:
            for problem in _problems_of(row, scales):
                yield Finding(str(row.order_id), problem)
        after = str(rows[-1].order_id)


def _problems_of(row: Row[Any], scales: Mapping[str, int]) -> Iterator[str]:
    unspent = int(row.amount_units - row.input_units) if row.swap_mode == SwapMode.EXACT_IN else 0
    missing = int(row.amount_units - row.output_units) if row.swap_mode == SwapMode.EXACT_OUT else 0
    due = _booked_amounts(row, scales)
    if unspent < 0 or missing > 0:
        yield "more went in, or less came out, than the order named"
    elif row.input_token in scales:
        due["unspentInputAmount"] = format_units(unspent, scales[row.input_token]) if unspent else None
    try:
        published = stored_fields(row.data, row.packed)
    except UnreadableFieldsError as error:
        yield str(error)
        return
    for name, value in {"txSignature": row.tx_signature, **due}.items():
        if (said := published.get(name)) != value:
            yield f"{name} was published as {said}, and is {value}"


def _booked_amounts(row: Row[Any], scales: Mapping[str, int]) -> dict[str, str | None]:
    booked = {
        "inputAmount": (row.input_units, row.input_token),
        "outputAmount": (row.output_units, row.output_token),
    }
    return {
        name: format_units(int(units), scales[token])
        for name, (units, token) in booked.items()
        if token in scales
    }
