"""Pools that open while the chain runs, as a stranger's would: at once, or some seconds from now."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from chalicelib.adapters.simulated_market.definition import PARAMETERS, VENUES, PoolDefinition, load_market
from chalicelib.adapters.solana.accounts import UnsupportedPoolError
from chalicelib.adapters.solana.keys import address_of, pubkey
from chalicelib.adapters.solana.tokens import mint_of
from chalicelib.domain.errors import FieldError
from chalicelib.domain.tokens import DECIMALS_MAX, Token, new_token
from infra.chain.chain import Chain
from infra.chain.encoding import mint_account
from infra.chain.seed import ISSUED, ordered, pool_accounts

_FIRST_NUMBER: Final = 1_000
"""Of the configurations that these pools have for themselves; the seeded ones count from 0."""


def open_pool(chain: Chain, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Make a pool, and return where it is and when it opens. No list has it: traders find it.

    Args:
        wanted: ``kind``, ``base``, ``quote``, ``price`` (quote per base) and ``depth`` (what each side is
            worth in the quote), optionally ``fee_bps`` (25) and ``in_s`` (0). Amounts are texts or numbers.
            ``base`` may be an address that is no listed mint: a mint with ``decimals`` (6) is made there,
            unless there is one.

    Raises:
        ValueError: It says which member is wrong, or that there is such a pool.
    """
    known = {"kind", "base", "quote", "price", "depth", "fee_bps", "in_s", "decimals"}
    if other := sorted(wanted.keys() - known):
        raise ValueError(f"{other[0]} is not known here; known are {', '.join(sorted(known))}")
    kind, tokens = str(wanted.get("kind")), load_market().tokens
    if kind not in VENUES:
        raise ValueError(f"kind must be one of {', '.join(VENUES)}")
    try:
        quote = tokens.named(str(wanted.get("quote")), field="quote")
        base = tokens.named_or_new(str(wanted.get("base")), field="base")
    except FieldError as error:
        raise ValueError(error.message) from error
    if base.symbol not in tokens:
        base = _new_token(chain, wanted)
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
    if base.symbol not in tokens and chain.account(pubkey(base.mint)) is None:
        chain.put({pubkey(base.mint): mint_account(None, base.scale, ISSUED)})
    chain.put(dict(made.accounts))
    chain.note("opened", number)
    return {"address": address_of(made.key), "venue": definition.venue, "opensAt": definition.opens_at_s}


def _new_token(chain: Chain, wanted: Mapping[str, Any]) -> Token:
    """Return a token that no list has, with the decimals that its mint has if there is one."""
    decimals, mint = _number(wanted, "decimals", "6"), str(wanted["base"])
    if decimals != int(decimals) or decimals > DECIMALS_MAX:
        raise ValueError(f"decimals must be a whole number up to {DECIMALS_MAX}")
    account = chain.account(pubkey(mint))
    try:
        scale = int(decimals) if account is None else mint_of(pubkey(mint), account).decimals
    except UnsupportedPoolError as error:
        raise ValueError(f"base must be a mint, or an address without an account: {error}") from error
    return new_token(mint, scale)


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
