from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from uuid import UUID

import pytest

from chalicelib.adapters.solana.book import BookPool
from chalicelib.adapters.solana.fixed_amounts import AmountFixer, FixedPlan
from chalicelib.adapters.solana.holdings import RESERVE_LAMPORTS_MIN, Holdings, SolIn, funded, spent
from chalicelib.adapters.solana.instructions import Instruction, memo
from chalicelib.adapters.solana.keys import Pubkey
from chalicelib.adapters.solana.message_reader import read_message
from chalicelib.adapters.solana.messages import V1_WIRE_BYTES_MAX, fits
from chalicelib.adapters.solana.programs import (
    ASSOCIATED_TOKEN,
    COMPUTE_BUDGET,
    MEMO,
    PROGRAM_IDS,
    SYSTEM,
    TOKEN,
    TOKEN_2022,
    WRAPPED_SOL,
    Cluster,
    SwapProgram,
)
from chalicelib.adapters.solana.swap_calls import keys_of, swap_call
from chalicelib.adapters.solana.swap_message import (
    LOADED_DATA_BYTES_MAX,
    UNITS_MAX,
    Budget,
    SwapContents,
    compiled,
    contents,
    has_room,
    mark_of,
    opened_by,
    priority_fee,
    units_after,
)
from chalicelib.adapters.solana.tokens import Mint, TokenAccount
from chalicelib.adapters.solana.trading_wallet import TradingWallet
from chalicelib.amm.swaps import Exact
from chalicelib.amm.transfer_fee import TransferFee
from chalicelib.domain.errors import PlanOutdatedError, RefusedError
from tests.unit.adapters.solana.books import (
    AMOUNT,
    BLOCKHASH,
    a_book,
    a_book_pool,
    a_key,
    a_mint,
    an_instruction,
    holdings,
    wallet_alone,
)

A, B, C = a_mint(1), a_mint(2), a_mint(3)
SOL = Mint(WRAPPED_SOL, TOKEN, 9, 0)
WALLET = wallet_alone()
MARK = mark_of(UUID(int=5), 1)
DELEGATED = TradingWallet(a_key(8), a_key(9))


def a_plan(*pools: BookPool, hops: Sequence[Sequence[BookPool]] = (), mode: Exact = Exact.IN) -> FixedPlan:
    all_hops = hops or [list(pools)]
    tokens = [all_hops[0][0].tokens[0], *(hop[0].tokens[1] for hop in all_hops)]
    path = (tuple(tokens), [[(pool.pool_id, AMOUNT) for pool in hop] for hop in all_hops])
    book = a_book(*(pool for hop in all_hops for pool in hop))
    threshold = 1 if mode is Exact.IN else 2**60
    return AmountFixer(book).fix(an_instruction(path, mode=mode, threshold=threshold))


def built(plan: FixedPlan, wallet: TradingWallet, held: Holdings, mint: Mint = A) -> SwapContents:
    tokens = plan.swaps[0].tokens[0], plan.swaps[-1].tokens[1]
    sol_in = funded(wallet, mint, tokens[0], plan.most_in, held, fee_lamports=5_000)
    return contents(plan, wallet, held, tokens=tokens, sol_in=sol_in, mark=MARK)


def shown(instructions: Sequence[Instruction]) -> list[tuple[bytes, bytes]]:
    """Program and first byte of the data of each."""
    return [(instruction.program, instruction.data[:1]) for instruction in instructions]


@pytest.mark.parametrize("program", list(SwapProgram))
def test_swap_of_any_one_pool_fits_into_version_0_with_its_budget(program: SwapProgram) -> None:
    pool = a_book_pool(program, "one", ("A", "B"), (A, B))
    made = built(a_plan(pool), WALLET, holdings(WALLET, (A, AMOUNT)))
    message = compiled(WALLET, made, BLOCKHASH, Budget(price=1_000))
    read = read_message(message.raw)
    assert fits(message)
    assert read.version == 0
    assert read.signers == (WALLET.authority,)
    assert read.instructions is not None
    assert [one.program for one in read.instructions] == [
        COMPUTE_BUDGET,
        COMPUTE_BUDGET,
        ASSOCIATED_TOKEN,
        pool.on_chain.program,
        MEMO,
    ]
    assert int.from_bytes(read.instructions[0].data[1:], "little") == made.units


@pytest.mark.parametrize("wallet", [WALLET, DELEGATED])
@pytest.mark.parametrize("program", list(SwapProgram))
@pytest.mark.parametrize("mode", list(Exact))
def test_swaps_ask_for_the_plans_amounts_between_the_accounts_of_who_owns_each(
    wallet: TradingWallet, program: SwapProgram, mode: Exact
) -> None:
    hops = [[a_book_pool(program, "one", ("A", "B"), (A, B))]]
    if mode is Exact.IN:
        hops.append([a_book_pool(SwapProgram.DAMM_V2, "next", ("B", "C"), (B, C))])
    plan = a_plan(hops=hops, mode=mode)
    approved = (wallet.authority, 2**62) if wallet.is_delegated else None
    made = built(plan, wallet, holdings(wallet, (A, 2**62), delegate=approved)).instructions
    found = [
        swap_call(PROGRAM_IDS[Cluster.MAINNET], one.program, keys_of(one.accounts), one.data) for one in made
    ]
    calls = [call for call in found if call is not None]
    assert [(call.mode, call.amount, call.threshold) for call in calls] == [
        (swap.mode, swap.amount, swap.threshold) for swap in plan.swaps
    ]
    places = [wallet.account(A.key, TOKEN), wallet.account(B.key, TOKEN)]
    if mode is Exact.IN:
        places[1:] = [wallet.between(B.key, TOKEN), wallet.account(C.key, TOKEN)]
    assert [(call.input_account, call.output_account) for call in calls] == list(pairwise(places))
    assert {call.authority for call in calls} == {wallet.authority}
    opened = [one.accounts for one in made if one.program == ASSOCIATED_TOKEN]
    # Each is made for whom it belongs to, at the cost of who signs.
    assert [accounts[1].key for accounts in opened] == places[1:]
    assert {accounts[0].key for accounts in opened} == {wallet.authority}


def test_nothing_is_bid_for_a_place_in_a_block_without_a_price() -> None:
    plan = a_plan(a_book_pool(SwapProgram.CPMM, "one", ("A", "B"), (A, B)))
    made = built(plan, WALLET, holdings(WALLET, (A, AMOUNT)))
    read = read_message(compiled(WALLET, made, BLOCKHASH, Budget()).raw)
    assert read.instructions is not None
    assert [one.data[:1] for one in read.instructions if one.program == COMPUTE_BUDGET] == [b"\x02"]


def test_plan_too_long_for_version_0_is_version_1_with_the_budget_in_its_header() -> None:
    pools = [
        a_book_pool(program, f"{program}{i}", ("A", "B"), (a, b))
        for i, program in enumerate(SwapProgram)
        for a, b in [(A, B)]
    ]
    made = built(a_plan(*pools), WALLET, holdings(WALLET, (A, 10 * AMOUNT)))
    message = compiled(WALLET, made, BLOCKHASH, Budget(price=1_000), units=900_000)
    read = read_message(message.raw)
    assert (read.version, fits(message)) == (1, True)
    assert read.config is not None
    assert read.config.compute_unit_limit == 900_000
    assert read.config.loaded_accounts_data_size_limit == LOADED_DATA_BYTES_MAX
    assert read.config.priority_fee_lamports == 900
    assert read.instructions is not None
    assert COMPUTE_BUDGET not in {one.program for one in read.instructions}


def test_priority_fee_never_exceeds_its_cap() -> None:
    budget = Budget(price=10**9, fee_lamports_max=5_000)
    assert budget.price_for(200_000) * 200_000 <= 5_000 * 10**6
    assert Budget(price=7).price_for(200_000) == 7
    for units in (3, 7, UNITS_MAX):
        assert priority_fee(units, budget.price_for(units)) <= 5_000
    assert priority_fee(1, 1) == 1
    assert units_after(100_001) == 115_002
    assert units_after(10**9) == UNITS_MAX


def test_middle_account_is_opened_and_closed_unless_it_was_there() -> None:
    hops = [
        [a_book_pool(SwapProgram.CPMM, "one", ("A", "B"), (A, B))],
        [a_book_pool(SwapProgram.DAMM_V2, "next", ("B", "C"), (B, C))],
    ]
    plan = a_plan(hops=hops)
    made = built(plan, WALLET, holdings(WALLET, (A, AMOUNT)))
    kinds = shown(made.instructions)
    assert kinds[:2] == [(ASSOCIATED_TOKEN, b"\x01")] * 2
    assert kinds[-2] == (TOKEN, b"\x09")
    assert made.instructions[-2].accounts[0].key == WALLET.between(B.key, TOKEN)
    kept = built(plan, WALLET, holdings(WALLET, (A, AMOUNT), (B, 0)))
    assert shown(kept.instructions) == [*kinds[:-2], kinds[-1]]


def test_what_may_hold_a_rest_between_two_hops_stays_open() -> None:
    hops = [
        [a_book_pool(SwapProgram.CPMM, "one", ("A", "B"), (A, B))],
        [a_book_pool(SwapProgram.DAMM_V2, "next", ("B", "C"), (B, C))],
    ]
    plan = a_plan(hops=hops, mode=Exact.OUT)
    made = built(plan, WALLET, holdings(WALLET, (A, 2**61)))
    assert (TOKEN, b"\x09") not in shown(made.instructions)
    with pytest.raises(PlanOutdatedError, match="B would stay with the desk"):
        built(plan, DELEGATED, holdings(DELEGATED, (A, 2**61), delegate=(DELEGATED.authority, 2**61)))


def test_sol_is_wrapped_for_the_swap_and_what_is_left_unwrapped_again() -> None:
    pool = a_book_pool(SwapProgram.CPMM, "one", ("SOL", "B"), (SOL, B))
    plan = a_plan(pool)
    made = built(plan, WALLET, holdings(WALLET), SOL)
    create, transfer, sync, create_output, swap, close, _ = made.instructions
    assert shown([create, transfer, sync, create_output, close]) == [
        (ASSOCIATED_TOKEN, b"\x01"),
        (SYSTEM, b"\x02"),
        (TOKEN, b"\x11"),
        (ASSOCIATED_TOKEN, b"\x01"),
        (TOKEN, b"\x09"),
    ]
    account = WALLET.account(WRAPPED_SOL, TOKEN)
    assert transfer.accounts[1].key == sync.accounts[0].key == close.accounts[0].key == account
    assert int.from_bytes(transfer.data[4:], "little") == AMOUNT
    assert close.accounts[1].key == WALLET.owner
    assert swap.program == pool.on_chain.program


def test_wrapped_sol_that_was_there_is_used_when_lamports_do_not_suffice_and_is_never_closed() -> None:
    plan = a_plan(a_book_pool(SwapProgram.CPMM, "one", ("SOL", "B"), (SOL, B)))
    held = holdings(WALLET, (SOL, AMOUNT - 10), lamports=5_005_015)
    made = built(plan, WALLET, held, SOL)
    moved = next(one for one in made.instructions if one.program == SYSTEM)
    assert int.from_bytes(moved.data[4:], "little") == 10
    assert (TOKEN, b"\x09") not in shown(made.instructions)
    enough = built(plan, WALLET, holdings(WALLET, (SOL, AMOUNT), lamports=5_005_015), SOL)
    assert {SYSTEM, TOKEN}.isdisjoint(one.program for one in enough.instructions)


def test_sol_bought_is_unwrapped_unless_the_wallet_kept_a_wrapped_account() -> None:
    pool = a_book_pool(SwapProgram.CPMM, "one", ("A", "SOL"), (A, SOL))
    plan = a_plan(pool)
    made = built(plan, WALLET, holdings(WALLET, (A, AMOUNT)))
    assert shown(made.instructions)[-2] == (TOKEN, b"\x09")
    made = built(plan, WALLET, holdings(WALLET, (A, AMOUNT), (SOL, 5)))
    assert (TOKEN, b"\x09") not in shown(made.instructions)


def test_delegate_takes_from_the_owner_and_pays_to_the_owner() -> None:
    pool = a_book_pool(SwapProgram.DAMM_V2, "one", ("A", "B"), (A, B))
    plan = a_plan(pool)
    held = holdings(DELEGATED, (A, AMOUNT), delegate=(DELEGATED.authority, AMOUNT))
    made = built(plan, DELEGATED, held)
    keys = [account.key for account in made.instructions[-2].accounts]
    assert keys[2:4] == [DELEGATED.account(A.key, TOKEN), DELEGATED.account(B.key, TOKEN)]
    assert compiled(DELEGATED, made, BLOCKHASH, Budget()).signers == (DELEGATED.authority,)
    sold = a_plan(a_book_pool(SwapProgram.CPMM, "two", ("A", "SOL"), (A, SOL)))
    assert (TOKEN, b"\x09") not in shown(built(sold, DELEGATED, held).instructions)


def two_hops(middle: Mint, mode: Exact = Exact.IN) -> FixedPlan:
    """From SOL to C."""
    return a_plan(
        hops=[
            [a_book_pool(SwapProgram.CPMM, "one", ("SOL", "B"), (SOL, middle))],
            [a_book_pool(SwapProgram.DAMM_V2, "next", ("B", "C"), (middle, C))],
        ],
        mode=mode,
    )


def test_wrapping_leaves_what_the_accounts_take_that_the_transaction_makes() -> None:
    """At the dearest rate so far: 165 bytes and 128 more, at 6,960 lamports each."""
    held, tokens = holdings(WALLET, lamports=10**9), ("SOL", "C")
    opened = opened_by(two_hops(B), WALLET, held, tokens=tokens)
    assert [(one.mint, one.rent_lamports, one.stays) for one in opened] == [
        (B, 2_039_280, False),
        (SOL, 2_039_280, False),
        (C, 2_039_280, True),
    ]
    most = 10**9 - 5_000 - 3 * 2_039_280 - 890_880
    assert funded(WALLET, SOL, "SOL", most, held, fee_lamports=5_000, opened=opened) == SolIn(most)
    with pytest.raises(RefusedError, match="does not hold enough SOL"):
        funded(WALLET, SOL, "SOL", most + 1, held, fee_lamports=5_000, opened=opened)
    (wrapped,) = opened_by(
        two_hops(B), WALLET, holdings(WALLET, (B, 0), (C, 0), lamports=10**9), tokens=tokens
    )
    most = 10**9 - 5_000 - RESERVE_LAMPORTS_MIN
    assert funded(WALLET, SOL, "SOL", most, held, fee_lamports=5_000, opened=[wrapped]) == SolIn(most)


def test_account_of_token_2022_may_take_more_rent_for_its_extensions() -> None:
    opened = opened_by(two_hops(a_mint(4, TOKEN_2022)), WALLET, holdings(WALLET), tokens=("SOL", "C"))
    assert opened[0].rent_lamports == (191 + 128) * 6_960


@pytest.mark.parametrize("wallet", [WALLET, DELEGATED])
@pytest.mark.parametrize("since_epoch", [0, 2**40])
def test_account_in_which_a_transfer_fee_is_withheld_is_not_closed(
    wallet: TradingWallet, since_epoch: int
) -> None:
    """Token-2022 closes none that holds withheld fees: ``AccountHasWithheldTransferFees``."""
    fee = TransferFee(100, 10**6)
    middle = replace(a_mint(4, TOKEN_2022), newer_fee=fee, newer_epoch=since_epoch)
    opened = opened_by(two_hops(middle), wallet, holdings(wallet), tokens=("SOL", "C"))
    assert [one.stays for one in opened if one.mint == middle] == [True]


def test_account_that_an_order_leaves_is_not_closed_by_the_next_one_of_its_batch() -> None:
    held, tokens = holdings(WALLET, lamports=10**10), ("SOL", "C")
    plan = two_hops(B, Exact.OUT)
    opened = opened_by(plan, WALLET, held, tokens=tokens)
    left = spent(WALLET, SOL, 100, held, SolIn(100), fee_lamports=5_000, opened=opened)
    assert left.lamports == 10**10 - 100 - 5_000 - 2 * 2_039_280
    made = contents(two_hops(B), WALLET, left, tokens=tokens, sol_in=SolIn(100), mark=MARK)
    closed = [one.accounts[0].key for one in made.instructions if one.data[:1] == b"\x09"]
    assert closed == [WALLET.account(WRAPPED_SOL, TOKEN)]


@pytest.mark.parametrize("place", [WALLET.account(C.key, C.program), WALLET.between(B.key, B.program)])
def test_nothing_is_swapped_into_an_account_that_is_frozen(place: Pubkey) -> None:
    held = holdings(WALLET, (SOL, 0), (B, 0), (C, 0))
    account = held.accounts[place]
    assert account is not None
    frozen = Holdings(held.lamports, {**held.accounts, place: account._replace(is_frozen=True)})
    with pytest.raises(RefusedError, match="frozen"):
        contents(two_hops(B), WALLET, frozen, tokens=("SOL", "C"), sol_in=SolIn(100), mark=MARK)


def test_account_of_a_desk_that_is_frozen_ends_no_owners_order() -> None:
    held = holdings(DELEGATED, (SOL, AMOUNT), (C, 0), delegate=(DELEGATED.authority, AMOUNT))
    place = DELEGATED.between(B.key, B.program)
    account = TokenAccount(B.key, DELEGATED.authority, 0, True, None, 0)
    frozen = Holdings(held.lamports, {**held.accounts, place: account})
    with pytest.raises(PlanOutdatedError, match="frozen"):
        contents(two_hops(B), DELEGATED, frozen, tokens=("SOL", "C"), sol_in=None, mark=MARK)


def test_more_legs_than_a_message_carries_are_refused() -> None:
    pools = [a_book_pool(SwapProgram.CPMM, f"pool {i}", ("A", "B"), (A, B)) for i in range(20)]
    made = built(a_plan(*pools), WALLET, holdings(WALLET, (A, 100 * AMOUNT)))
    many = made._replace(instructions=made.instructions * 20)
    with pytest.raises(RefusedError, match="too many legs"):
        compiled(WALLET, many, BLOCKHASH, Budget())


def test_message_with_more_bytes_than_a_transaction_has_is_refused() -> None:
    pool = a_book_pool(SwapProgram.CPMM, "one", ("A", "B"), (A, B))
    made = built(a_plan(pool), WALLET, holdings(WALLET, (A, AMOUNT)))
    long = made._replace(instructions=(*made.instructions, memo("x" * V1_WIRE_BYTES_MAX, WALLET.authority)))
    with pytest.raises(RefusedError, match="too many legs"):
        compiled(WALLET, long, BLOCKHASH, Budget())


@pytest.mark.parametrize(("legs", "fits_in"), [(1, True), (5, True), (50, False)])
def test_plan_has_room_where_its_message_can_be_compiled(legs: int, fits_in: bool) -> None:
    plan = a_plan(*(a_book_pool(SwapProgram.CPMM, f"pool {i}", ("A", "B"), (A, B)) for i in range(legs)))
    assert has_room(plan, WALLET, ("A", "B")) == fits_in


def test_compute_units_grow_with_the_swaps_up_to_what_the_chain_allows() -> None:
    units = []
    for program, legs in ((SwapProgram.CPMM, 1), (SwapProgram.CPMM, 2), (SwapProgram.DLMM, 3)):
        plan = a_plan(*(a_book_pool(program, f"pool {i}", ("A", "B"), (A, B)) for i in range(legs)))
        units.append(built(plan, WALLET, holdings(WALLET, (A, 10 * AMOUNT))).units)
    # Beside a swap there is an account to open, and the memo.
    assert units == [60_000 + 2 * 25_000 + 10_000, 2 * 60_000 + 2 * 25_000 + 10_000, UNITS_MAX]


def test_orders_with_the_same_terms_and_block_hash_are_different_transactions() -> None:
    plan = a_plan(a_book_pool(SwapProgram.CPMM, "one", ("A", "B"), (A, B)))
    held = holdings(WALLET, (A, AMOUNT))
    made = [
        contents(plan, WALLET, held, tokens=("A", "B"), sol_in=None, mark=mark_of(UUID(int=order), attempt))
        for order, attempt in ((1, 1), (2, 1), (1, 2))
    ]
    assert len({compiled(WALLET, one, BLOCKHASH, Budget()).raw for one in made}) == 3
