"""What follows from a node's error; above all, which of them may be final."""

from typing import Any

import pytest

from chalicelib.adapters.solana.rpc_errors import (
    PREFLIGHT_FAILURE,
    VALUES_MAX,
    RateLimitedError,
    Remedy,
    RpcError,
    UnreadableAnswerError,
    instruction_fault,
    json_in,
    not_answered,
)
from chalicelib.domain.errors import RetryableError, VenueUnavailableError


@pytest.mark.parametrize(
    ("code", "fault", "remedy"),
    [
        (-32602, None, Remedy.DEFECT),  # invalid params
        (-32005, None, Remedy.OTHER_NODE),  # unhealthy
        (-32004, None, Remedy.OTHER_NODE),  # block not available
        (12_345, None, Remedy.OTHER_NODE),
        (PREFLIGHT_FAILURE, "AlreadyProcessed", Remedy.POLL),
        (PREFLIGHT_FAILURE, "BlockhashNotFound", Remedy.OTHER_NODE),
        (PREFLIGHT_FAILURE, "AccountInUse", Remedy.OTHER_NODE),
        (PREFLIGHT_FAILURE, None, Remedy.OTHER_NODE),
        (PREFLIGHT_FAILURE, "AccountNotFound", Remedy.REFUSAL),
        (PREFLIGHT_FAILURE, {"InstructionError": [2, {"Custom": 6_004}]}, Remedy.REFUSAL),
    ],
)
def test_error_says_what_to_do(code: int, fault: Any, remedy: Remedy) -> None:
    error = RpcError(code, "no", None if fault is None else {"err": fault})
    assert (error.remedy, error.fault) == (remedy, fault)


@pytest.mark.parametrize("data", [None, 5, [], "err", {}, {"err": None}])
def test_simulation_without_an_error_of_its_own_refuses_nothing(data: Any) -> None:
    assert RpcError(PREFLIGHT_FAILURE, "no", data).remedy is Remedy.OTHER_NODE


def test_message_of_a_node_is_cut_short() -> None:
    assert len(str(RpcError(-1, "x" * 10_000, None))) < 400


@pytest.mark.parametrize(("values", "is_read"), [(VALUES_MAX, True), (VALUES_MAX + 1, False)])
def test_answer_of_more_values_than_any_has_is_not_read(values: int, *, is_read: bool) -> None:
    body = b"[" + b"0," * values + b"0]"
    assert (json_in(body) is not None) is is_read


@pytest.mark.parametrize("kind", [RetryableError, VenueUnavailableError])
def test_words_and_hosts_of_nodes_are_in_the_log_and_in_no_fault(
    kind: type[RetryableError], caplog: pytest.LogCaptureFixture
) -> None:
    fault = not_answered(UnreadableAnswerError("node.example: no key abc"), kind)
    assert (type(fault), fault.message) == (kind, "no node answered in time")
    (record,) = caplog.records
    assert record.reason == "node.example: no key abc"  # type: ignore[attr-defined]  # a fact of the line


def test_node_that_limits_us_is_waited_for_and_one_that_cannot_be_read_is_not() -> None:
    limited = RateLimitedError(1.5)
    assert (limited.remedy, limited.retry_after_s) == (Remedy.WAIT, 1.5)
    assert UnreadableAnswerError("<html>").remedy is Remedy.OTHER_NODE


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        ({"InstructionError": [2, {"Custom": 6_004}]}, (2, 6_004)),
        ({"InstructionError": [0, "ProgramFailedToComplete"]}, (0, "ProgramFailedToComplete")),
        ({"InstructionError": [1, {"BorshIoError": "x"}]}, (1, "BorshIoError")),
        ({"InstructionError": [1, {}]}, (1, "")),
        ({"InstructionError": [1]}, None),
        ({"InstructionError": ["1", "x"]}, None),
        ({"InstructionError": 5}, None),
        ({"InsufficientFundsForRent": {}}, None),
        ("AlreadyProcessed", None),
        (None, None),
    ],
)
def test_failed_instruction_is_found_in_whatever_a_node_says(fault: Any, found: Any) -> None:
    assert instruction_fault(fault) == found
