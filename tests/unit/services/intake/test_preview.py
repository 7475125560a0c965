"""Dry runs: the checks of a live order, and nothing of the order."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.adapters.token_list import load_tokens
from chalicelib.domain.errors import Code, FieldError, RetryableError, VenueUnavailableError
from chalicelib.domain.ids import client_order_uuid
from chalicelib.domain.previews import CheckResult, Outlook, Preview
from chalicelib.domain.rates import Limit, Rate
from chalicelib.domain.terms import OrderTerms, TimeInForce
from chalicelib.domain.triggers import Direction, IfAlreadyMet, PriceSource, Trigger, When
from chalicelib.services.intake.limits import OpenOrders, OrderLimits, OrderRate
from chalicelib.services.intake.preview import PreviewOrders
from chalicelib.services.planning.venues import QuoteCollector
from chalicelib.services.ports import ChainTime
from chalicelib.wire.answers import Preview as PreviewBody
from chalicelib.wire.previews import preview_view
from chalicelib.wire.server_frames import json_text
from tests.fakes.inline import InOneThread
from tests.fakes.market import FakeVenue, a_pool, a_pool_that_opens_at
from tests.fakes.orders import VIEWS, terms
from tests.fakes.ports import FakeKeys, FrozenClock


class DryRun:
    """The use case with the fakes behind it."""

    def __init__(self, *, open_orders: int = 0, burst: int = 5, pools: Any = None) -> None:
        self.clock, self.keys, self.venue = FrozenClock(), FakeKeys(), FakeVenue("raydium", pools)
        self.open_orders, self.resting_orders, self.is_record_down = open_orders, 0, False
        self.rate = OrderRate(1, burst, self.clock)
        self.limits = OrderLimits(
            self.rate,
            OpenOrders(lambda *_: self._counted(), self.clock, InOneThread(), limit=10),
            OpenOrders(lambda *_: self.resting_orders, self.clock, InOneThread(), limit=20),
        )
        collector = QuoteCollector([self.venue], InOneThread(), self.clock, time_limit_ms=0, valid_ms=2_000)
        self.use = PreviewOrders(collector, self.keys, self.limits, load_tokens())

    def of(self, wanted: OrderTerms | None = None) -> Preview:
        return self.use.preview(wanted or terms(), "alice")

    def _counted(self) -> int:
        if self.is_record_down:
            raise RetryableError("the database is unreachable")
        return self.open_orders


def results(preview: Preview) -> dict[str, CheckResult]:
    return {check.name: check.result for check in preview.checks}


def test_order_that_passes_all_checks_says_which_ones_cannot_be_known() -> None:
    preview = DryRun().of()
    assert (preview.outlook, preview.code) == (Outlook.EXECUTE_NOW, None)
    assert results(preview) == dict.fromkeys(
        ("fields", "rate", "openOrders", "liquidity"), CheckResult.PASSED
    ) | dict.fromkeys(("funds", "price", "chain"), CheckResult.UNKNOWN)


def test_dry_runs_use_up_no_limit() -> None:
    dry = DryRun(burst=1)
    for _ in range(5):
        assert dry.of().outlook is Outlook.EXECUTE_NOW
    dry.limits.admit("alice")


def test_limits_of_the_account_are_those_of_a_live_order() -> None:
    dry = DryRun(open_orders=10)
    assert (dry.of().outlook, dry.of().code) == (Outlook.REFUSED, Code.TOO_MANY_OPEN_ORDERS)
    dry = DryRun(burst=1)
    dry.limits.admit("alice")
    preview = dry.of()
    assert preview.code is Code.RATE_LIMITED
    assert preview.summary.startswith("Would be refused: too many orders a second; slow down. If it were not")
    dry.clock.sleep(1)
    assert dry.of().outlook is Outlook.EXECUTE_NOW


def test_trigger_by_the_mark_of_a_pair_that_no_pool_trades_is_refused_as_live() -> None:
    stop = Trigger(
        "0.001", When.BELOW, Rate(1, 10**6), Direction.AT_MOST, PriceSource.MARK, 2, IfAlreadyMet.EXECUTE
    )
    waiting = replace(terms(), trigger=stop, valid_for_s=None, time_in_force=TimeInForce.GTC)
    pools = [a_pool(tokens=("SOL", "BONK")), a_pool("other", tokens=("BONK", "USDC"))]
    preview = DryRun(pools=pools).of(waiting)
    assert (preview.outlook, preview.code) == (Outlook.REFUSED, Code.NO_ROUTE)
    assert preview.summary == (
        "Would fail: no pool trades SOL and USDC with each other, so they have no mark: use the source "
        "executable."
    )
    assert DryRun(pools=[a_pool_that_opens_at(2**40)]).of(waiting).outlook is Outlook.OPEN


def test_order_that_may_rest_is_counted_among_those_that_do() -> None:
    dry = DryRun(open_orders=10)
    limit = Limit("300", Rate.of(300, 1_000))
    waiting = replace(
        terms(), limit=limit, slippage_bps=None, valid_for_s=None, time_in_force=TimeInForce.GTC
    )
    assert (dry.of(waiting).outlook, results(dry.of(waiting))["restingOrders"]) == (
        Outlook.OPEN,
        CheckResult.PASSED,
    )
    dry.resting_orders = 20
    assert dry.of(waiting).code is Code.TOO_MANY_RESTING_ORDERS
    assert dry.of(waiting).summary.startswith("Would be refused: too many resting orders; cancel some")
    assert dry.of(replace(waiting, time_in_force=TimeInForce.IOC)).code is Code.TOO_MANY_OPEN_ORDERS


def test_record_that_does_not_answer_leaves_its_checks_unknown() -> None:
    dry = DryRun()
    dry.is_record_down = dry.keys.is_down = True
    preview = dry.of(terms(client_order_id="x"))
    assert preview.outlook is Outlook.EXECUTE_NOW
    assert results(preview)["openOrders"] is results(preview)["clientOrderId"] is CheckResult.UNKNOWN


def test_client_order_id_is_looked_up_and_not_taken() -> None:
    dry = DryRun()
    wanted = terms(client_order_id="x")
    assert results(dry.of(wanted))["clientOrderId"] is CheckResult.PASSED
    assert dry.keys.reserve("alice", "x", terms(client_order_id="x", amount_units=7).sha256)
    assert dry.of(wanted).code is Code.CLIENT_ORDER_ID_CONFLICT


def test_order_that_is_accepted_already_is_named_and_counts_once() -> None:
    dry = DryRun(open_orders=10)
    wanted = terms(client_order_id="x")
    dry.keys.reserve("alice", "x", wanted.sha256)
    preview = dry.of(wanted)
    assert preview.order_id == client_order_uuid("alice", "x")
    assert preview.summary.startswith("Is accepted already, and submitting it again changes nothing.")
    assert results(preview)["openOrders"] is CheckResult.PASSED


def test_known_order_past_its_end_is_accepted_already_and_any_other_is_late() -> None:
    dry = DryRun()
    end = dry.clock.now() + timedelta(seconds=30)
    wanted = replace(terms(client_order_id="x"), valid_for_s=None, expires_at=end)
    dry.keys.reserve("alice", "x", wanted.sha256)
    dry.clock.sleep(30)
    preview = dry.of(wanted)
    assert (preview.outlook, preview.code) == (Outlook.REFUSED, Code.DEADLINE_EXCEEDED)
    assert preview.order_id == client_order_uuid("alice", "x")
    assert preview.summary == (
        "Is accepted already, and submitting it again changes nothing. Its end is past: it is sent no more."
    )
    for changed in ({"client_order_id": "y"}, {"client_order_id": None}, {"amount_units": 7}):
        with pytest.raises(FieldError, match="expiresAt must be in the future"):
            dry.of(replace(wanted, **changed))
    dry.keys.is_down = True
    with pytest.raises(RetryableError):
        dry.of(wanted)


def test_order_that_no_pool_fills_says_what_it_would_fail_with() -> None:
    preview = DryRun(pools=[a_pool(tokens=("ETH", "USDC"))]).of()
    assert (preview.outlook, preview.code, preview.route) == (Outlook.REFUSED, Code.NO_ROUTE, None)


def test_venues_that_do_not_answer_leave_nothing_to_say() -> None:
    dry = DryRun()
    dry.venue.fault = VenueUnavailableError("no answer")
    with pytest.raises(VenueUnavailableError):
        dry.of()


def test_trigger_is_previewed_by_the_chains_own_time() -> None:
    """As it will be looked at: a pool that opened at a slot makes a mark from that slot on."""
    dry = DryRun(pools=[a_pool_that_opens_at(7)])
    dry.venue.offered = replace(dry.venue.offered, chain_time=ChainTime(1_000, 7))
    trigger = Trigger(
        "250", When.BELOW, Rate(250, 1_000), Direction.AT_MOST, PriceSource.MARK, 2, IfAlreadyMet.REFUSE
    )
    stop = replace(terms(), trigger=trigger, time_in_force=TimeInForce.GTC, valid_for_s=None)
    assert dry.of(stop).code is Code.TRIGGER_ALREADY_MET


@pytest.mark.parametrize("open_orders", [0, 10])
def test_preview_is_shown_as_it_is_published(open_orders: int) -> None:
    shown = preview_view(DryRun(open_orders=open_orders).of(terms(client_order_id="x")), VIEWS.routes)
    body = PreviewBody.model_validate_json(json_text(shown))
    assert body.quote is not None
    assert body.code is (Code.TOO_MANY_OPEN_ORDERS if open_orders else None)
