"""Every message that we build is signed; every way to take something away with one is not."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from uuid import UUID

import pytest

from chalicelib.adapters.solana.fixed_amounts import AmountFixer
from chalicelib.adapters.solana.holdings import funded
from chalicelib.adapters.solana.instructions import (
    Instruction,
    close_token_account,
    compute_unit_limit,
    compute_unit_price,
    create_token_account,
    memo,
    readonly,
    signer,
    sync_native,
    transfer_checked,
    transfer_lamports,
    writable,
)
from chalicelib.adapters.solana.keys import Pubkey
from chalicelib.adapters.solana.message_guard import (
    GuardedSigner,
    SigningRules,
    UnsafeMessageError,
    check,
)
from chalicelib.adapters.solana.messages import (
    LookupTable,
    V1Config,
    legacy_message,
    v0_message,
    v1_message,
)
from chalicelib.adapters.solana.pda import associated_token_account
from chalicelib.adapters.solana.programs import (
    COMPUTE_BUDGET,
    PROGRAM_IDS,
    SYSTEM,
    TOKEN,
    TOKEN_2022,
    WRAPPED_SOL,
    Cluster,
    SwapProgram,
)
from chalicelib.adapters.solana.signer import DelegateSigner, SeedKey, SeedSigner
from chalicelib.adapters.solana.signing import verifies
from chalicelib.adapters.solana.swap_message import Budget, SwapContents, compiled, contents, mark_of
from chalicelib.adapters.solana.tokens import Mint
from chalicelib.adapters.solana.trading_wallet import TradingWallet
from chalicelib.amm.swaps import Exact
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
DELEGATED = TradingWallet(a_key(8), a_key(9))
STRANGER = a_key(66)
RULES = SigningRules(PROGRAM_IDS[Cluster.MAINNET])
BUDGET = Budget(price=1_000)


def made(
    wallet: TradingWallet,
    *mints: Mint,
    mode: Exact = Exact.IN,
    program: SwapProgram = SwapProgram.CPMM,
) -> SwapContents:
    symbols = "ABC"[: len(mints)]
    pools = [
        a_book_pool(
            (program, SwapProgram.DAMM_V2)[hop], f"pool {hop}", (symbols[hop], symbols[hop + 1]), pair
        )
        for hop, pair in enumerate(pairwise(mints))
    ]
    threshold = 1 if mode is Exact.IN else 2**60
    path = (tuple(symbols), [[(pool.pool_id, AMOUNT)] for pool in pools])
    plan = AmountFixer(a_book(*pools)).fix(an_instruction(path, mode=mode, threshold=threshold))
    delegate = (wallet.authority, 2**62) if wallet.is_delegated else None
    held = holdings(wallet, *([] if mints[0] == SOL else [(mints[0], 2**62)]), delegate=delegate)
    sol_in = funded(wallet, mints[0], "A", plan.most_in, held, fee_lamports=5_000)
    return contents(
        plan, wallet, held, tokens=(symbols[0], symbols[-1]), sol_in=sol_in, mark=mark_of(UUID(int=1), 1)
    )


@pytest.mark.parametrize("wallet", [WALLET, DELEGATED])
@pytest.mark.parametrize("program", list(SwapProgram))
@pytest.mark.parametrize("mode", list(Exact))
def test_swap_of_one_pool_is_signed(wallet: TradingWallet, program: SwapProgram, mode: Exact) -> None:
    check(
        compiled(wallet, made(wallet, A, B, mode=mode, program=program), BLOCKHASH, BUDGET).raw, wallet, RULES
    )


@pytest.mark.parametrize("wallet", [WALLET, DELEGATED])
def test_two_hops_are_signed_in_both_formats(wallet: TradingWallet) -> None:
    whole = made(wallet, A, B, C)
    check(compiled(wallet, whole, BLOCKHASH, BUDGET).raw, wallet, RULES)
    raw = v1_message(wallet.authority, whole.instructions, BLOCKHASH, V1Config(500_000, 1_000_000, 500)).raw
    check(raw, wallet, RULES)


@pytest.mark.parametrize("mints", [(SOL, B), (A, SOL)])
def test_wrapping_and_unwrapping_are_signed(mints: tuple[Mint, Mint]) -> None:
    check(compiled(WALLET, made(WALLET, *mints), BLOCKHASH, BUDGET).raw, WALLET, RULES)


def refused(
    wallet: TradingWallet, *instructions: Instruction, problem: str, rules: SigningRules = RULES
) -> None:
    raw = v0_message(wallet.authority, instructions, BLOCKHASH).raw
    with pytest.raises(UnsafeMessageError, match=problem):
        check(raw, wallet, rules)


OWN_A = WALLET.account(A.key, TOKEN)
APPROVE = Instruction(TOKEN, (writable(OWN_A), readonly(STRANGER), signer(WALLET.owner)), b"\x04" + bytes(8))
SET_OWNER = Instruction(TOKEN, (writable(OWN_A), signer(WALLET.owner)), b"\x06\x02\x01" + STRANGER)
ASSIGN = Instruction(SYSTEM, (signer(WALLET.owner, is_writable=True),), (1).to_bytes(4, "little") + STRANGER)
CREATE = create_token_account(WALLET.owner, WALLET.owner, A.key, TOKEN)
WRAP = transfer_lamports(WALLET.owner, WALLET.account(WRAPPED_SOL, TOKEN), 1)
CLOSE = close_token_account(WALLET.account(WRAPPED_SOL, TOKEN), WALLET.owner, WALLET.owner)


def with_account(one: Instruction, place: int, key: Pubkey) -> Instruction:
    """The instruction with another account at one place, which neither signs nor is written to."""
    return one._replace(accounts=(*one.accounts[:place], readonly(key), *one.accounts[place + 1 :]))


@pytest.mark.parametrize(
    ("added", "problem"),
    [
        (transfer_lamports(WALLET.owner, STRANGER, 1), "lamports that leave"),
        (transfer_lamports(WALLET.owner, WALLET.account(A.key, TOKEN), 1), "lamports that leave"),
        (ASSIGN, "more than wrapping"),
        (APPROVE, "moved or given away"),
        (SET_OWNER, "moved or given away"),
        (
            transfer_checked(OWN_A, A.key, a_key(4), WALLET.owner, amount=1, decimals=6),
            "moved or given away",
        ),
        (close_token_account(WALLET.account(WRAPPED_SOL, TOKEN), STRANGER, WALLET.owner), "given away"),
        (sync_native(OWN_A), "synchronized"),
        (sync_native(WALLET.account(WRAPPED_SOL, TOKEN))._replace(program=TOKEN_2022), "synchronized"),
        (create_token_account(WALLET.owner, STRANGER, A.key, TOKEN), "another wallet"),
        (create_token_account(WALLET.owner, WALLET.owner, A.key, SYSTEM), "unknown program"),
        (with_account(CREATE, 0, STRANGER), "another wallet"),
        (with_account(CREATE, 1, a_key(4)), "not the owner's"),
        (with_account(CREATE, 4, STRANGER), "unknown program"),
        (CREATE._replace(data=b"\x02"), "unknown call"),  # RecoverNested
        (with_account(CREATE, 6, STRANGER), "unknown call"),
        (WRAP._replace(data=b"\x08" + WRAP.data[1:]), "more than wrapping"),  # Allocate
        (WRAP._replace(data=WRAP.data + b"\x00"), "more than wrapping"),
        (with_account(WRAP, 2, STRANGER), "more than wrapping"),
        (CLOSE._replace(data=APPROVE.data), "moved or given away"),
        (with_account(CLOSE, 3, STRANGER), "moved or given away"),
        (Instruction(COMPUTE_BUDGET, (), b"\x01" + bytes(4)), "unknown budget"),
        (Instruction(COMPUTE_BUDGET, (readonly(OWN_A),), b"\x02" + bytes(4)), "unknown budget"),
        (Instruction(a_key(50), (), b""), "no part in a swap"),
        (memo("x" * 129, WALLET.owner), "memo"),
        (with_account(memo("x", WALLET.owner), 0, STRANGER), "memo"),
        (with_account(memo("x", WALLET.owner), 1, STRANGER), "memo"),
        (memo("x", STRANGER), "signs, and pays"),
    ],
)
def test_nothing_beside_a_swap_takes_anything_away(added: Instruction, problem: str) -> None:
    whole = made(WALLET, A, B).instructions
    refused(WALLET, *whole, added, problem=problem)
    refused(WALLET, added, *whole, problem=problem)


def moved(
    whole: SwapContents, place: int, key: Pubkey, *, program: SwapProgram = SwapProgram.CPMM
) -> list[Instruction]:
    """The instructions with another account at one place of the swap."""
    ids = RULES.ids
    program_id = {SwapProgram.CPMM: ids.cpmm, SwapProgram.DAMM_V2: ids.damm_v2}[program]
    changed = []
    for one in whole.instructions:
        accounts = list(one.accounts)
        if one.program == program_id:
            accounts[place] = accounts[place]._replace(key=key)
        changed.append(one._replace(accounts=tuple(accounts)))
    return changed


def test_output_of_a_swap_goes_to_the_wallets_own_account_only() -> None:
    whole = made(WALLET, A, B)
    for key in (STRANGER, associated_token_account(STRANGER, B.key, TOKEN), WALLET.account(C.key, TOKEN)):
        refused(WALLET, *moved(whole, 5, key), problem="no account of this wallet")
        refused(WALLET, *moved(whole, 4, key), problem="no account of this wallet")
    refused(WALLET, *moved(whole, 5, OWN_A), problem="into the account that pays")


def test_swap_without_a_bound_or_of_another_pool_is_refused() -> None:
    whole = made(WALLET, A, B)
    swap = next(one for one in whole.instructions if one.program == RULES.ids.cpmm)
    refused(WALLET, swap._replace(data=swap.data[:16] + bytes(8)), problem="threshold")
    refused(WALLET, swap._replace(data=swap.data[:8] + bytes(8) + swap.data[16:]), problem="an amount")
    refused(WALLET, swap._replace(data=swap.data + b"\x00"), problem="something else than a swap")
    refused(WALLET, with_account(swap, 0, STRANGER), problem="another wallet pays for")
    known = replace(RULES, pools={swap.accounts[3].key})
    check(compiled(WALLET, whole, BLOCKHASH, BUDGET).raw, WALLET, known)
    refused(WALLET, swap, problem="not one that we trade with", rules=replace(RULES, pools={STRANGER}))


def test_desk_keeps_nothing_of_what_it_takes_for_an_owner() -> None:
    whole = made(DELEGATED, A, B)
    desks = DELEGATED.between(B.key, TOKEN)
    refused(DELEGATED, *moved(whole, 5, desks), problem="gets an open amount")
    two = made(DELEGATED, A, B, C)
    first = next(one for one in two.instructions if one.program == RULES.ids.cpmm)
    refused(DELEGATED, first, problem="would stay with the desk")
    second = next(one for one in two.instructions if one.program == RULES.ids.damm_v2)
    refused(DELEGATED, second, problem="gives more than it got")
    refused(DELEGATED, second, first, problem="gives more than it got")
    exact_out = second._replace(data=second.data[:-1] + b"\x02")
    refused(DELEGATED, first, exact_out, problem="gives an open amount")
    refused(DELEGATED, first, second, first, problem="would stay with the desk")


def test_desk_neither_wraps_nor_moves_lamports() -> None:
    whole = made(DELEGATED, A, B).instructions
    wrap = transfer_lamports(DELEGATED.authority, DELEGATED.account(WRAPPED_SOL, TOKEN), 1)
    refused(DELEGATED, *whole, wrap, problem="more than wrapping")


@pytest.mark.parametrize(
    "build",
    [
        lambda whole: legacy_message(WALLET.authority, whole, BLOCKHASH).raw,
        lambda whole: v0_message(WALLET.authority, whole, BLOCKHASH, [LookupTable(a_key(3), (A.key,))]).raw,
        lambda whole: v0_message(STRANGER, whole, BLOCKHASH).raw,
        lambda whole: v0_message(WALLET.authority, whole, BLOCKHASH).raw[:-1],
        lambda _: b"",
        lambda _: b"x" * 5_000,
        lambda _: v0_message(WALLET.authority, [memo("x", WALLET.authority)], BLOCKHASH).raw,
    ],
)
def test_message_of_another_form_is_refused(build: Callable[[tuple[Instruction, ...]], bytes]) -> None:
    with pytest.raises(UnsafeMessageError):
        check(build(made(WALLET, A, B).instructions), WALLET, RULES)


def test_fee_beyond_the_cap_is_refused_in_both_formats() -> None:
    whole = made(WALLET, A, B)
    dear = Budget(price=10**8, fee_lamports_max=10**9)
    with pytest.raises(UnsafeMessageError, match="a priority fee of"):
        check(compiled(WALLET, whole, BLOCKHASH, dear).raw, WALLET, RULES)
    most = v1_message(WALLET.authority, whole.instructions, BLOCKHASH, V1Config(1, 1, 1_000_000)).raw
    check(most, WALLET, RULES)
    raw = v1_message(WALLET.authority, whole.instructions, BLOCKHASH, V1Config(1, 1, 1_000_001)).raw
    with pytest.raises(UnsafeMessageError, match="1000001 lamports"):
        check(raw, WALLET, RULES)


@pytest.mark.parametrize(
    ("budget", "fee_lamports_max", "is_signed"),
    [
        ([compute_unit_limit(200_000), compute_unit_price(5_000_000)], 1_000_000, True),
        ([compute_unit_price(5_000_001), compute_unit_limit(200_000)], 1_000_000, False),
        # Without a limit, and with one beyond it, the chain counts all the units that a transaction may have.
        ([compute_unit_price(714_285)], 1_000_000, True),
        ([compute_unit_price(714_286)], 1_000_000, False),
        ([compute_unit_limit(2**32 - 1), compute_unit_price(714_285)], 1_000_000, True),
        ([compute_unit_limit(2**32 - 1), compute_unit_price(714_286)], 1_000_000, False),
        ([compute_unit_limit(200_000)], 0, True),
        ([compute_unit_price(1)], 0, False),
        ([compute_unit_price(10**9), memo("\x03", WALLET.owner)], 1_000_000, False),
        ([compute_unit_price(10**9), memo("\x02", WALLET.owner)], 1_000_000, False),
    ],
)
def test_priority_fee_is_what_the_chain_would_take_for_the_budget_up_to_the_cap(
    budget: list[Instruction], fee_lamports_max: int, is_signed: bool
) -> None:
    whole = made(WALLET, A, B).instructions
    rules = replace(RULES, fee_lamports_max=fee_lamports_max)
    if is_signed:
        check(v0_message(WALLET.authority, [*whole, *budget], BLOCKHASH).raw, WALLET, rules)
    else:
        refused(WALLET, *whole, *budget, problem="a priority fee of", rules=rules)


def test_longest_memo_is_signed() -> None:
    whole = made(WALLET, A, B).instructions
    longest = memo("x" * 128, WALLET.owner)
    check(v0_message(WALLET.authority, [*whole, longest], BLOCKHASH).raw, WALLET, RULES)


def test_message_beyond_what_a_transaction_has_is_refused_whatever_it_does() -> None:
    whole = made(WALLET, A, B).instructions
    refused(WALLET, *whole, *[memo("x" * 128, WALLET.owner)] * 32, problem="bytes are no message")


def test_swap_of_a_single_unit_for_one_is_signed() -> None:
    (swap,) = [one for one in made(WALLET, A, B).instructions if one.program == RULES.ids.cpmm]
    one = (1).to_bytes(8, "little")
    least = swap._replace(data=swap.data[:8] + one + one)
    check(v0_message(WALLET.authority, [least], BLOCKHASH).raw, WALLET, RULES)


def test_guard_stands_before_the_key() -> None:
    inner = SeedSigner(b"seed")
    guarded = GuardedSigner(inner, RULES)
    wallet = guarded.wallet("acc")
    raw = compiled(wallet, made(wallet, A, B), BLOCKHASH, BUDGET).raw
    assert verifies(wallet.authority, raw, guarded.sign("acc", raw))
    for account_id, message in (("other", raw), ("acc", raw[:-1]), ("acc", b"hello")):
        with pytest.raises(UnsafeMessageError):
            guarded.sign(account_id, message)


def test_desk_signs_for_its_owner_and_for_no_other() -> None:
    desk, owners = SeedKey(b"d" * 32), {"one": a_key(9), "two": a_key(10)}
    guarded = GuardedSigner(DelegateSigner(desk, owners.get), RULES)
    wallet = guarded.wallet("one")
    raw = compiled(wallet, made(wallet, A, B), BLOCKHASH, BUDGET).raw
    assert verifies(desk.key, raw, guarded.sign("one", raw))
    with pytest.raises(UnsafeMessageError):
        guarded.sign("two", raw)
