"""Blocks, validity, repetition, views of the past, and the state on disk."""

from pathlib import Path

import pytest
from solders.compute_budget import set_compute_unit_limit, set_compute_unit_price
from solders.hash import Hash
from solders.keypair import Keypair
from solders.message import MessageV1, TransactionConfig
from solders.transaction import VersionedTransaction

from chalicelib.adapters.solana.keys import Pubkey
from infra.chain.chain import BLOCKHASH_BLOCKS, HISTORY_BLOCKS, Commitment
from infra.chain.fork import ForkError
from infra.chain.network import network
from infra.chain.transactions import MalformedError, TransactionError, parse
from tests.unit.infra.chain.builders import SOL, Time, a_chain, a_wallet, balance, pay, signed

FEE = 5000


def test_a_transfer_lands_and_its_fee_is_paid(tmp_path: Path) -> None:
    chain = a_chain(tmp_path)
    source, to = a_wallet(chain), Keypair()
    outcome = chain.land(chain.prepare(signed(chain, source, [pay(source, to, SOL)])))
    assert (outcome.err, outcome.fee) == (None, FEE)
    assert (balance(chain, source), balance(chain, to)) == (99 * SOL - FEE, SOL)


def test_the_priority_fee_is_paid_for_the_limit_and_not_for_what_was_used(tmp_path: Path) -> None:
    chain = a_chain(tmp_path)
    source, to = a_wallet(chain), Keypair()
    budget = [set_compute_unit_limit(100_001), set_compute_unit_price(1_500_000)]
    outcome = chain.land(chain.prepare(signed(chain, source, [*budget, pay(source, to, SOL)])))
    assert outcome.fee == FEE + 150_002  # 150,001.5 lamports, rounded up
    assert balance(chain, source) == 99 * SOL - outcome.fee


def test_a_transaction_that_fails_pays_its_fee_and_changes_nothing_else(tmp_path: Path) -> None:
    chain = a_chain(tmp_path)
    source, to = a_wallet(chain, SOL), Keypair()
    outcome = chain.land(chain.prepare(signed(chain, source, [pay(source, to, 2 * SOL)])))
    assert outcome.err == {"InstructionError": [0, {"Custom": 1}]}
    assert (balance(chain, source), balance(chain, to)) == (SOL - FEE, 0)


def test_the_same_transaction_lands_once(tmp_path: Path) -> None:
    chain = a_chain(tmp_path)
    source, to = a_wallet(chain), Keypair()
    transaction = signed(chain, source, [pay(source, to, SOL)])
    chain.land(chain.prepare(transaction))
    for _ in range(BLOCKHASH_BLOCKS):
        chain.seal()
        with pytest.raises(TransactionError) as refused:
            chain.land(chain.prepare(transaction))
        assert refused.value.err in {"AlreadyProcessed", "BlockhashNotFound"}
    assert balance(chain, to) == SOL


def test_a_blockhash_lives_for_150_blocks_and_no_longer(tmp_path: Path) -> None:
    chain = a_chain(tmp_path)
    source, to = a_wallet(chain), Keypair()
    blockhash, last = chain.latest_blockhash(chain.view(Commitment.PROCESSED))
    assert last == chain.tip.height + BLOCKHASH_BLOCKS
    first, second = (
        signed(chain, source, [pay(source, to, SOL + more)], blockhash=blockhash) for more in (0, 1)
    )
    while chain.open.block.height < last:
        chain.seal()
    assert chain.land(chain.prepare(first)).err is None
    chain.seal()
    with pytest.raises(TransactionError) as refused:
        chain.land(chain.prepare(second))
    assert refused.value.err == "BlockhashNotFound"


def test_a_payer_without_the_fee_leaves_no_trace(tmp_path: Path) -> None:
    chain = a_chain(tmp_path)
    poor, to = a_wallet(chain, 1000), Keypair()
    for wallet, err in ((poor, "InsufficientFundsForFee"), (Keypair(), "AccountNotFound")):
        with pytest.raises(TransactionError) as refused:
            chain.land(chain.prepare(signed(chain, wallet, [pay(wallet, to, 1)])))
        assert refused.value.err == err
    assert chain.seal().landed == []


def a_v1_transaction(chain_hash: bytes, source: Keypair, to: Keypair, **config: int) -> VersionedTransaction:
    limits = {"compute_unit_limit": 1_000, "loaded_accounts_data_size_limit": 100_000, **config}
    stated = {name: value for name, value in limits.items() if value}
    message = MessageV1.try_compile(
        source.pubkey(), [pay(source, to, SOL)], Hash.from_bytes(chain_hash), TransactionConfig(**stated)
    )
    return VersionedTransaction(message, [source])


def test_version_1_pays_its_priority_fee_in_whole_lamports(tmp_path: Path) -> None:
    chain = a_chain(tmp_path)
    source, to = a_wallet(chain), Keypair()
    transaction = a_v1_transaction(chain.tip.blockhash, source, to, priority_fee=777)
    outcome = chain.land(chain.prepare(transaction))
    assert (outcome.err, outcome.fee) == (None, FEE + 777)
    assert balance(chain, source) == 99 * SOL - FEE - 777


def test_version_1_without_its_limits_does_not_run(tmp_path: Path) -> None:
    chain = a_chain(tmp_path)
    source, to = a_wallet(chain), Keypair()
    with pytest.raises(TransactionError) as refused:
        chain.prepare(a_v1_transaction(chain.tip.blockhash, source, to, loaded_accounts_data_size_limit=0))
    assert refused.value.err == "InvalidLoadedAccountsDataSizeLimit"
    outcome = chain.land(
        chain.prepare(a_v1_transaction(chain.tip.blockhash, source, to, compute_unit_limit=0))
    )
    assert outcome.err == {"InstructionError": [0, "ComputationalBudgetExceeded"]}
    assert balance(chain, to) == 0


@pytest.mark.parametrize("damage", [b"", b"\x01", b"\x81" * 90])
def test_bytes_that_are_no_transaction_are_told_as_such(damage: bytes) -> None:
    with pytest.raises(MalformedError):
        parse(damage)


def test_bytes_behind_a_transaction_are_refused(tmp_path: Path) -> None:
    chain = a_chain(tmp_path)
    source = a_wallet(chain)
    with pytest.raises(MalformedError):
        parse(bytes(signed(chain, source, [pay(source, Keypair(), SOL)])) + b"\0")


def test_a_commitment_shows_the_state_as_of_its_block(tmp_path: Path) -> None:
    chain = a_chain(tmp_path)
    source, to = a_wallet(chain), Keypair()
    seen = []
    for number in range(6):
        chain.land(chain.prepare(signed(chain, source, [pay(source, to, SOL + number)])))
        seen.append(balance(chain, to))
        chain.seal()
    confirmed, finalized = (
        chain.view(commitment) for commitment in (Commitment.CONFIRMED, Commitment.FINALIZED)
    )
    assert balance(chain, to) == seen[5]
    assert balance(chain, to, confirmed.slot) == seen[4]
    assert balance(chain, to, finalized.slot) == seen[2]
    assert chain.view(Commitment.CONFIRMED, behind=3).slot == confirmed.slot - 3


def test_everything_that_was_sealed_is_there_after_a_restart(tmp_path: Path) -> None:
    chain = a_chain(tmp_path)
    source, to = a_wallet(chain), Keypair()
    sealed = signed(chain, source, [pay(source, to, SOL)])
    chain.land(chain.prepare(sealed))
    tip = chain.seal().block
    lost = signed(chain, source, [pay(source, to, 5 * SOL)])
    chain.land(chain.prepare(lost))
    chain._store.close()  # the block that was open is gone, as it is when the process dies

    again = a_chain(tmp_path)
    assert again.tip == tip
    assert (balance(again, source), balance(again, to)) == (99 * SOL - FEE, SOL)
    assert again.status(bytes(sealed.signatures[0]), history=False) == (tip.slot, None)
    assert again.status(bytes(lost.signatures[0]), history=True) is None
    with pytest.raises(TransactionError) as refused:
        again.land(again.prepare(sealed))
    assert refused.value.err == "AlreadyProcessed"
    assert again.land(again.prepare(lost)).err is None


def test_time_on_chain_never_runs_backwards(tmp_path: Path) -> None:
    time = Time()
    chain = a_chain(tmp_path, time=time)
    before = chain.seal().block
    time.seconds -= 1000
    chain.seal()
    assert chain.clock.unix_timestamp >= before.unix_time


def test_skipped_slots_have_no_block_and_count_no_height(tmp_path: Path) -> None:
    chain = a_chain(tmp_path)
    before = chain.seal(skipped=3).block
    after = chain.seal().block
    assert (after.slot - before.slot, after.height - before.height) == (4, 1)
    assert chain.block_at(before.slot + 1) is None
    assert chain.slots_between(before.slot, after.slot) == [before.slot, after.slot]


def test_recent_fees_are_the_least_paid_with_all_these_accounts_locked(tmp_path: Path) -> None:
    chain = a_chain(tmp_path)
    source, to = a_wallet(chain), Keypair()
    for price in (900, 400):
        budget = [set_compute_unit_price(price)]
        chain.land(chain.prepare(signed(chain, source, [*budget, pay(source, to, SOL)])))
    block = chain.seal().block
    view = chain.view(Commitment.PROCESSED)
    locked = frozenset(chain.sealed[-1].paid[0][1])
    assert dict(chain.recent_fees(locked, view))[block.slot] == 400
    assert dict(chain.recent_fees(frozenset({bytes(32)}), view))[block.slot] == 0  # type: ignore[arg-type]


def test_the_first_block_is_remembered_however_many_empty_ones_follow(tmp_path: Path) -> None:
    chain = a_chain(tmp_path)
    first = chain.block_at(chain.first_slot)
    assert first is not None
    for _ in range(3 * HISTORY_BLOCKS):
        chain.seal()
    assert chain.first_slot == first.slot
    assert chain.block_at(first.slot) == first


def test_blocks_go_on_while_the_node_to_copy_from_does_not_answer(tmp_path: Path) -> None:
    chain = a_chain(tmp_path)
    source = a_wallet(chain)
    made = network(chain, block_ms=None)
    made.arrivals.deliver(signed(chain, source, [pay(source, Keypair(), SOL)]), after_blocks=1)

    def fails(keys: list[Pubkey]) -> None:
        raise ForkError(f"{len(keys)} accounts, and no answer")

    chain.fetch = fails
    made.seal()
    assert (made.arrivals.waiting, chain.open.landed) == ([], [])
