"""The tokens that can be traded, and the pair meant when an order names none."""

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from chalicelib.domain.amounts import MAX_UNITS
from chalicelib.domain.errors import FieldError


@dataclass(frozen=True, slots=True)
class Token:
    """One token.

    Attributes:
        mint: Its on-chain address.
        scale: Decimals: one token is ``10**scale`` base units.
        max_order_units: The most that one order may name, below what all pools together hold.
        leg_cost_units: What one more leg of a route costs in network fees, expressed in this token.
    """

    symbol: str
    mint: str
    scale: int
    max_order_units: int
    leg_cost_units: int


@dataclass(frozen=True, slots=True)
class TokenPair:
    """What is priced, and what prices it."""

    base: str
    quote: str


DECIMALS_MAX: Final = 18
"""Of any token: a program would take more, and no amount of such a token would fit its accounts."""

NEW_MINT: Final = "*"
"""Stands for every new mint in what is watched.

Any client may name mints, and each pair of tokens has a number.
"""

_MINT: Final = re.compile("[1-9A-HJ-NP-Za-km-z]{32,44}")
_ALPHABET: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_MINT_BYTES: Final = 32


def is_mint(name: str) -> bool:
    """Return whether a name is 32 bytes in base58, as an address is: no symbol is so long."""
    if not _MINT.fullmatch(name):
        return False
    value = 0
    for character in name:
        value = value * 58 + _ALPHABET.index(character)
    zeros = len(name) - len(name.lstrip("1"))
    return zeros + (value.bit_length() + 7) // 8 == _MINT_BYTES


def new_token(mint: str, scale: int) -> Token:
    """Return a token that is not listed: it is called by its mint, and no list bounds its orders."""
    return Token(mint, mint, scale, max_order_units=MAX_UNITS, leg_cost_units=0)


class Tokens:
    """Look-up by symbol, in any case, or by mint address.

    A token that is not listed can be learned, with its decimals: then orders may name it, by its mint. It is
    not among the tokens all the same: nothing that is not about itself looks at it.

    Attributes:
        symbols: Of all that are listed.
    """

    def __init__(self, tokens: Iterable[Token], default_pair: TokenPair) -> None:
        self.default_pair = default_pair
        self._by_symbol = {token.symbol: token for token in tokens}
        self.symbols = frozenset(self._by_symbol)
        self._by_name = {token.symbol.upper(): token for token in self._by_symbol.values()}
        self._by_name |= {token.mint: token for token in self._by_symbol.values()}
        self._learned: dict[str, Token] = {}
        assert {default_pair.base, default_pair.quote} <= self._by_symbol.keys()

    def __iter__(self) -> Iterator[Token]:
        return iter(sorted(self._by_symbol.values(), key=lambda token: token.symbol))

    def __contains__(self, symbol: str) -> bool:
        return symbol in self._by_symbol

    def __getitem__(self, symbol: str) -> Token:
        """Return a token that is known, listed or learned, by its own symbol."""
        listed = self._by_symbol.get(symbol)
        return self._learned[symbol] if listed is None else listed

    def learn(self, token: Token) -> None:
        """Know a token's decimals from now on; safe to repeat."""
        self._learned[token.symbol] = token

    def find(self, symbol: str) -> Token | None:
        """Return a token by its own symbol, listed or learned; None if its decimals are not known."""
        return self._by_symbol.get(symbol) or self._learned.get(symbol)

    def listed_or_new(self, symbol: str, decimals: int | None) -> Token:
        """Return what a sniper order buys, by its own symbol.

        A new mint has the decimals that the order says, 0 if it says none: what has been learned meanwhile
        changes no order.
        """
        return self._by_symbol.get(symbol) or new_token(symbol, decimals or 0)

    def named_or_new(self, name: str, *, field: str) -> Token:
        """Return the token that a sniper order buys; of a new mint nothing is known, its decimals neither.

        Raises:
            FieldError: It is neither a known token nor a mint's address.
        """
        if name not in self._by_name and is_mint(name):
            return new_token(name, 0)
        return self.named(name, field=field)

    def unknown_mints(self, names: Collection[str]) -> frozenset[str]:
        """Return which of some names are mints' addresses of which nothing is known: those can be learned."""
        if self._by_name.keys() >= set(names):  # all of them are listed, as of nearly every order
            return frozenset()
        return frozenset(
            name
            for name in names
            if name not in self._by_name and name not in self._learned and is_mint(name)
        )

    def named(self, name: str, *, field: str) -> Token:
        """Return the token that a client means.

        Raises:
            FieldError: There is no such token, or no pool is known of a mint that is not listed.
        """
        token = self._by_name.get(name) or self._by_name.get(name.upper()) or self._learned.get(name)
        if token is not None:
            return token
        if is_mint(name):
            raise FieldError(
                field, "must be a listed token, or a mint of which a pool is known: none is of this one"
            )
        known = ", ".join(sorted(self._by_symbol))
        raise FieldError(field, f"must be a known token: {known}")
