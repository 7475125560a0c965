"""Raydium CPMM's two swap instructions, carried out with the project's verified maths.

After raydium-io/raydium-cp-swap@609780f ``instructions/swap_base_{input,output}.rs``. The observation
account, which no quote needs, is left as it is.
"""

from typing import Final

from chalicelib.adapters.solana import raydium_cpmm
from chalicelib.adapters.solana.accounts import Unsupported, UnsupportedPoolError
from chalicelib.adapters.solana.clock import ClockSysvar
from chalicelib.adapters.solana.instructions import Instruction
from chalicelib.adapters.solana.keys import Pubkey
from chalicelib.adapters.solana.layouts import CPMM_CONFIG, CPMM_POOL
from chalicelib.adapters.solana.pda import derived
from chalicelib.adapters.solana.pool_reading import tradable
from chalicelib.adapters.solana.programs import event_discriminator, instruction_discriminator
from chalicelib.amm.pools import swap
from chalicelib.amm.swaps import Exact, Refusal, SwapRefusedError, SwapResult, TokenIndex
from infra.chain.amm.anchor import (
    Arguments,
    Call,
    Executed,
    Overlay,
    Patch,
    ProgramError,
    numbers,
    owned,
    token_account,
    u64s,
)
from infra.chain.amm.movements import Places, balances, transfers

_NAMES: Final = (
    "payer",
    "authority",
    "amm_config",
    "pool_state",
    "input_token_account",
    "output_token_account",
    "input_vault",
    "output_vault",
    "input_token_program",
    "output_token_program",
    "input_token_mint",
    "output_token_mint",
    "observation_state",
)
_MODES: Final = {
    instruction_discriminator("swap_base_input"): Exact.IN,
    instruction_discriminator("swap_base_output"): Exact.OUT,
}
_EVENT: Final = event_discriminator("SwapEvent")
_PROTOCOL_FEES_AT, _FUND_FEES_AT, _CREATOR_FEES_AT = (341, 349), (357, 365), (397, 405)
_RECENT_EPOCH_AT: Final = 381
_UNITS, _UNITS_WITH_TRANSFER_FEE = 33_000, 39_000

NOT_APPROVED: Final = ProgramError("NotApproved", 6000, "Not approved")
_NOTHING: Final = ProgramError("RequireGtViolated", 2505, "A require_gt expression was violated")
_SLIPPAGE: Final = ProgramError("ExceededSlippage", 6005, "Exceeds desired slippage limit")
_OVERFLOW: Final = ProgramError("ProgramFailedToComplete", None, "arithmetic overflow")


def is_swap(data: bytes) -> bool:
    """Return whether the data begins as one of the instructions that are carried out here."""
    return data[:8] in _MODES


def execute(instruction: Instruction, overlay: Overlay, clock: ClockSysvar) -> Executed:
    """Return what the instruction does.

    Raises:
        ProgramError: It fails.
    """
    program, data = instruction.program, instruction.data
    mode = _MODES[data[:8]]
    given, taken = numbers(data, 8, 8, 8)
    accounts = Arguments(instruction, _NAMES)
    token_in, fields = _checked(accounts, overlay, program)
    amount, threshold = (given, taken) if mode is Exact.IN else (taken, given)
    call = Call(token_in, mode, amount, threshold)
    key = accounts.key("pool_state")
    read = {
        name: overlay(accounts.key(name))
        for name in (
            "amm_config",
            "pool_state",
            "input_vault",
            "output_vault",
            "input_token_mint",
            "output_token_mint",
        )
    }
    try:
        pool = raydium_cpmm.decode(
            program, key, {accounts.key(name): account for name, account in read.items()}, clock
        )
    except UnsupportedPoolError as e:
        raise _unsupported(e) from e
    if amount == 0:
        raise _NOTHING
    try:
        result, _ = swap(tradable(pool, clock.epoch), call.request(clock))
    except SwapRefusedError as e:
        raise _refused(e) from e
    if call.is_beyond_threshold(result):
        raise _SLIPPAGE
    vaults = [token_account(overlay, accounts.key(name), name) for name in ("input_vault", "output_vault")]
    name = "SwapBaseInput" if mode is Exact.IN else "SwapBaseOutput"
    has_fee = bool(result.transfer_fee_in or result.transfer_fee_out)
    mints = pool.mints if call.token_in == 0 else pool.mints[::-1]
    places = Places(
        accounts.key("payer"),
        accounts.key("authority"),
        (accounts.key("input_token_account"), accounts.key("output_token_account")),
        (accounts.key("input_vault"), accounts.key("output_vault")),
    )
    pool_account = read["pool_state"]
    assert pool_account is not None, "it was decoded"
    return Executed(
        name,
        transfers(places, mints, result),
        {key: _after(pool_account.data, result, clock)},
        balances(overlay, places.vaults, result),
        log_events=(_event(accounts, call, result, (vaults[0].amount, vaults[1].amount), fields),),
        units=_UNITS_WITH_TRANSFER_FEE if has_fee else _UNITS,
    )


def _checked(accounts: Arguments, overlay: Overlay, program: Pubkey) -> tuple[TokenIndex, dict[str, int]]:
    accounts.signs("payer")
    accounts.seeds(authority=derived(program, b"vault_and_lp_mint_auth_seed"))
    fields = owned(overlay(accounts.key("pool_state")), CPMM_POOL, program, "pool_state")
    owned(overlay(accounts.key("amm_config")), CPMM_CONFIG, program, "amm_config")
    keys = fields.keys
    accounts.is_key(amm_config=keys["amm_config"], observation_state=keys["observation_key"])
    accounts.writes(
        "pool_state",
        "input_token_account",
        "output_token_account",
        "input_vault",
        "output_vault",
        "observation_state",
    )
    vaults = keys["token_0_vault"], keys["token_1_vault"]
    given = (accounts.key("input_vault"), accounts.key("output_vault"))
    if given not in {vaults, vaults[::-1]}:
        raise ProgramError("ConstraintRaw", 2003, "A raw constraint was violated", "input_vault")
    direction: TokenIndex = 0 if given == vaults else 1
    for side, token in (("input", direction), ("output", 1 - direction)):
        accounts.is_key(**{f"{side}_token_mint": keys[f"token_{token}_mint"]})
        accounts.is_key(**{f"{side}_token_program": keys[f"token_{token}_program"]})
    return direction, dict(fields.ints)


def _after(data: bytes, result: SwapResult, clock: ClockSysvar) -> bytes:
    patch = Patch(data)
    patch.add(_PROTOCOL_FEES_AT[result.fee_token], result.protocol_fee)
    patch.add(_FUND_FEES_AT[result.fee_token], result.fund_fee)
    patch.add(_CREATOR_FEES_AT[result.creator_fee_token], result.creator_fee)
    patch.put(_RECENT_EPOCH_AT, clock.epoch, 8)
    return patch.done()


def _event(
    accounts: Arguments, call: Call, result: SwapResult, vaults: tuple[int, int], fields: dict[str, int]
) -> bytes:
    owed = [
        sum(fields[f"{part}_fees_token_{token}"] for part in ("protocol", "fund", "creator"))
        for token in (0, 1)
    ]
    ins, outs = call.token_in, 1 - call.token_in
    on_input = result.creator_fee_token == call.token_in
    return (
        _EVENT
        + accounts.key("pool_state")
        + u64s(
            vaults[0] - owed[ins],
            vaults[1] - owed[outs],
            result.amount_in - result.transfer_fee_in,
            result.amount_out + result.transfer_fee_out,
            result.transfer_fee_in,
            result.transfer_fee_out,
        )
        + bytes([call.mode is Exact.IN])
        + accounts.key("input_token_mint")
        + accounts.key("output_token_mint")
        + u64s(result.trade_fee, result.creator_fee)
        + bytes([on_input])
    )


def _unsupported(e: UnsupportedPoolError) -> ProgramError:
    if e.reason is Unsupported.SWAP_DISABLED:
        return NOT_APPROVED
    return ProgramError("InvalidAccountData", None, f"not modelled by this chain: {e}")


def _refused(e: SwapRefusedError) -> ProgramError:
    match e.refusal:
        case Refusal.NOT_OPEN:
            return NOT_APPROVED
        case Refusal.ZERO_OUTPUT:
            return _NOTHING
        case Refusal.INSUFFICIENT_LIQUIDITY:
            return _OVERFLOW
