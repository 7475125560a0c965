"""Nodes that answer anything: it is an error of theirs, and one of two that lies has nothing told."""

import copy
import json
from collections.abc import Iterator
from random import Random
from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.adapters import base58
from chalicelib.adapters.solana.blockhashes import Blockhashes
from chalicelib.adapters.solana.chain_view import ChainReader
from chalicelib.adapters.solana.keys import address_of
from chalicelib.adapters.solana.programs import SwapProgram
from chalicelib.adapters.solana.rpc_answers import InnerInstruction, TokenBalance, TransactionRecord
from chalicelib.adapters.solana.rpc_batches import results_of
from chalicelib.adapters.solana.rpc_calls import RpcCall
from chalicelib.adapters.solana.rpc_errors import NodeError
from chalicelib.domain.transactions import SignatureStatus, SignedTransaction, TransactionStatus
from tests.unit.adapters.solana.fake_node import FakeNode, nodes_of
from tests.unit.adapters.solana.test_fills import a_record, cases, names

VALUES: Final[tuple[Any, ...]] = (
    *(None, True, 0, -1, 2**53 + 1, 2**63 - 1, 2**64, 10**400, 1.5, float("nan"), float("inf")),
    *("", "0", "-1", "9" * 5_000, "x" * 50_000, "\x00", "\ud800", [], [[]], {}, [None] * 300),
    *({"InstructionError": [0, {"Custom": 2**70}]}, {"InstructionError": []}, "AccountNotFound"),
)
LINES: Final = (
    "Program log: Error Code: No. Error Number: " + "9" * 5_000 + ".",
    "Program 11111111111111111111111111111111 invoke [" + "1" * 5_000 + "]",
    *("Log truncated", "Program 1 invoke [2]", "Program data: AAAA", "", "\ud800"),
)
"""Of a log."""

CASE: Final = cases(SwapProgram.CPMM)[0]
SENT: Final = SignedTransaction("one", b"", 940)


class LyingNode(FakeNode):
    """Says of what it was asked something else now and then, by dice."""

    def __init__(self, name: str, seed: int) -> None:
        super().__init__(name)
        self._dice = Random(seed)

    def call(self, call: RpcCall, *, time_limit_s: float) -> Any:
        result = super().call(call, time_limit_s=time_limit_s)
        return changed(result, self._dice) if self._dice.random() < 0.5 else result


def changed(answer: Any, dice: Random) -> Any:
    """Return an answer of which a part is missing, another, or there more than once; or with a line more."""
    made = copy.deepcopy([answer])
    if isinstance(answer, dict) and "meta" in answer and dice.random() < 0.3:
        logs = made[0]["meta"]["logMessages"]
        logs.insert(dice.randrange(len(logs) + 1), dice.choice(LINES))
        return made[0]
    for _ in range(dice.choice([1, 1, 3])):
        holder, place = dice.choice([*places(made)])
        match dice.choice(["other", "other", "missing", "text", "again"]):
            case "other":
                holder[place] = copy.deepcopy(dice.choice(VALUES))
            case "missing" if holder is not made:
                del holder[place]
            case "text":
                holder[place] = json.dumps(holder[place])[:100]
            case "again" if isinstance(holder[place], list):
                holder[place] = dice.choice([holder[place] * 2, holder[place][:-1], holder[place][::-1]])
    return made[0]


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each place within a value: what holds it, and its index or name."""
    for place in value if isinstance(value, dict) else range(len(value)):
        yield value, place
        if isinstance(value[place], dict | list):
            yield from places(value[place])


def shown(record: TransactionRecord) -> dict[str, Any]:
    """Return a transaction as a node shows it."""
    calls = [*record.outer, *(one for group in record.inner.values() for one in group)]
    named = (key for one in calls for key in (one.program, *one.accounts))
    keys = [*dict.fromkeys([*named, *record.tokens_before, *record.tokens_after])]

    def call(one: InnerInstruction) -> dict[str, Any]:
        accounts = [keys.index(key) for key in one.accounts]
        return {"programIdIndex": keys.index(one.program), "accounts": accounts} | {
            "data": base58.encode(one.data)
        }

    def balance(key: Any, one: TokenBalance) -> dict[str, Any]:
        amount = {"amount": str(one.amount)}
        return {"accountIndex": keys.index(key), "mint": address_of(one.mint), "uiTokenAmount": amount}

    return {
        "slot": record.slot,
        "transaction": {
            "message": {
                "accountKeys": [*map(address_of, keys)],
                "instructions": [*map(call, record.outer)],
            }
        },
        "meta": {
            "err": record.fault,
            "fee": record.fee_lamports,
            "preBalances": [1] * len(keys),
            "postBalances": [1] * len(keys),
            "preTokenBalances": [balance(*one) for one in record.tokens_before.items()],
            "postTokenBalances": [balance(*one) for one in record.tokens_after.items()],
            "innerInstructions": [
                {"index": index, "instructions": [*map(call, group)]} for index, group in record.inner.items()
            ],
            "logMessages": [*record.logs],
        },
    }


def shows_a_landing(node: FakeNode) -> FakeNode:
    node.has_status(SENT.signature)
    node.statuses[SENT.signature]["slot"] = 7
    node.transactions[SENT.signature] = shown(a_record(CASE))
    return node


def reader(*nodes: FakeNode, witnesses: int) -> ChainReader:
    return ChainReader(nodes_of(*nodes), lambda: names(CASE), time_limit_s=5, witnesses=witnesses)


def told(chain: ChainReader) -> TransactionStatus | None:
    """Return what is told of the transaction, None if nothing is."""
    try:
        status = chain.view([SENT.signature]).statuses[SENT.signature]
    except NodeError:
        return None
    return None if status.signature_status is SignatureStatus.UNKNOWN else status


def facts(status: TransactionStatus) -> Any:
    """Return what is told, less fees and impact, which nothing but a log tells."""
    legs = [(leg.input_units, leg.output_units, leg.pool_id) for leg in status.legs]
    amounts = status.input_units, status.output_units
    return status.signature_status, status.slot, status.network_fee_lamports, amounts, legs


def fees(status: TransactionStatus) -> list[int]:
    """Return the legs' fees, 0 for one of which a log is cut off."""
    return [leg.fee_units for leg in status.legs]


@settings(max_examples=100)
@given(st.integers(0, 2**32), st.booleans())
def test_one_node_of_two_that_lies_has_nothing_told_that_the_other_does_not_show(
    seed: int, is_first: bool
) -> None:
    liar, honest = shows_a_landing(LyingNode("liar", seed)), shows_a_landing(FakeNode("honest"))
    chain = reader(*([liar, honest] if is_first else [honest, liar]), witnesses=2)
    truth = told(reader(honest, witnesses=1))
    assert truth is not None
    found = told(chain)
    if found is not None:
        assert facts(found) == facts(truth)
        assert fees(found) == (fees(truth) if not found.untold_legs else [0])


@settings(max_examples=100)
@given(st.integers(0, 2**32))
def test_nodes_that_all_lie_are_no_defect_of_ours(seed: int) -> None:
    liars = [shows_a_landing(LyingNode(f"liar {place}", seed + place)) for place in range(2)]
    for witnesses in (1, 2):
        told(reader(*liars, witnesses=witnesses))
        hashes = Blockhashes(nodes_of(*liars), time_limit_s=5, witnesses=witnesses)
        try:
            assert hashes.recent().last_valid_height < 2**63
        except NodeError:
            continue


@settings(max_examples=100)
@given(st.integers(0, 2**32))
def test_what_a_request_of_several_calls_is_answered_is_a_result_or_an_error_for_each(seed: int) -> None:
    dice = Random(seed)
    answers = [{"jsonrpc": "2.0", "id": place, "result": place} for place in range(5, 8)]
    body = json.dumps(changed(answers, dice)).encode()
    try:
        results = results_of(dice.choice([200, 200, 429, 503]), body, None, 3, 5)
    except NodeError:
        return
    assert len(results) == 3


def test_seeds_of_these_tests_tell_the_landing_and_hide_it() -> None:
    """Or they would prove nothing: of a lie that is seen through, the other node's word is missing."""
    outcomes = [
        told(reader(shows_a_landing(LyingNode("liar", seed)), shows_a_landing(FakeNode("h")), witnesses=2))
        for seed in range(60)
    ]
    assert 10 < sum(one is not None for one in outcomes) < 55
