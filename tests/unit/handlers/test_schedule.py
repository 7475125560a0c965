"""The scheduled function: one run of the sweep, and nothing raised by a passing fault."""

from collections.abc import Sequence
from uuid import uuid4

import pytest

from chalicelib.domain.errors import RetryableError
from chalicelib.domain.queue_messages import ResumeMessage
from chalicelib.handlers import schedule
from chalicelib.services.recovery.sweeper import Sweep
from tests.fakes.orders import LIFE, recorded
from tests.unit.handlers.conftest import Wired


def test_stranded_order_is_resumed_and_nothing_counted_as_put_off(wired: Wired) -> None:
    order = wired.on_record()
    row = wired.parts.tables.orders[order.order_id]
    row.state, _ = row.state.__class__(order).transition_to(recorded(LIFE[0]), order.accepted_at)
    wired.parts.clock.sleep(3_600)
    schedule.sweep()
    assert wired.parts.queue.messages == [ResumeMessage(order_id=order.order_id)]
    assert (wired.observer.counts, wired.observer.flushed) == ({}, 1)


def test_nothing_is_archived_by_the_clock_unless_a_place_is_named(wired: Wired) -> None:
    assert wired.services.settings.archive_url == ""
    assert schedule.archive_orders() == {"done": True, "archived": 0, "refused": 0}


def test_sweep_that_reaches_nothing_is_put_off_and_counted(wired: Wired) -> None:
    class Unreachable(type(wired.housekeeping)):  # type: ignore[misc]
        def expired_connections(self, *, limit: int) -> Sequence[str]:
            raise RetryableError(f"not even {limit}")

    parts = wired.parts
    vars(wired.services)["sweep"] = Sweep(
        Unreachable(parts.tables), parts.queue, parts.connections, parts.subscriptions
    )
    schedule.sweep()
    assert (wired.observer.counts, wired.observer.flushed) == ({"SweepsPutOff": 1}, 1)


def test_prices_are_looked_at_once_while_nothing_waits(wired: Wired) -> None:
    assert schedule.match_prices() == {"done": True, "fired": 0, "unsent": 0}
    assert (wired.observer.counts, wired.observer.flushed) == ({}, 1)


def test_matching_that_reaches_nothing_is_put_off_and_counted(wired: Wired) -> None:
    wired.parts.tables.watches.is_down = True
    assert schedule.match_prices()["done"] is False
    assert (wired.observer.counts, wired.observer.flushed) == ({"MatchesPutOff": 1}, 1)


def test_defect_that_no_part_contains_escapes_so_that_the_function_fails(wired: Wired) -> None:
    class Broken:
        def run(self, has_time: object) -> None:
            raise KeyError(str(uuid4()), has_time)

    vars(wired.services)["sweep"] = Broken()
    with pytest.raises(KeyError):
        schedule.sweep()
