import base64

import pytest

from chalicelib.adapters.solana.events import CPI_EVENT_TAG, swap_event
from chalicelib.adapters.solana.keys import address_of
from chalicelib.adapters.solana.program_logs import (
    LoggedError,
    SwapFailure,
    ended_runs,
    failure_of,
    logged_error,
    logged_events,
)
from chalicelib.adapters.solana.programs import (
    COMPUTE_BUDGET,
    PROGRAM_IDS,
    TOKEN,
    Cluster,
    SwapProgram,
    event_discriminator,
)
from tests.unit.adapters.solana.examples import a_case

IDS = PROGRAM_IDS[Cluster.MAINNET]


def u64(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(8, "little") for number in numbers)


def test_fees_of_a_newer_cpmm_build_are_read() -> None:
    older = event_discriminator("SwapEvent") + bytes(32) + u64(1, 2, 1000, 900, 10, 9) + b"\x01"
    event = swap_event(SwapProgram.CPMM, older)
    assert event is not None
    assert (event.paid, event.received, event.trade_fee) == (1010, 891, None)
    newer = swap_event(SwapProgram.CPMM, older + bytes(64) + u64(25, 7) + b"\x01")
    assert newer is not None
    assert (newer.paid, newer.received, newer.trade_fee) == (1010, 891, 25)
    assert newer.fields.ints["creator_fee"] == 7


def test_fee_of_a_newer_clmm_build_is_read() -> None:
    body = bytes(128) + u64(1000, 10, 900, 9) + b"\x01" + bytes(36)
    older = swap_event(SwapProgram.CLMM, event_discriminator("SwapEvent") + body)
    newer = swap_event(SwapProgram.CLMM, event_discriminator("SwapEvent") + body + u64(25, 0))
    assert older is not None
    assert newer is not None
    assert (older.paid, older.received, older.trade_fee) == (1010, 900, None)
    assert newer.trade_fee == 25
    both = swap_event(SwapProgram.CLMM, event_discriminator("SwapEvent") + body + u64(25, 300))
    assert both is not None
    assert both.trade_fee == 325


def test_fee_of_a_dlmm_swap_is_all_that_its_parts_took() -> None:
    whole = next(event for event in a_case(SwapProgram.DLMM).events if swap_event(SwapProgram.DLMM, event))
    body_at = len(whole) - len(whole.removeprefix(CPI_EVENT_TAG)) + 8
    parts = u64(1, 20, 300, 4_000)
    event = swap_event(SwapProgram.DLMM, whole[: body_at + 113] + parts + whole[body_at + 113 + len(parts) :])
    assert event is not None
    assert event.trade_fee == 4_321


@pytest.mark.parametrize("program", list(SwapProgram))
def test_event_cut_short_is_refused_and_another_kind_is_not_ours(program: SwapProgram) -> None:
    found = [event for event in a_case(program).events if swap_event(program, event) is not None]
    assert len(found) == 1
    whole = found[0].removeprefix(CPI_EVENT_TAG)
    assert swap_event(program, whole) == swap_event(program, found[0])
    with pytest.raises(ValueError, match="needs"):
        swap_event(program, whole[:60])
    assert swap_event(program, b"\0" * 300) is None
    assert swap_event(program, b"") is None


def a_log(*lines: str) -> list[str]:
    return [
        line.format(cpmm=address_of(IDS.cpmm), token=address_of(TOKEN), budget=address_of(COMPUTE_BUDGET))
        for line in lines
    ]


DATA = base64.b64encode(b"event").decode()


def test_events_belong_to_the_program_that_runs_and_to_its_outer_instruction() -> None:
    logs = a_log(
        "Program {budget} invoke [1]",
        "Program {budget} success",
        "Program {cpmm} invoke [1]",
        "Program {token} invoke [2]",
        f"Program data: {DATA}",
        "Program {token} consumed 105 of 200000 compute units",
        "Program {token} success",
        f"Program data: {DATA}",
        "Program data: not base64!",
        "Program {cpmm} success",
        f"Program data: {DATA}",
    )
    events = list(logged_events(logs))
    assert [(event.program, event.top) for event in events] == [(TOKEN, 1), (IDS.cpmm, 1)]
    assert {event.data for event in events} == {b"event"}


def test_what_follows_a_part_that_was_cut_off_belongs_to_nothing() -> None:
    logs = a_log(
        "Program {budget} invoke [1]",
        "Program {budget} success",
        "Program {cpmm} invoke [1]",
        "Program {token} invoke [2]",
        "Program {token} success",
        "Log truncated",
        f"Program data: {DATA}",
        "Program {cpmm} success",
    )
    assert [ended_runs(logs[:length]) for length in range(6)] == [0, 0, 1, 1, 1, 1]
    assert ended_runs(logs) == 1
    assert ended_runs([*logs[:5], logs[-1][:-1]]) == 1
    assert ended_runs([*logs[:5], logs[-1]]) == 2
    assert list(logged_events(logs)) == []


def test_program_that_writes_lines_like_the_nodes_does_not_become_another() -> None:
    logs = a_log(
        "Program {token} invoke [1]",
        "Program log: Program {cpmm} invoke [1]",
        f"Program data: {DATA}",
        "Program {token} success",
    )
    assert [event.program for event in logged_events(logs)] == [TOKEN]


def test_error_is_found_by_name_with_the_program_that_threw_it() -> None:
    logs = a_log(
        "Program {cpmm} invoke [1]",
        "Program log: AnchorError thrown in x.rs:1. Error Code: ExceededSlippage. Error Number: 6005.",
        "Program {cpmm} failed: custom program error: 0x1775",
    )
    assert logged_error(logs) == LoggedError(IDS.cpmm, "ExceededSlippage", 6005)
    assert logged_error(logs[:1]) is None


@pytest.mark.parametrize(
    "line",
    [
        f"Program log: AnchorError occurred. Error Code: No. Error Number: {'9' * 5_000}.",
        f"Program log: AnchorError occurred. Error Code: {'N' * 5_000}. Error Number: 1.",
        f"Program {address_of(IDS.cpmm)} invoke [{'1' * 5_000}]",
    ],
    ids=["number", "name", "depth"],
)
def test_what_no_program_and_no_runtime_writes_names_nothing(line: str) -> None:
    logs = [f"Program {address_of(IDS.cpmm)} invoke [1]", line, f"Program {address_of(IDS.cpmm)} success"]
    assert (logged_error(logs), ended_runs(logs)) == (None, 1)


@pytest.mark.parametrize(
    ("program", "name", "number", "failure"),
    [
        (SwapProgram.CLMM, "TooLittleOutputReceived", 6022, SwapFailure.SLIPPAGE),  # April 2026
        (SwapProgram.CLMM, "TooSmallInputOrOutputAmount", 6022, SwapFailure.AMOUNT),  # May 2026
        (SwapProgram.CLMM, None, 6022, SwapFailure.AMOUNT),
        (SwapProgram.CLMM, "RequireGtViolated", 2505, SwapFailure.NOT_OPEN),
        (SwapProgram.CLMM, None, 2505, SwapFailure.NOT_OPEN),
        (SwapProgram.CPMM, "RequireGtViolated", 2505, SwapFailure.AMOUNT),
        (SwapProgram.CPMM, None, 1, SwapFailure.FUNDS),
        (SwapProgram.DLMM, None, 6042, SwapFailure.NOT_OPEN),
        (SwapProgram.DAMM_V2, None, 6003, SwapFailure.NOT_OPEN),
        (SwapProgram.DLMM, None, 6003, SwapFailure.SLIPPAGE),
        (SwapProgram.DLMM, "SomethingNew", 6003, SwapFailure.OTHER),
        (SwapProgram.DAMM_V2, None, None, SwapFailure.OTHER),
    ],
)
def test_name_decides_what_an_error_means_and_the_number_only_without_one(
    program: SwapProgram, name: str | None, number: int | None, failure: SwapFailure
) -> None:
    assert failure_of(program, name=name, number=number) is failure
