"""Calls that travel with others: each who asked gets its own answers."""

from collections.abc import Sequence
from typing import Any

from chalicelib.adapters.solana.beside import Beside, calls_of, hand_over
from chalicelib.adapters.solana.rpc_calls import get_epoch_info, get_latest_blockhash


def test_each_gets_the_answers_to_its_own_calls_and_which_node_gave_them() -> None:
    taken: list[tuple[str, int, Sequence[Any]]] = []
    two = Beside(
        [get_epoch_info(), get_latest_blockhash()], lambda place, told: taken.append(("two", place, told))
    )
    one = Beside([get_epoch_info()], lambda place, told: taken.append(("one", place, told)))
    assert [call.method for call in calls_of([two, one])] == [
        "getEpochInfo",
        "getLatestBlockhash",
        "getEpochInfo",
    ]
    hand_over([two, one], 7, ["a", "b", "c"])
    assert taken == [("two", 7, ["a", "b"]), ("one", 7, ["c"])]
