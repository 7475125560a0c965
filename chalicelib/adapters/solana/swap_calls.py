"""Our swap instructions back from their bytes: what a signer is asked for, and what a landed leg was.

Only the forms that ``OnChainPool.swap`` builds are known here; another is refused, not guessed at.
"""

from typing import Final, NamedTuple

from chalicelib.adapters.solana.instructions import AccountMeta
from chalicelib.adapters.solana.keys import Pubkey, address_of
from chalicelib.adapters.solana.programs import (
    DISCRIMINATOR_BYTES,
    ProgramIds,
    SwapProgram,
    instruction_discriminator,
)
from chalicelib.amm.swaps import Exact


class SwapCall(NamedTuple):
    """One swap of one pool.

    Attributes:
        mints: Input and output for Raydium's programs; token 0 and token 1 for Meteora's, which are told the
            direction by the accounts alone (``is_directed``).
        amount: Given (exact in) or wanted (exact out).
        threshold: The least output, or the most input.
    """

    program: SwapProgram
    pool: Pubkey
    authority: Pubkey
    input_account: Pubkey
    output_account: Pubkey
    mints: tuple[Pubkey, Pubkey]
    is_directed: bool
    mode: Exact
    amount: int
    threshold: int


class _Form(NamedTuple):
    """Where an instruction has what.

    Attributes:
        commission: Where a host or referral is paid; the program's own id stands for none.
        tails: Name, mode, and what follows the two numbers.
    """

    accounts_min: int
    pool: int
    authority: int
    input_account: int
    mints: int
    is_directed: bool
    commission: int | None
    tails: tuple[tuple[bytes, Exact, bytes], ...]


_EXACT_IN, _EXACT_OUT = Exact.IN, Exact.OUT
_name = instruction_discriminator
_FORMS: Final = {
    SwapProgram.CPMM: _Form(
        accounts_min=13,
        pool=3,
        authority=0,
        input_account=4,
        mints=10,
        is_directed=True,
        commission=None,
        tails=((_name("swap_base_input"), _EXACT_IN, b""), (_name("swap_base_output"), _EXACT_OUT, b"")),
    ),
    SwapProgram.CLMM: _Form(
        accounts_min=13,
        pool=2,
        authority=0,
        input_account=3,
        mints=11,
        is_directed=True,
        commission=None,
        tails=(
            (_name("swap_v2"), _EXACT_IN, bytes(16) + b"\x01"),
            (_name("swap_v2"), _EXACT_OUT, bytes(16) + b"\x00"),
        ),
    ),
    SwapProgram.DLMM: _Form(
        accounts_min=16,
        pool=0,
        authority=10,
        input_account=4,
        mints=6,
        is_directed=False,
        commission=9,
        tails=((_name("swap2"), _EXACT_IN, bytes(4)), (_name("swap_exact_out2"), _EXACT_OUT, bytes(4))),
    ),
    SwapProgram.DAMM_V2: _Form(
        accounts_min=14,
        pool=1,
        authority=8,
        input_account=2,
        mints=6,
        is_directed=False,
        commission=11,
        tails=((_name("swap2"), _EXACT_IN, b"\x00"), (_name("swap2"), _EXACT_OUT, b"\x02")),
    ),
}
# The wanted amount comes second where the most input is the first argument.
_MOST_FIRST: Final = frozenset({SwapProgram.CPMM, SwapProgram.DLMM})
_NUMBERS_END: Final = DISCRIMINATOR_BYTES + 16


def swap_call(ids: ProgramIds, program: Pubkey, accounts: tuple[Pubkey, ...], data: bytes) -> SwapCall | None:
    """Return what an instruction asks a swap program for; None if it calls another program.

    Raises:
        ValueError: It calls a swap program for something that we never ask for.
    """
    kind = ids.program_of(program)
    if kind is None:
        return None
    form = _FORMS[kind]
    asked = data[:DISCRIMINATOR_BYTES], data[_NUMBERS_END:]
    mode = next((mode for name, mode, tail in form.tails if (name, tail) == asked), None)
    if mode is None or len(data) < _NUMBERS_END:
        raise ValueError(f"{kind.value} is asked for something else than a swap of ours")
    if len(accounts) < form.accounts_min:
        raise ValueError(f"{kind.value} is given {len(accounts)} accounts")
    if form.commission is not None and accounts[form.commission] != program:
        raise ValueError(f"{kind.value} is to pay {address_of(accounts[form.commission])} a share of the fee")
    first = int.from_bytes(data[DISCRIMINATOR_BYTES : DISCRIMINATOR_BYTES + 8], "little")
    second = int.from_bytes(data[DISCRIMINATOR_BYTES + 8 : _NUMBERS_END], "little")
    is_turned = mode is _EXACT_OUT and kind in _MOST_FIRST
    return SwapCall(
        kind,
        accounts[form.pool],
        accounts[form.authority],
        accounts[form.input_account],
        accounts[form.input_account + 1],
        (accounts[form.mints], accounts[form.mints + 1]),
        form.is_directed,
        mode,
        second if is_turned else first,
        first if is_turned else second,
    )


def keys_of(accounts: tuple[AccountMeta, ...]) -> tuple[Pubkey, ...]:
    """Return the keys alone."""
    return tuple(account.key for account in accounts)
