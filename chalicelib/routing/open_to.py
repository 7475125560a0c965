"""Which pools may be on the way of whose orders: pure.

Any stranger opens a pool of a mint that is in no list, at any price. It takes the orders that name the mint,
and no others: it is on no way from one listed token to another, and makes no price of theirs.
"""

from collections.abc import Iterable

from chalicelib.domain.tokens import Tokens, is_mint
from chalicelib.routing.plan import RoutablePool


def open_to(pair: tuple[str, str], market: Iterable[RoutablePool], listed: Tokens) -> list[RoutablePool]:
    """Return the pools that may be on the way of an order from one of two tokens to the other."""
    named = frozenset(token for token in pair if token not in listed)
    return [
        pool
        for pool in market
        if (pool.is_listed or not named.isdisjoint(pool.tokens))
        and all(token in listed or token in named for token in pool.tokens)
    ]


def makes_price(pool: RoutablePool, pair: tuple[str, str]) -> bool:
    """Return whether a pool has a say in a pair's prices: with a mint, every pool of the mint has."""
    return pool.is_listed or any(token in pool.tokens and is_mint(token) for token in pair)
