"""What our wallets sent with our mark: of orders on record, archived, forgotten, and of none."""

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from chalicelib.adapters.archive_folder import FolderArchiveStore
from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.adapters.solana.chain_audit import wallets_of_unfinished
from chalicelib.adapters.solana.record_comparison import Difference, Rule
from chalicelib.adapters.solana.rpc_calls import RpcCall
from chalicelib.adapters.solana.signer import SeedSigner, desk_key_of
from chalicelib.adapters.solana.swap_message import mark_of
from chalicelib.bootstrap.archiving import archiver
from chalicelib.domain.statuses import OrderStatus
from tests.contract.records import on_postgres
from tests.fakes.orders import an_order
from tests.integration.archives import DAYS, archiving, ended
from tests.integration.solana.test_chain_audit import KEY, MARK, UP_TO, Chain, shown


@pytest.fixture
def chain(database_url: str) -> Iterator[Chain]:
    """A chain and a record whose wallet has an order under way, so that its history is looked at."""
    engine = make_engine(database_url)
    made = Chain(engine)
    made.landed(made.sent(an_order()), MARK)
    yield made
    engine.dispose()


def confirming(order_id: UUID) -> str:
    """Return the signature that an order shows which ``ended`` has put on record."""
    return f"sig-{order_id}-1"


def stray(signature: str) -> Difference:
    return Difference(Rule.ON_RECORD, signature, "it landed, and no attempt has it")


def test_transaction_of_our_wallet_that_bears_our_mark_and_is_not_on_record_is_found(chain: Chain) -> None:
    chain.landed("stray", MARK)
    chain.landed("later than the record was read", MARK, slot=UP_TO + 1)
    chain.landed("moved nothing", MARK, err={"InstructionError": [0, {"Custom": 1}]})
    for other in ("lunch", f" {MARK}", MARK.upper(), f"{MARK}x"):
        chain.landed(f"without our mark, {other}", other)
    assert shown(chain.found()) == [stray("stray")]


def test_wallet_that_no_attempt_names_is_looked_at_where_an_order_of_its_account_is_unfinished(
    database_url: str,
) -> None:
    engine = make_engine(database_url)
    chain, seeds = Chain(engine), SeedSigner(b"seed")
    store = on_postgres(engine)
    for account_id, is_finished in (("rests", False), ("is done", True)):
        claimed = store.created(an_order(account_id=account_id))
        if is_finished:
            store.moved(claimed, OrderStatus.EXPIRED)
    wanted = {bytes(seeds.wallet("rests").authority), bytes(desk_key_of(b"seed").key)}
    with engine.connect() as connection:
        wallets = set(map(bytes, wallets_of_unfinished(connection, b"seed")))
        assert wallets == wanted
        chain.landed("stray", MARK)
        assert shown(chain.audit.run(connection, up_to_slot=UP_TO)) == []
        found = chain.audit.run(connection, up_to_slot=UP_TO, wallets=[KEY.key])
    assert shown(found) == [stray("stray")]
    engine.dispose()


def test_wallets_whole_history_is_read(chain: Chain) -> None:
    chain.node.history_page = 2
    for number in range(5):
        chain.landed(f"stray {number}", MARK)
    assert {one.subject for one in shown(chain.found())} == {f"stray {number}" for number in range(5)}
    assert chain.node.count("getSignaturesForAddress") == 4


def test_node_that_tells_the_same_page_for_ever_leaves_unknown_what_a_wallet_sent(chain: Chain) -> None:
    def forget(call: RpcCall) -> None:
        if call.method == "getSignaturesForAddress":
            assert chain.node.count(call.method) < 100, "it reads on and on"
            call.params[-1].pop("before", None)

    chain.node.on_call = forget
    chain.landed("stray", MARK)
    found = shown(chain.found())
    assert {each.rule for each in found} == {Rule.ON_RECORD}
    assert any(each.is_unknown and "told before" in each.problem for each in found)


@pytest.mark.parametrize(("is_memo_told", "fetched"), [(True, 0), (False, 2)])
def test_what_confirmed_archived_orders_is_no_stray_and_is_fetched_only_from_nodes_that_tell_no_memo(
    chain: Chain, tmp_path: Path, *, is_memo_told: bool, fetched: int
) -> None:
    for order_id in ended(chain.engine, 2):
        chain.landed(confirming(order_id), mark_of(order_id, 1), is_memo_told=is_memo_told)
    assert archiving(chain.engine, tmp_path).run().orders == 2
    assert shown(chain.found()) == []
    assert chain.node.count("getTransaction") == fetched


def test_second_transaction_of_an_archived_order_is_found(chain: Chain, tmp_path: Path) -> None:
    (order_id,) = ended(chain.engine)
    assert archiving(chain.engine, tmp_path).run().orders == 1
    chain.landed("second", mark_of(order_id, 2))
    assert shown(chain.found()) == [stray("second")]


def forgotten(chain: Chain, archives: Path) -> UUID:
    """Archive and forget an order that was confirmed; return its id."""
    (order_id,) = ended(chain.engine, days_ago=402)
    chain.landed(confirming(order_id), mark_of(order_id, 1))
    store = FolderArchiveStore(archives)
    assert archiver(chain.engine, store, retention_days=DAYS, kept_days=400).run().forgotten == 1
    return order_id


def test_what_confirmed_a_forgotten_order_is_found_in_its_archive(chain: Chain, tmp_path: Path) -> None:
    order_id = forgotten(chain, tmp_path)
    chain.landed("second", mark_of(order_id, 2))
    assert {one.subject for one in shown(chain.found())} == {confirming(order_id), "second"}
    chain.audit = chain.auditing(tmp_path)
    fetched = chain.node.count("getTransaction")
    assert shown(chain.found()) == [stray("second")]
    assert chain.node.count("getTransaction") == fetched + 1


@pytest.mark.parametrize("content", [None, b"not what was written"])
def test_archive_that_is_missing_or_changed_explains_nothing(
    chain: Chain, tmp_path: Path, content: bytes | None
) -> None:
    order_id = forgotten(chain, tmp_path)
    chain.audit = chain.auditing(tmp_path)
    (file,) = (each for each in tmp_path.rglob("*") if each.is_file())
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    assert shown(chain.found()) == [stray(confirming(order_id))]
