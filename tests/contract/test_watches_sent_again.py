"""What fired and nothing takes up is handed out again, by every ``Watches``, and ever more seldom."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine, text

from chalicelib.domain.rates import Rate
from tests.contract.test_watches import Trial, trial
from tests.fakes.watches import MemoryWatches

__all__ = ["trial"]

A_MINUTE = timedelta(minutes=1)
A_MINUTE_AGO = text("""
UPDATE watches SET fired_at = fired_at - interval '1 minute', sent_at = sent_at - interval '1 minute'
WHERE NOT armed
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
