"""An attempt is given up for dead only if no address shows anything of it, however often each is asked."""

import pytest

from chalicelib.adapters.solana.chain_view import ChainReader
from chalicelib.adapters.solana.keys import address_of
from chalicelib.adapters.solana.rpc_calls import RpcCall
from chalicelib.adapters.solana.rpc_errors import NodeError
from chalicelib.domain.transactions import SignatureStatus
from tests.unit.adapters.solana.test_chain_view import (
    IDS,
    SENT,
    a_failed_transaction,
    a_node,
    a_refused_node,
    is_dead,
    reader,
)


def surely_dead(chain: ChainReader) -> bool:
    return SENT.signature in chain.surely_dead([SENT], margin_blocks=2)


def test_transaction_that_nobody_shows_is_dead_and_each_address_has_been_asked_three_times() -> None:
    first, second = a_node("first"), a_node("second")
    assert surely_dead(reader(first, second))
    assert [node.count("getSignatureStatuses") for node in (first, second)] == [3, 3]
    assert [node.count("getTransaction") for node in (first, second)] == [3, 3]


def test_other_node_that_shows_a_transaction_saves_it_and_is_asked_first_from_then_on() -> None:
    first, second = a_node("first"), a_refused_node("second", "one", shows=("one",))
    chain = reader(first, second)
    assert is_dead(chain)
    assert not surely_dead(chain)
    assert chain.view(["one"]).statuses["one"].signature_status is SignatureStatus.REFUSED


@pytest.mark.parametrize("commitment", ["processed", "confirmed"])
def test_status_alone_that_another_node_shows_saves_the_transaction(commitment: str) -> None:
    first, second = a_node("first"), a_node("second")
    second.has_status("one", commitment=commitment)
    assert not surely_dead(reader(first, second))
    assert not surely_dead(reader(second, first))


def test_transaction_alone_that_another_node_shows_saves_it() -> None:
    first, second = a_node("first"), a_node("second")
    second.transactions["one"] = a_failed_transaction(address_of(IDS.cpmm), None, [])
    assert not surely_dead(reader(first, second))
    assert not surely_dead(reader(second, first))


def test_status_that_a_fleet_shows_at_the_last_search_alone_saves_the_transaction() -> None:
    node = a_node()

    def show(call: RpcCall) -> None:
        if call.method == "getSignatureStatuses" and node.count("getSignatureStatuses") == 3:
            node.has_status("one")

    node.on_call = show
    assert not surely_dead(reader(node))


def test_transaction_that_is_shown_without_its_status_is_not_dead() -> None:
    node = a_node()
    node.transactions["one"] = a_failed_transaction(address_of(IDS.cpmm), None, [])
    assert not is_dead(reader(node))
    assert not surely_dead(reader(node))


@pytest.mark.parametrize("height", [942, 0])
def test_second_witness_that_is_behind_or_silent_leaves_the_matter_open(height: int) -> None:
    first, second = a_node("first"), a_node("second", height=height)
    if not height:
        second.failing = NodeError("gone")
    assert surely_dead(reader(first, second))
    assert not surely_dead(reader(first, second, witnesses=2))


def test_nodes_none_of_which_answers_say_nothing_of_death() -> None:
    first, second = a_node("first"), a_node("second")
    first.failing = second.failing = NodeError("gone")
    with pytest.raises(NodeError, match="gone"):
        surely_dead(reader(first, second))
