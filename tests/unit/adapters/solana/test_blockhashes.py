"""Hashes to sign with: fresh, never good for less than they are, and read ahead beside something else."""

from functools import partial
from typing import Any

import pytest

from chalicelib.adapters.solana.beside import Beside, hand_over
from chalicelib.adapters.solana.blockhashes import FRESH_S, Blockhashes
from chalicelib.adapters.solana.rpc_errors import NodeError
from chalicelib.adapters.solana.rpc_nodes import Ask
from tests.unit.adapters.solana.fake_node import FakeNode, nodes_of


class Hashes:
    """Hashes of some nodes, on a clock that the test moves."""

    def __init__(self, *nodes: FakeNode, witnesses: int = 1) -> None:
        self.now_s = 1_000.0
        self.rpc = nodes_of(*nodes)
        self.hashes = Blockhashes(
            self.rpc, time_limit_s=5, witnesses=witnesses, monotonic_s=lambda: self.now_s
        )

    def read_ahead(self) -> int:
        """Ask what is to be asked beside something else; return how many calls that are."""
        others = self.hashes.beside()
        for one in others:
            answers = self.rpc.converse(partial(_each_of, one), time_limit_s=5)
            hand_over([one], 0, answers)
        return sum(len(one.calls) for one in others)


def _each_of(one: Beside, ask: Ask, _: int) -> list[Any]:
    return ask.each(one.calls)


def test_hash_is_asked_for_once_a_second_at_most() -> None:
    node = FakeNode()
    use = Hashes(node)
    first = use.hashes.recent()
    assert first.last_valid_height == node.height + 150
    node.height += 1
    use.now_s += FRESH_S / 2
    assert use.hashes.recent() == first
    use.now_s += FRESH_S / 2
    assert use.hashes.recent() != first
    assert node.count("getLatestBlockhash") == 2


def test_hash_whose_end_no_record_holds_is_signed_with_by_no_order() -> None:
    node = FakeNode()
    node.height, node.last_valid_height = 2**63 - 101, 2**63 - 1
    with pytest.raises(NodeError):
        Hashes(node).hashes.recent()


def test_hash_that_was_read_ahead_is_used_and_nothing_asked() -> None:
    node = FakeNode()
    use = Hashes(node)
    assert use.read_ahead() == 2
    assert use.read_ahead() == 0
    node.asked.clear()
    assert use.hashes.recent().last_valid_height == node.height + 150
    assert node.asked == []
    assert use.read_ahead() == 0


def test_hash_that_was_read_ahead_too_long_ago_is_asked_for_again() -> None:
    node = FakeNode()
    use = Hashes(node)
    use.read_ahead()
    use.now_s += FRESH_S
    node.height += 3
    assert use.hashes.recent().last_valid_height == node.height + 150


@pytest.mark.parametrize("method", ["getEpochInfo", "getLatestBlockhash"])
def test_hash_that_could_not_be_read_ahead_is_asked_for_when_it_is_needed(method: str) -> None:
    node = FakeNode()
    use = Hashes(node)
    node.without = {method}
    use.read_ahead()
    node.without = set()
    assert use.hashes.recent().last_valid_height == node.height + 150


def test_hash_that_would_be_good_for_too_short_is_not_believed_read_ahead_or_not() -> None:
    node = FakeNode()
    node.last_valid_height = node.height + 10
    use = Hashes(node)
    use.read_ahead()
    with pytest.raises(NodeError, match="valid up to"):
        use.hashes.recent()


@pytest.mark.parametrize("is_ahead", [False, True])
def test_last_valid_height_is_no_lower_than_a_second_witness_makes_it(is_ahead: bool) -> None:
    first, second = FakeNode("first"), FakeNode("second")
    first.height, second.height = 900, 930
    use = Hashes(first, second, witnesses=2)
    if is_ahead:
        use.read_ahead()
    assert use.hashes.recent().last_valid_height == 1_080
    assert second.count("getLatestBlockhash") == 1


@pytest.mark.parametrize("is_ahead", [False, True])
def test_nothing_is_signed_by_the_word_of_fewer_nodes_than_have_to_agree(is_ahead: bool) -> None:
    """One that says less than is true would have an order given up, and sent anew, that can still land."""
    liar, silent = FakeNode("liar"), FakeNode("silent")
    liar.height -= 50
    silent.without = {"getEpochInfo"}
    use = Hashes(liar, silent, witnesses=2)
    if is_ahead:
        use.read_ahead()
    with pytest.raises(NodeError):
        use.hashes.recent()
    silent.without = set()
    use.now_s += FRESH_S
    assert use.hashes.recent().last_valid_height == silent.height + 150


@pytest.mark.parametrize("is_ahead", [False, True])
@pytest.mark.parametrize(("told", "believed"), [(100, 150), (149, 150), (151, 151), (182, 182)])
def test_last_valid_height_is_no_lower_than_the_nodes_own_block_makes_it(
    told: int, believed: int, *, is_ahead: bool
) -> None:
    node = FakeNode()
    node.last_valid_height = node.height + told
    use = Hashes(node)
    if is_ahead:
        use.read_ahead()
    assert use.hashes.recent().last_valid_height == node.height + believed


def test_each_witness_of_an_end_is_another_node() -> None:
    nodes = [FakeNode(name) for name in ("first", "second", "third")]
    nodes[2].height += 5
    assert Hashes(*nodes, witnesses=3).hashes.recent().last_valid_height == nodes[2].height + 150
    assert [node.count("getLatestBlockhash") for node in nodes] == [1, 1, 1]


def test_end_that_one_node_alone_puts_far_off_is_not_believed() -> None:
    """What does not land would be waited for until then: the order would never end."""
    liar, first, second = (FakeNode(name) for name in ("liar", "first", "second"))
    liar.height, second.height = 10**17, first.height + 100
    for place in range(3):
        nodes = [first, second]
        nodes.insert(place, liar)
        assert Hashes(*nodes, witnesses=2).hashes.recent().last_valid_height == second.height + 150
    for nodes in ([liar, first], [first, liar]):
        with pytest.raises(NodeError):
            Hashes(*nodes, witnesses=2).hashes.recent()


def test_hash_is_of_a_node_that_others_agree_with() -> None:
    liar, first, second = (FakeNode(name) for name in ("liar", "first", "second"))
    liar.height += 151
    hashes = Hashes(liar, first, second, witnesses=2).hashes
    assert hashes.recent().blockhash == first.height.to_bytes(32, "big")
