"""What a captured function does that its rights allow, and that the audit finds, which its owner runs
elsewhere.

What rights refuse is in ``test_captured_rights.py``, what is admitted in ``test_captured_admissions.py``.
"""

from collections.abc import Callable

import pytest
from sqlalchemy import text

from chalicelib.domain.statuses import OrderStatus
from chalicelib.prepare import prepare
from tests.security.captured import Captured, Exchange, captured
from tests.security.forgeries import (
    books,
    confirms,
    forges_an_order,
    says,
    sent_order,
)


def test_audit_of_what_the_functions_did_finds_nothing(attacker: Captured) -> None:
    found = attacker.one(
        "SELECT count(*) FILTER (WHERE status = 'confirmed') AS ended, count(*) AS all FROM orders"
    )
    assert (found.ended, found.all) == (6, 7)
    assert attacker.findings() == set()


Attack = Callable[[Captured], object]


def raises_a_wallet(it: Captured) -> None:
    it.run("UPDATE market.wallets SET balance = balance + 1000 WHERE token = 'SOL'")


def raises_wallet_and_lowers_vault(it: Captured) -> None:
    wallet = it.one("SELECT wallet FROM market.transactions WHERE order_id IS NOT NULL LIMIT 1").wallet
    it.run("UPDATE market.wallets SET balance = balance + 9 WHERE token = 'SOL' AND address = :w", w=wallet)
    it.run(
        "UPDATE market.vaults SET protocol_fees = protocol_fees - 9"
        " WHERE ctid = (SELECT ctid FROM market.vaults"
        " WHERE token = 'SOL' AND protocol_fees > 9 LIMIT 1)"
    )


def takes_from_another_wallet(it: Captured) -> None:
    there = it.one(
        "SELECT min(address) AS one, max(address) AS other FROM market.wallets WHERE token = 'SOL'"
    )
    it.run(
        "UPDATE market.wallets SET balance = balance + 5 WHERE token = 'SOL' AND address = :a", a=there.one
    )
    it.run(
        "UPDATE market.wallets SET balance = balance - 5 WHERE token = 'SOL' AND address = :a", a=there.other
    )


def takes_from_one_pool_for_another(it: Captured) -> None:
    pools = it.one("SELECT min(pool_id) AS one, max(pool_id) AS other FROM market.vaults WHERE token = 'SOL'")
    it.run(
        "UPDATE market.vaults SET tradable = tradable + 5 WHERE token = 'SOL' AND pool_id = :p", p=pools.one
    )
    it.run(
        "UPDATE market.vaults SET tradable = tradable - 5 WHERE token = 'SOL' AND pool_id = :p", p=pools.other
    )


def moves_a_price(it: Captured) -> None:
    it.run(
        "UPDATE market.pools SET state = jsonb_set(state, '{liquidity}', '1'), version = version + 1"
        " WHERE kind = 'clmm'"
    )


def empties_a_bin(it: Captured) -> None:
    it.run("UPDATE market.bins SET amount_x = 0 WHERE amount_x > 0")


def marks_a_sent_attempt_dead_that_landed(it: Captured) -> None:
    """So that the next consumer signs another one."""
    order_id = sent_order(it)
    books(it, order_id)
    it.run("UPDATE attempts SET outcome = 'dead', resolved_at = now() WHERE order_id = :id", id=order_id)


def marks_a_sent_attempt_landed(it: Captured) -> None:
    it.run(
        "UPDATE attempts SET outcome = 'landed', resolved_at = now() WHERE order_id = :id", id=sent_order(it)
    )


def books_more_than_the_pool_would_pay(it: Captured) -> None:
    """All rows agree with each other, and the wallet signed for that or less."""
    confirms(it, sent_order(it), output_units=10**9)


def books_less_than_was_signed(it: Captured) -> None:
    confirms(it, sent_order(it), output_units=1)


def confirms_what_never_landed(it: Captured) -> None:
    order_id = sent_order(it)
    confirms(it, order_id, output_units=10**9, is_booked=False)


def tells_other_amounts_than_were_booked(it: Captured) -> None:
    confirms(it, sent_order(it), output_units=10**9, told="777")


def forges_an_order_with_no_signature(it: Captured) -> None:
    forges_an_order(it, "alice", signature="5" * 88, payload=b"{}")


def forges_an_order_signed_with_a_key_of_its_own(it: Captured) -> None:
    forges_an_order(it, "alice")


def forges_an_order_from_a_transaction_of_another(it: Captured) -> None:
    row = it.one("SELECT signature, payload FROM attempts WHERE outcome = 'landed' LIMIT 1")
    it.run("DELETE FROM market.mempool")
    forges_an_order(it, "alice", signature=row.signature + "1", payload=bytes(row.payload))


def appends_to_a_running_order(it: Captured) -> None:
    order_id = sent_order(it)
    says(it, order_id, OrderStatus.ROUTING, {"reason": "mine"})


def appends_to_a_final_order(it: Captured) -> None:
    row = it.one("SELECT order_id FROM orders WHERE status = 'confirmed' LIMIT 1")
    says(it, row.order_id, OrderStatus.ROUTING, {})


def ends_an_order_without_a_word(it: Captured) -> None:
    it.run(
        "UPDATE orders SET status = 'failed', failure_code = 'X', seq = seq + 1 WHERE status = 'submitted'"
    )


def skips_steps(it: Captured) -> None:
    order_id = sent_order(it)
    it.run("UPDATE orders SET status = 'pending', seq = seq + 1 WHERE order_id = :id", id=order_id)
    says(it, order_id, OrderStatus.PENDING, {})


def writes_an_event_without_its_hash(it: Captured) -> None:
    it.past_the_deployment()
    order_id = sent_order(it)
    it.run("UPDATE orders SET seq = 6, status = 'routing' WHERE order_id = :id", id=order_id)
    it.run(
        "INSERT INTO order_events (order_id, seq, status, attempt, occurred_at, data)"
        " VALUES (:id, 6, 'routing', 2, now(), '{}')",
        id=order_id,
    )


def writes_an_event_with_the_hash_of_another(it: Captured) -> None:
    order_id = sent_order(it)
    it.run("UPDATE orders SET seq = 6, status = 'routing' WHERE order_id = :id", id=order_id)
    says(it, order_id, OrderStatus.ROUTING, {"reason": "mine"}, chain=b"x" * 32)


def announces_what_was_never_signed(it: Captured) -> None:
    order_id = sent_order(it)
    it.run("UPDATE orders SET seq = 7, status = 'submitted', attempt = 2 WHERE order_id = :id", id=order_id)
    says(it, order_id, OrderStatus.ROUTING, {})
    says(it, order_id, OrderStatus.SUBMITTED, {"txSignature": "x"})


def books_what_nobody_signed(it: Captured) -> None:
    books(it, sent_order(it), signature="x")


def books_for_another_order(it: Captured) -> None:
    other = it.one("SELECT order_id FROM orders WHERE account_id = 'bob' LIMIT 1").order_id
    books(it, sent_order(it), booked_order_id=other)


def books_at_another_time(it: Captured) -> None:
    books(it, sent_order(it), landed_at="2030-01-01")


FOUND: list[tuple[Attack, str]] = [
    (raises_a_wallet, "each wallet and vault"),
    (raises_wallet_and_lowers_vault, "each wallet and vault"),
    (takes_from_another_wallet, "each wallet and vault"),
    (takes_from_one_pool_for_another, "each wallet and vault"),
    (moves_a_price, "as the pools' maths would"),
    (empties_a_bin, "as the pools' maths would"),
    (marks_a_sent_attempt_dead_that_landed, "the outcome of an attempt"),
    (marks_a_sent_attempt_landed, "the outcome of an attempt"),
    (books_more_than_the_pool_would_pay, "as the pools' maths would"),
    (books_less_than_was_signed, "signed by its wallet"),
    (confirms_what_never_landed, "exactly one landed transaction"),
    (tells_other_amounts_than_were_booked, "is what the record shows"),
    (forges_an_order_with_no_signature, "signed by its wallet"),
    (forges_an_order_signed_with_a_key_of_its_own, "signed by its wallet"),
    (forges_an_order_from_a_transaction_of_another, "signed by its wallet"),
    (appends_to_a_running_order, "numbered 1, 2, 3"),
    (appends_to_a_final_order, "numbered 1, 2, 3"),
    (ends_an_order_without_a_word, "numbered 1, 2, 3"),
    (skips_steps, "the life cycle allows"),
    (writes_an_event_without_its_hash, "hash of itself and its predecessor"),
    (writes_an_event_with_the_hash_of_another, "hash of itself and its predecessor"),
    (announces_what_was_never_signed, "announced by its event"),
    (books_what_nobody_signed, "before it was on record"),
    (books_for_another_order, "signed by its wallet"),
    (books_at_another_time, "as the pools' maths would|each wallet and vault"),
]


@pytest.mark.parametrize(("attack", "check"), FOUND, ids=lambda value: getattr(value, "__name__", ""))
def test_what_rights_cannot_prevent_is_found_by_the_audit(
    attacker: Captured, attack: Attack, check: str
) -> None:
    attack(attacker)
    found = attacker.findings()
    assert any(wanted in name for name in found for wanted in check.split("|")), found


def test_own_key_for_an_account_without_a_history_is_found_with_the_seed_alone(attacker: Captured) -> None:
    forges_an_order(attacker, "nobody-yet")
    assert not any("signed by its wallet" in name for name in attacker.findings(seed=None))
    assert any("signed by its wallet" in name for name in attacker.findings())


def test_bytes_on_their_way_that_nobody_signed_keep_no_node_from_landing(exchange: Exchange) -> None:
    with exchange.app.begin() as connection:
        connection.execute(
            text("INSERT INTO market.mempool VALUES ('x', 'garbage', 9999999999, now() - interval '1 day')")
        )
    exchange.services.market.chain.view(["y"])
    with exchange.app.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM market.mempool")).scalar_one() == 0


def test_rows_from_before_the_chain_stay_auditable(make_database: Callable[[], str]) -> None:
    url = make_database()
    exchange = Exchange(url)
    exchange.trade()
    exchange.migrate_down_to("0007")
    exchange.services.engine.dispose()
    prepare(url)
    exchange.resume()
    with captured(exchange) as auditor:
        assert auditor.findings() == set()
        told = auditor.one("SELECT count(*) AS all, count(chain) AS chained FROM order_events")
        assert 0 < told.chained < told.all
        auditor.run("ALTER TABLE order_events DISABLE TRIGGER USER")
        auditor.run(
            "UPDATE order_events SET packed = '', data = data || '{\"x\": 1}' WHERE chain IS NOT NULL"
        )
        assert any("hash of itself" in name for name in auditor.findings())
    exchange.close()


def test_faucet_gives_to_a_wallet_once_and_no_more_than_its_owner_wrote_down(attacker: Captured) -> None:
    for _ in range(2):
        attacker.run('SELECT market.open_wallets(\'["mine"]\', \'["SOL", "INVENTED"]\', true)')
    claimed = attacker.one(
        "SELECT sum(balance) FILTER (WHERE token = 'SOL') AS sol,"
        " sum(balance) FILTER (WHERE token <> 'SOL') AS other,"
        " (SELECT units FROM market.faucet WHERE token = 'SOL') AS faucet"
        " FROM market.wallets WHERE address = 'mine'"
    )
    assert (claimed.sol, claimed.other) == (claimed.faucet, 0)
    assert attacker.findings() == set()
