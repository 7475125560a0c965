"""What landed for an order since the record's moment, as nodes tell it."""

import base64
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest

from chalicelib.adapters import base58
from chalicelib.adapters.solana.chain_view import ChainReader
from chalicelib.adapters.solana.fills import Names
from chalicelib.adapters.solana.instructions import memo
from chalicelib.adapters.solana.keys import address_of
from chalicelib.adapters.solana.lost_transactions import BEFORE_S, SolanaLostTransactions
from chalicelib.adapters.solana.message_reader import SIGNATURE_BYTES
from chalicelib.adapters.solana.messages import v0_message
from chalicelib.adapters.solana.programs import MEMO, PROGRAM_IDS, Cluster
from chalicelib.adapters.solana.rpc_calls import RpcCall
from chalicelib.adapters.solana.rpc_errors import NodeError, RpcError
from chalicelib.adapters.solana.signer import SeedKey
from chalicelib.adapters.solana.signing import sign
from chalicelib.adapters.solana.swap_message import mark_of
from chalicelib.adapters.solana.trading_wallet import TradingWallet
from chalicelib.domain.errors import Code, RefusedError, RetryableError
from chalicelib.domain.orders import Order
from chalicelib.domain.transactions import ChainView, SignatureStatus, TransactionStatus
from tests.fakes.orders import an_order
from tests.unit.adapters.solana.fake_node import FakeNode, nodes_of

KEY, OTHER = SeedKey(b"k" * 32), SeedKey(b"o" * 32)
MOMENT = datetime(2026, 11, 30, 8, tzinfo=UTC)
AFTER_S = int(MOMENT.timestamp()) + 60
LONG_BEFORE_S = int(MOMENT.timestamp()) - BEFORE_S - 1
HEIGHT = 900
FAULT = {"InstructionError": [0, {"Custom": 1}]}


class Reader(ChainReader):
    """Shows every transaction that it is asked for as what ``status`` says."""

    def __init__(self, nodes: Sequence[FakeNode], witnesses: int) -> None:
        names = Names(PROGRAM_IDS[Cluster.MAINNET], {}, {})
        super().__init__(nodes_of(*nodes), lambda: names, time_limit_s=5, witnesses=witnesses)
        self.status = TransactionStatus(SignatureStatus.LANDED, 7, 10, 20)

    def view(self, signatures: Sequence[str], **_: Any) -> ChainView:
        return ChainView(HEIGHT, dict.fromkeys(signatures, self.status))


class Histories:
    """Nodes that tell of a wallet what a test says has landed."""

    def __init__(self, nodes: int = 1, witnesses: int = 1) -> None:
        self.nodes = [FakeNode(f"node {place}") for place in range(nodes)]
        self.reader = Reader(self.nodes, witnesses)
        self.lost = self.anew()

    def anew(self) -> SolanaLostTransactions:
        """Return what looks as another process does."""
        return SolanaLostTransactions(
            nodes_of(*self.nodes), self.reader, _wallet_of, restored_to=MOMENT, time_limit_s=5
        )

    def landed(
        self,
        order: Order,
        *,
        attempt: int = 1,
        key: SeedKey = KEY,
        unix_time: int | None = AFTER_S,
        err: Any = None,
        is_memo_told: bool = True,
        nodes: Sequence[int] = (0,),
        borne: str | None = None,
    ) -> str:
        """Have a transaction of an order be in the history that some nodes show; return its signature.

        ``borne``: The mark that it really bears, where the nodes tell another one.
        """
        mark = mark_of(order.order_id, attempt)
        message = v0_message(key.key, [memo(borne or mark, key.key)], bytes([attempt % 256] * 32))
        made = sign(message, {key.key: key.sign})
        told = {"signature": made.signature, "slot": 7, "err": err, "blockTime": unix_time}
        told["memo"] = f"[{len(mark)}] {mark}" if is_memo_told else None
        keys = [address_of(KEY.key), address_of(MEMO)]
        call = {"programIdIndex": 1, "accounts": [0], "data": base58.encode(mark.encode())}
        for place in nodes:
            node = self.nodes[place]
            node.histories.setdefault(keys[0], []).insert(0, told)
            node.wires[made.signature] = base64.b64encode(made.wire).decode()
            node.transactions[made.signature] = {
                "slot": 7,
                "transaction": {"message": {"accountKeys": keys, "instructions": [call]}},
                "meta": {"err": err, "fee": 5_000, "preBalances": [9, 1], "postBalances": [4, 1]},
            }
        return made.signature


def _wallet_of(account_id: str) -> TradingWallet:
    if account_id == "without":
        raise RefusedError(Code.INSUFFICIENT_FUNDS, "the account has no wallet")
    return TradingWallet(KEY.key, KEY.key)


@pytest.mark.parametrize("is_memo_told", [True, False])
def test_what_landed_for_an_order_is_found_with_its_bytes_and_what_it_did(*, is_memo_told: bool) -> None:
    told, order = Histories(), an_order()
    signature = told.landed(order, attempt=2, is_memo_told=is_memo_told)
    found = told.lost.of([order, an_order()])
    assert found.keys() == {order.order_id}
    lost = found[order.order_id]
    assert (lost.transaction.signature, lost.attempt, lost.status) == (signature, 2, told.reader.status)
    assert base64.b64encode(lost.transaction.payload).decode() == told.nodes[0].wires[signature]
    assert lost.transaction.last_valid_height > HEIGHT


def test_what_the_chain_refused_executed_nothing() -> None:
    told, order = Histories(), an_order()
    told.landed(order, err=FAULT)
    assert told.lost.of([order]) == {}


def test_account_without_a_wallet_has_sent_nothing() -> None:
    assert Histories().lost.of([an_order(account_id="without")]) == {}


def test_history_is_read_back_to_before_the_moment_and_once() -> None:
    told, orders = Histories(), [an_order() for _ in range(5)]
    told.nodes[0].history_page = 2
    told.landed(orders[0], unix_time=LONG_BEFORE_S - 10)
    told.landed(orders[1], unix_time=LONG_BEFORE_S)
    told.landed(orders[2], unix_time=None)
    told.landed(orders[3])
    told.landed(orders[4])
    assert told.lost.of(orders).keys() >= {each.order_id for each in orders[2:]}
    asked = told.nodes[0].count("getSignaturesForAddress")
    assert asked == 2
    told.lost.of(orders)
    assert told.nodes[0].count("getSignaturesForAddress") == asked


@pytest.mark.parametrize(("began_s", "is_told"), [(AFTER_S, False), (LONG_BEFORE_S, True), (None, False)])
def test_node_whose_ledger_begins_after_the_moment_proves_nothing(
    began_s: int | None, *, is_told: bool
) -> None:
    told, order = Histories(), an_order()
    told.nodes[0].first_block, told.nodes[0].block_unix_time = 5, began_s
    if is_told:
        assert told.lost.of([order]) == {}
    else:
        with pytest.raises(RetryableError):
            told.lost.of([order])


def test_node_that_lacks_the_first_block_that_it_names_tells_by_the_next_one() -> None:
    told, order = Histories(), an_order()
    node = told.nodes[0]
    node.first_block, node.block_unix_time = 5, LONG_BEFORE_S

    def skip(call: RpcCall) -> None:
        if call.method == "getBlock" and call.params[0] == node.first_block:
            raise RpcError(
                -32007, "Slot 5 was skipped, or missing due to ledger jump to recent snapshot", None
            )

    node.on_call = skip
    assert told.lost.of([order]) == {}


def test_one_node_that_hides_it_is_not_believed_where_two_have_to_agree() -> None:
    told, order = Histories(nodes=3, witnesses=2), an_order()
    told.landed(order, nodes=(1, 2))
    assert told.lost.of([order]).keys() == {order.order_id}


def test_silent_nodes_are_a_passing_fault_and_asked_again() -> None:
    told, order = Histories(), an_order()
    told.landed(order)
    told.nodes[0].without.add("getSignaturesForAddress")
    with pytest.raises(RetryableError):
        told.lost.of([order])
    told.nodes[0].without.clear()
    assert told.anew().of([order]).keys() == {order.order_id}


def test_history_that_is_too_long_for_one_look_is_read_on_by_the_next_one() -> None:
    told, order = Histories(), an_order()
    node = told.nodes[0]
    node.history_page = 1
    told.landed(order, unix_time=LONG_BEFORE_S)
    for _ in range(3):
        told.landed(an_order())
    answered: list[str | None] = []

    def limited(call: RpcCall) -> None:
        if call.method == "getSignaturesForAddress":
            if node.count(call.method) % 2 == 0:
                raise NodeError("out of time")
            answered.append(call.params[-1].get("before"))

    node.on_call = limited
    assert told.lost.of([order]).keys() == {order.order_id}
    assert (answered[0], len(answered), len({*answered})) == (None, 4, 4)


def test_node_that_tells_the_same_page_for_ever_is_passed_over_and_another_one_believed() -> None:
    told, order = Histories(nodes=2), an_order()
    signature = told.landed(order, nodes=(1,))
    told.landed(an_order(), nodes=(0,))

    def forget(call: RpcCall) -> None:
        config = call.params[-1] if call.method == "getSignaturesForAddress" else {}
        asked = told.nodes[0].count(call.method)
        assert asked < 100, "it reads on and on"
        config.pop("before", None)

    told.nodes[0].on_call = forget
    assert told.lost.of([order])[order.order_id].transaction.signature == signature


def test_what_is_not_shown_as_landed_now_is_no_reason_to_sign_anew() -> None:
    told, order = Histories(), an_order()
    told.landed(order)
    told.reader.status = TransactionStatus(SignatureStatus.UNKNOWN)
    with pytest.raises(RetryableError):
        told.lost.of([order])


def test_bytes_of_another_transaction_are_not_taken() -> None:
    told, order, other = Histories(), an_order(), an_order()
    signature = told.landed(order)
    told.nodes[0].wires[signature] = told.nodes[0].wires[told.landed(other)]
    with pytest.raises(RetryableError):
        told.lost.of([order])


def test_our_message_under_a_strangers_signature_is_not_taken() -> None:
    told, elsewhere, order = Histories(), Histories(), an_order()
    signature = told.landed(order, key=OTHER)
    ours = base64.b64decode(elsewhere.nodes[0].wires[elsewhere.landed(order)])
    forged = ours[:1] + base58.decode(signature) + ours[1 + SIGNATURE_BYTES :]
    told.nodes[0].wires[signature] = base64.b64encode(forged).decode()
    with pytest.raises(RetryableError):
        told.lost.of([order])


def test_mark_in_a_strangers_transaction_neither_confirms_an_order_nor_holds_it() -> None:
    told, order, other = Histories(), an_order(), an_order()
    told.landed(order, key=OTHER)
    told.landed(other, key=OTHER)
    signature = told.landed(other)
    told.landed(other, key=OTHER, attempt=2)
    found = told.lost.of([order, other])
    assert [(id_, lost.transaction.signature) for id_, lost in found.items()] == [(other.order_id, signature)]
    asked = told.nodes[0].count("getTransaction")
    assert told.lost.of([order]) == {}
    assert told.nodes[0].count("getTransaction") == asked


def test_order_is_not_confirmed_by_the_transaction_of_another_one_whatever_a_node_tells_of_it() -> None:
    told, order, other = Histories(), an_order(), an_order()
    told.landed(order, borne=mark_of(other.order_id, 1))
    told.landed(order, attempt=2, borne=mark_of(order.order_id, 3))
    assert told.lost.of([order]) == {}


def test_transaction_of_an_order_that_was_tried_for_weeks_is_found() -> None:
    told, order = Histories(), an_order()
    told.landed(order, attempt=8_640)
    told.landed(order, key=OTHER, attempt=10**9)
    assert told.lost.of([order])[order.order_id].attempt == 8_640


def test_wallet_to_which_a_stranger_sent_dust_a_thousand_times_is_read_on_by_the_next_look() -> None:
    told, order = Histories(), an_order()
    node = told.nodes[0]
    told.landed(order, is_memo_told=False)
    for _ in range(1_000):
        told.landed(an_order(), is_memo_told=False)
    answered: list[str] = []

    def limited(call: RpcCall) -> None:
        if call.method == "getTransaction":
            answered.append(call.params[0])
            if len(answered) % 100 == 0:
                raise NodeError("out of time")

    node.on_call = limited
    for _ in range(100):
        with suppress(RetryableError):
            assert told.lost.of([order]).keys() == {order.order_id}
            break
    assert len(answered) < 2_000
