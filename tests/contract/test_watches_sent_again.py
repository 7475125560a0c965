"""What fired and nothing takes up is handed out again, by every ``Watches``, and ever more seldom."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine, text

from chalicelib.domain.rates import Rate
from tests.contract.test_watches import Trial, on_server, trial
from tests.fakes.watches import MemoryWatches

__all__ = ["on_server", "trial"]

A_MINUTE = timedelta(minutes=1)
A_MINUTE_AGO = text("""
UPDATE watches SET fired_at = fired_at - interval '1 minute', sent_at = sent_at - interval '1 minute'
WHERE NOT armed
""")
WAITS_FOR_US = text("""
SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))
""")


@pytest.fixture
def pass_a_minute(request: pytest.FixtureRequest, trial: Trial) -> Callable[[], None]:
    """Return what has a minute gone by since all that happened to what fired."""
    watches = trial.watches

    def in_memory() -> None:
        assert isinstance(watches, MemoryWatches)
        for row in watches.rows.values():
            if row.fired is not None and row.sent_at is not None:
                row.sent_at -= A_MINUTE
                row.fired = replace(row.fired, fired_at=row.fired.fired_at - A_MINUTE)

    def on_postgres() -> None:
        engine: Engine = request.getfixturevalue("contract_engine")
        with engine.begin() as connection:
            connection.execute(A_MINUTE_AGO)

    return in_memory if isinstance(watches, MemoryWatches) else on_postgres


def test_what_nothing_takes_up_is_handed_out_again_ever_more_seldom(
    trial: Trial, pass_a_minute: Callable[[], None]
) -> None:
    """As while consumers are switched off: all of its messages wait for them."""
    trial.armed(Rate(2, 1))
    assert len(trial.fires(trial.seen(Rate(2, 1)))) == 1
    handed_out = []
    for minute in range(1, 200):
        pass_a_minute()
        if found := trial.watches.resend(unclaimed_for_ms=30_000, limit=9):
            trial.watches.put_off(found)
            handed_out.append(minute)
    assert handed_out == [1, 3, 7, 15, 31, 63, 124, 185]


def test_what_the_queue_did_not_take_is_handed_out_again_as_soon_as_before(
    trial: Trial, pass_a_minute: Callable[[], None]
) -> None:
    trial.armed(Rate(2, 1))
    assert len(trial.fires(trial.seen(Rate(2, 1)))) == 1
    for _ in range(60):
        pass_a_minute()
        assert len(trial.watches.resend(unclaimed_for_ms=30_000, limit=9)) == 1


def test_what_has_fired_anew_is_not_put_off_for_the_message_of_its_last_firing(
    trial: Trial, pass_a_minute: Callable[[], None]
) -> None:
    watch = trial.armed(Rate(2, 1))
    sent = trial.watches.fire([trial.seen(Rate(2, 1))], limit=9)
    trial.watches.arm([watch])
    assert len(trial.fires(trial.seen(Rate(2, 1)))) == 1
    pass_a_minute()
    trial.watches.put_off(sent)
    assert len(trial.watches.resend(unclaimed_for_ms=30_000, limit=9)) == 1


def test_what_a_consumer_is_just_taking_up_is_not_waited_for(
    on_server: Trial, contract_engine: Engine
) -> None:
    """It may move on others of them in the same commit: each would wait for what the other holds."""
    held, free = (on_server.armed(Rate(2, 1)).order_id for _ in range(2))
    sent = on_server.watches.fire([on_server.seen(Rate(2, 1))], limit=9)
    with contract_engine.begin() as connection:
        connection.execute(A_MINUTE_AGO)
    with ThreadPoolExecutor(1) as executor, contract_engine.begin() as consumer:
        consumer.execute(text("SELECT FROM watches WHERE order_id = :id FOR UPDATE"), {"id": held})
        put = executor.submit(on_server.watches.put_off, sent)
        while not put.done() and not consumer.execute(WAITS_FOR_US).scalar_one():
            pass
        has_waited = not put.done()
    put.result()
    assert not has_waited
    with contract_engine.connect() as connection:
        ahead = connection.execute(text("SELECT order_id FROM watches WHERE sent_at > clock_timestamp()"))
        assert {held, free} & set(ahead.scalars()) == {free}


def test_what_was_sent_longest_ago_is_handed_out_first(trial: Trial) -> None:
    later, first = trial.armed(Rate(3, 1)), trial.armed(Rate(2, 1))
    for watch in (first, later):
        assert trial.fires(trial.seen(watch.rate)) == [watch.order_id]
    found = [trial.watches.resend(unclaimed_for_ms=0, limit=1) for _ in range(3)]
    assert [[each.order_id for each in part] for part in found] == [
        [watch.order_id] for watch in (first, later, first)
    ]


def test_only_what_was_sent_and_has_not_been_taken_up_is_put_off(
    trial: Trial, pass_a_minute: Callable[[], None]
) -> None:
    sent, other, taken_up = (trial.armed(Rate(2, 1)) for _ in range(3))
    fired = {each.order_id: each for each in trial.watches.fire([trial.seen(Rate(2, 1))], limit=9)}
    trial.watches.arm([taken_up])
    pass_a_minute()
    trial.watches.put_off([fired[sent.order_id], fired[taken_up.order_id]])
    assert [each.order_id for each in trial.watches.resend(unclaimed_for_ms=0, limit=9)] == [other.order_id]
    assert trial.fires(trial.seen(Rate(2, 1))) == [taken_up.order_id]
