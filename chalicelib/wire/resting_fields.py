"""The order fields of what waits: limit, trigger, sniper, and until when; and what they mean together."""

import re
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any, Final, NamedTuple, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from chalicelib.domain.amounts import BPS_PER_UNIT, parse_units
from chalicelib.domain.errors import FieldError, FieldProblem, InvalidRequestError
from chalicelib.domain.launches import DELAY_BLOCKS_MAX, SNIPER_VENUES, Sniper
from chalicelib.domain.lifetimes import RESTING_S_MAX, lifetime
from chalicelib.domain.rates import Limit, limit_rate, spelled_price
from chalicelib.domain.resting import RestingTerms, at_once, resting_terms
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.terms import OrderType, SwapWish, TimeInForce
from chalicelib.domain.tokens import DECIMALS_MAX, Token, Tokens
from chalicelib.domain.triggers import CONFIRMATIONS_MAX, IfAlreadyMet, PriceSource, Trigger, When, trigger
from chalicelib.wire.fields import AmountText, NullMeans, PrintableText, WholeNumber, WireModel, validated
from chalicelib.wire.known_names import misspelt

EVERYWHERE: Final = frozenset({"action", "requestId", "dryRun"})
"""Of the frame that an order travels in, not of the order."""

_MOMENT: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_NOT_A_MOMENT: Final = "must be a time such as 2026-12-04T00:00:00Z (RFC 3339, with Z or an offset)"


def _moment(value: Any) -> Any:
    if isinstance(value, datetime):
        return value
    # RFC 3339 alone: Python reads dates, week dates and times without an offset as well.
    if not isinstance(value, str) or not _MOMENT.fullmatch(value):
        raise ValueError(_NOT_A_MOMENT)
    try:
        # Digits beyond microseconds, which Go writes, are cut off: no order lasts longer than was said.
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(_NOT_A_MOMENT) from error


def _yes_or_no(value: Any) -> Any:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")  # noqa: TRY004  # pydantic reports a ValueError as the field's
    return value


def _aware(value: datetime) -> datetime:
    assert value.tzinfo is not None, "moments are aware"
    return value


Moment = Annotated[
    datetime,
    BeforeValidator(_moment),
    AfterValidator(_aware),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-12-04T00:00:00Z"]}),
]
YesOrNo = Annotated[bool, BeforeValidator(_yes_or_no)]


class TriggerFields(WireModel):
    """``trigger``: the price that an order waits for."""

    price: AmountText
    when: When
    source: PriceSource | None = None
    confirmations: Annotated[WholeNumber, Field(ge=1, le=CONFIRMATIONS_MAX)] | None = None
    if_already_met: IfAlreadyMet | None = None


class SniperFields(WireModel):
    """``sniper``: which opening of a pool an order buys."""

    venue: PrintableText | None = None
    min_liquidity: AmountText | None = None
    max_fee_bps: Annotated[WholeNumber, Field(ge=0, le=BPS_PER_UNIT)] | None = None
    max_delay_blocks: Annotated[WholeNumber, Field(ge=0, le=DELAY_BLOCKS_MAX)] | None = None
    decimals: Annotated[WholeNumber, Field(ge=0, le=DECIMALS_MAX)] | None = None

    def sniper(self, input_token: Token) -> Sniper:
        """Return the filters in base units.

        Raises:
            FieldError: There is no such venue, or ``minLiquidity`` is no amount of the input token.
        """
        if self.venue is not None and self.venue not in SNIPER_VENUES:
            raise FieldError("sniper.venue", f"must be one of {', '.join(sorted(SNIPER_VENUES))}")
        least = self.min_liquidity
        units = None if least is None else parse_units(least, input_token.scale, field="sniper.minLiquidity")
        return Sniper(self.venue, units, self.max_fee_bps, self.max_delay_blocks)


class _Swapped(NamedTuple):
    """What an order swaps, with all that is known of its tokens."""

    input_token: Token
    output_token: Token
    swap_mode: SwapMode
    amount_units: int
    price_base: str


class RestingFields(WireModel):
    """What an order may say beside what it swaps. A model of all order fields inherits from this one."""

    type: Annotated[OrderType, NullMeans(OrderType.MARKET)] = OrderType.MARKET
    slippage_bps: Annotated[WholeNumber, Field(ge=0, le=BPS_PER_UNIT)] | None = None
    limit_price: AmountText | None = None
    time_in_force: TimeInForce | None = None
    valid_for_seconds: Annotated[WholeNumber, Field(ge=1, le=RESTING_S_MAX)] | None = None
    expires_at: Moment | None = None
    trigger: TriggerFields | None = None
    sniper: SniperFields | None = None

    def resting_terms(self, wish: SwapWish, tokens: Tokens) -> RestingTerms:
        """Return what the fields mean for a swap.

        Raises:
            FieldError: One belongs to another type, is missing, contradicts another, or could never be kept.
        """
        if self._is_at_once:
            return at_once(self.slippage_bps)
        swap = _Swapped(
            tokens[wish.input_token],
            self._output_token(wish, tokens),
            wish.swap_mode,
            wish.amount_units,
            wish.price_base,
        )
        limit = self._limit(swap)
        return resting_terms(
            self.type,
            swap.swap_mode,
            limit=limit,
            slippage_bps=self.slippage_bps,
            lifetime=lifetime(
                self.type,
                is_triggered=self.trigger is not None,
                time_in_force=self.time_in_force,
                valid_for_s=self.valid_for_seconds,
                expires_at=self.expires_at,
            ),
            trigger=self._trigger(swap),
            sniper=None if self.sniper is None else self.sniper.sniper(swap.input_token),
        )

    @property
    def _is_at_once(self) -> bool:
        """Whether nothing here is said, as of nearly all orders."""
        return (
            self.type is OrderType.MARKET
            and self.limit_price is None
            and self.trigger is None
            and self.sniper is None
            and self.time_in_force is None
            and self.valid_for_seconds is None
            and self.expires_at is None
        )

    @property
    def said_decimals(self) -> int | None:
        """How many decimals a sniper order says that its new mint has."""
        return None if self.sniper is None else self.sniper.decimals

    def _output_token(self, wish: SwapWish, tokens: Tokens) -> Token:
        """Return what is bought; of a new mint all that is known is what the order says."""
        said, symbol = self.said_decimals, wish.output_token
        if self.type is not OrderType.SNIPER:
            return tokens[symbol]
        if symbol not in tokens:
            if self.limit_price is not None and said is None:
                raise FieldError(
                    "limitPrice",
                    "needs sniper.decimals beside it: how many decimals the mint has, which is not listed",
                )
        elif said is not None and said != tokens[symbol].scale:
            raise FieldError("sniper.decimals", f"must be {tokens[symbol].scale}: {symbol} is listed")
        return tokens.listed_or_new(symbol, said)

    def _limit(self, swap: _Swapped) -> Limit | None:
        if self.limit_price is None:
            return None
        rate = limit_rate(
            self.limit_price,
            input_token=swap.input_token,
            output_token=swap.output_token,
            price_base=swap.price_base,
            field="limitPrice",
        )
        other = swap.output_token if swap.swap_mode is SwapMode.EXACT_IN else swap.input_token
        limit = Limit(spelled_price(self.limit_price), rate)
        limit.check(swap.swap_mode, swap.amount_units, other)
        return limit

    def _trigger(self, swap: _Swapped) -> Trigger | None:
        said = self.trigger
        if said is None:
            return None
        return trigger(
            price=said.price,
            when=said.when,
            source=said.source,
            confirmations=said.confirmations,
            if_already_met=said.if_already_met,
            input_token=swap.input_token,
            output_token=swap.output_token,
            price_base=swap.price_base,
        )


Model = TypeVar("Model", bound=WireModel)

_INNER: Final[dict[str, type[WireModel]]] = {"trigger": TriggerFields, "sniper": SniperFields}


def meant_fields(model: type[Model], members: dict[str, Any], *, also: frozenset[str] = EVERYWHERE) -> Model:
    """Return the model of a message, if no member that was meant would be dropped in silence.

    Args:
        also: Names that are read elsewhere: of the frame, of the connection URL.

    Raises:
        InvalidRequestError: With one problem per broken rule and per name that is nearly a known one.
    """
    problems = _dropped(names_of(model), members, also)
    try:
        made = validated(model, members)
    except InvalidRequestError as error:
        raise InvalidRequestError.of((*problems, *error.details)) from error
    if problems:
        raise InvalidRequestError.of(tuple(problems))
    return made


def _dropped(names: frozenset[str], members: dict[str, Any], also: frozenset[str]) -> list[FieldProblem]:
    if members.keys() <= names | also and not members.keys() & _INNER.keys():
        return []
    problems = list(misspelt(members, names | also))
    told = {problem.field for problem in problems}
    for name, inner in _INNER.items():
        # A sniper order without the object lacks its words as well.
        said = members.get(name, {} if members.get("type") == name else None)
        if name not in names or not isinstance(said, dict):
            continue
        inner_names = names_of(inner)
        problems += misspelt(said, inner_names, prefix=f"{name}.", outer=names)
        # Beside an object that lacks them, words were meant that say nothing by themselves: ``source``.
        problems += (
            FieldProblem(each, f"is not a field; did you mean {name}.{each}?")
            for each in sorted((inner_names & members.keys()) - names - said.keys() - told)
            if members[each] is not None
        )
    return problems


@cache
def names_of(model: type[WireModel]) -> frozenset[str]:
    """Return the names that a model reads, as they are on the wire."""
    return frozenset(field.alias or name for name, field in model.model_fields.items())
