"""Waiting for a transaction that a command has sent."""

from collections.abc import Sequence
from typing import Any, cast

import click
import pytest

from chalicelib.adapters.solana.rpc_calls import RpcCall
from chalicelib.adapters.solana.rpc_nodes import RpcNodes
from infra.cli import keypair
from infra.cli.keypair import landed_by

LANDED = {"slot": 9, "err": None, "confirmationStatus": "finalized"}
SEEN = {"slot": 9, "err": None, "confirmationStatus": "processed"}


class Node:
    """Says of a transaction what its script says, one height after the other."""

    def __init__(self, statuses: Sequence[Any]) -> None:
        self.statuses = list(statuses)
        self.height = 100
        self.told: list[RpcCall] = []

    def ask(self, call: RpcCall, *, time_limit_s: float) -> Any:
        assert time_limit_s > 0
        if call.method == "getEpochInfo":
            self.height += 1
            epoch = {"epoch": 1, "slotIndex": 1, "slotsInEpoch": 9}
            return {"absoluteSlot": self.height, "blockHeight": self.height, **epoch}
        return {"context": {"slot": self.height}, "value": [self.statuses.pop(0)]}

    def tell_all(self, call: RpcCall, *, time_limit_s: float) -> None:
        assert time_limit_s > 0
        self.told.append(call)


def wait(node: Node, last_height: int | None, *, resend: bytes | None = None) -> None:
    landed_by(cast("RpcNodes", node), "signature", last_height, resend=resend)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keypair, "_POLL_S", 0)


def test_transaction_that_is_seen_and_not_final_when_its_time_is_over_has_landed() -> None:
    node = Node([None, SEEN, SEEN, LANDED])
    wait(node, 102, resend=b"wire")
    assert (node.height, len(node.told)) == (104, 1)


def test_transaction_that_is_unknown_when_its_time_is_over_is_dead() -> None:
    node = Node([None, None, None])
    with pytest.raises(click.ClickException, match="did not land"):
        wait(node, 102)
    assert node.height == 103


def test_transaction_that_failed_is_refused_as_the_chain_says() -> None:
    with pytest.raises(click.ClickException, match=r'was refused: \{"InstructionError"'):
        wait(Node([{**LANDED, "err": {"InstructionError": [0, "Custom"]}}]), None)
