"""What is armed again waits for what it is armed with then, and for nothing else, by every ``Watches``."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine, text

from chalicelib.adapters.postgres.watches import WOKEN_AGAIN_S
from chalicelib.domain.rates import Rate
from chalicelib.domain.triggers import Direction
from chalicelib.services.resting.ports import ArmedLook, ArmedPair
from tests.contract.test_watches import Trial, on_server, trial
from tests.fakes.orders import NOON

__all__ = ["on_server", "trial"]

AT_LEAST, AT_MOST = Direction.AT_LEAST, Direction.AT_MOST


@pytest.mark.parametrize("direction", Direction)
def test_watch_that_is_armed_again_fires_again_under_the_next_number(
    trial: Trial, direction: Direction
) -> None:
    watch = trial.armed(Rate(2, 1), direction)
    trial.fires(trial.seen(Rate(2, 1), direction))
    trial.watches.arm([watch])
    assert trial.watches.fired(watch.order_id) is None
    (fired,) = trial.watches.fire([trial.seen(Rate(2, 1), direction)], limit=9)
    assert fired.firing == 2


@pytest.mark.parametrize("has_fired", [False, True])
def test_watch_that_is_armed_with_other_terms_waits_for_those_alone(trial: Trial, *, has_fired: bool) -> None:
    watch, other = trial.armed(Rate(2, 1)), trial.armed(Rate(2, 1))
    if has_fired:
        assert len(trial.fires(trial.seen(Rate(2, 1)))) == 2
        trial.watches.arm([other])
    terms = {"rate": Rate(3, 4), "direction": AT_MOST, "look": 4, "since_height": 98}
    again = replace(watch, **terms, wake_rate=Rate(1, 4))  # type: ignore[arg-type]  # named above
    trial.watches.arm([again])
    (found,) = [each for each in trial.watches.armed() if each.pair == trial.pair]
    looks = (ArmedLook(AT_LEAST, 0, other.wake_key), ArmedLook(AT_MOST, 4, again.wake_key))
    assert found == ArmedPair(trial.pair, looks)
    assert trial.fires(trial.seen(Rate(2, 1))) == [other.order_id]
    seen = trial.seen(Rate(3, 4), AT_MOST, look=4, from_height=98)
    assert trial.fires(replace(seen, look=0), seen) == []
    assert trial.watches.forget_wake_rates([trial.pair]) == 1
    assert trial.fires(replace(seen, from_height=97)) == []
    assert trial.fires(replace(seen, rate=Rate(3 * 10**30 + 1, 4 * 10**30))) == []
    assert trial.fires(seen) == [watch.order_id]


def test_watch_that_a_rate_fired_says_nothing_of_it_once_its_time_has_woken_it(trial: Trial) -> None:
    watch = trial.armed(Rate(2, 1))
    trial.fires(trial.seen(Rate(2, 1)))
    trial.watches.arm([replace(watch, wake_at=NOON - timedelta(seconds=1))])
    (woken,) = trial.watches.wake(limit=9)
    assert (woken.order_id, woken.firing, woken.seen, woken.height) == (watch.order_id, 2, None, None)


def test_what_fired_and_was_not_taken_up_is_armed_again_with_other_terms(trial: Trial) -> None:
    watch = trial.armed(Rate(2, 1))
    trial.fires(trial.seen(Rate(2, 1)))
    trial.watches.arm([replace(watch, rate=Rate(3, 1))])
    assert trial.watches.fired(watch.order_id) is None
    assert trial.watches.resend(unclaimed_for_ms=0, limit=9) == []


def test_what_its_time_woke_is_not_due_again_at_once_by_a_time_that_has_passed(trial: Trial) -> None:
    """As a consumer has it whose clock is behind the record's."""
    woken = trial.armed(Rate(2, 1), wake_at=NOON - timedelta(seconds=1))
    assert [fired.order_id for fired in trial.watches.wake(limit=9)] == [woken.order_id]
    trial.watches.arm([woken])
    assert trial.watches.wake(limit=9) == []
    assert trial.fires(trial.seen(Rate(2, 1))) == [woken.order_id]
    trial.watches.arm([woken])
    assert [fired.order_id for fired in trial.watches.wake(limit=9)] == [woken.order_id]


def test_what_its_time_woke_is_next_due_when_it_is_armed_for(
    on_server: Trial, contract_engine: Engine
) -> None:
    """Else each order whose time had come once would be looked at every few seconds from then on."""
    woken = on_server.armed(Rate(2, 1), wake_at=NOON - timedelta(seconds=1))
    with contract_engine.begin() as connection:
        (now,) = connection.execute(text("SELECT clock_timestamp()")).one()
    later = now + timedelta(seconds=100 * WOKEN_AGAIN_S)
    on_server.watches.wake(limit=100)
    on_server.watches.arm([replace(woken, wake_at=later)])
    due = text("SELECT wake_at FROM watches WHERE order_id = :order_id")
    with contract_engine.begin() as connection:
        assert connection.execute(due, {"order_id": woken.order_id}).scalar_one() == later
