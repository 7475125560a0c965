"""Pools that open while the chain runs, as a stranger's would: at once, or some seconds from now."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from chalicelib.adapters.simulated_market.definition import PoolDefinition, load_market
from chalicelib.adapters.simulated_market.launch import PARAMETERS, VENUES
from chalicelib.adapters.solana.keys import address_of
from chalicelib.domain.errors import FieldError
from infra.chain.chain import Chain
from infra.chain.seed import ordered, pool_accounts

_FIRST_NUMBER: Final = 1_000
"""Of the configurations that these pools have for themselves; the seeded ones count from 0."""


def open_pool(chain: Chain, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Make a pool, and return where it is and when it opens. No list has it: traders find it.

    Args:
        wanted: ``kind``, ``base``, ``quote``, ``price`` (quote per base) and ``depth`` (what each side is
            worth in the quote), optionally ``fee_bps`` (25) and ``in_s`` (0). Amounts are texts or numbers.

    Raises:
        ValueError: It says which member is wrong, or that there is such a pool.
    """
    known = {"kind", "base", "quote", "price", "depth", "fee_bps", "in_s"}
    if other := sorted(wanted.keys() - known):
        raise ValueError(f"{other[0]} is not known here; known are {', '.join(sorted(known))}")
    kind, tokens = str(wanted.get("kind")), load_market().tokens
    if kind not in VENUES:
        raise ValueError(f"kind must be one of {', '.join(VENUES)}")
    try:
        base, quote = (tokens.named(str(wanted.get(name)), field=name) for name in ("base", "quote"))
    except FieldError as error:
        raise ValueError(error.message) from error
    if base == quote:
        raise ValueError("quote must be another token than base")
    number = (chain.fact("opened") or 0) + 1
    opens_at_s = chain.tip.unix_time + int(_number(wanted, "in_s", "0"))
    definition = PoolDefinition(
        pool_id=f"opened-{number}",
        venue=VENUES[kind],
        kind=kind,
        base=base,
        quote=quote,
        price=_positive(wanted, "price"),
        depth=_positive(wanted, "depth"),
        fee_bps=_number(wanted, "fee_bps", "25"),
        parameters=PARAMETERS[kind],
        opens_at_s=max(opens_at_s, 1),
    )
    made = pool_accounts(ordered(definition), number=_FIRST_NUMBER + number)
    if chain.account(made.key) is not None:
        raise ValueError(f"there is such a pool: {address_of(made.key)}; another fee_bps makes another one")
    chain.put(dict(made.accounts))
    chain.note("opened", number)
    return {"address": address_of(made.key), "venue": definition.venue, "opensAt": definition.opens_at_s}


def _positive(wanted: Mapping[str, Any], name: str) -> Decimal:
    value = _number(wanted, name, "0")
    if value <= 0:
        raise ValueError(f"{name} must be above 0")
    return value


def _number(wanted: Mapping[str, Any], name: str, default: str) -> Decimal:
    try:
        value = Decimal(str(wanted.get(name, default)))
    except InvalidOperation as error:
        raise ValueError(f"{name} must be a number") from error
    if not value.is_finite() or not 0 <= value < 10**12:
        raise ValueError(f"{name} must be from 0 to 10^12")
    return value
