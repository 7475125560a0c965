"""What the Solana adapter and the pool maths make of a swap that was executed, against what happened."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from chalicelib.adapters.solana.accounts import Accounts, UnsupportedPoolError
from chalicelib.adapters.solana.events import swap_event
from chalicelib.adapters.solana.instructions import Instruction
from chalicelib.adapters.solana.keys import Pubkey
from chalicelib.adapters.solana.layouts import CLMM_POOL, CPMM_POOL, DAMM_V2_POOL, DLMM_PAIR
from chalicelib.adapters.solana.meteora_damm_v2 import DammV2Accounts
from chalicelib.adapters.solana.meteora_dlmm import DlmmAccounts
from chalicelib.adapters.solana.pool_reading import OnChainPool, pool_at, tradable
from chalicelib.adapters.solana.program_logs import SwapFailure, failure_of
from chalicelib.adapters.solana.programs import (
    INSTRUCTIONS_SYSVAR,
    MEMO,
    PROGRAM_IDS,
    TOKEN,
    Cluster,
    SwapProgram,
    instruction_discriminator,
)
from chalicelib.adapters.solana.raydium_clmm import ClmmAccounts
from chalicelib.adapters.solana.swap_terms import SwapTerms
from chalicelib.adapters.solana.tokens import token_account_of
from chalicelib.amm.meteora_damm_v2 import DammV2Pool
from chalicelib.amm.pools import Pool, TransferFeePool, swap
from chalicelib.amm.raydium_clmm import ClmmPool
from chalicelib.amm.swaps import Exact, Refusal, SwapRefusedError, SwapResult
from chalicelib.domain.swap_mode import SwapMode
from tests.vectors.models import around, held, modelled
from tests.vectors.onchain import EPOCH, Case

KINDS_NEVER_SENT: Final = frozenset({"referral", "partial_fill"})
"""Nothing of ours asks for these: they are decoded, and their events read, no more."""

_ID_NAMES: Final = {
    SwapProgram.CPMM: "cpmm",
    SwapProgram.CLMM: "clmm",
    SwapProgram.DLMM: "dlmm",
    SwapProgram.DAMM_V2: "damm_v2",
}
_LAYOUTS: Final = {
    SwapProgram.CPMM: CPMM_POOL,
    SwapProgram.CLMM: CLMM_POOL,
    SwapProgram.DLMM: DLMM_PAIR,
    SwapProgram.DAMM_V2: DAMM_V2_POOL,
}
_USER_ACCOUNTS_AT: Final = {
    SwapProgram.CPMM: 4,
    SwapProgram.CLMM: 3,
    SwapProgram.DLMM: 4,
    SwapProgram.DAMM_V2: 2,
}
_PROTOCOL_FEES: Final = {
    SwapProgram.CPMM: ("protocol_fees_token_0", "protocol_fees_token_1"),
    SwapProgram.CLMM: ("protocol_fees_token_0", "protocol_fees_token_1"),
    SwapProgram.DLMM: ("protocol_fee_x", "protocol_fee_y"),
    SwapProgram.DAMM_V2: ("protocol_a_fee", "protocol_b_fee"),
}
_ERROR_NAME: Final = re.compile(r"Error Code: (\w+)\.")
_PRICE_LIMIT: Final = slice(24, 40)
_LATER: Final = ("sqrt_price_after", "tick_after", "liquidity_after", "active_id_after")

Finding = tuple[str, str, bool]
"""Which check, what is different if anything is, and whether it agrees."""


def decode(case: Case, accounts: Accounts) -> OnChainPool:
    """Read the case's pool with the adapter.

    Raises:
        UnsupportedPoolError: The adapter refuses it.
    """
    ids = PROGRAM_IDS[Cluster.MAINNET]._replace(**{_ID_NAMES[case.program]: case.program_id})
    return pool_at(ids, case.pool, accounts, case.clock)


def findings(case: Case) -> Iterator[Finding]:
    """Check one case from all sides."""
    yield from _event_findings(case)
    try:
        pool = decode(case, case.accounts)
    except UnsupportedPoolError as e:
        yield "refusal", f"the adapter refuses a pool that swapped: {e}", case.error is not None
        return
    if case.model is not None:
        actual = modelled(pool.state, _fields(case, after=False))
        yield _compared("decode", around(case.model, actual), actual)
    if case.kind in KINDS_NEVER_SENT:
        return
    yield _compared_instruction(case, pool)
    try:
        result, after = swap(tradable(pool, EPOCH), case.request)
    except SwapRefusedError as e:
        yield "refusal", f"the maths refuses a swap that happened: {e}", case.error is not None
        # The quotes in the files know neither opening points of pairs nor which arrays were passed.
        if case.quote is not None and "refusal" in case.quote and e.refusal is not Refusal.NOT_OPEN:
            yield _compared("quote", case.quote, {"refusal": e.refusal.value})
        return
    if case.quote is not None:
        yield _compared("quote", case.quote, _quoted(result, after, case.quote))
    if case.error is not None:
        problem = _unexplained(case, pool, result)
        yield "refusal", problem, not problem
        return
    yield _compared(
        "quote",
        {"paid and received": case.amounts},
        {"paid and received": (result.amount_in, result.amount_out)},
    )
    yield from _state_findings(case, pool, result, after)


def _fields(case: Case, *, after: bool) -> Mapping[str, int]:
    accounts = case.after if after else case.accounts
    return _LAYOUTS[case.program].read(accounts[case.pool].data).ints


def _compared(check: str, expected: Mapping[str, Any], actual: Mapping[str, Any]) -> Finding:
    different = [name for name in expected if _plain(expected[name]) != _plain(actual.get(name))]
    texts = [f"{name}: expected {expected[name]}, got {actual.get(name)}"[:300] for name in different]
    return check, "; ".join(texts), not texts


def _plain(value: Any) -> Any:
    """Files write wide integers as text."""
    if isinstance(value, str) and value.lstrip("-").isdigit():
        return int(value)
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value


def _quoted(result: SwapResult, after: Pool, quote: Mapping[str, Any]) -> dict[str, Any]:
    inner = after.inner if isinstance(after, TransferFeePool) else after
    curve = inner.curve if isinstance(inner, DammV2Pool) else inner
    later = {name: getattr(curve, name.removesuffix("_after"), None) for name in _LATER if name in quote}
    if isinstance(inner, ClmmPool):
        later["tick_after"] = inner.tick_current
    return result._asdict() | later


def _event_findings(case: Case) -> Iterator[Finding]:
    told = [event for data in case.events if (event := swap_event(case.program, data)) is not None]
    if case.amounts is None:
        return
    yield "event", f"{len(told)} events about one swap", len(told) == 1
    for event in told:
        received = event.received
        if case.program is SwapProgram.DLMM:
            received -= _withheld_from_output(case, received)
        actual = {"pool": event.pool, "paid": event.paid, "received": received}
        yield _compared(
            "event", {"pool": case.pool, "paid": case.amounts[0], "received": case.amounts[1]}, actual
        )


def _withheld_from_output(case: Case, amount: int) -> int:
    pool = decode(case, case.accounts)
    return pool.mints[1 - case.request.token_in].transfer_fee_at(EPOCH).of(amount)


def _compared_instruction(case: Case, pool: OnChainPool) -> Finding:
    at = _USER_ACCOUNTS_AT[case.program]
    authority = next(account.key for account in case.instruction.accounts if account.is_signer)
    terms = SwapTerms(
        authority,
        case.instruction.accounts[at].key,
        case.instruction.accounts[at + 1].key,
        case.request.token_in,
        SwapMode(case.request.mode.value),
        case.request.amount,
        case.threshold,
    )
    ours = _as_older(case, pool, pool.swap(terms))
    return _compared(
        "instruction",
        {"accounts": case.instruction.accounts, "data": case.instruction.data},
        {"accounts": ours.accounts, "data": ours.data},
    )


def _as_older(case: Case, pool: OnChainPool, ours: Instruction) -> Instruction:
    """The instruction under the older name that the case may use, and with the case's own optional parts."""
    accounts, data = ours.accounts, ours.data
    if isinstance(pool, ClmmAccounts):
        # Ours never limit the price; some that were taken from mainnet do.
        data = data[: _PRICE_LIMIT.start] + case.instruction.data[_PRICE_LIMIT] + data[_PRICE_LIMIT.stop :]
    if isinstance(pool, DammV2Accounts):
        # The sysvar does no harm where it is not needed, and those without it where it is show the error.
        named = [account for account in accounts if account.key != INSTRUCTIONS_SYSVAR]
        given = [account for account in case.instruction.accounts if account.key == INSTRUCTIONS_SYSVAR]
        must = case.error is None and pool.is_limited(case.request.token_in)
        accounts = accounts if must else tuple(named + given)
    if case.instruction_name == "swap":
        data = instruction_discriminator("swap") + data[8:]
    if case.instruction_name == "swap_exact_out":
        data = instruction_discriminator("swap_exact_out") + data[8:]
    if case.instruction_name in {"swap", "swap_exact_out"}:
        if isinstance(pool, ClmmAccounts):
            extensions = 0 if pool.extension is None else 1
            arrays = accounts[13 + extensions :]
            extension = accounts[13 : 13 + extensions]
            classic = next(account for account in accounts if account.key == TOKEN)
            accounts = (*accounts[:8], classic, *arrays[:1], *extension, *arrays[1:])
        elif isinstance(pool, DlmmAccounts):
            accounts, data = tuple(account for account in accounts if account.key != MEMO), data[:-4]
        elif isinstance(pool, DammV2Accounts):
            data = data[:-1]
    return Instruction(ours.program, accounts, data)


def _unexplained(case: Case, pool: OnChainPool, result: SwapResult) -> str:
    """Why a swap that our maths computes was refused: nothing if it is not the pool's doing."""
    found = _ERROR_NAME.search(case.log or "")
    inner = case.error["InstructionError"][1]
    number = inner.get("Custom") if isinstance(inner, dict) else None
    failure = failure_of(case.program, name=found[1] if found else None, number=number)
    exact_in = case.request.mode is Exact.IN
    beyond = result.amount_out < case.threshold if exact_in else result.amount_in > case.threshold
    if failure is SwapFailure.FUNDS or (failure is SwapFailure.SLIPPAGE and beyond):
        return ""
    if failure is SwapFailure.ACCOUNTS and isinstance(pool, DammV2Accounts):
        named = {account.key for account in case.instruction.accounts}
        if pool.is_limited(case.request.token_in) and INSTRUCTIONS_SYSVAR not in named:
            return ""
    # The build of early 2025 refuses exact-out swaps whose input, fees aside, rounds to nothing.
    arriving = result.amount_in - result.transfer_fee_in
    if (
        case.program is SwapProgram.CPMM
        and failure is SwapFailure.AMOUNT
        and arriving <= result.trade_fee + 1
    ):
        return ""
    return f"{failure.value} ({inner}) where the maths gives {result.amount_in} for {result.amount_out}"


def _state_findings(case: Case, pool: OnChainPool, result: SwapResult, after: Pool) -> Iterator[Finding]:
    later = decode(case, case.after)
    inner = after.inner if isinstance(after, TransferFeePool) else after
    yield _compared("state", held(later.state), held(inner))
    before, now = _fields(case, after=False), _fields(case, after=True)
    dust = result.dust_out if result.fee_token != case.request.token_in else 0
    name = _PROTOCOL_FEES[case.program][result.fee_token]
    yield _compared("state", {name: now[name] - before[name]}, {name: result.protocol_fee + dust})
    if case.program in {SwapProgram.CPMM, SwapProgram.CLMM}:
        name = f"fund_fees_token_{result.fee_token}"
        yield _compared("state", {name: now[name] - before[name]}, {name: result.fund_fee})
    if case.program is SwapProgram.DAMM_V2 and before["layout_version"]:
        yield _compared("state", _moved(now, before), _curve_moves(case, result))
    yield _compared(
        "state",
        {"vaults": [_balance(case.after, key) - _balance(case.accounts, key) for key in pool.vaults]},
        {"vaults": _vault_moves(case, result)},
    )


def _balance(accounts: Mapping[Pubkey, Any], key: Pubkey) -> int:
    return token_account_of(accounts[key]).amount


def _vault_moves(case: Case, result: SwapResult) -> list[int]:
    moves = [result.amount_in - result.transfer_fee_in, -(result.amount_out + result.transfer_fee_out)]
    return moves if case.request.token_in == 0 else moves[::-1]


def _moved(now: Mapping[str, int], before: Mapping[str, int]) -> dict[str, int]:
    return {name: now[name] - before[name] for name in ("token_a_amount", "token_b_amount")}


def _curve_moves(case: Case, result: SwapResult) -> dict[str, int]:
    """What a DAMM v2 pool counts as its own: all vault moves less the fees that are owed to others."""
    moves = _vault_moves(case, result)
    moves[result.fee_token] -= result.protocol_fee + result.lp_fee_outside
    return dict(zip(("token_a_amount", "token_b_amount"), moves, strict=True))
