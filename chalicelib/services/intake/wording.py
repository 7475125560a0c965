"""An order's amounts and prices in a sentence, in token units."""

from datetime import datetime

from chalicelib.domain.amounts import format_units, price_text
from chalicelib.domain.launches import Sniper
from chalicelib.domain.prices import bps_text
from chalicelib.domain.rates import Bound, Rate
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.terms import SwapWish
from chalicelib.domain.tokens import Token
from chalicelib.wire.moments import rfc3339


class Wording:
    """Words for one order. Figures are for people: prices are rounded as everywhere (``price_text``)."""

    def __init__(self, wish: SwapWish, input_token: Token, output_token: Token) -> None:
        self._wish, self._input, self._output = wish, input_token, output_token
        self.mode = wish.swap_mode
        self.tokens = f"{wish.input_token} and {wish.output_token}"

    @property
    def action(self) -> str:
        """What is to be done, as an imperative: ``sell 1.5 SOL``."""
        wish = self._wish
        if self.mode is SwapMode.EXACT_IN:
            amount = self._given(wish.amount_units)
            is_sale = wish.price_base == wish.input_token
            return f"sell {amount}" if is_sale else f"buy {wish.output_token} with {amount}"
        amount = self._got(wish.amount_units)
        is_purchase = wish.price_base == wish.output_token
        return f"buy {amount}" if is_purchase else f"buy {amount} with {wish.input_token}"

    @property
    def purchase(self) -> str:
        """An exact-in order as what it buys, however it was written: ``buy WIF with 10 USDC``."""
        return f"buy {self._wish.output_token} with {self._given(self._wish.amount_units)}"

    def other(self, swapped: tuple[int, int]) -> str:
        """What the amount is exchanged for."""
        return self._got(swapped[1]) if self.mode is SwapMode.EXACT_IN else self._given(swapped[0])

    def bound(self, bound: Bound) -> str:
        if self.mode is SwapMode.EXACT_IN:
            return f"at least {self._got(bound.units)}"
        return f"at most {self._given(bound.units)}"

    def distance(self, bound: Bound, swapped: tuple[int, int]) -> str:
        """How far the market is from what the bound asks for, in percent of the market."""
        offered = swapped[1] if self.mode is SwapMode.EXACT_IN else swapped[0]
        # A percent is a hundred basis points.
        return bps_text(abs(bound.units - offered), 100 * offered)

    def price(self, rate: Rate) -> str:
        """Quote per base where the client named a base, else output per input."""
        given, got = self._input, self._output
        if self._wish.price_base == given.symbol:
            return price_text(rate.output_units, got.scale, rate.input_units, given.scale) or "0"
        return price_text(rate.input_units, given.scale, rate.output_units, got.scale) or "0"

    def until(self, moment: datetime | None) -> str:
        return "until it is canceled" if moment is None else f"until {rfc3339(moment)}"

    def filters(self, sniper: Sniper) -> str:
        """What else a pool that opens has to be; nothing if that is all."""
        said = []
        if sniper.min_liquidity_units is not None:
            said.append(f"with at least {self._given(sniper.min_liquidity_units)} in it")
        if sniper.max_fee_bps is not None:
            said.append(f"once its fee is at most {sniper.max_fee_bps} bps")
        if sniper.max_delay_blocks is not None:
            said.append(f"at most {sniper.max_delay_blocks} blocks ago")
        return f" ({', '.join(said)})" if said else ""

    def _given(self, units: int) -> str:
        return f"{format_units(units, self._input.scale)} {self._input.symbol}"

    def _got(self, units: int) -> str:
        return f"{format_units(units, self._output.scale)} {self._output.symbol}"
