"""Against every swap of our form that the real programs executed: balances, events and amounts."""

import base64
from collections import Counter
from dataclasses import replace

import pytest

from chalicelib.adapters.solana.events import CPI_EVENT_TAG
from chalicelib.adapters.solana.fills import Names, fill_of
from chalicelib.adapters.solana.keys import Pubkey, address_of
from chalicelib.adapters.solana.pool_list import ListedPool
from chalicelib.adapters.solana.programs import (
    COMPUTE_BUDGET,
    PROGRAM_IDS,
    SYSTEM,
    TOKEN,
    TOKEN_2022,
    VENUES,
    WRAPPED_SOL,
    Cluster,
    SwapProgram,
)
from chalicelib.adapters.solana.rpc_answers import InnerInstruction, TokenBalance, TransactionRecord
from chalicelib.adapters.solana.rpc_errors import MalformedResultError
from chalicelib.adapters.solana.swap_calls import keys_of
from chalicelib.adapters.solana.tokens import token_account_of
from chalicelib.amm.swaps import Exact
from tests.unit.adapters.solana.books import a_key
from tests.unit.adapters.solana.examples import a_pool, all_cases
from tests.unit.adapters.solana.test_swap_calls import call_of, is_ours
from tests.vectors.onchain import Case

IDS = PROGRAM_IDS[Cluster.MAINNET]
BUDGET = InnerInstruction(COMPUTE_BUDGET, (), b"\x02" + bytes(4))


def cases(program: SwapProgram) -> list[Case]:
    return [case for case in all_cases(program) if is_ours(case) and case.error is None]


def names(case: Case) -> Names:
    mints = [mint.key for mint in a_pool(case).mints]
    listed = ListedPool("the pool", "venue", case.pool, ("A", "B"))
    return Names(IDS, {case.pool: listed}, dict(zip(mints, "AB", strict=True)))


def user_accounts(case: Case) -> tuple[Pubkey, Pubkey]:
    call = call_of(case)
    assert call is not None
    return call.input_account, call.output_account


def a_record(case: Case) -> TransactionRecord:
    """The swap behind a budget instruction, as a node would show it."""
    outer = InnerInstruction(
        case.instruction.program, keys_of(case.instruction.accounts), case.instruction.data
    )
    inner = [
        InnerInstruction(case.program_id, (), data) for data in case.events if data.startswith(CPI_EVENT_TAG)
    ]
    logs = [
        f"Program {address_of(COMPUTE_BUDGET)} invoke [1]",
        f"Program {address_of(COMPUTE_BUDGET)} success",
    ]
    logs.append(f"Program {address_of(case.program_id)} invoke [1]")
    logs += [
        f"Program data: {base64.b64encode(data).decode()}"
        for data in case.events
        if not data.startswith(CPI_EVENT_TAG)
    ]
    logs.append(f"Program {address_of(case.program_id)} success")
    balances = []
    for accounts in (case.accounts, case.after):
        tokens = [(key, token_account_of(accounts[key])) for key in user_accounts(case)]
        balances.append({key: TokenBalance(token.mint, token.amount) for key, token in tokens})
    return TransactionRecord(
        7, None, 5_000, (), balances[0], balances[1], tuple(logs), {1: tuple(inner)}, (BUDGET, outer)
    )


@pytest.mark.parametrize("program", list(SwapProgram))
def test_fill_of_every_executed_swap_is_what_its_accounts_say(program: SwapProgram) -> None:
    for case in cases(program):
        fill = fill_of(a_record(case), names(case))
        assert (fill.input_units, fill.output_units) == case.amounts, case.name
        (leg,) = fill.legs
        assert (leg.input_units, leg.output_units, leg.pool_id) == (*fill[:2], "the pool")
        assert (leg.token_in, leg.token_out) == (("A", "B") if case.request.token_in == 0 else ("B", "A"))
        if program in {SwapProgram.CPMM, SwapProgram.CLMM}:
            assert leg.fee_token == leg.token_in
    assert len(cases(program)) > 20


@pytest.mark.parametrize("program", [SwapProgram.DLMM, SwapProgram.DAMM_V2])
def test_fee_is_the_events_in_the_token_that_it_was_taken_in(program: SwapProgram) -> None:
    checked = 0
    for case in cases(program):
        # Exact-out, the vectors' quotes have DLMM's dust elsewhere than the program.
        if case.quote is not None and case.kind == "normal" and case.request.mode is Exact.IN:
            (leg,) = fill_of(a_record(case), names(case)).legs
            quoted = (int(case.quote["trade_fee"]), "AB"[int(case.quote["fee_token"])])
            assert (leg.fee_units, leg.fee_token) == quoted, case.name
            checked += 1
    assert checked > 20


@pytest.mark.parametrize("program", list(SwapProgram))
def test_balances_and_events_that_disagree_are_not_believed(program: SwapProgram) -> None:
    case = cases(program)[0]
    record, (given, got) = a_record(case), user_accounts(case)
    for account, by in ((given, 1), (got, 1)):
        after = dict(record.tokens_after)
        after[account] = after[account]._replace(amount=after[account].amount + by)
        with pytest.raises(MalformedResultError, match="by its swaps' events"):
            fill_of(replace(record, tokens_after=after), names(case))
    silent = tuple(line for line in record.logs if not line.startswith("Program data"))
    with pytest.raises(MalformedResultError, match="told of 0 swaps"):
        fill_of(replace(record, logs=silent, inner={}), names(case))
    with pytest.raises(MalformedResultError, match="no swap"):
        fill_of(replace(record, outer=(BUDGET,)), names(case))


@pytest.mark.parametrize("program", list(SwapProgram))
def test_token_that_is_in_no_list_is_called_by_its_mint(program: SwapProgram) -> None:
    case = cases(program)[0]
    listed = names(case)
    (leg,), (by_mint,) = (
        fill_of(a_record(case), each).legs for each in (listed, listed._replace(symbols={}))
    )
    mints = {symbol: address_of(mint) for mint, symbol in listed.symbols.items()}
    assert (by_mint.token_in, by_mint.token_out) == (mints[leg.token_in], mints[leg.token_out])
    assert by_mint.output_units == leg.output_units


@pytest.mark.parametrize("program", list(SwapProgram))
def test_pool_that_left_the_list_after_the_swap_is_told_by_its_address(program: SwapProgram) -> None:
    case = cases(program)[0]
    fill = fill_of(a_record(case), names(case)._replace(pools={}))
    assert fill[:2] == fill_of(a_record(case), names(case))[:2]
    (leg,) = fill.legs
    assert (leg.pool_id, leg.venue) == (address_of(next(iter(names(case).pools))), VENUES[program])


def test_sol_that_was_wrapped_in_the_transaction_is_not_counted_as_received() -> None:
    case = cases(SwapProgram.CPMM)[0]
    record, (given, _) = a_record(case), user_accounts(case)
    wrap = InnerInstruction(
        SYSTEM, (a_key(1), given), (2).to_bytes(4, "little") + (10**9).to_bytes(8, "little")
    )
    after = dict(record.tokens_after)
    after[given] = after[given]._replace(amount=after[given].amount + 10**9)
    record = replace(record, tokens_after=after, outer=(wrap, record.outer[1]))
    assert fill_of(record, names(case))[:2] == case.amounts


def transfer(program: Pubkey, source: Pubkey, to: Pubkey, units: int) -> InnerInstruction:
    data = b"\x0c" + units.to_bytes(8, "little") + b"\x06"
    return InnerInstruction(program, (source, a_key(5), to, a_key(6)), data)


def test_account_opened_and_closed_in_the_transaction_counts_by_the_transfers_inside_the_swap() -> None:
    case = cases(SwapProgram.CPMM)[0]
    assert case.amounts is not None
    record, (given, got) = a_record(case), user_accounts(case)
    moved = (
        transfer(TOKEN, given, a_key(8), case.amounts[0]),
        transfer(TOKEN, a_key(9), got, case.amounts[1]),
    )
    closed = replace(record, tokens_before={}, tokens_after={}, inner={1: (*record.inner[1], *moved)})
    assert fill_of(closed, names(case))[:2] == case.amounts
    odd = replace(closed, inner={1: (*record.inner[1], moved[0])})
    with pytest.raises(MalformedResultError, match="by its swaps' events"):
        fill_of(odd, names(case))
    with_fee = (moved[0], transfer(TOKEN_2022, a_key(9), got, case.amounts[1]))
    with pytest.raises(MalformedResultError, match="no balance tells"):
        fill_of(replace(closed, inner={1: (*record.inner[1], *with_fee)}), names(case))


def joined(*swaps: tuple[Case, Pubkey, Pubkey]) -> TransactionRecord:
    """One transaction of several cases' swaps, each with the accounts that it is to take from and pay to."""
    outer, inner, logs = [BUDGET], {}, [*a_record(swaps[0][0]).logs[:2]]
    change: Counter[Pubkey] = Counter()
    for index, (case, given, got) in enumerate(swaps, 1):
        record, instead = a_record(case), dict(zip(user_accounts(case), (given, got), strict=True))
        swap = record.outer[1]
        outer.append(swap._replace(accounts=tuple(instead.get(key, key) for key in swap.accounts)))
        inner[index] = record.inner[1]
        logs += record.logs[2:]
        assert case.amounts is not None
        change[given] -= case.amounts[0]
        change[got] += case.amounts[1]
    before = {key: TokenBalance(a_key(7), 2**60) for key in change}
    after = {key: TokenBalance(a_key(7), 2**60 + change[key]) for key in change}
    return TransactionRecord(7, None, 5_000, (), before, after, tuple(logs), inner, tuple(outer))


FROM, BETWEEN, TO = a_key(21), a_key(22), a_key(23)


@pytest.mark.parametrize("program", list(SwapProgram))
def test_fill_of_several_swaps_is_what_went_in_at_one_end_and_came_out_at_the_other(
    program: SwapProgram,
) -> None:
    one, other = cases(program)[:2]
    assert one.amounts is not None
    assert other.amounts is not None
    hops = fill_of(joined((one, FROM, BETWEEN), (other, BETWEEN, TO)), names(one))
    assert hops[:2] == (one.amounts[0], other.amounts[1])
    assert [(leg.input_units, leg.output_units) for leg in hops.legs] == [one.amounts, other.amounts]
    shares = fill_of(joined((one, FROM, TO), (other, FROM, TO)), names(one))
    assert shares[:2] == tuple(map(sum, zip(one.amounts, other.amounts, strict=True)))
    assert shares.legs == hops.legs


def test_swaps_that_do_not_lead_from_one_account_to_one_other_are_no_swap_of_ours() -> None:
    one, other = cases(SwapProgram.CPMM)[:2]
    for second in ((FROM, a_key(24)), (a_key(24), TO), (TO, FROM)):
        with pytest.raises(MalformedResultError, match="from one account to one other"):
            fill_of(joined((one, FROM, TO), (other, *second)), names(one))


def test_event_of_another_pool_or_a_call_that_we_never_make_is_not_believed() -> None:
    one, other = cases(SwapProgram.CPMM)[:2]
    record, odd = a_record(one), a_record(other)
    with pytest.raises(MalformedResultError, match="told of 1 swaps of its pool"):
        fill_of(replace(record, logs=odd.logs, inner=odd.inner), names(one))
    swap = record.outer[1]
    with pytest.raises(MalformedResultError, match="something else than a swap"):
        fill_of(replace(record, outer=(BUDGET, swap._replace(data=swap.data + b"\x00"))), names(one))


@pytest.mark.parametrize("program", [SwapProgram.DLMM, SwapProgram.DAMM_V2])
def test_what_others_say_inside_a_swap_in_its_events_words_is_not_believed(program: SwapProgram) -> None:
    case = cases(program)[0]
    record = a_record(case)
    told = record.inner[1]
    forged = tuple(one._replace(program=a_key(30)) for one in told)
    untagged = tuple(one._replace(data=one.data.removeprefix(CPI_EVENT_TAG)) for one in told)
    for beside in (forged, untagged):
        for inner in ((*beside, *told), (*told, *beside)):
            assert fill_of(replace(record, inner={1: inner}), names(case)) == fill_of(record, names(case))
        with pytest.raises(MalformedResultError, match="told of 0 swaps"):
            fill_of(replace(record, inner={1: beside}), names(case))


def test_fee_that_a_mint_takes_of_what_two_dlmm_pools_send_is_shared_out_to_the_unit() -> None:
    one, other, *_ = (case for case in cases(SwapProgram.DLMM) if case.kind == "normal")
    assert one.amounts is not None
    assert other.amounts is not None
    record = joined((one, FROM, TO), (other, FROM, TO))
    sent = one.amounts[1] + other.amounts[1]
    fee = sent // 3
    after = dict(record.tokens_after)
    after[TO] = after[TO]._replace(amount=after[TO].amount - fee)
    fill = fill_of(replace(record, tokens_after=after), names(one))
    first, second = (leg.output_units for leg in fill.legs)
    assert fill.output_units == first + second == sent - fee
    assert first == one.amounts[1] - fee * one.amounts[1] // sent


def test_account_that_the_transaction_opened_or_closed_counts_from_nothing_or_to_it() -> None:
    case = cases(SwapProgram.CPMM)[0]
    assert case.amounts is not None
    record, (given, got) = a_record(case), user_accounts(case)
    before = {given: TokenBalance(a_key(7), case.amounts[0])}
    after = {got: TokenBalance(a_key(7), case.amounts[1])}
    assert fill_of(replace(record, tokens_before=before, tokens_after=after), names(case))[:2] == case.amounts


@pytest.mark.parametrize("stray", [0, 7])
def test_wrapped_sol_that_is_synchronized_or_closed_counts_by_the_transfers_inside_the_swap(
    stray: int,
) -> None:
    case = cases(SwapProgram.CPMM)[0]
    assert case.amounts is not None
    (given, got), vault, (paid, received) = user_accounts(case), a_key(1), case.amounts
    record = a_record(case)
    synchronized = InnerInstruction(TOKEN, (given,), b"\x11")
    closed = InnerInstruction(TOKEN, (got, a_key(2), a_key(2)), b"\x09")
    before = {given: TokenBalance(WRAPPED_SOL, paid), got: TokenBalance(WRAPPED_SOL, stray)}
    shown = replace(
        record,
        tokens_before=before,
        tokens_after={given: TokenBalance(WRAPPED_SOL, stray)},
        inner={1: (moved(TOKEN, given, vault, paid), moved(TOKEN, vault, got, received))},
        outer=(*record.outer, synchronized, closed),
    )
    assert fill_of(shown, names(case))[:2] == case.amounts


def test_account_between_two_hops_that_is_gone_afterwards_counts_by_the_transfers_alone() -> None:
    one, other = cases(SwapProgram.CPMM)[:2]
    assert one.amounts is not None
    assert other.amounts is not None
    record = joined((one, FROM, BETWEEN), (other, BETWEEN, TO))
    plain = b"\x03" + one.amounts[1].to_bytes(8, "little")
    into = InnerInstruction(TOKEN, (a_key(9), BETWEEN, a_key(6)), plain)
    beside = (
        InnerInstruction(SYSTEM, (BETWEEN, TO), plain),
        InnerInstruction(TOKEN, (BETWEEN,), b"\x11"),
    )
    out_of = transfer(TOKEN_2022, BETWEEN, a_key(8), other.amounts[0])

    def shown(arriving: InnerInstruction) -> TransactionRecord:
        inner = {1: (*beside, *record.inner[1], arriving), 2: (*record.inner[2], out_of)}
        kept = (
            {key: held[key] for key in (FROM, TO)} for held in (record.tokens_before, record.tokens_after)
        )
        before, after = kept
        return replace(record, tokens_before=before, tokens_after=after, inner=inner)

    assert fill_of(shown(into), names(one))[:2] == (one.amounts[0], other.amounts[1])
    for program in (TOKEN_2022, SYSTEM):  # of Token-2022's nothing could be left in an account that is closed
        with pytest.raises(MalformedResultError, match="by its swaps' events"):
            fill_of(shown(into._replace(program=program)), names(one))


def moved(program: Pubkey, source: Pubkey, to: Pubkey, units: int) -> InnerInstruction:
    return InnerInstruction(program, (source, to), b"\x03" + units.to_bytes(8, "little"))


@pytest.mark.parametrize("program", [SwapProgram.CPMM, SwapProgram.CLMM])
def test_swap_whose_event_was_cut_off_with_the_log_is_told_by_its_transfers(program: SwapProgram) -> None:
    case = cases(program)[0]
    assert case.amounts is not None
    (given, got), vault, (paid, received) = user_accounts(case), a_key(1), case.amounts
    transfers = moved(TOKEN, given, vault, paid), moved(TOKEN, vault, got, received)
    whole = a_record(case)
    cut = replace(whole, logs=(*whole.logs[:2], "Log truncated"), inner={1: transfers})
    fill = fill_of(cut, names(case))
    (leg,), (told,) = fill.legs, fill_of(whole, names(case)).legs
    assert fill[:2] == (leg.input_units, leg.output_units) == case.amounts
    assert (leg.fee_units, leg.impact_bps) == (0, "0.00")
    assert (leg.token_in, leg.token_out, leg.pool_id) == (told.token_in, told.token_out, told.pool_id)
    for bad in (
        replace(cut, logs=(*whole.logs[:3], whole.logs[-1])),  # nothing was cut off
        replace(cut, inner={}),
        replace(cut, inner={1: (transfers[0], moved(TOKEN, vault, got, received + 1))}),
    ):
        with pytest.raises(MalformedResultError):
            fill_of(bad, names(case))


def test_mints_fee_of_a_swap_whose_event_was_cut_off_is_told_by_the_balance() -> None:
    case = cases(SwapProgram.CLMM)[0]
    assert case.amounts is not None
    (given, got), vault, (paid, received) = user_accounts(case), a_key(1), case.amounts
    transfers = moved(TOKEN, given, vault, paid), moved(TOKEN_2022, vault, got, received + 7)
    whole = a_record(case)
    fill = fill_of(replace(whole, logs=(*whole.logs[:2], "Log truncated"), inner={1: transfers}), names(case))
    assert fill[:2] == (fill.legs[0].input_units, fill.legs[0].output_units) == case.amounts
    assert fill.untold == {0}
    assert not fill_of(whole, names(case)).untold


def two_hops(*, is_cut_off: bool, fee: int, is_closed: bool) -> tuple[TransactionRecord, Names, int]:
    """Over an account of a Token-2022 mint, and how much of that the first hop brought."""
    one, other = cases(SwapProgram.CLMM)[0], cases(SwapProgram.CPMM)[0]
    assert one.amounts is not None
    assert other.amounts is not None
    arrived, vault = one.amounts[1], a_key(1)
    record = joined((one, FROM, BETWEEN), (other, BETWEEN, TO))
    # Exactly what arrived goes on.
    event = bytearray(base64.b64decode(record.logs[-2].removeprefix("Program data: ")))
    event[8 + 48 : 8 + 56] = arrived.to_bytes(8, "little")
    event[8 + 64 : 8 + 72] = bytes(8)
    second = f"Program data: {base64.b64encode(event).decode()}"
    first = ["Log truncated"] if is_cut_off else [record.logs[3]]
    logs = (*record.logs[:3], *first, *record.logs[4:-2], second, *record.logs[-1:])
    held = [dict(record.tokens_before), dict(record.tokens_after)]
    for each in held:
        if is_closed:
            del each[BETWEEN]
        else:
            each[BETWEEN] = each[BETWEEN]._replace(amount=5)
    inner = {
        1: (moved(TOKEN, FROM, vault, one.amounts[0]), transfer(TOKEN_2022, vault, BETWEEN, arrived + fee)),
        2: (transfer(TOKEN_2022, BETWEEN, vault, arrived), moved(TOKEN, vault, TO, other.amounts[1])),
    }
    shown = replace(record, logs=logs, tokens_before=held[0], tokens_after=held[1], inner=inner)
    return shown, names(one), arrived


@pytest.mark.parametrize("is_cut_off", [False, True])
def test_account_of_token_2022_that_was_opened_and_closed_between_two_hops_ended_empty(
    is_cut_off: bool,
) -> None:
    record, words, arrived = two_hops(is_cut_off=is_cut_off, fee=0, is_closed=True)
    first, second = fill_of(record, words).legs
    assert first.output_units == second.input_units == arrived


@pytest.mark.parametrize("is_closed", [False, True])
def test_mints_fee_between_two_hops_is_told_by_what_went_on(is_closed: bool) -> None:
    record, words, arrived = two_hops(is_cut_off=True, fee=7, is_closed=is_closed)
    first, second = fill_of(record, words).legs
    assert first.output_units == second.input_units == arrived
