"""Calls about the chain itself: where it stands, what things cost."""

import base64
from typing import Any, Final

from chalicelib.adapters import base58
from chalicelib.adapters.solana.clock import EPOCH_SLOTS
from chalicelib.adapters.solana.keys import NO_KEY, address_of
from infra.chain.chain import FIRST_SLOT, Commitment
from infra.chain.node import Node
from infra.chain.rpc.errors import RpcError, invalid_params, unhealthy
from infra.chain.rpc.params import (
    API_VERSION,
    Params,
    commitment_of,
    decoded,
    key_of,
    view_of,
    whole,
    with_context,
)
from infra.chain.transactions import MalformedError, TransactionError, parse, resolve

BLOCKS_MAX: Final = 500_000
_FEE_ACCOUNTS_MAX: Final = 128


def get_health(node: Node, params: Params) -> Any:
    del params
    if node.faults.unhealthy:
        raise unhealthy(max(node.behind_now, 1))
    return "ok"


def get_version(node: Node, params: Params) -> Any:
    del node, params
    return {"solana-core": API_VERSION, "feature-set": 0}


def get_genesis_hash(node: Node, params: Params) -> Any:
    del params
    return str(node.chain.fact("genesis_hash"))


def get_identity(node: Node, params: Params) -> Any:
    del node, params
    return {"identity": address_of(NO_KEY)}


def get_slot(node: Node, params: Params) -> Any:
    return view_of(node, params.config(0)).slot


def get_block_height(node: Node, params: Params) -> Any:
    return view_of(node, params.config(0)).height


def get_first_available_block(node: Node, params: Params) -> Any:
    del params
    return node.chain.first_slot


def get_epoch_info(node: Node, params: Params) -> Any:
    view = view_of(node, params.config(0))
    return {
        "absoluteSlot": view.slot,
        "blockHeight": view.height,
        "epoch": view.slot // EPOCH_SLOTS,
        "slotIndex": view.slot % EPOCH_SLOTS,
        "slotsInEpoch": EPOCH_SLOTS,
        "transactionCount": node.chain.transaction_count,
    }


def get_epoch_schedule(node: Node, params: Params) -> Any:
    del node, params
    return {
        "slotsPerEpoch": EPOCH_SLOTS,
        "leaderScheduleSlotOffset": EPOCH_SLOTS,
        "warmup": False,
        "firstNormalEpoch": 0,
        "firstNormalSlot": 0,
    }


def get_transaction_count(node: Node, params: Params) -> Any:
    view_of(node, params.config(0))
    return node.chain.transaction_count


def get_latest_blockhash(node: Node, params: Params) -> Any:
    view = view_of(node, params.config(0))
    blockhash, last_valid = node.chain.latest_blockhash(view)
    return with_context(view, {"blockhash": base58.encode(blockhash), "lastValidBlockHeight": last_valid})


def is_blockhash_valid(node: Node, params: Params) -> Any:
    view = view_of(node, params.config(1))
    return with_context(view, node.chain.is_valid(key_of(params.required(0, "a blockhash")), view))


def get_fee_for_message(node: Node, params: Params) -> Any:
    view = view_of(node, params.config(1))
    raw = decoded(params.required(0, "a message"), "base64")
    fee = None
    try:
        transaction = resolve(parse(_with_empty_signatures(raw)), node.chain.account)
        if node.chain.is_valid(transaction.blockhash, view):
            fee = transaction.budget.fee
    except (MalformedError, TransactionError, IndexError) as e:
        raise invalid_params(f"failed to deserialize solana_message::versions::VersionedMessage: {e}") from e
    return with_context(view, fee)


def _with_empty_signatures(message: bytes) -> bytes:
    if message[0] == 0x81:
        return message + bytes(64 * message[1])
    signers = message[1] if message[0] & 0x80 else message[0]
    return bytes([signers]) + bytes(64 * signers) + message


def get_recent_prioritization_fees(node: Node, params: Params) -> Any:
    keys = frozenset(params.keys(0, _FEE_ACCOUNTS_MAX)) if params.at(0) is not None else frozenset()
    view = node.view(Commitment.PROCESSED)
    return [
        {"slot": slot, "prioritizationFee": fee}
        for slot, fee in node.chain.recent_fees(frozenset(keys), view)
    ]


def get_minimum_balance_for_rent_exemption(node: Node, params: Params) -> Any:
    size = whole(params.required(0, "a length"), "length")
    if size > 10 * 1024 * 1024:
        raise invalid_params("Invalid params: longer than any account")
    return node.chain.machine.rent_exempt_lamports(size)


def get_block_time(node: Node, params: Params) -> Any:
    slot = whole(params.required(0, "a slot"), "slot")
    block = node.chain.block_at(slot)
    if block is None:
        raise RpcError(-32009, f"Slot {slot} was skipped, or missing in long-term storage")
    return block.unix_time


def get_blocks(node: Node, params: Params) -> Any:
    first = whole(params.required(0, "a slot"), "slot")
    last: Any = params.at(1)
    config = params.config(2)
    if isinstance(last, dict):
        config, last = last, None
    newest = node.view(commitment_of(config)).slot
    end = newest if last is None else min(whole(last, "slot"), newest)
    if end - first > BLOCKS_MAX:
        raise invalid_params(f"Slot range too large; max {BLOCKS_MAX}")
    return node.chain.slots_between(first, end)


def get_block(node: Node, params: Params) -> Any:
    slot = whole(params.required(0, "a slot"), "slot")
    config = params.config(1)
    view = node.view(commitment_of(config))
    if slot > view.slot:
        raise RpcError(-32004, f"Block not available for slot {slot}")
    block = node.chain.block_at(slot)
    if block is None or node.has_forgotten(slot):
        raise RpcError(-32009, f"Slot {slot} was skipped, or missing in long-term storage")
    slots = [at for at in node.chain.slots_between(max(slot - 64, 0), slot) if at < slot]
    parent = node.chain.block_at(slots[-1]) if slots else None
    answer: dict[str, Any] = {
        "blockHeight": block.height,
        "blockTime": block.unix_time,
        "blockhash": base58.encode(block.blockhash),
        "parentSlot": slot - 1 if parent is None else parent.slot,
        "previousBlockhash": address_of(NO_KEY) if parent is None else base58.encode(parent.blockhash),
        "rewards": [],
    }
    landed = node.chain.transactions_of(slot)
    if config.get("transactionDetails") == "signatures":
        answer["signatures"] = [base58.encode(one.signature) for one in landed]
    elif config.get("transactionDetails") != "none":
        answer["transactions"] = [
            {name: one.record[name] for name in ("transaction", "meta", "version")} for one in landed
        ]
    return answer


def get_ag_genesis_cert(node: Node, params: Params) -> Any:
    """An object, since what this chain confirms is final."""
    del params
    return {"slot": FIRST_SLOT, "blockId": base64.b64encode(node.chain.tip.blockhash).decode()}
