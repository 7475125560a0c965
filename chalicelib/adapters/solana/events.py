"""What the programs say that a swap did.

CPMM and CLMM write a log line ``Program data: <base64>``; DLMM and DAMM v2 call themselves with the
event as data, behind a tag, which no node truncates. Newer builds append fields: what an older
event lacks is left out. The four programs count transfer fees differently; ``paid`` and
``received`` are the trader's in all of them.
"""

from dataclasses import dataclass
from typing import Final

from chalicelib.adapters.solana.keys import Pubkey
from chalicelib.adapters.solana.layout import Fields, Layout
from chalicelib.adapters.solana.programs import DISCRIMINATOR_BYTES, SwapProgram, event_discriminator

CPI_EVENT_TAG: Final = bytes.fromhex("e445a52e51cb9a1d")

_CPMM: Final = Layout(
    "SwapEvent",
    81,
    """
    pool_id 0 key
    input_vault_before 32 u64
    output_vault_before 40 u64
    input_amount 48 u64
    output_amount 56 u64
    input_transfer_fee 64 u64
    output_transfer_fee 72 u64
    base_input 80 u8
    """,
)
_CPMM_FEES: Final = Layout(
    "SwapEvent since the creator fee",
    162,
    """
    input_mint 81 key
    output_mint 113 key
    trade_fee 145 u64
    creator_fee 153 u64
    creator_fee_on_input 161 u8
    """,
)
_CLMM: Final = Layout(
    "SwapEvent",
    197,
    """
    pool_state 0 key
    sender 32 key
    token_account_0 64 key
    token_account_1 96 key
    amount_0 128 u64
    transfer_fee_0 136 u64
    amount_1 144 u64
    transfer_fee_1 152 u64
    zero_for_one 160 u8
    sqrt_price_x64 161 u128
    liquidity 177 u128
    tick 193 i32
    """,
)
_CLMM_FEES: Final = Layout(
    "SwapEvent since May 2026",
    213,
    """
    trade_fee_0 197 u64
    trade_fee_1 205 u64
    """,
)
_DLMM: Final = Layout(
    "Swap2Evt",
    147,
    """
    lb_pair 0 key
    from 32 key
    start_bin_id 64 i32
    end_bin_id 68 i32
    swap_for_y 72 u8
    fee_bps 73 u128
    amount_in 89 u64
    amount_left 97 u64
    amount_out 105 u64
    mm_fee 113 u64
    protocol_fee 121 u64
    limit_order_fee 129 u64
    host_fee 137 u64
    fees_on_input 145 u8
    fees_on_token_x 146 u8
    """,
)
_DAMM_V2: Final = Layout(
    "EvtSwap2",
    180,
    """
    pool 0 key
    trade_direction 32 u8
    collect_fee_mode 33 u8
    has_referral 34 u8
    amount_0 35 u64
    amount_1 43 u64
    swap_mode 51 u8
    included_fee_input 52 u64
    excluded_fee_input 60 u64
    amount_left 68 u64
    output 76 u64
    next_sqrt_price 84 u128
    claiming_fee 100 u64
    protocol_fee 108 u64
    compounding_fee 116 u64
    referral_fee 124 u64
    included_transfer_fee_in 132 u64
    included_transfer_fee_out 140 u64
    excluded_transfer_fee_out 148 u64
    current_timestamp 156 u64
    reserve_a 164 u64
    reserve_b 172 u64
    """,
)


@dataclass(frozen=True, slots=True)
class SwapEvent:
    """One swap as its program reports it.

    Attributes:
        paid: What left the trader's input account; transfer fees included.
        received: What arrived on the output account. For DLMM
            less a transfer fee that the event does not know.
        trade_fee: All of it, None where the program's build does not report it.
        fields: All that the event holds, by the program's names.
    """

    program: SwapProgram
    pool: Pubkey
    paid: int
    received: int
    trade_fee: int | None
    fields: Fields


def swap_event(program: SwapProgram, data: bytes) -> SwapEvent | None:
    """Return what an event of a program says, None if it is not about a swap.

    Args:
        data: From the log line or, with the tag in front, from the inner instruction.

    Raises:
        ValueError: It is about a swap and shorter than any build makes it.
    """
    data = data.removeprefix(CPI_EVENT_TAG)
    kind, body = data[:DISCRIMINATOR_BYTES], data[DISCRIMINATOR_BYTES:]
    if kind != _KINDS[program]:
        return None
    match program:
        case SwapProgram.CPMM:
            return _cpmm(body)
        case SwapProgram.CLMM:
            return _clmm(body)
        case SwapProgram.DLMM:
            return _dlmm(body)
        case SwapProgram.DAMM_V2:
            return _damm_v2(body)


_KINDS: Final = {
    SwapProgram.CPMM: event_discriminator("SwapEvent"),
    SwapProgram.CLMM: event_discriminator("SwapEvent"),
    SwapProgram.DLMM: event_discriminator("Swap2Evt"),
    SwapProgram.DAMM_V2: event_discriminator("EvtSwap2"),
}


def _cpmm(body: bytes) -> SwapEvent:
    fields = _with_newer(body, _CPMM, _CPMM_FEES)
    ints = fields.ints
    paid = ints["input_amount"] + ints["input_transfer_fee"]
    received = ints["output_amount"] - ints["output_transfer_fee"]
    return SwapEvent(SwapProgram.CPMM, fields.keys["pool_id"], paid, received, ints.get("trade_fee"), fields)


def _clmm(body: bytes) -> SwapEvent:
    fields = _with_newer(body, _CLMM, _CLMM_FEES)
    ints = fields.ints
    given, got = ("0", "1") if ints["zero_for_one"] else ("1", "0")
    # The output's fee is off the amount already; the input's is not on it yet.
    paid = ints[f"amount_{given}"] + ints[f"transfer_fee_{given}"]
    fee = ints["trade_fee_0"] + ints["trade_fee_1"] if "trade_fee_0" in ints else None
    return SwapEvent(SwapProgram.CLMM, fields.keys["pool_state"], paid, ints[f"amount_{got}"], fee, fields)


def _dlmm(body: bytes) -> SwapEvent:
    fields = _DLMM.read(body)
    ints = fields.ints
    # The market makers' part contains neither of the others.
    fee = ints["mm_fee"] + ints["protocol_fee"] + ints["limit_order_fee"] + ints["host_fee"]
    return SwapEvent(
        SwapProgram.DLMM, fields.keys["lb_pair"], ints["amount_in"], ints["amount_out"], fee, fields
    )


def _damm_v2(body: bytes) -> SwapEvent:
    fields = _DAMM_V2.read(body)
    ints = fields.ints
    fee = sum(ints[f"{part}_fee"] for part in ("claiming", "protocol", "compounding", "referral"))
    return SwapEvent(
        SwapProgram.DAMM_V2,
        fields.keys["pool"],
        ints["included_transfer_fee_in"],
        ints["excluded_transfer_fee_out"],
        fee,
        fields,
    )


def _with_newer(body: bytes, older: Layout, newer: Layout) -> Fields:
    fields = older.read(body)
    if len(body) < newer.end:
        return fields
    more = newer.read(body)
    return Fields({**fields.ints, **more.ints}, {**fields.keys, **more.keys}, fields.blobs)
