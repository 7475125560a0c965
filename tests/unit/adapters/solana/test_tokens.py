import pytest

from chalicelib.adapters.solana.accounts import Account, Unsupported, UnsupportedPoolError
from chalicelib.adapters.solana.keys import NO_KEY, Pubkey
from chalicelib.adapters.solana.programs import TOKEN, TOKEN_2022
from chalicelib.adapters.solana.tokens import extensions, mint_of, token_account_of
from chalicelib.amm.transfer_fee import NO_FEE, TransferFee

KEY = Pubkey(bytes(range(32)))
A_KEY = b"\x07" * 32


def u(number: int, width: int) -> bytes:
    return number.to_bytes(width, "little")


def a_mint(*entries: tuple[int, bytes], is_initialized: int = 1, program: Pubkey = TOKEN_2022) -> Account:
    base = u(0, 4) + bytes(32) + u(10**15, 8) + u(6, 1) + u(is_initialized, 1) + u(0, 4) + bytes(32)
    if not entries:
        return Account(program, 1, base)
    tail = b"".join(u(kind, 2) + u(len(data), 2) + data for kind, data in entries)
    return Account(program, 1, base.ljust(165, b"\0") + b"\x01" + tail)


def a_token_account(
    *, state: int = 1, is_native: int = 0, has_delegate: int = 0, program: Pubkey = TOKEN, tail: bytes = b""
) -> Account:
    data = A_KEY + bytes(KEY) + u(12345, 8) + u(has_delegate, 4) + A_KEY + u(state, 1)
    data += u(is_native, 4) + u(2_039_280, 8) + u(99, 8) + u(0, 4) + bytes(32)
    return Account(program, 1, data + tail)


def fee_config(older: tuple[int, int, int], newer: tuple[int, int, int]) -> tuple[int, bytes]:
    parts = b"".join(u(epoch, 8) + u(maximum, 8) + u(bps, 2) for epoch, maximum, bps in (older, newer))
    return 1, bytes(64) + u(77, 8) + parts


def reason_of(account: Account) -> Unsupported:
    with pytest.raises(UnsupportedPoolError) as refused:
        mint_of(KEY, account)
    return refused.value.reason


@pytest.mark.parametrize("program", [TOKEN, TOKEN_2022])
def test_plain_mint_of_either_program_takes_no_fee(program: Pubkey) -> None:
    mint = mint_of(KEY, a_mint(program=program))
    assert (mint.program, mint.decimals, mint.supply) == (program, 6, 10**15)
    assert mint.transfer_fee_at(800) == NO_FEE


@pytest.mark.parametrize(("epoch", "basis_points"), [(699, 100), (700, 50), (10**6, 50)])
def test_transfer_fee_changes_with_the_epoch(epoch: int, basis_points: int) -> None:
    mint = mint_of(KEY, a_mint(fee_config((1, 5, 100), (700, 1_000_000, 50))))
    assert mint.transfer_fee_at(epoch) == TransferFee(basis_points, 5 if basis_points == 100 else 1_000_000)


@pytest.mark.parametrize(
    ("kind", "data", "reason"),
    [
        (6, b"\x02", Unsupported.DEFAULT_FROZEN),
        (9, b"", Unsupported.NON_TRANSFERABLE),
        (12, A_KEY, Unsupported.PERMANENT_DELEGATE),
        (14, bytes(32) + A_KEY, Unsupported.TRANSFER_HOOK),
        (14, A_KEY + bytes(32), Unsupported.TRANSFER_HOOK),
        (26, A_KEY + b"\0", Unsupported.PAUSABLE),
        (26, bytes(32) + b"\x01", Unsupported.PAUSABLE),
        (29, b"", Unsupported.UNKNOWN_EXTENSION),
        (0x0103, b"", Unsupported.UNKNOWN_EXTENSION),  # no 3
        (*fee_config((0, 0, 10_001), (0, 0, 0)), Unsupported.IMPLAUSIBLE),
        (*fee_config((0, 0, 0), (0, 0, 10_001)), Unsupported.IMPLAUSIBLE),
        (1, bytes(107), Unsupported.UNKNOWN_LAYOUT),
    ],
)
def test_mint_whose_extension_stands_against_trading_is_refused(
    kind: int, data: bytes, reason: Unsupported
) -> None:
    assert reason_of(a_mint((18, bytes(64)), (kind, data))) is reason


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (6, b"\x01"),
        (12, bytes(32)),
        (14, bytes(64)),
        (26, bytes(33)),
        (3, A_KEY),
        (10, bytes(52)),
        (25, bytes(56)),
        (28, b""),
        (19, bytes(300)),
        fee_config((0, 0, 10_000), (0, 0, 10_000)),
    ],
)
def test_mint_whose_extension_is_empty_or_harmless_is_taken(kind: int, data: bytes) -> None:
    assert mint_of(KEY, a_mint((kind, data))).decimals == 6


def test_extension_longer_than_the_account_is_refused() -> None:
    whole = a_mint((18, bytes(64)))
    assert reason_of(whole._replace(data=whole.data[:-1])) is Unsupported.UNKNOWN_LAYOUT
    assert list(extensions(whole._replace(data=whole.data + bytes(7)))) == [(18, bytes(64))]


@pytest.mark.parametrize(
    "account",
    [
        a_mint(is_initialized=0),
        a_mint()._replace(data=bytes(81)),
        a_mint((18, b""))._replace(owner=TOKEN),
        a_token_account(program=TOKEN_2022, tail=b"\x02"),
        a_token_account(),
    ],
)
def test_what_is_no_mint_is_refused(account: Account) -> None:
    assert reason_of(account) is Unsupported.UNKNOWN_LAYOUT


def test_account_of_another_program_is_no_mint() -> None:
    assert reason_of(a_mint()._replace(owner=NO_KEY)) is Unsupported.WRONG_OWNER


def test_token_account_is_read_with_its_delegate_and_whether_it_is_frozen() -> None:
    plain = token_account_of(a_token_account())
    assert (plain.amount, plain.is_frozen, plain.delegate) == (12345, False, None)
    rich = token_account_of(
        a_token_account(state=2, is_native=1, has_delegate=1, program=TOKEN_2022, tail=b"\x02")
    )
    assert (rich.is_frozen, rich.delegate, rich.delegated_amount) == (True, A_KEY, 99)


@pytest.mark.parametrize(
    "account",
    [
        a_token_account(state=0),
        a_token_account(tail=b"\x02"),  # the classic program has no extensions
        a_token_account(program=TOKEN_2022, tail=b"\x01"),
        a_token_account(program=NO_KEY),
        a_mint(),
    ],
)
def test_what_is_no_token_account_is_refused(account: Account) -> None:
    with pytest.raises(UnsupportedPoolError):
        token_account_of(account)
