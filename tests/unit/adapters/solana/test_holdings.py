"""What a wallet holds: whether it is enough for a transaction, and what that one leaves for the next."""

import pytest

from chalicelib.adapters.solana.holdings import Holdings, Opened, SolIn, funded, holdings_of, spent
from chalicelib.adapters.solana.programs import TOKEN, WRAPPED_SOL
from chalicelib.adapters.solana.tokens import Mint
from chalicelib.adapters.solana.trading_wallet import TradingWallet
from chalicelib.domain.errors import PlanOutdatedError, RefusedError
from tests.unit.adapters.solana.books import AMOUNT, a_key, a_mint, holdings, wallet_alone

A, B = a_mint(1), a_mint(2)
SOL = Mint(WRAPPED_SOL, TOKEN, 9, 0)
WALLET = wallet_alone()
DELEGATED = TradingWallet(a_key(8), a_key(9))


@pytest.mark.parametrize(
    ("held", "problem"),
    [
        (holdings(WALLET), "does not hold enough A"),
        (holdings(WALLET, (A, AMOUNT - 1)), "does not hold enough A"),
        (holdings(WALLET, (A, AMOUNT), lamports=10), "the network's fee"),
    ],
)
def test_wallet_that_holds_too_little_is_refused_before_anything_is_signed(
    held: Holdings, problem: str
) -> None:
    with pytest.raises(RefusedError, match=problem):
        funded(WALLET, A, "A", AMOUNT, held, fee_lamports=5_000)


@pytest.mark.parametrize(
    ("delegate", "problem"),
    [
        (None, "has not approved"),
        ((a_key(77), AMOUNT), "has not approved"),
        ((DELEGATED.authority, AMOUNT - 1), "has approved less A"),
    ],
)
def test_delegate_without_leave_is_refused_before_anything_is_signed(
    delegate: tuple[object, int] | None, problem: str
) -> None:
    held = holdings(DELEGATED, (A, AMOUNT), delegate=delegate)  # type: ignore[arg-type]
    with pytest.raises(RefusedError, match=problem):
        funded(DELEGATED, A, "A", AMOUNT, held, fee_lamports=5_000)


@pytest.mark.parametrize(
    ("lamports", "is_enough"),
    [
        (5_000, True),
        (5_001, False),  # neither nothing nor what an account has to hold
        (5_000 + 2 * 203_928 - 1, False),
        (5_000 + 2 * 203_928, True),
    ],
)
def test_wallet_that_cannot_pay_for_what_a_swap_opens_at_the_cheapest_rent_is_refused_before_it_is_signed(
    lamports: int, *, is_enough: bool
) -> None:
    held = holdings(WALLET, (A, AMOUNT), lamports=lamports)
    opened = [Opened(a_key(place), B, stays=True) for place in (1, 2)] if lamports > 5_001 else []
    if is_enough:
        assert funded(WALLET, A, "A", AMOUNT, held, fee_lamports=5_000, opened=opened) is None
    else:
        with pytest.raises(RefusedError, match="the network's fee"):
            funded(WALLET, A, "A", AMOUNT, held, fee_lamports=5_000, opened=opened)


@pytest.mark.parametrize("short_by", [0, 1])
def test_order_of_an_owner_waits_for_a_desk_that_holds_too_little_to_be_filled_up(short_by: int) -> None:
    opened = [Opened(a_key(1), B, stays=True)]
    needed = 5_000 + opened[0].rent_lamports + 890_880
    leave = (DELEGATED.authority, AMOUNT)
    held = holdings(DELEGATED, (A, AMOUNT), delegate=leave, lamports=needed - short_by)
    if not short_by:
        assert funded(DELEGATED, A, "A", AMOUNT, held, fee_lamports=5_000, opened=opened) is None
    else:
        with pytest.raises(PlanOutdatedError, match="the desk"):
            funded(DELEGATED, A, "A", AMOUNT, held, fee_lamports=5_000, opened=opened)


def test_order_counts_on_what_the_one_before_it_leaves() -> None:
    held = holdings(WALLET, (A, 100), lamports=10**9)
    left = spent(WALLET, A, 60, held, None, fee_lamports=5_000)
    assert left.lamports == 10**9 - 5_000
    assert funded(WALLET, A, "A", 40, left, fee_lamports=5_000) is None
    with pytest.raises(RefusedError, match="does not hold enough A"):
        funded(WALLET, A, "A", 41, left, fee_lamports=5_000)


def test_sol_that_an_order_wraps_is_gone_for_the_next_one_and_so_is_what_was_wrapped_before() -> None:
    held = holdings(WALLET, (SOL, 30), lamports=10**9)
    left = spent(WALLET, SOL, 100, held, SolIn(80), fee_lamports=5_000)
    assert left.lamports == 10**9 - 80 - 5_000
    account = left.accounts[WALLET.account(WRAPPED_SOL, TOKEN)]
    assert account is not None
    assert account.amount == 10


def test_approval_is_used_up_by_what_orders_take() -> None:
    held = holdings(DELEGATED, (A, 100), delegate=(DELEGATED.authority, 70))
    left = spent(DELEGATED, A, 60, held, None, fee_lamports=5_000)
    assert funded(DELEGATED, A, "A", 10, left, fee_lamports=5_000) is None
    with pytest.raises(RefusedError, match="approved less A"):
        funded(DELEGATED, A, "A", 11, left, fee_lamports=5_000)


def test_frozen_account_gives_nothing() -> None:
    held = holdings(WALLET, (A, AMOUNT))
    frozen = {key: account._replace(is_frozen=True) for key, account in held.accounts.items() if account}
    with pytest.raises(RefusedError, match="frozen"):
        funded(WALLET, A, "A", AMOUNT, Holdings(held.lamports, frozen), fee_lamports=5_000)


@pytest.mark.parametrize("wallet", [WALLET, DELEGATED])
def test_order_that_takes_everything_leaves_nothing_to_the_next_one(wallet: TradingWallet) -> None:
    approved = (wallet.authority, 100) if wallet.is_delegated else None
    left = spent(wallet, A, 100, holdings(wallet, (A, 100), delegate=approved), None, fee_lamports=5_000)
    with pytest.raises(RefusedError, match="approved less A" if approved else "does not hold enough A"):
        funded(wallet, A, "A", 1, left, fee_lamports=5_000)
    more = holdings(wallet, (A, 200), delegate=approved)
    left = spent(wallet, A, 100, more, None, fee_lamports=5_000)
    account = left.accounts[wallet.account(A.key, A.program)]
    assert account is not None
    assert (account.amount, account.delegated_amount) == (100, 0)


def test_wallet_that_the_chain_does_not_know_holds_nothing() -> None:
    held = holdings_of(WALLET, [A], {})
    assert held == Holdings(0, {WALLET.account(A.key, A.program): None})
    with pytest.raises(RefusedError, match="the network's fee"):
        funded(WALLET, A, "A", 1, held, fee_lamports=5_000)


def test_account_that_is_not_there_has_approved_nothing() -> None:
    with pytest.raises(RefusedError, match="has not approved"):
        funded(DELEGATED, A, "A", 1, holdings(DELEGATED), fee_lamports=5_000)


def test_account_that_an_order_opens_and_leaves_is_there_for_the_next_one_and_empty() -> None:
    opened = [Opened(WALLET.account(A.key, A.program), A, stays=True)]
    left = spent(WALLET, SOL, 5, holdings(WALLET), SolIn(5), fee_lamports=5_000, opened=opened)
    assert left.has(opened[0].place)
    with pytest.raises(RefusedError, match="does not hold enough A"):
        funded(WALLET, A, "A", 1, left, fee_lamports=5_000)


@pytest.mark.parametrize(
    ("lamports", "wrapped", "units", "sol_in"),
    [
        (5_005_001, 0, 1, SolIn(1)),
        (5_005_000, 0, 1, None),
        (5_005_001, 10, 11, SolIn(1)),
        (5_005_001, 10, 12, None),
        (10**9, 10, 10, SolIn(10)),  # what is wrapped is not touched while lamports suffice
        (5_005_010, 10, 10, SolIn(10)),
        (5_005_009, 10, 10, SolIn(0)),
        (5_005_000, 10, 9, SolIn(0)),
        (5_000, 10, 10, SolIn(0)),
        (5_000, 10, 11, None),
        (4_999, 10, 10, None),
    ],
)
def test_sol_is_wrapped_down_to_the_reserve_and_then_what_was_wrapped_before_is_used(
    lamports: int, wrapped: int, units: int, sol_in: SolIn | None
) -> None:
    held = holdings(WALLET, (SOL, wrapped), lamports=lamports)
    if sol_in is not None:
        assert funded(WALLET, SOL, "SOL", units, held, fee_lamports=5_000) == sol_in
    else:
        with pytest.raises(RefusedError):
            funded(WALLET, SOL, "SOL", units, held, fee_lamports=5_000)
