import json
from typing import Any

import pytest

from chalicelib.adapters.solana import rpc_answers as answers
from chalicelib.adapters.solana.keys import address_of
from chalicelib.adapters.solana.rpc_errors import (
    MalformedResultError,
    NodeError,
    RateLimitedError,
    Remedy,
    RpcError,
    UnreadableAnswerError,
    instruction_fault,
)
from tests.unit.adapters.solana.books import a_key

KEY = "So11111111111111111111111111111111111111112"


def answered(error: Any, status: int = 200) -> NodeError:
    with pytest.raises(NodeError) as raised:
        answers.result_of(status, json.dumps({"jsonrpc": "2.0", "id": 1, "error": error}).encode())
    return raised.value


def preflight(fault: Any) -> dict[str, Any]:
    return {"code": -32002, "message": "Transaction simulation failed", "data": {"err": fault, "logs": []}}


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (preflight({"InstructionError": [3, {"Custom": 6005}]}), Remedy.REFUSAL),
        (preflight("BlockhashNotFound"), Remedy.OTHER_NODE),
        (preflight("AlreadyProcessed"), Remedy.POLL),
        (preflight("InsufficientFundsForFee"), Remedy.REFUSAL),
        ({"code": -32002, "message": "x"}, Remedy.OTHER_NODE),
        ({"code": -32003, "message": "x"}, Remedy.DEFECT),
        ({"code": -32005, "message": "behind", "data": {"numSlotsBehind": 42}}, Remedy.OTHER_NODE),
        ({"code": -32016, "message": "x", "data": {"contextSlot": 1}}, Remedy.OTHER_NODE),
        ({"code": -32015, "message": "x"}, Remedy.DEFECT),
        ({"code": -32602, "message": "x"}, Remedy.DEFECT),
        ({"code": -1, "message": "a provider's own"}, Remedy.OTHER_NODE),
    ],
)
def test_error_tells_what_to_do(error: dict[str, Any], remedy: Remedy) -> None:
    found = answered(error)
    assert isinstance(found, RpcError)
    assert (found.code, found.remedy) == (error["code"], remedy)


@pytest.mark.parametrize(
    ("said", "is_ours"), [(7, True), ("7", True), (None, True), (8, False), (True, False), ([7], False)]
)
def test_answer_to_another_call_is_none(said: Any, *, is_ours: bool) -> None:
    body = json.dumps({"jsonrpc": "2.0", "id": said, "result": 5}).encode()
    if is_ours:
        assert answers.result_of(200, body, call_id=7) == 5
    else:
        with pytest.raises(UnreadableAnswerError):
            answers.result_of(200, body, call_id=7)


@pytest.mark.parametrize("said", ["", '"id":null,', '"id":7,', '"id":"7",', '"id":1,'])
def test_answer_without_an_id_and_what_is_said_of_a_node_with_any_are_heard(said: str) -> None:
    assert answers.result_of(200, b'{"result":5}', call_id=7) == 5
    body = f'{{{said}"error":{{"code":-32005,"message":"behind"}}}}'.encode()
    with pytest.raises(RpcError):
        answers.result_of(200, body, call_id=7)


def test_error_of_another_calls_transaction_is_none() -> None:
    """A failed simulation would end the order whose transaction it is not."""
    body = b'{"id":8,"error":{"code":-32002,"message":"failed","data":{"err":{"InstructionError":[0,"x"]}}}}'
    with pytest.raises(UnreadableAnswerError):
        answers.result_of(200, body, call_id=7)
    with pytest.raises(RateLimitedError):  # as proxies say it, whatever they were asked
        answers.result_of(200, b'{"id":1,"error":{"code":429,"message":"slow down"}}', call_id=7)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (b"2", 2.0),
        (b"0.5", 0.5),
        (None, None),
        (b"soon", None),
        (b"-1", None),
        (b"1e9", 60.0),
        (b"3600", 60.0),
        (b"nan", None),
    ],
)
def test_rate_limit_says_how_long_to_wait(header: bytes | None, seconds: float | None) -> None:
    for body in (b"<html>slow down</html>", b'{"error":{"code":429,"message":"x"}}'):
        with pytest.raises(RateLimitedError) as limited:
            answers.result_of(429, body, header)
        assert limited.value.retry_after_s == seconds
        assert limited.value.remedy is Remedy.WAIT
    assert isinstance(answered({"code": 429, "message": "Too many requests"}), RateLimitedError)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (502, b"<html>Bad gateway</html>"),
        (200, b""),
        (200, b"[]"),
        (200, b'"ok"'),
        (200, b"{}"),
        (500, b'{"result": 1}'),
        (403, b'{"message":"blocked"}'),
        (200, b'{"error": "text"}'),
        (200, b'{"error": {"code": "-32602", "message": "x"}}'),
        (201, b'{"result": 1}'),
        (200, b"\xff\xfe"),
        (200, b"[" * 100_000),
    ],
)
def test_what_is_no_json_rpc_says_nothing(status: int, body: bytes) -> None:
    with pytest.raises(UnreadableAnswerError) as unreadable:
        answers.result_of(status, body)
    assert unreadable.value.remedy is Remedy.OTHER_NODE


@pytest.mark.parametrize("said", ["", ',"error":null'])
def test_result_may_be_nothing_and_come_with_no_error(said: str) -> None:
    assert answers.result_of(200, f'{{"result":null{said}}}'.encode()) is None


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        ({"InstructionError": [2, {"Custom": 6005}]}, (2, 6005)),
        ({"InstructionError": [0, "ProgramFailedToComplete"]}, (0, "ProgramFailedToComplete")),
        ({"InstructionError": [0, {"BorshIoError": "x"}]}, (0, "BorshIoError")),
        ({"InsufficientFundsForRent": {"account_index": 3}}, None),
        ("BlockhashNotFound", None),
        ({"InstructionError": "x"}, None),
        ({"InstructionError": [1]}, None),
        (None, None),
    ],
)
def test_failed_instruction_is_found_in_an_error(fault: Any, found: tuple[int, int | str] | None) -> None:
    assert instruction_fault(fault) == found


CONTEXT = {"context": {"slot": 7}}
ACCOUNT = {"data": ["AAE=", "base64"], "owner": KEY, "lamports": 5}


def test_account_that_is_not_there_is_none_and_order_is_kept() -> None:
    read = answers.accounts_at({**CONTEXT, "value": [None, ACCOUNT]}, 2)
    assert read.slot == 7
    assert read.accounts[0] is None
    assert read.accounts[1] is not None
    assert read.accounts[1].data == b"\0\x01"


@pytest.mark.parametrize(
    "value",
    [
        [ACCOUNT],
        [ACCOUNT, {**ACCOUNT, "data": "AAE="}],
        [ACCOUNT, {**ACCOUNT, "data": ["AAE=", "base58"]}],
        [ACCOUNT, {**ACCOUNT, "data": ["A", "base64"]}],
        [ACCOUNT, {**ACCOUNT, "data": ["AAÉ=", "base64"]}],
        [ACCOUNT, {**ACCOUNT, "data": ["AAE=", "base64", "zstd"]}],
        [ACCOUNT, {**ACCOUNT, "data": [5, "base64"]}],
        [ACCOUNT, {**ACCOUNT, "lamports": -1}],
        [ACCOUNT, {**ACCOUNT, "lamports": True}],
        [ACCOUNT, {**ACCOUNT, "owner": "short"}],
        {},
        None,
    ],
)
def test_accounts_of_another_shape_or_number_are_refused(value: Any) -> None:
    with pytest.raises(MalformedResultError):
        answers.accounts_at({**CONTEXT, "value": value}, 2)


@pytest.mark.parametrize(
    ("commitment", "is_final"),
    [("processed", False), ("confirmed", True), ("finalized", True), (None, False), (["confirmed"], False)],
)
def test_status_is_final_once_it_is_confirmed(commitment: Any, *, is_final: bool) -> None:
    status = {"slot": 3, "err": None, "confirmationStatus": commitment}
    read = answers.statuses_at({**CONTEXT, "value": [status, None]}, 2)
    assert read.statuses == (answers.RpcSignatureStatus(3, None, is_final), None)


@pytest.mark.parametrize(
    ("said", "is_final"), [({"confirmations": None}, True), ({"confirmations": 9}, False)]
)
def test_node_that_leaves_the_word_out_says_by_confirmations_what_is_rooted(
    said: dict[str, Any], *, is_final: bool
) -> None:
    read = answers.statuses_at({**CONTEXT, "value": [{"slot": 3, "err": None, **said}]}, 1)
    assert read.statuses == (answers.RpcSignatureStatus(3, None, is_final),)


@pytest.mark.parametrize("height", [2**53 + 1, 2**63 - 1, 2**63, 10**30])
def test_number_that_no_record_holds_is_not_believed(height: int) -> None:
    """It would fail what is written down with it, and the order with that."""
    with pytest.raises(MalformedResultError):
        answers.epoch_info({"absoluteSlot": 5, "blockHeight": height, "epoch": 1})
    assert answers.epoch_info({"absoluteSlot": 2**53, "blockHeight": 4, "epoch": 2**63 - 1}).slot == 2**53


def test_transaction_whose_balances_are_not_of_its_accounts_is_refused() -> None:
    meta = {"fee": 5000, "err": None, "preBalances": [1], "postBalances": [2]}
    record = {"slot": 1, "meta": meta, "transaction": {"message": {"accountKeys": [KEY], "instructions": []}}}
    assert answers.transaction(record) is not None
    assert answers.transaction(None) is None
    token = {"accountIndex": 1, "mint": KEY, "uiTokenAmount": {"amount": "5"}}
    spoils: list[dict[str, Any]] = [
        {"preBalances": []},
        {"postTokenBalances": [token]},
        {"postTokenBalances": [{**token, "accountIndex": 0, "uiTokenAmount": {"amount": "5.0"}}]},
        {
            "innerInstructions": [
                {"index": 0, "instructions": [{"programIdIndex": 4, "accounts": [], "data": ""}]}
            ]
        },
        {"logMessages": [1]},
        {"fee": None},
        {"postTokenBalances": [{**token, "accountIndex": 0, "uiTokenAmount": {"amount": "٥"}}]},
        {"postTokenBalances": [{**token, "accountIndex": 0, "uiTokenAmount": {"amount": "9" * 5_000}}]},
        {"preTokenBalances": 5},
        {"innerInstructions": 5},
        {"loadedAddresses": 5},
    ]
    for spoiled in spoils:
        with pytest.raises(MalformedResultError):
            answers.transaction({**record, "meta": {**meta, **spoiled}})


def test_accounts_that_a_table_brought_come_after_the_messages_own() -> None:
    writable, readonly = address_of(a_key(2)), address_of(a_key(3))
    meta = {
        "fee": 5000, "err": None, "preBalances": [1, 2, 3], "postBalances": [2, 3, 4],
        "loadedAddresses": {"writable": [writable], "readonly": [readonly]},
    }  # fmt: skip
    call = {"programIdIndex": 2, "accounts": [0, 1], "data": ""}
    message = {"accountKeys": [KEY], "instructions": [call]}
    record = answers.transaction({"slot": 1, "meta": meta, "transaction": {"message": message}})
    assert record is not None
    assert [address_of(key) for key in record.keys] == [KEY, writable, readonly]
    assert record.outer[0].program == a_key(3)
    odd = {"message": {**message, "instructions": [{**call, "data": "0"}]}}
    with pytest.raises(MalformedResultError):
        answers.transaction({"slot": 1, "meta": meta, "transaction": odd})


@pytest.mark.parametrize("result", [None, 5, "x", {}, [5], [{}]])
def test_list_of_another_shape_is_refused(result: Any) -> None:
    for read in (answers.signatures_of, answers.prioritization_fees, answers.program_accounts):
        with pytest.raises(MalformedResultError):
            read(result)


def test_lists_are_read_in_the_nodes_order() -> None:
    told = [{"signature": "b", "slot": 8, "err": None}, {"signature": "a", "slot": 7, "err": "x"}]
    read = [(each.signature, each.slot, each.fault) for each in answers.signatures_of(told)]
    assert read == [("b", 8, None), ("a", 7, "x")]
    fees = [{"slot": 1, "prioritizationFee": 5}, {"slot": 2, "prioritizationFee": 0}]
    assert answers.prioritization_fees(fees) == (5, 0)
    ((key, account),) = answers.program_accounts([{"pubkey": KEY, "account": ACCOUNT}])
    assert (address_of(key), account.lamports, account.data) == (KEY, 5, b"\0\x01")


@pytest.mark.parametrize(
    ("said", "units", "logs"),
    [
        ({"unitsConsumed": 7, "logs": ["a", "b"]}, 7, ("a", "b")),
        ({"unitsConsumed": None, "logs": None}, 0, ()),
        ({}, 0, ()),
    ],
)
def test_simulation_may_have_neither_units_nor_logs(
    said: dict[str, Any], units: int, logs: tuple[str, ...]
) -> None:
    read = answers.simulation({**CONTEXT, "value": {"err": "x", **said}})
    assert read == answers.Simulation("x", units, logs)


def test_height_of_a_block_that_the_node_does_not_have_is_unknown() -> None:
    known = ({"blockHeight": 9}, {"blockHeight": None}, None)
    assert [answers.block_height(each) for each in known] == [9, None, None]


@pytest.mark.parametrize(
    "result", [{}, {"transaction": {"signatures": []}}, {"transaction": {"signatures": [5]}}]
)
def test_transaction_without_a_signature_is_refused(result: Any) -> None:
    with pytest.raises(MalformedResultError):
        answers.first_signature(result)


@pytest.mark.parametrize(
    "result", [None, 5, "x", [], {}, {"context": {}}, {"context": {"slot": "7"}, "value": {}}]
)
def test_result_of_another_shape_is_refused(result: Any) -> None:
    for read in (answers.latest_blockhash, answers.epoch_info, answers.simulation):
        with pytest.raises(MalformedResultError):
            read(result)
