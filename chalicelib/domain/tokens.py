"""The tokens that can be traded, and the pair meant when an order names none."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

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


class Tokens:
    """Look-up by symbol, in any case, or by mint address."""

    def __init__(self, tokens: Iterable[Token], default_pair: TokenPair) -> None:
        self.default_pair = default_pair
        self._by_symbol = {token.symbol: token for token in tokens}
        self._by_name = {token.symbol.upper(): token for token in self._by_symbol.values()}
        self._by_name |= {token.mint: token for token in self._by_symbol.values()}
        assert {default_pair.base, default_pair.quote} <= self._by_symbol.keys()

    def __iter__(self) -> Iterator[Token]:
        return iter(sorted(self._by_symbol.values(), key=lambda token: token.symbol))

    def __contains__(self, symbol: str) -> bool:
        return symbol in self._by_symbol

    def __getitem__(self, symbol: str) -> Token:
        """Return a token that is known to exist, by its own symbol."""
        return self._by_symbol[symbol]

    def named(self, name: str, *, field: str) -> Token:
        """Return the token that a client means.

        Raises:
            FieldError: There is no such token.
        """
        token = self._by_name.get(name) or self._by_name.get(name.upper())
        if token is None:
            known = ", ".join(sorted(self._by_symbol))
            raise FieldError(field, f"must be a known token: {known}")
        return token
