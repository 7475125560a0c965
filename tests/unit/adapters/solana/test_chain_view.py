"""Landed, refused, unknown; and when unknown proves that a transaction never lands."""

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.adapters.solana.chain_view import REMEMBERED_BLOCKS, ChainReader
from chalicelib.adapters.solana.fills import Names
from chalicelib.adapters.solana.keys import address_of
from chalicelib.adapters.solana.programs import PROGRAM_IDS, Cluster
from chalicelib.adapters.solana.rpc_calls import RpcCall
from chalicelib.adapters.solana.rpc_errors import NodeError, RpcError
from chalicelib.domain.errors import Code
from chalicelib.domain.transactions import SignatureStatus, SignedTransaction
from tests.unit.adapters.solana.books import a_key
from tests.unit.adapters.solana.fake_node import FakeNode, nodes_of

IDS = PROGRAM_IDS[Cluster.MAINNET]
NAMES = Names(IDS, {}, {})
SENT = SignedTransaction("one", b"", 940)


def a_node(name: str = "node", *, height: int = 1_000) -> FakeNode:
    node = FakeNode(name)
    node.height, node.slot = height, height + 100
    return node


def reader(*nodes: FakeNode, witnesses: int = 1) -> ChainReader:
    return ChainReader(nodes_of(*nodes), lambda: NAMES, time_limit_s=5, witnesses=witnesses)


def is_dead(chain: ChainReader) -> bool:
    view = chain.view([SENT.signature])
    assert view.statuses[SENT.signature].signature_status is SignatureStatus.UNKNOWN
    return view.proves_dead(SENT, margin_blocks=2)


def a_failed_transaction(program: str, error: Any, logs: list[str], *, fee: int = 5_000) -> dict[str, Any]:
    keys = [address_of(a_key(1)), program]
    return {
        "slot": 1_100,
        "transaction": {
            "message": {
                "accountKeys": keys,
                "instructions": [{"programIdIndex": 1, "accounts": [], "data": ""}],
            }
        },
        "meta": {
            "err": error,
            "fee": fee,
            "preBalances": [9, 1],
            "postBalances": [4, 1],
            "logMessages": logs,
        },
    }


def test_unknown_transaction_is_dead_past_its_last_height_and_not_before() -> None:
    assert is_dead(reader(a_node(height=943)))
    assert not is_dead(reader(a_node(height=942)))


def test_statuses_older_than_the_height_are_another_nodes_and_prove_nothing() -> None:
    node = a_node()
    node.statuses_slot = node.slot - 1
    with pytest.raises(NodeError, match="statuses of slot 1099 after a height of slot 1100"):
        reader(node).view(["one"])
    other = a_node("other")
    assert is_dead(reader(node, other))
    assert other.count("getSignatureStatuses") == 1


def test_height_statuses_and_transactions_are_asked_of_one_node_in_one_request() -> None:
    first, second = a_node("first"), a_node("second")
    reader(first, second).view(["one"], last_valid={"one": 1_000})
    assert first.requests == [["getEpochInfo", "getSignatureStatuses", "getTransaction"]]
    assert second.asked == []


def test_statuses_that_a_node_looked_up_before_the_height_are_asked_for_again() -> None:
    node = a_node()
    node.statuses_slot = node.slot - 1

    def catch_up(call: RpcCall) -> None:
        if call.method == "getSignatureStatuses" and node.count("getSignatureStatuses") == 2:
            node.statuses_slot = node.slot

    node.on_call = catch_up
    assert is_dead(reader(node))
    assert node.count("getEpochInfo") == 1


def a_refused_node(name: str, *signatures: str, shows: tuple[str, ...]) -> FakeNode:
    node = a_node(name)
    error = {"InstructionError": [0, {"Custom": 6005}]}
    for one in signatures:
        node.has_status(one, err=error)
    for one in shows:
        node.transactions[one] = a_failed_transaction(address_of(IDS.cpmm), error, [])
    return node


def test_all_landed_transactions_are_fetched_together() -> None:
    node = a_refused_node("node", "one", "two", shows=("one", "two"))
    chain = reader(node)
    for number in range(20):  # nothing lands at its first look
        chain.view([f"early {number}"])
    view = chain.view(["one", "two", "three"])
    assert [status.signature_status for status in view.statuses.values()] == [
        SignatureStatus.REFUSED,
        SignatureStatus.REFUSED,
        SignatureStatus.UNKNOWN,
    ]
    assert node.requests[-2:] == [
        ["getEpochInfo", "getSignatureStatuses"],
        ["getTransaction", "getTransaction"],
    ]


def test_only_what_one_node_does_not_show_is_asked_of_the_next() -> None:
    first = a_refused_node("first", "one", "two", shows=("one",))
    second = a_refused_node("second", "one", "two", shows=("one", "two"))
    view = reader(first, second).view(["one", "two"])
    assert {status.signature_status for status in view.statuses.values()} == {SignatureStatus.REFUSED}
    assert [call.params[0] for call in second.asked if call.method == "getTransaction"] == ["two"]


def test_transaction_on_its_way_into_a_block_is_not_declared_dead() -> None:
    node = a_node()
    node.has_status("one", commitment="processed")
    assert not is_dead(reader(node))


def test_transaction_that_is_shown_before_it_can_no_longer_vanish_is_not_believed() -> None:
    node = a_refused_node("node", "one", shows=("one",))
    node.statuses["one"]["confirmationStatus"] = "processed"
    view = reader(node).view(["one"])
    assert view.statuses["one"].signature_status is SignatureStatus.UNKNOWN
    assert view.doubted == {"one"}


def test_landed_transaction_that_the_node_does_not_show_yet_is_asked_for_again_and_not_dead() -> None:
    node = a_node()
    node.has_status("one")
    assert not is_dead(reader(node))


def test_node_that_has_forgotten_that_long_ago_proves_nothing() -> None:
    node = a_node(height=5_000)
    node.first_block = node.slot - 200
    assert not is_dead(reader(node))
    node = a_node(height=945)
    node.first_block = node.slot - 155
    assert is_dead(reader(node))
    node.first_block = node.slot - 154
    assert not is_dead(reader(node))


def test_node_remembers_from_the_first_block_that_it_has_after_the_one_that_it_names() -> None:
    node, gone = a_node(height=945), RpcError(-32009, "Slot was skipped, or missing", None)
    node.first_block = node.slot - 200

    def remembered_from(blocks_gone: int) -> int:
        def lose(call: RpcCall) -> None:
            if call.method == "getBlock" and 0 <= call.params[0] - node.first_block < blocks_gone:
                raise gone

        node.on_call = lose
        return reader(node).view(["one"]).history_from

    assert [remembered_from(blocks) for blocks in (0, 1, 3)] == [745, 746, 748]
    # None of the four slots after it: one that is old enough will do.
    assert remembered_from(4) == 945 - 170


def test_node_that_shows_no_old_block_says_nothing() -> None:
    node = a_node(height=5_000)
    node.first_block = node.slot - 3_000
    for code in (-32009, -32005):
        error = RpcError(code, "no block", None)

        def lose(call: RpcCall, error: RpcError = error) -> None:
            if call.method == "getBlock":
                raise error

        node.on_call = lose
        with pytest.raises(NodeError):
            reader(node).view(["one"])


def test_node_that_does_not_say_what_it_remembers_is_trusted_with_minutes_only() -> None:
    node = a_node(height=945)
    node.without = {"getFirstAvailableBlock"}
    assert is_dead(reader(node))
    node.height, node.slot = 945 + REMEMBERED_BLOCKS, 1_045 + REMEMBERED_BLOCKS
    assert not is_dead(reader(node))


def test_what_a_node_remembers_is_not_asked_for_with_every_look() -> None:
    node = a_node()
    node.first_block = node.slot - 500
    chain = reader(node)
    first = chain.view(["one"]).history_from
    node.height, node.slot = node.height + 10, node.slot + 10
    assert chain.view(["one"]).history_from == first + 10
    assert node.count("getFirstAvailableBlock") == 1
    node.height, node.slot = node.height + 15, node.slot + 15
    chain.view(["one"])
    assert node.count("getFirstAvailableBlock") == 2


def test_what_a_node_has_forgotten_is_not_asked_while_all_can_still_land() -> None:
    node = a_node()
    reader(node).view(["one"], last_valid={"one": 1_000})
    assert node.count("getFirstAvailableBlock") == 0
    for last_valid in ({"one": 999}, {"two": 1_000}):
        node = a_node()
        assert reader(node).view(["one"], last_valid=last_valid).history_from == 0
        assert node.count("getFirstAvailableBlock") == 1


def test_landing_that_one_node_alone_shows_is_believed_only_where_one_witness_is_enough() -> None:
    first, second = a_refused_node("first", "one", shows=("one",)), a_node("second")
    assert reader(first, second).view(["one"]).statuses["one"].signature_status is SignatureStatus.REFUSED
    chain = reader(first, second, witnesses=2)
    view = chain.view(["one", "two"])
    assert {one.signature_status for one in view.statuses.values()} == {SignatureStatus.UNKNOWN}
    assert not view.proves_dead(SENT, margin_blocks=2)
    assert [(call.method, call.params[0]) for call in second.asked] == [("getTransaction", "one")]
    second.transactions["one"] = first.transactions["one"]
    assert chain.view(["one"]).statuses["one"].signature_status is SignatureStatus.REFUSED


def test_another_transaction_than_was_asked_for_is_not_believed() -> None:
    """What stands before a node puts its answers together: one order must not get another one's amounts."""
    node, other = (a_refused_node(name, "one", "two", shows=("one", "two")) for name in ("node", "other"))
    node.transactions["one"]["transaction"]["signatures"] = ["two"]
    view = reader(node).view(["one", "two"])
    assert view.statuses["one"].signature_status is SignatureStatus.UNKNOWN
    assert view.statuses["two"].signature_status is SignatureStatus.REFUSED
    assert view.doubted == {"one"}
    assert reader(node, other).view(["one"]).statuses["one"].signature_status is SignatureStatus.REFUSED


def test_third_node_decides_where_two_of_the_witnesses_that_it_takes_disagree() -> None:
    first, second, third = (
        a_refused_node("first", "one", shows=("one",)),
        a_node("second"),
        a_refused_node("third", "one", shows=("one",)),
    )
    view = reader(first, second, third, witnesses=2).view(["one"])
    assert view.statuses["one"].signature_status is SignatureStatus.REFUSED
    first, second = (a_refused_node(name, "one", shows=("one",)) for name in ("first", "second"))
    third = a_node("third")
    reader(first, second, third, witnesses=2).view(["one"])
    assert third.asked == []


def a_node_that_takes_another_fee(name: str, *signatures: str) -> FakeNode:
    node = a_refused_node(name, *signatures, shows=signatures)
    for one in signatures:
        error = node.transactions[one]["meta"]["err"]
        node.transactions[one] = a_failed_transaction(address_of(IDS.cpmm), error, [], fee=5_001)
    return node


def test_amounts_that_two_witnesses_tell_differently_hold_their_own_order_and_no_other() -> None:
    first = a_refused_node("first", "one", "two", shows=("one", "two"))
    second = a_node_that_takes_another_fee("second", "one")
    second.transactions["two"] = first.transactions["two"]
    view = reader(first, second, witnesses=2).view(["one", "two"])
    assert view.statuses["one"].signature_status is SignatureStatus.UNKNOWN
    assert not view.proves_dead(SENT, margin_blocks=2)
    assert view.statuses["two"].signature_status is SignatureStatus.REFUSED


def test_node_that_tells_amounts_that_no_other_does_is_outvoted_and_asked_last_for_a_while() -> None:
    liar = a_node_that_takes_another_fee("first", "one")
    others = [a_refused_node(name, "one", shows=("one",)) for name in ("second", "third")]
    chain = reader(liar, *others, witnesses=2)
    assert chain.view(["one"]).statuses["one"].network_fee_lamports == 5_000
    asked = len(liar.asked)
    assert chain.view(["one"]).statuses["one"].network_fee_lamports == 5_000
    assert len(liar.asked) == asked


def test_node_that_shows_another_outcome_than_the_others_is_outvoted() -> None:
    liar = a_node("first")
    liar.has_status("one")
    others = [a_refused_node(name, "one", shows=("one",)) for name in ("second", "third")]
    view = reader(liar, *others, witnesses=2).view(["one"])
    assert view.statuses["one"].signature_status is SignatureStatus.REFUSED


def test_landing_in_dispute_keeps_no_other_transaction_from_being_given_up() -> None:
    first, second = a_refused_node("first", "two", shows=("two",)), a_node("second")
    view = reader(first, second, witnesses=2).view(["one", "two"])
    assert view.dead([SENT, replace(SENT, signature="two")], margin_blocks=2) == {"one"}


def test_witnesses_that_tell_a_landing_differently_are_not_believed() -> None:
    first = a_refused_node("first", "one", shows=("one",))
    second = a_node("second")
    second.has_status("one")
    chain = reader(first, second, witnesses=2)
    assert chain.view(["one"]).statuses["one"].signature_status is SignatureStatus.UNKNOWN


def test_refusal_is_told_by_name_with_the_fee_that_it_cost() -> None:
    node = a_node()
    clmm = address_of(IDS.clmm)
    logs = [
        f"Program {clmm} invoke [1]",
        "Program log: AnchorError. Error Code: TooLittleOutputReceived. Error Number: 6022.",
        f"Program {clmm} failed: custom program error: 0x1786",
    ]
    error = {"InstructionError": [0, {"Custom": 6022}]}
    node.has_status("one", err=error)
    node.transactions["one"] = a_failed_transaction(clmm, error, logs)
    status = reader(node).view(["one"]).statuses["one"]
    assert (status.signature_status, status.refusal) == (SignatureStatus.REFUSED, Code.SLIPPAGE_EXCEEDED)
    assert status.network_fee_lamports == 5_000


def test_status_and_transaction_that_contradict_each_other_are_not_believed() -> None:
    node = a_node()
    node.has_status("one")
    node.transactions["one"] = a_failed_transaction(address_of(IDS.cpmm), "AccountInUse", [])
    assert reader(node).view(["one"]).statuses["one"].signature_status is SignatureStatus.UNKNOWN
    shows_it = a_node("second")
    shows_it.transactions["one"] = node.transactions["one"]
    # Where one is enough, another node's word has to go with the status too.
    assert reader(node, shows_it).view(["one"]).statuses["one"].signature_status is SignatureStatus.UNKNOWN
    # Of two, each node's word has to go with its own.
    alike = a_refused_node("second", "one", shows=())
    alike.transactions["one"] = node.transactions["one"]
    chain = reader(node, alike, witnesses=2)
    assert chain.view(["one"]).statuses["one"].signature_status is SignatureStatus.UNKNOWN


def test_error_in_place_of_a_transaction_leaves_its_order_open_and_no_other() -> None:
    node = a_refused_node("node", "one", "two", shows=("one", "two"))

    def fail(call: RpcCall) -> None:
        if call.method == "getTransaction" and call.params[0] == "one":
            raise RpcError(-32005, "Node is behind", None)

    node.on_call = fail
    view = reader(node).view(["one", "two"])
    assert view.statuses["one"].signature_status is SignatureStatus.UNKNOWN
    assert view.statuses["two"].signature_status is SignatureStatus.REFUSED
    assert view.doubted == {"one"}
