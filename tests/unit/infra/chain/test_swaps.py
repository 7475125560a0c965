"""Swaps that the real programs executed, executed once more by the local chain."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from solders.hash import Hash
from solders.keypair import Keypair
from solders.message import MessageV0
from solders.signature import Signature
from solders.transaction import VersionedTransaction

from chalicelib.adapters.solana.accounts import Account
from chalicelib.adapters.solana.events import CPI_EVENT_TAG, swap_event
from chalicelib.adapters.solana.instructions import compute_unit_limit
from chalicelib.adapters.solana.keys import NO_KEY, Pubkey, address_of
from chalicelib.adapters.solana.layouts import CLMM_POOL, CPMM_POOL, DAMM_V2_POOL, DLMM_PAIR
from chalicelib.adapters.solana.program_logs import failure_of, logged_error, logged_events
from chalicelib.adapters.solana.programs import TOKEN_PROGRAMS, SwapProgram
from infra.chain.amm.dispatch import MODELLED
from infra.chain.execution import Executor
from infra.chain.machine import Machine
from infra.chain.market_maker import as_svm
from infra.chain.outcomes import Outcome
from infra.chain.transactions import resolve
from tests.vectors.onchain import Case, cases_of

VECTORS = Path(__file__).parents[3] / "vectors" / "solana"
NAMES = ("raydium_cpmm", "raydium_clmm", "raydium_clmm_mainnet", "meteora_dlmm", "meteora_damm_v2")
NOT_MODELLED = {"referral", "partial_fill"}
LAYOUTS = {
    SwapProgram.CPMM: CPMM_POOL,
    SwapProgram.CLMM: CLMM_POOL,
    SwapProgram.DLMM: DLMM_PAIR,
    SwapProgram.DAMM_V2: DAMM_V2_POOL,
}
# Bookkeeping that no quote reads, and that the chain leaves as it is.
BOOKKEEPING = re.compile(r"fee_growth_global_.*")
PAYER = Keypair()


MACHINE = Machine()


@cache
def cases(name: str) -> tuple[Case, ...]:
    return tuple(cases_of(VECTORS / f"{name}.json"))


def run(case: Case) -> tuple[Outcome, VersionedTransaction]:
    machine = MACHINE  # every case writes all accounts that it reads
    for key, account in case.accounts.items():
        machine.put(key, account if account.lamports else None)
    machine.put(Pubkey(bytes(PAYER.pubkey())), Account(NO_KEY, 10**12, b""))
    machine.set_clock(case.clock)
    instructions = [as_svm(compute_unit_limit(1_400_000)), as_svm(case.instruction)]
    message = MessageV0.try_compile(PAYER.pubkey(), instructions, [], Hash.default())
    signatures = [Signature.default()] * message.header.num_required_signatures
    transaction = VersionedTransaction.populate(message, signatures)
    return Executor(machine).run(resolve(transaction, machine.get), case.clock), transaction


def told_by(outcome: Outcome, case: Case) -> list[bytes]:
    logged = [event.data for event in logged_events(outcome.logs) if event.program == case.program_id]
    called = [one.data for one in outcome.inner.get(1, ()) if one.data.startswith(CPI_EVENT_TAG)]
    return logged or called


def differences(case: Case, outcome: Outcome) -> list[str]:
    found = []
    for key, after in case.after.items():
        now = outcome.changes.get(key, case.accounts[key])
        assert now is not None
        if after.owner in TOKEN_PROGRAMS and now.data != after.data:
            found.append("a token account")
    changed = outcome.changes[case.pool]
    assert changed is not None
    layout = LAYOUTS[case.program]
    now_fields, expected = layout.read(changed.data).ints, layout.read(case.after[case.pool].data).ints
    found += [
        name for name in expected if now_fields[name] != expected[name] and not BOOKKEEPING.fullmatch(name)
    ]
    for mine, theirs in zip(told_by(outcome, case), case.events, strict=True):
        if case.kind == "limit_order":  # how a fee splits between makers and orders is told differently
            continue
        if not mine.startswith(theirs):
            found.append("an event")
    return found


def failure(case: Case, err: Any, logs: list[str]) -> object:
    """What an error means, by its name: numbers differ between builds of the programs."""
    named = logged_error(logs)
    inner = err["InstructionError"][1]
    number = inner.get("Custom") if isinstance(inner, dict) else None
    return failure_of(case.program, name=named.name if named else None, number=number)


@pytest.mark.parametrize("name", NAMES)
def test_swaps_that_succeeded_change_the_same_bytes_and_tell_the_same_events(name: str) -> None:
    problems = {}
    for case in cases(name):
        if case.error is None and case.kind not in NOT_MODELLED:
            outcome, _ = run(case)
            found = [str(outcome.err)] if outcome.err else differences(case, outcome)
            if found:
                problems[case.name] = found
    assert problems == {}


@pytest.mark.parametrize("name", [*NAMES, "meteora_dlmm_6085"])
def test_swaps_that_were_refused_are_refused_for_the_same_kind_of_reason(name: str) -> None:
    problems = {}
    for case in cases(name):
        if case.error is None or case.kind in NOT_MODELLED:
            continue
        outcome, _ = run(case)
        theirs = failure(
            case, case.error, [f"Program {address_of(case.program_id)} invoke [1]", case.log or ""]
        )
        if outcome.err is None:
            # The build of early 2025 refuses exact-out swaps whose input, fees aside, rounds to nothing.
            if case.program is not SwapProgram.CPMM:
                problems[case.name] = f"passes, {theirs}"
            continue
        assert isinstance(outcome.err, dict)
        assert outcome.err["InstructionError"][0] == 1
        ours = failure(case, outcome.err, list(outcome.logs))
        if ours != theirs and case.program is not SwapProgram.CPMM:
            problems[case.name] = f"{ours} {outcome.err}, they say {theirs} {case.error}"
    assert problems == {}


def test_a_refused_swap_costs_its_fee_and_changes_nothing_else() -> None:
    case = next(case for case in cases("raydium_cpmm") if case.kind == "slippage")
    outcome, transaction = run(case)
    assert outcome.err is not None
    assert set(outcome.changes) == {Pubkey(bytes(PAYER.pubkey()))}
    assert outcome.fee == 5000 * len(transaction.signatures)


def test_events_of_a_swap_are_read_by_the_adapter_as_what_moved() -> None:
    for name, program in zip(
        ("raydium_cpmm", "raydium_clmm", "meteora_dlmm", "meteora_damm_v2"), SwapProgram, strict=True
    ):
        case = next(one for one in cases(name) if one.error is None)
        outcome, _ = run(case)
        events = [swap_event(program, data) for data in told_by(outcome, case)]
        told = [event for event in events if event is not None]
        assert [(event.paid, event.received) for event in told] == [case.amounts]


def test_all_four_programs_are_modelled_at_their_ids_of_both_clusters() -> None:
    assert len(MODELLED) == 6
