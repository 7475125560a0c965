"""How many of a transaction's 64 addresses a swap takes up, so that plans are made that fit.

A leg brings its pool, vaults, oracle and arrays, its fee configuration, and half of a token between two hops.
All else is shared, and counted once. ``swap_message.has_room`` has the last word; this here is never larger.
"""

from typing import Final

from chalicelib.adapters.solana.book import Book, BookPool
from chalicelib.adapters.solana.fixed_amounts import passes_all_on
from chalicelib.adapters.solana.keys import Pubkey
from chalicelib.adapters.solana.messages import V1_ADDRESSES_MAX
from chalicelib.adapters.solana.swap_terms import SwapTerms
from chalicelib.amm.swaps import TokenIndex
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.routing.few_legs import Room

SHARED: Final = 20
"""Signer and owner; mint and account of input and output.

System, associated token, memo and both token programs;
the four swap programs and their five authorities and event authorities."""

_BESIDE: Final = 2  # the configuration, and half of a middle token's mint and account
_AUTHORITY, _INPUT, _OUTPUT = (Pubkey(bytes([number] * 32)) for number in (1, 2, 3))


def room_of(book: Book, *, is_delegated: bool = False) -> Room:
    """Return what one transaction carries of the pools of a book.

    Args:
        is_delegated: A delegate signs: what lies between two hops is in its own account, and nothing of the
            owner's may be left there.
    """
    known: dict[str, int] = {}

    def taken(pool_id: str) -> int:
        pool = book.pools.get(pool_id)
        if pool is None:
            return 0
        if pool_id not in known:
            known[pool_id] = max(_addresses(pool, 0), _addresses(pool, 1))
        return known[pool_id]

    return Room(V1_ADDRESSES_MAX - SHARED, taken, passes_all_on if is_delegated else None)


def _addresses(pool: BookPool, token_in: TokenIndex) -> int:
    terms = SwapTerms(_AUTHORITY, _INPUT, _OUTPUT, token_in, SwapMode.EXACT_IN, 1, 1)
    program, accounts, _ = pool.on_chain.swap(terms)
    own = {one.key for one in accounts if one.is_writable} - {_INPUT, _OUTPUT, program}
    return len(own) + _BESIDE
