"""The record against a chain that the test makes up: what is found, and what is unknown."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from chalicelib.adapters import base58
from chalicelib.adapters.archive_folder import FolderArchiveStore
from chalicelib.adapters.audit_checks import SHOWN_MAX
from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.adapters.solana.chain_audit import ChainAudit, ChainFindings
from chalicelib.adapters.solana.chain_view import ChainReader
from chalicelib.adapters.solana.fills import Names
from chalicelib.adapters.solana.instructions import memo
from chalicelib.adapters.solana.keys import address_of
from chalicelib.adapters.solana.messages import v0_message
from chalicelib.adapters.solana.programs import MEMO, PROGRAM_IDS, Cluster
from chalicelib.adapters.solana.record_comparison import Difference, Rule
from chalicelib.adapters.solana.rpc_errors import NodeError
from chalicelib.adapters.solana.signer import SeedKey
from chalicelib.adapters.solana.signing import sign
from chalicelib.adapters.solana.swap_message import mark_of
from chalicelib.adapters.token_list import load_tokens
from chalicelib.domain.orders import Order, OrderState
from chalicelib.domain.progress import AttemptOutcome, NewOrder, OpenAttempt, Transition
from chalicelib.domain.statuses import OrderStatus
from chalicelib.domain.transactions import ChainView, SignatureStatus, SignedTransaction, TransactionStatus
from tests.contract.records import SENT, on_postgres
from tests.fakes.orders import advanced, an_order
from tests.integration.archives import archiving, ended
from tests.unit.adapters.solana.fake_node import FakeNode, nodes_of

KEY, OTHER = SeedKey(b"k" * 32), SeedKey(b"o" * 32)
UP_TO = 1_000
MARK = mark_of(UUID(int=0xABC), 1)
UNKNOWN = TransactionStatus(SignatureStatus.UNKNOWN)
NAMES = Names(PROGRAM_IDS[Cluster.MAINNET], {}, {})


class Reader(ChainReader):
    """Shows what the test says of signatures, and none of the others; ``silent`` of the next views fail."""

    def __init__(self, node: FakeNode) -> None:
        super().__init__(nodes_of(node), lambda: NAMES, time_limit_s=5)
        self.statuses: dict[str, TransactionStatus] = {}
        self.asked: list[int] = []
        self.silent = 0

    def view(self, signatures: Sequence[str], **_: Any) -> ChainView:
        self.asked.append(len(signatures))
        if self.silent:
            self.silent -= 1
            raise NodeError("gone")
        return ChainView(10**6, {one: self.statuses.get(one, UNKNOWN) for one in signatures})


class Chain:
    """An audit of a record, against a node and a reader that the test fills."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.store = engine, on_postgres(engine)
        self.node = FakeNode()
        self.reader = Reader(self.node)
        self.pauses: list[float] = []
        self.pages: list[int] = []
        self.audit = self.auditing(None)

    def auditing(self, archives: Path | None) -> ChainAudit:
        """Return the audit with archives in a folder."""
        return ChainAudit(
            nodes_of(self.node),
            self.reader,
            load_tokens(),
            chain="solana/local",
            time_limit_s=5,
            archives=None if archives is None else FolderArchiveStore(archives),
            pause=self.pauses.append,
        )

    def found(self) -> ChainFindings:
        self.pages.clear()
        with self.engine.connect() as connection:
            findings = self.audit.run(connection, up_to_slot=UP_TO, advance=self.pages.append)
            assert self.audit.count(connection) == findings.orders == sum(self.pages)
            return findings

    def sent(self, order: Order, *, key: SeedKey = KEY) -> str:
        """Put an order on record that was sent; return its signature."""
        signed = signed_for(order.order_id, key)
        state, events = advanced(OrderState(order), *SENT, data={"txSignature": signed.signature})
        attempt = OpenAttempt(signed, 1, 10, 10, threshold_units=1)
        assert self.store.record.create([NewOrder(state, events, None, attempt=attempt)], lease_ms=0)
        return signed.signature

    def landed(
        self, signature: str, memo: str, *, slot: int = UP_TO, err: Any = None, is_memo_told: bool = True
    ) -> None:
        """Let a wallet of ours have sent a transaction with a memo, which nodes tell with its signature."""
        keys = [address_of(KEY.key), address_of(MEMO)]
        call = {"programIdIndex": 1, "accounts": [0], "data": base58.encode(memo.encode())}
        told = {"signature": signature, "slot": slot, "err": err}
        told["memo"] = f"[{len(memo)}] {memo}" if is_memo_told else None
        self.node.histories.setdefault(keys[0], []).insert(0, told)
        self.node.transactions[signature] = {
            "slot": slot,
            "transaction": {"message": {"accountKeys": keys, "instructions": [call]}},
            "meta": {"err": err, "fee": 5_000, "preBalances": [9, 1], "postBalances": [4, 1]},
        }


def signed_for(order_id: UUID, key: SeedKey = KEY) -> SignedTransaction:
    message = v0_message(key.key, [memo(mark_of(order_id, 1), key.key)], bytes(32))
    signed = sign(message, {key.key: key.sign})
    return SignedTransaction(signed.signature, signed.wire, 1_000)


def shown(findings: ChainFindings) -> list[Difference]:
    return [each for found in findings.shown.values() for each in found]


@pytest.fixture
def chain(database_url: str) -> Iterator[Chain]:
    engine = make_engine(database_url)
    yield Chain(engine)
    engine.dispose()


def test_orders_of_two_wallets_whose_transactions_are_under_way_are_in_order(chain: Chain) -> None:
    signatures = [chain.sent(an_order(), key=key) for key in (KEY, OTHER)]
    chain.landed(signatures[0], mark_of(an_order().order_id, 1))
    chain.store.created(an_order())  # was never sent, and is not asked about
    findings = chain.found()
    assert (findings.orders, findings.attempts, findings.wallets, chain.pages) == (2, 2, 2, [2])
    assert (findings.is_broken, findings.is_unknown) == (False, False)


def test_order_of_any_page_is_compared(chain: Chain) -> None:
    chain.store.begun(*(an_order() for _ in range(101)))  # their bytes are no transactions
    findings = chain.found()
    assert (findings.orders, findings.attempts, chain.reader.asked) == (101, 101, [50, 50, 1])
    assert findings.counts == {(Rule.BYTES, False): 101}
    assert len(shown(findings)) == SHOWN_MAX
    assert (findings.is_broken, findings.is_unknown) == (True, False)


def test_order_that_is_confirmed_and_has_no_attempt_is_found(chain: Chain) -> None:
    (order_id,) = ended(chain.engine)
    with chain.engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text("DELETE FROM attempts"))
    (one,) = shown(chain.found())
    assert (one.rule, one.subject, one.is_unknown) == (Rule.ONE_LANDED, str(order_id), False)


@pytest.mark.parametrize(("slot", "is_told"), [(7, False), (8, True)])
def test_confirmed_order_is_compared_with_what_was_published_of_it(
    chain: Chain, slot: int, is_told: bool
) -> None:
    signature = chain.sent(order := an_order())
    claimed = chain.store.record.claim([order.order_id], lease_ms=60_000).claimed[order.order_id]
    state, events = advanced(claimed.state, OrderStatus.CONFIRMED, data={"slot": slot})
    outcome = AttemptOutcome(signature, "landed")
    end = Transition(claimed, state, events, outcome=outcome, filled=(10**9, 150), release=True)
    assert chain.store.record.record([end], lease_ms=0)
    chain.reader.statuses[signature] = TransactionStatus(SignatureStatus.LANDED, 7, 10**9, 150)
    assert [each.rule for each in shown(chain.found())] == ([Rule.AMOUNTS] if is_told else [])


def test_archived_orders_are_not_missed(chain: Chain, tmp_path: Path) -> None:
    ended(chain.engine, 2)
    assert archiving(chain.engine, tmp_path).run().orders == 2
    chain.sent(an_order())
    findings = chain.found()
    assert (findings.orders, shown(findings)) == (1, [])


def test_page_that_no_node_answers_for_is_unknown_and_after_two_in_a_row_the_rest_is(chain: Chain) -> None:
    chain.store.begun(*(an_order() for _ in range(201)))
    chain.reader.silent = 100
    findings = chain.found()
    assert findings.counts == {(Rule.OUTCOME, True): 201}
    assert (findings.is_broken, findings.is_unknown) == (False, True)
    assert chain.reader.asked == [50] * 4  # each page twice
    assert len(chain.pauses) == 2


def test_node_that_is_silent_for_a_moment_is_asked_again(chain: Chain) -> None:
    chain.store.begun(*(an_order() for _ in range(201)))
    silent = iter([1, 2, 0, 2, 0])

    def next_page(_: int) -> None:
        chain.reader.silent = next(silent, 0)

    next_page(0)
    with chain.engine.connect() as connection:
        findings = chain.audit.run(connection, up_to_slot=UP_TO, advance=next_page)
    assert findings.counts == {(Rule.OUTCOME, True): 100, (Rule.BYTES, False): 101}


def test_wallet_whose_history_no_node_tells_is_unknown(chain: Chain) -> None:
    chain.sent(an_order())
    chain.node.failing = NodeError("gone")
    (one,) = shown(chain.found())
    assert (one.rule, one.subject, one.is_unknown) == (Rule.ON_RECORD, address_of(KEY.key), True)


def test_slot_is_the_chains(chain: Chain) -> None:
    chain.node.slot = 321
    assert chain.audit.slot() == 321
    chain.node.failing = NodeError("gone")
    with pytest.raises(NodeError):
        chain.audit.slot()
    assert chain.pauses == [2.0]
