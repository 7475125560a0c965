"""What every ``Watches`` promises.

Nothing that is met is missed, nothing fires twice, nothing fires too early.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import count
from random import Random
from threading import Barrier
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, text

from chalicelib.domain.order_sizes import size_look
from chalicelib.domain.rates import Rate
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.triggers import Direction, is_met
from chalicelib.domain.watches import (
    BY_MARGINAL_RATE,
    DirectedPair,
    Fired,
    FiredBy,
    SeenPrice,
    Watch,
)
from chalicelib.services.resting.ports import ArmedLook, ArmedPair, ArmedSize
from tests.contract.records import Store, on_postgres
from tests.contract.watches import ArmableWatches, WatchesOnRecord
from tests.fakes.orders import NOON, an_order
from tests.fakes.ports import SteppingClock
from tests.fakes.watches import MemoryWatches

AT_LEAST, AT_MOST = Direction.AT_LEAST, Direction.AT_MOST
FAR_FUTURE = NOON + timedelta(days=36_500)
_pairs = count()


@dataclass
class Trial:
    """One implementation, and a pair of tokens that no other test uses."""

    watches: ArmableWatches
    new_order: Callable[[], UUID]
    pair: DirectedPair

    def armed(self, rate: Rate, direction: Direction = AT_LEAST, **fields: object) -> Watch:
        watch = Watch(self.new_order(), self.pair, direction, BY_MARGINAL_RATE, rate, NOON)
        watch = replace(watch, **fields)  # type: ignore[arg-type]  # named by the tests
        self.watches.arm([watch])
        return watch

    def seen(self, rate: Rate, direction: Direction = AT_LEAST, **fields: object) -> SeenPrice:
        price = SeenPrice(self.pair, direction, BY_MARGINAL_RATE, rate, 100, 100)
        return replace(price, **fields)  # type: ignore[arg-type]  # as above

    def fires(self, *prices: SeenPrice, limit: int = 100) -> list[UUID]:
        return [fired.order_id for fired in self.watches.fire(prices, limit=limit)]


def a_pair() -> DirectedPair:
    number = next(_pairs)
    return DirectedPair(f"IN{number}", f"OUT{number}")


def recorded(store: Store) -> UUID:
    return store.created(an_order()).state.order.order_id


@pytest.fixture(params=["memory", "postgres"])
def trial(request: pytest.FixtureRequest) -> Trial:
    if request.param == "memory":
        return Trial(MemoryWatches(SteppingClock().now), uuid4, a_pair())
    engine: Engine = request.getfixturevalue("contract_engine")
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM watches"))
    store = on_postgres(engine)
    return Trial(WatchesOnRecord(engine), lambda: recorded(store), a_pair())


@pytest.fixture
def on_server(contract_engine: Engine) -> Trial:
    store = on_postgres(contract_engine)
    return Trial(WatchesOnRecord(contract_engine), lambda: recorded(store), a_pair())


@pytest.mark.parametrize("direction", Direction)
def test_watch_fires_at_its_rate_and_not_a_hair_before(trial: Trial, direction: Direction) -> None:
    # Three over 2^64 sevens: no decimal, and its neighbours differ beyond any key.
    rate = Rate(3 * 2**200, 7 * 2**200 + 1)
    watch = trial.armed(rate, direction)
    step = -1 if direction is AT_LEAST else 1
    short = Rate(rate.output_units * 10**9 + step, rate.input_units * 10**9)
    assert trial.fires(trial.seen(short, direction)) == []
    assert trial.fires(trial.seen(rate, direction)) == [watch.order_id]


def test_fired_watch_carries_what_was_seen_and_fires_no_more(trial: Trial) -> None:
    watch = trial.armed(Rate(2, 1))
    (fired,) = trial.watches.fire([trial.seen(Rate(5, 2), height=77, from_height=77)], limit=9)
    assert fired == Fired(watch.order_id, "alice", 1, FiredBy.RATE, 0, fired.fired_at, Rate(5, 2), 77)
    other = trial.armed(Rate(9, 1))
    assert (trial.watches.fired(watch.order_id), trial.watches.fired(other.order_id)) == (fired, None)
    trial.watches.disarm([other.order_id])
    assert trial.fires(trial.seen(Rate(9, 1))) == []


def test_other_pairs_directions_and_looks_are_left_alone(trial: Trial) -> None:
    trial.armed(Rate(2, 1))
    assert trial.fires(trial.seen(Rate(9, 1), pair=trial.pair.reversed())) == []
    assert trial.fires(trial.seen(Rate(1, 9), AT_MOST)) == []
    assert trial.fires(trial.seen(Rate(9, 1), look=1)) == []


def test_watch_that_counts_from_a_later_block_is_not_met_by_an_earlier_one(trial: Trial) -> None:
    watch = trial.armed(Rate(2, 1), look=3, since_height=98)
    assert trial.fires(trial.seen(Rate(2, 1), look=3, from_height=97)) == []
    assert trial.fires(trial.seen(Rate(2, 1), look=3, from_height=98)) == [watch.order_id]


@pytest.mark.parametrize("direction", Direction)
def test_best_rate_comes_first_then_the_oldest_and_the_rest_the_next_time(
    trial: Trial, direction: Direction
) -> None:
    near = trial.armed(Rate(3, 2), direction)
    older = trial.armed(Rate(1, 1), direction, accepted_at=NOON - timedelta(seconds=1))
    later = trial.armed(Rate(1, 1), direction)
    order = [older, later, near] if direction is AT_LEAST else [near, older, later]
    seen = trial.seen(Rate(2, 1) if direction is AT_LEAST else Rate(1, 2), direction)
    assert trial.fires(seen, limit=2) == [watch.order_id for watch in order[:2]]
    assert trial.fires(seen, limit=2) == [watch.order_id for watch in order[2:]]
    assert trial.fires(seen, limit=2) == []


def test_several_prices_are_looked_at_together(trial: Trial) -> None:
    up, down = trial.armed(Rate(2, 1)), trial.armed(Rate(1, 2), AT_MOST)
    back = trial.armed(Rate(1, 3), pair=trial.pair.reversed())
    prices = (
        trial.seen(Rate(2, 1)),
        trial.seen(Rate(1, 2), AT_MOST),
        trial.seen(Rate(1, 3), pair=trial.pair.reversed()),
    )
    assert set(trial.fires(*prices)) == {up.order_id, down.order_id, back.order_id}


def test_classes_of_sizes_are_named_each_with_the_stop_that_is_met_first(trial: Trial) -> None:
    small, large = size_look(SwapMode.EXACT_IN, 10), size_look(SwapMode.EXACT_OUT, 10**12)
    trial.armed(Rate(2, 1), AT_MOST, look=small)
    first = trial.armed(Rate(3, 1), AT_MOST, look=small)
    other = trial.armed(Rate(1, 7), AT_MOST, look=large)
    (found,) = [each for each in trial.watches.armed() if each.pair == trial.pair]
    assert {found.by_rate, found.by_mark, found.by_launch} == {False}
    assert found.sizes == (ArmedSize(small, first.wake_key), ArmedSize(large, other.wake_key))
    assert trial.fires(trial.seen(Rate(5, 2), AT_MOST, look=small)) == [first.order_id]


def test_armed_pairs_are_named_with_what_they_look_at(trial: Trial) -> None:
    def looks() -> set[ArmedPair]:
        return {found for found in trial.watches.armed() if trial.pair in {found.pair, found.pair.reversed()}}

    assert looks() == set()
    watch, near = trial.armed(Rate(5, 1)), trial.armed(Rate(2, 1))
    back = [
        trial.armed(rate, AT_MOST, look=2, pair=trial.pair.reversed()) for rate in (Rate(2, 1), Rate(3, 1))
    ]
    waits_for_mark = ArmedPair(trial.pair.reversed(), (ArmedLook(AT_MOST, 2, back[1].wake_key),))
    assert looks() == {
        ArmedPair(trial.pair, (ArmedLook(AT_LEAST, BY_MARGINAL_RATE, near.wake_key),)),
        waits_for_mark,
    }
    trial.watches.disarm([watch.order_id, near.order_id])
    assert looks() == {waits_for_mark}


def test_disarmed_watch_is_gone_whether_it_had_fired_or_not(trial: Trial) -> None:
    armed, fired = trial.armed(Rate(3, 1)), trial.armed(Rate(2, 1))
    trial.fires(trial.seen(Rate(2, 1)))
    assert trial.watches.disarm([armed.order_id, fired.order_id, uuid4()]) == {armed.order_id, fired.order_id}
    assert trial.fires(trial.seen(Rate(9, 1))) == []
    assert trial.watches.fired(fired.order_id) is None
    assert trial.watches.resend(unclaimed_for_ms=0, limit=9) == []


def test_watch_fires_when_its_time_has_come_whatever_the_price(trial: Trial) -> None:
    late = trial.armed(Rate(2, 1), wake_at=NOON - timedelta(seconds=1))
    later = trial.armed(Rate(2, 1), wake_at=NOON - timedelta(seconds=2))
    trial.armed(Rate(2, 1), wake_at=FAR_FUTURE)
    trial.armed(Rate(2, 1))
    (first,) = trial.watches.wake(limit=1)
    seen = first.order_id, first.firing, first.fired_by, first.seen, first.height
    assert seen == (later.order_id, 1, FiredBy.TIME, None, None)
    assert [fired.order_id for fired in trial.watches.wake(limit=9)] == [late.order_id]
    assert trial.watches.wake(limit=9) == []
    assert trial.fires(trial.seen(Rate(1, 1))) == []


def test_pause_ends_by_the_records_clock_however_far_ahead_the_one_that_reckoned_it(trial: Trial) -> None:
    due = trial.armed(Rate(2, 1), wake_at=FAR_FUTURE, within=timedelta(0))
    trial.armed(Rate(2, 1), wake_at=FAR_FUTURE, within=timedelta(days=1))
    assert [fired.order_id for fired in trial.watches.wake(limit=9)] == [due.order_id]


def test_what_fired_and_is_still_there_is_handed_out_again_after_a_while(trial: Trial) -> None:
    watch = trial.armed(Rate(2, 1))
    trial.armed(Rate(9, 1))
    (fired,) = trial.watches.fire([trial.seen(Rate(2, 1))], limit=9)
    assert trial.watches.resend(unclaimed_for_ms=3_600_000, limit=9) == []
    assert trial.watches.resend(unclaimed_for_ms=0, limit=9) == [fired]
    assert trial.watches.resend(unclaimed_for_ms=3_600_000, limit=9) == []
    trial.watches.disarm([watch.order_id])
    assert trial.watches.resend(unclaimed_for_ms=0, limit=9) == []


def test_watch_whose_size_did_not_fit_is_found_where_it_may_until_liquidity_changes(trial: Trial) -> None:
    watch = trial.armed(Rate(2, 1), wake_rate=Rate(3, 1))
    assert trial.fires(trial.seen(Rate(5, 2))) == []
    assert trial.watches.forget_wake_rates([trial.pair.reversed()]) == 0
    assert trial.watches.forget_wake_rates([trial.pair]) == 1
    assert trial.watches.forget_wake_rates([trial.pair]) == 0
    assert trial.fires(trial.seen(Rate(5, 2))) == [watch.order_id]


def test_rates_of_other_pairs_and_of_watches_that_fired_are_not_forgotten(trial: Trial) -> None:
    back, far = trial.pair.reversed(), Rate(3, 1)
    fired = trial.armed(Rate(2, 1), wake_rate=Rate(5, 2))
    armed = trial.armed(Rate(2, 1), wake_rate=far)
    other = trial.armed(Rate(2, 1), wake_rate=far, pair=back)
    assert trial.fires(trial.seen(Rate(5, 2))) == [fired.order_id]
    assert trial.watches.forget_wake_rates([trial.pair]) == 1
    assert trial.fires(trial.seen(Rate(2, 1)), trial.seen(Rate(2, 1), pair=back)) == [armed.order_id]
    assert trial.watches.forget_wake_rates([trial.pair, back]) == 1
    assert trial.fires(trial.seen(Rate(2, 1), pair=back)) == [other.order_id]


def test_random_watches_fire_exactly_where_a_loop_over_all_says(on_server: Trial) -> None:
    random = Random(1)
    rates = [Rate.of(random.randint(1, 50), random.randint(1, 50)) for _ in range(60)]
    watches = [on_server.armed(rate, random.choice(list(Direction))) for rate in rates]
    for _ in range(40):
        seen, direction = (
            Rate.of(random.randint(1, 60), random.randint(1, 60)),
            random.choice(list(Direction)),
        )
        expected = {
            w.order_id for w in watches if w.direction is direction and is_met(direction, w.rate, seen)
        }
        assert set(on_server.fires(on_server.seen(seen, direction))) == expected
        watches = [watch for watch in watches if watch.order_id not in expected]


def test_random_watches_are_named_exactly_as_a_loop_over_all_names_them(on_server: Trial) -> None:
    """Each pair and look once, with the watch that is met first, whatever has fired of them."""
    random, memory = Random(2), MemoryWatches(SteppingClock().now)
    pairs = [on_server.pair, on_server.pair.reversed(), a_pair()]
    looks = [BY_MARGINAL_RATE, 1, 2, size_look(SwapMode.EXACT_IN, 10)]
    for _ in range(40):
        rate, direction = Rate(random.randint(1, 9), 7), random.choice(list(Direction))
        look, pair = random.choice(looks), random.choice(pairs)
        memory.arm([on_server.armed(rate, direction, look=look, pair=pair)])
    for _ in range(8):
        named = {found for found in on_server.watches.armed() if found.pair in pairs}
        assert named == set(memory.armed())
        direction, look, pair = random.choice(list(Direction)), random.choice(looks), random.choice(pairs)
        seen = on_server.seen(Rate(4, 7), direction, look=look, pair=pair)
        assert on_server.fires(seen) == [fired.order_id for fired in memory.fire([seen], limit=100)]


def test_two_matchers_at_once_fire_each_once(on_server: Trial, contract_engine: Engine) -> None:
    armed = [on_server.armed(Rate(n, 7)) for n in range(1, 41)]
    starts = Barrier(2)

    def match(_: int) -> list[UUID]:
        found: list[UUID] = []
        mine = WatchesOnRecord(contract_engine)
        starts.wait()
        while fired := mine.fire([on_server.seen(Rate(100, 7))], limit=3):
            found += [one.order_id for one in fired]
        return found

    with ThreadPoolExecutor(2) as executor:
        one, other = executor.map(match, range(2))
    assert len(one) + len(other) == len(armed)
    assert {*one, *other} == {watch.order_id for watch in armed}


@pytest.mark.parametrize("direction", Direction)
def test_matcher_leaves_to_another_what_it_is_just_firing(
    on_server: Trial, contract_engine: Engine, direction: Direction
) -> None:
    watches, seen = on_server.watches, on_server.seen(Rate(1, 1), direction)
    held, free = (on_server.armed(Rate(1, 1), direction, wake_at=NOON) for _ in range(2))
    both = {held.order_id, free.order_id}
    ways: list[Callable[[], Sequence[Fired]]] = [
        lambda: watches.fire([seen], limit=9),
        lambda: watches.wake(limit=10_000),
        lambda: watches.resend(unclaimed_for_ms=0, limit=10_000),
    ]
    for fire in ways:
        if fire is not ways[-1]:
            watches.arm([held, free])
        with contract_engine.begin() as other:
            hold = text("UPDATE watches SET firing = firing WHERE order_id = :id")
            other.execute(hold, {"id": held.order_id})
            assert both.intersection(one.order_id for one in fire()) == {free.order_id}
        assert held.order_id in {one.order_id for one in fire()}


@pytest.mark.parametrize("seed", range(5))
def test_arm_and_fire_at_once_leave_a_watch_armed_with_the_new_terms(
    on_server: Trial, contract_engine: Engine, seed: int
) -> None:
    del seed
    watch = on_server.armed(Rate(1, 1))
    starts = Barrier(2)

    def fire() -> None:
        starts.wait()
        WatchesOnRecord(contract_engine).fire([on_server.seen(Rate(5, 1))], limit=9)

    def arm() -> None:
        starts.wait()
        WatchesOnRecord(contract_engine).arm([replace(watch, rate=Rate(9, 1))])

    with ThreadPoolExecutor(2) as executor:
        for done in (executor.submit(fire), executor.submit(arm)):
            done.result()
    assert on_server.watches.fired(watch.order_id) is None
    assert on_server.fires(on_server.seen(Rate(5, 1))) == []
    assert on_server.fires(on_server.seen(Rate(9, 1))) == [watch.order_id]


def test_cancel_and_fire_at_once_leave_nothing_behind(on_server: Trial, contract_engine: Engine) -> None:
    watches = [on_server.armed(Rate(1, 1)) for _ in range(10)]
    ids = [watch.order_id for watch in watches]
    starts = Barrier(2)

    def fire() -> None:
        starts.wait()
        WatchesOnRecord(contract_engine).fire([on_server.seen(Rate(5, 1))], limit=99)

    def cancel() -> frozenset[UUID]:
        starts.wait()
        return WatchesOnRecord(contract_engine).disarm(ids)

    with ThreadPoolExecutor(2) as executor:
        fired, canceled = executor.submit(fire), executor.submit(cancel)
        fired.result()
        assert canceled.result() == set(ids)
    assert all(on_server.watches.fired(order_id) is None for order_id in ids)


def test_firing_costs_one_search_of_an_index(on_server: Trial, contract_engine: Engine) -> None:
    """Of two thousand watches, a price that fires nothing reads the pages of one descent."""
    on_server.armed(Rate(1, 1))
    with contract_engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(
            text("""
            INSERT INTO watches (order_id, accepted_at, since_height, pair_id, look, armed, direction,
                rate_out,
                rate_in, wake_key)
            SELECT gen_random_uuid(), now(), 0, pair_id, 0, true, 'at_least', n + 10, 1, n + 10
            FROM watch_pairs CROSS JOIN generate_series(1, 2000) AS n WHERE input_token = :token
            """),
            {"token": on_server.pair.input_token},
        )
        connection.execute(text("ANALYZE watches"))
    with contract_engine.begin() as connection:
        plan = connection.execute(
            text("""
            EXPLAIN (ANALYZE, FORMAT JSON) SELECT order_id FROM watches
            WHERE armed AND direction = 'at_least' AND look = 0 AND wake_key <= 5
              AND pair_id = (SELECT pair_id FROM watch_pairs WHERE input_token = :token)
            ORDER BY wake_key, accepted_at LIMIT 100 FOR UPDATE SKIP LOCKED
            """),
            {"token": on_server.pair.input_token},
        ).scalar_one()
        connection.execute(text("DELETE FROM watches"))
    assert "watches_rising" in str(plan)
    assert "Seq Scan on watches'" not in str(plan)


def test_pairs_of_which_all_watches_have_fired_are_not_armed_for(trial: Trial) -> None:
    fired, armed, fired_too = pairs = [a_pair() for _ in range(3)]
    for pair in pairs:
        trial.armed(Rate(2, 1), pair=pair)
    assert len(trial.fires(*(trial.seen(Rate(2, 1), pair=pair) for pair in (fired, fired_too)))) == 2
    assert [each.pair for each in trial.watches.armed()] == [armed]
