"""What a client chooses: which swap, in what kind of order, and until when."""

import hashlib
from dataclasses import MISSING, fields
from datetime import datetime
from enum import StrEnum
from operator import attrgetter
from typing import Final

from chalicelib.domain.launches import Sniper
from chalicelib.domain.rates import Bound, Limit
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.tokens import Token, Tokens
from chalicelib.domain.triggers import Trigger
from chalicelib.values import value


class OrderType(StrEnum):
    MARKET = "market"
    LIMIT = "limit"
    SNIPER = "sniper"


class Side(StrEnum):
    BUY = "buy"
    SELL = "sell"


class TimeInForce(StrEnum):
    IOC = "ioc"
    GTC = "gtc"
    GTD = "gtd"


@value
class SwapWish:
    """What is to be swapped, for an order or for a mere quote.

    Attributes:
        amount_units: Of the input token (exact in) or the output token (exact out).
        price_base: The token that prices are per, one of the two.
    """

    swap_mode: SwapMode
    input_token: str
    output_token: str
    amount_units: int
    price_base: str


@value
class OrderTerms:
    """What a client chose, in the engine's terms; the same terms again are the same wish.

    A field that is added has a default, which stands for what orders were before it: rows, queue messages and
    digests from then stay what they are.

    Attributes:
        amount_units: Of the input token (exact in) or the output token (exact out).
        price_base: The token that prices are per: the base asset if the client named one,
            else the input token.
        slippage_bps: None beside a limit, which is the bound itself.
        valid_for_s: Counted from the acceptance; past it the order is not sent any more. None if there is a
            moment instead, or the order waits until it is canceled.
        limit: The worst rate of a limit order, and perhaps of a sniper order.
        trigger: What has to be seen before the order is executed.
        sniper: Of a sniper order always, of any other never.
        expires_at: The moment past which the order is not sent any more, if the client named one.
        output_decimals: Of what a sniper order buys, as its client said them; a limit's rate is made with
            them if the mint is not listed. The pool that is found is held to them.
    """

    client_order_id: str | None
    order_type: OrderType
    swap_mode: SwapMode
    input_token: str
    output_token: str
    amount_units: int
    price_base: str
    slippage_bps: int | None
    valid_for_s: int | None
    limit: Limit | None = None
    trigger: Trigger | None = None
    sniper: Sniper | None = None
    time_in_force: TimeInForce = TimeInForce.IOC
    expires_at: datetime | None = None
    output_decimals: int | None = None

    @property
    def sha256(self) -> str:
        """Digest of every choice: tells a retry from another order under the same id.

        An added field counts once it differs from its default, so that a client that does not use it can
        repeat an order across the release that brought it.
        """
        added: list[tuple[str, object]] = []
        if _added_choices(self) != _DEFAULTS:
            added = [(name, value) for name, default in _ADDED if (value := getattr(self, name)) != default]
        return hashlib.sha256(repr((*_first_choices(self), *added)).encode()).hexdigest()

    @property
    def waits(self) -> bool:
        """Whether the order looks at the market before it is executed, and may rest."""
        return self.limit is not None or self.trigger is not None or self.sniper is not None

    @property
    def may_rest(self) -> bool:
        """Whether it waits for more than the moment in which it is accepted."""
        return self.waits and self.time_in_force is not TimeInForce.IOC

    @property
    def rests_at_limit(self) -> bool:
        """Whether it waits for its limit, where the market does not offer that."""
        return self.limit is not None and self.time_in_force is not TimeInForce.IOC

    @property
    def bound(self) -> Bound | None:
        """The worst that the order accepts, if its limit says so; the slippage does otherwise."""
        return None if self.limit is None else self.limit.bound(self.swap_mode, self.amount_units)

    @property
    def is_stop_at_market(self) -> bool:
        """Whether it is to be out of a market that goes against it, at whatever price that has come to.

        Its slippage bounds each attempt by its own quote. A floor under all of them is what ``limit`` is for.
        """
        return self.trigger is not None and self.trigger.is_stop and self.limit is None

    @property
    def named_tokens(self) -> tuple[str, ...]:
        """The tokens whose decimals have to be known: what a sniper order buys is not among them."""
        return (self.input_token,) if self.sniper is not None else (self.input_token, self.output_token)

    def bought_token(self, tokens: Tokens) -> Token:
        """Return the output token: a new mint has the decimals that the order says, or 0 if it says none."""
        if self.sniper is None:
            return tokens[self.output_token]
        return tokens.listed_or_new(self.output_token, self.output_decimals)

    @property
    def swap(self) -> SwapWish:
        """What the order wants swapped."""
        return SwapWish(
            self.swap_mode, self.input_token, self.output_token, self.amount_units, self.price_base
        )


_first_choices: Final = attrgetter(*(each.name for each in fields(OrderTerms) if each.default is MISSING))
_ADDED: Final = tuple((each.name, each.default) for each in fields(OrderTerms) if each.default is not MISSING)
_DEFAULTS: Final = tuple(default for _, default in _ADDED)
_added_choices: Final = attrgetter(*(name for name, _ in _ADDED))
