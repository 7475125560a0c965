"""Time in force: what each type takes, what is implied, and where each end lies."""

from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest

from chalicelib.domain.errors import FieldError
from chalicelib.domain.lifetimes import (
    AT_ONCE_S_DEFAULT,
    AT_ONCE_S_MAX,
    RESTING_S_MAX,
    Lifetime,
    lifetime,
)
from chalicelib.domain.terms import OrderType, TimeInForce

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
LATER = NOON + timedelta(days=7)
GTC, GTD, IOC = TimeInForce.GTC, TimeInForce.GTD, TimeInForce.IOC


def a_lifetime(order_type: OrderType, *, is_triggered: bool = False, **fields: Any) -> Lifetime:
    said = {"time_in_force": None, "valid_for_s": None, "expires_at": None} | fields
    return lifetime(order_type, is_triggered=is_triggered, **said)


@pytest.mark.parametrize(
    ("order_type", "is_triggered", "fields", "implied"),
    [
        (OrderType.MARKET, False, {}, IOC),
        (OrderType.MARKET, False, {"valid_for_s": 10}, IOC),
        (OrderType.MARKET, True, {}, GTC),
        (OrderType.LIMIT, False, {}, GTC),
        (OrderType.LIMIT, False, {"valid_for_s": 10}, GTD),
        (OrderType.LIMIT, True, {"expires_at": LATER}, GTD),
        (OrderType.SNIPER, False, {}, GTC),
    ],
)
def test_what_is_not_said_is_implied(
    order_type: OrderType, *, is_triggered: bool, fields: dict[str, Any], implied: TimeInForce
) -> None:
    assert a_lifetime(order_type, is_triggered=is_triggered, **fields).time_in_force is implied


def test_every_combination_has_an_end_exactly_where_it_is_no_gtc() -> None:
    ends: list[dict[str, Any]] = [{}, {"valid_for_s": 60}, {"expires_at": NOON + timedelta(minutes=1)}]
    for order_type, is_triggered, force, end in product(OrderType, (False, True), (None, *TimeInForce), ends):
        try:
            made = a_lifetime(order_type, is_triggered=is_triggered, time_in_force=force, **end)
        except FieldError:
            continue
        assert (made.ends_at(NOON) is None) == (made.time_in_force is GTC)


@pytest.mark.parametrize(
    ("order_type", "is_triggered", "fields", "problem"),
    [
        (OrderType.MARKET, False, {"time_in_force": GTC}, "timeInForce must be ioc for a market order"),
        (OrderType.MARKET, False, {"time_in_force": GTD, "valid_for_s": 9},
         "timeInForce must be ioc for a market"),
        (OrderType.MARKET, True, {"time_in_force": IOC}, "timeInForce must be gtc or gtd"),
        (OrderType.SNIPER, False, {"time_in_force": IOC}, "timeInForce must be gtc or gtd"),
        (OrderType.LIMIT, False, {"time_in_force": GTD}, "gtd needs validForSeconds or expiresAt"),
        (OrderType.LIMIT, False, {"time_in_force": GTC, "valid_for_s": 9}, "timeInForce must be gtd"),
        (OrderType.LIMIT, False, {"valid_for_s": 9, "expires_at": LATER},
         "expiresAt does not go with validForSeconds"),
        (OrderType.LIMIT, False, {"valid_for_s": RESTING_S_MAX + 1},
         "validForSeconds must be from 1 to 2592000"),
        (OrderType.LIMIT, False, {"valid_for_s": 0}, "validForSeconds must be from 1 to 2592000"),
        (OrderType.LIMIT, False, {"time_in_force": IOC, "valid_for_s": 3_601},
         "validForSeconds must be from 1 to 36"),
        (OrderType.MARKET, False, {"valid_for_s": 3_601}, "validForSeconds must be from 1 to 3600"),
    ],
)  # fmt: skip
def test_fields_that_contradict_are_refused_by_name(
    order_type: OrderType, *, is_triggered: bool, fields: dict[str, Any], problem: str
) -> None:
    with pytest.raises(FieldError, match=problem):
        a_lifetime(order_type, is_triggered=is_triggered, **fields)


def test_order_that_executes_at_once_has_a_minute() -> None:
    made = a_lifetime(OrderType.LIMIT, time_in_force=IOC)
    assert made.ends_at(NOON) == NOON + timedelta(seconds=AT_ONCE_S_DEFAULT)


@pytest.mark.parametrize(
    ("expires_at", "problem"),
    [
        (NOON, "must be in the future"),
        (NOON - timedelta(days=1), "must be in the future"),
        (NOON + timedelta(days=30, microseconds=1), "must be within 30 days"),
    ],
)
def test_end_out_of_reach_is_refused(expires_at: datetime, problem: str) -> None:
    with pytest.raises(FieldError, match=problem):
        a_lifetime(OrderType.LIMIT, expires_at=expires_at).ends_at(NOON)


@pytest.mark.parametrize(
    ("order_type", "seconds"),
    [(OrderType.LIMIT, 1), (OrderType.LIMIT, RESTING_S_MAX), (OrderType.MARKET, AT_ONCE_S_MAX)],
)
def test_shortest_and_longest_life_allowed_are_taken(order_type: OrderType, seconds: int) -> None:
    assert a_lifetime(order_type, valid_for_s=seconds).ends_at(NOON) == NOON + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("order_type", "force", "ahead", "named"),
    [
        (OrderType.LIMIT, None, timedelta(days=30), "30 days"),
        (OrderType.LIMIT, IOC, timedelta(hours=1), "3600 seconds"),
        (OrderType.MARKET, None, timedelta(hours=1), "3600 seconds"),
    ],
)
def test_last_moment_allowed_is_taken_and_the_next_one_is_not(
    order_type: OrderType, force: TimeInForce | None, ahead: timedelta, named: str
) -> None:
    last = NOON + ahead
    made = a_lifetime(order_type, time_in_force=force, expires_at=last)
    assert made.ends_at(NOON) == last
    with pytest.raises(FieldError, match=f"must be within {named}"):
        made.ends_at(NOON - timedelta(microseconds=1))
