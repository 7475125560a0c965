"""Which of an account's orders are meant."""

from dataclasses import dataclass

from chalicelib.domain.orders import Order
from chalicelib.domain.terms import OrderType


@dataclass(frozen=True, slots=True)
class OrderFilter:
    """Orders of a pair, of some types, or all; None leaves it open.

    Attributes:
        base: The token that an order's prices are per. With ``quote`` too: one of the order's two tokens,
            since what an order's prices are per depends on how it was written.
        quote: The other token.
    """

    base: str | None = None
    quote: str | None = None
    types: tuple[OrderType, ...] | None = None

    def fits(self, order: Order) -> bool:
        """Return whether an order is meant."""
        terms = order.terms
        tokens = {terms.input_token, terms.output_token}
        if self.types is not None and terms.order_type not in self.types:
            return False
        if self.base is not None and self.quote is not None:
            return {self.base, self.quote} == tokens
        if self.base is not None:
            return self.base == terms.price_base
        return self.quote is None or self.quote in tokens - {terms.price_base}
