"""What operators see, on a real database, with the rights that functions have."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, text

from chalicelib.adapters.audit_checks import ComputedCheck, Finding, StatementCheck
from chalicelib.adapters.postgres import audit_rules, operations
from chalicelib.adapters.postgres.audit_rules import PostgresAuditRules, rule_id_of
from chalicelib.adapters.postgres.consumer_notes import PostgresConsumerNotes
from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.adapters.postgres.operations import PostgresOperations
from chalicelib.adapters.postgres.order_record import PostgresOrderRecord
from chalicelib.adapters.postgres.refusal_tally import PostgresRefusalTally
from chalicelib.bootstrap.audit import checks
from chalicelib.config import ChainName
from chalicelib.domain.errors import Code, ConflictError, RefusedError
from chalicelib.domain.orders import OrderState
from chalicelib.domain.progress import NewOrder
from chalicelib.domain.statuses import OrderStatus
from chalicelib.domain.terms import OrderType
from chalicelib.migrations.roles import grant
from chalicelib.services.queries.operations import BOUNDS_MS, WINDOW_S, Consumers
from tests.contract.records import on_postgres
from tests.contract.test_open_orders import RESTING
from tests.fakes.orders import VIEWS, advanced, an_order, changed
from tests.support.app_login import as_function

S = OrderStatus


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = make_engine(database_url)
    yield made
    made.dispose()


def record(engine: Engine, *statuses: OrderStatus) -> UUID:
    state, events = advanced(OrderState(an_order(accepted_at=datetime.now(UTC))), *statuses)
    PostgresOrderRecord(engine, VIEWS).create([NewOrder(state, events, None)], lease_ms=1_000)
    return state.order.order_id


def test_recent_events_are_added_up_by_what_operators_ask(engine: Engine) -> None:
    for _ in range(3):
        record(engine, S.PENDING, S.ROUTING)
    record(engine, S.PENDING, S.EXPIRED)
    found = PostgresOperations(engine).recent()
    assert found.is_whole
    assert found.events == {
        (S.PENDING, OrderType.MARKET): 4,
        (S.ROUTING, OrderType.MARKET): 3,
        (S.EXPIRED, OrderType.MARKET): 1,
    }
    assert (found.queued.count, found.confirmed.count, found.attempts) == (4, 0, 0)


def test_failures_retries_and_first_rests_are_told_apart_with_their_reasons(engine: Engine) -> None:
    for _ in range(4):
        record(engine, S.PENDING)
    told = (
        (1, "open", 1, "{}"),
        (1, "routing", 1, "{}"),
        (1, "open", 2, '{"reason": "SLIPPAGE_EXCEEDED"}'),
        (1, "routing", 2, '{"reason": "SLIPPAGE_EXCEEDED"}'),
        (1, "submitted", 2, "{}"),
        (2, "routing", 1, "{}"),
        (2, "routing", 2, '{"reason": "TRANSACTION_EXPIRED"}'),
        (2, "failed", 2, '{"code": "NO_ROUTE"}'),
        (3, "open", 1, "{}"),
        (3, "failed", 1, '{"code": "NO_ROUTE"}'),
        (4, "routing", 2, "{}"),
        (4, "failed", 2, "{}"),
    )
    with engine.begin() as connection:
        order_ids = connection.execute(text("SELECT order_id FROM orders")).scalars().all()
        insert = text(
            "INSERT INTO order_events (order_id, seq, status, attempt, occurred_at, data)"
            " VALUES (:order_id, :seq, :status, :attempt, now(), CAST(:data AS jsonb))"
        )
        for seq, (which, status, attempt, data) in enumerate(told, 2):
            parameters = {"order_id": order_ids[which - 1], "seq": seq, "status": status}
            connection.execute(insert, parameters | {"attempt": attempt, "data": data})
    found = PostgresOperations(engine).recent()
    assert (found.opened.count, found.confirmed.count, found.attempts) == (2, 0, 1)
    assert found.failures == {"NO_ROUTE": 2, "": 1}
    assert found.retries == {"SLIPPAGE_EXCEEDED": 1, "TRANSACTION_EXPIRED": 1, "": 1}


def test_event_before_the_window_is_not_recent(engine: Engine) -> None:
    record(engine, S.PENDING)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE order_events DISABLE TRIGGER USER"))
        connection.execute(text("UPDATE order_events SET recorded_at = recorded_at - interval '10 minutes'"))
    assert PostgresOperations(engine).recent().events == {}


def test_bucket_is_chosen_by_how_long_it_took(engine: Engine) -> None:
    record(engine, S.PENDING)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE order_events DISABLE TRIGGER USER"))
        connection.execute(
            text("UPDATE order_events SET occurred_at = accepted_at + interval '30 seconds' FROM orders")
        )
    queued = PostgresOperations(engine).recent().queued
    (bucket,) = [bound for bound, count in zip((*BOUNDS_MS, None), queued.counts, strict=True) if count]
    assert bucket == queued.sum_ms == 30_000


def test_busy_window_is_cut_down_to_its_newest_part_and_says_so(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    aged = text("UPDATE order_events SET recorded_at = recorded_at - interval '4 minutes'")
    for _ in range(4):
        record(engine, S.PENDING, S.EXPIRED)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE order_events DISABLE TRIGGER USER"))
        connection.execute(aged)
    record(engine, S.PENDING)
    record(engine, S.PENDING)
    monkeypatch.setattr(operations, "EVENTS_MAX", 5)
    found = PostgresOperations(engine).recent()
    assert (found.is_whole, found.events) == (False, {(S.PENDING, OrderType.MARKET): 2})
    assert found.seconds == WINDOW_S / 2


def test_counting_stops_at_the_bound_however_short_the_time(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(4):
        record(engine, S.PENDING)
    monkeypatch.setattr(operations, "EVENTS_MAX", 3)
    monkeypatch.setattr(operations, "_WINDOWS_S", (WINDOW_S, WINDOW_S // 2))
    found = PostgresOperations(engine).recent()
    assert (found.is_whole, found.queued.count) == (False, 3)
    assert found.seconds < 60


def test_what_is_under_way_is_counted_by_status_with_its_oldest(engine: Engine) -> None:
    record(engine, S.PENDING)
    record(engine, S.PENDING, S.ROUTING)
    record(engine, S.PENDING, S.EXPIRED)
    found = {each.status: each.count for each in PostgresOperations(engine).unfinished()}
    assert found == {S.PENDING: 1, S.ROUTING: 1}


def test_oldest_of_what_is_under_way_and_of_what_rests_is_told(engine: Engine) -> None:
    store, now = on_postgres(engine), datetime.now(UTC)
    # Those of a batch are accepted at one moment.
    for age_s in (5, 30, 10, 10):
        store.created(an_order(accepted_at=now - timedelta(seconds=age_s)), S.PENDING)
    for age_s in (7, 7, 50):
        order = an_order(accepted_at=now - timedelta(seconds=age_s))
        store.created(changed(order, **RESTING), S.PENDING, S.OPEN)
    found = {
        (each.status, each.order_type): (each.count, now - each.oldest_at)
        for each in PostgresOperations(engine).unfinished()
    }
    assert found == {
        (S.PENDING, OrderType.MARKET): (4, timedelta(seconds=30)),
        (S.OPEN, OrderType.LIMIT): (3, timedelta(seconds=50)),
    }


def test_connections_are_counted_until_their_time_is_up(engine: Engine) -> None:
    for name in ("one=", "two=", "gone="):
        on_postgres(engine).connected(name, False)
    assert PostgresOperations(engine).connections() == 3
    with engine.begin() as connection:
        ended = "UPDATE connections SET expires_at = clock_timestamp() WHERE connection_id = 'gone='"
        connection.execute(text(ended))
    assert PostgresOperations(engine).connections() == 2


def test_dead_letters_come_newest_first_with_where_their_order_stands(engine: Engine) -> None:
    order_id = record(engine, S.PENDING, S.EXPIRED)
    with engine.begin() as connection:
        # Two of them at one moment.
        for number, second in enumerate((0, 1, 1, 2)):
            order = str(order_id) if number == 3 else None
            connection.execute(_LETTER, {"id": f"m{number}", "order": order, "s": second})
    found = PostgresOperations(engine).dead_letters(limit=2, before=None)
    assert [(each.message_id, each.order_status) for each in found] == [("m3", S.EXPIRED), ("m2", None)]
    older = PostgresOperations(engine).dead_letters(limit=2, before=(found[-1].archived_at, "m2"))
    assert [each.message_id for each in older] == ["m1", "m0"]
    assert PostgresOperations(engine).dead_letter("m3") == found[0]
    assert PostgresOperations(engine).dead_letter("m4") is None


def test_refusals_are_added_up_by_code_with_the_rights_of_a_function_and_old_minutes_are_used_again(
    engine: Engine,
) -> None:
    assert grant(engine)
    with as_function(engine) as function:
        tally, shown = PostgresRefusalTally(function), PostgresOperations(function)
        assert shown.refusals() == {}
        tally.add({"INVALID_JSON": 2, "RATE_LIMITED": 40})
        tally.add({"RATE_LIMITED": 2})
        assert shown.refusals() == {"INVALID_JSON": 2, "RATE_LIMITED": 42}
        with engine.begin() as connection:
            # Every slot is of five minutes ago, as after a quiet while.
            connection.execute(
                text(
                    "INSERT INTO refusals SELECT slot, code, now(), 1 FROM generate_series(0, 9) AS slot,"
                    " unnest(ARRAY['INVALID_JSON', 'RATE_LIMITED']) AS code ON CONFLICT DO NOTHING"
                )
            )
            connection.execute(text("UPDATE refusals SET minute = minute - interval '5 minutes'"))
        assert shown.refusals() == {}
        tally.add({"RATE_LIMITED": 3})
        assert shown.refusals() == {"RATE_LIMITED": 3}
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM refusals")).scalar_one() == 20


_LETTER = text("""
INSERT INTO dead_letters (message_id, order_id, body, receive_count, reason, archived_at)
VALUES (:id, CAST(:order AS uuid), '{}', 10, 'why',
    '2026-11-28T03:00:00Z'::timestamptz + make_interval(secs => :s))
""")


def test_every_rule_of_the_audit_can_be_run_by_a_login_of_the_functions(engine: Engine) -> None:
    record(engine, S.PENDING, S.EXPIRED)
    assert grant(engine)
    with as_function(engine) as function:
        rules = PostgresAuditRules(function, checks(ChainName.SIMULATED, must_be_finished=False))
        before = rules.results()
        assert {each.ran_at for each in before} == {None}
        after = [rules.run(each.rule_id) for each in before]
    assert [each.violations for each in after if each.violations] == []
    assert all(each.held_at is not None for each in after)


def test_functions_may_read_all_that_operators_see(engine: Engine) -> None:
    assert grant(engine)
    with as_function(engine) as function:
        shown = PostgresOperations(function)
        assert (shown.recent().attempts, shown.connections(), shown.unfinished()) == (0, 0, [])
        assert shown.dead_letters(limit=1, before=None) == []


def test_rule_that_breaks_keeps_when_it_last_held(engine: Engine) -> None:
    broken: list[Finding] = []
    rule = ComputedCheck("a rule", lambda _connection: broken)
    rules = PostgresAuditRules(engine, [rule])
    held = rules.run("a-rule")
    broken.append(Finding("o1", "is broken"))
    found = rules.run("a-rule")
    assert (found.violations, found.held_at) == ([("o1", "is broken")], held.held_at)
    assert found.ran_at is not None
    assert held.ran_at is not None
    assert found.ran_at > held.ran_at


def test_record_too_large_for_a_request_is_refused_and_nothing_is_noted(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(engine, S.PENDING)
    monkeypatch.setattr(audit_rules, "ORDERS_MAX", 0)
    rules = PostgresAuditRules(engine, [StatementCheck("a rule", "SELECT 'a' AS subject, 'b' AS problem")])
    with pytest.raises(ConflictError) as refused:
        rules.run("a-rule")
    assert refused.value.code is Code.TOO_LARGE_TO_AUDIT
    assert rules.results()[0].ran_at is None


def test_rule_that_takes_too_long_is_ended_and_told(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_rules, "TIME_LIMIT_S", 1)
    slow = StatementCheck("a rule", "SELECT 'a' AS subject, 'b' AS problem FROM pg_sleep(3)")
    with pytest.raises(ConflictError) as refused:
        PostgresAuditRules(engine, [slow]).run("a-rule")
    assert refused.value.code is Code.TOO_LARGE_TO_AUDIT


def test_rule_that_there_is_not_is_not_found(engine: Engine) -> None:
    with pytest.raises(RefusedError) as refused:
        PostgresAuditRules(engine, []).run("no-rule")
    assert refused.value.code is Code.NOT_FOUND


def test_rules_have_different_names_in_addresses() -> None:
    names = [check.name for chain in ChainName for check in checks(chain, must_be_finished=True)]
    assert len({rule_id_of(name) for name in names}) == len(set(names))
    assert rule_id_of("every order's events, 1, 2 … n") == "every-order-s-events-1-2-n"


def test_recent_events_are_found_by_their_index_when_there_are_many(engine: Engine) -> None:
    record(engine, S.PENDING)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE order_events DISABLE TRIGGER USER"))
        connection.execute(_MANY_OLD_EVENTS)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE order_events"))
        plan = connection.execute(text(f"EXPLAIN (FORMAT JSON) {operations._recent(WINDOW_S)}")).scalar_one()
    assert "order_events_recent" in (plan if isinstance(plan, str) else json.dumps(plan))


_MANY_OLD_EVENTS = text("""
INSERT INTO order_events (order_id, seq, status, attempt, occurred_at, recorded_at, data)
SELECT order_id, n, 'routing', 1, now(), now() - make_interval(secs => 100000 - n), '{}'
FROM orders, generate_series(2, 40000) AS n
""")


def test_consumers_of_the_last_minute_are_counted_with_the_oldest_message_that_they_took(
    engine: Engine,
) -> None:
    notes, seen = PostgresConsumerNotes(engine), PostgresOperations(engine)
    assert seen.consumers() == Consumers(0, None)
    one, other = uuid4(), uuid4()
    notes.note(one, 500)
    notes.note(one, 40)
    notes.note(other, 7)
    assert seen.consumers() == Consumers(2, 40)
    for ago in ("1 minute", "2 hours"):
        with engine.begin() as connection:
            connection.execute(
                text(
                    "UPDATE consumers SET seen_at = now() - CAST(:ago AS interval) WHERE consumer_id = :one"
                ),
                {"one": one, "ago": ago},
            )
        assert seen.consumers() == Consumers(1, 7)
    notes.note(other, 8)
    assert seen.consumers() == Consumers(1, 8)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM consumers")).scalar_one() == 1
