"""Calls that send, try and find transactions."""

import base64
from typing import Any, Final

from solders.transaction import VersionedTransaction

from chalicelib.adapters import base58
from chalicelib.adapters.solana.keys import Pubkey
from infra.chain.chain import Commitment
from infra.chain.faucet import airdrop
from infra.chain.faults import happens
from infra.chain.node import Node
from infra.chain.outcomes import Outcome
from infra.chain.records import inner_instructions, memos_of, return_data, token_balances
from infra.chain.rpc.accounts import shown
from infra.chain.rpc.errors import RpcError, invalid_params, preflight_failed, unhealthy, unsupported_version
from infra.chain.rpc.params import (
    Params,
    commitment_of,
    decoded,
    key_of,
    signature_of,
    view_of,
    whole,
    with_context,
)
from infra.chain.store import Block, Landed
from infra.chain.transactions import MalformedError, Transaction, TransactionError, is_signed, parse

STATUSES_MAX: Final = 256
AIRDROP_LAMPORTS_MAX: Final = 10**15
SIGNATURES_MAX: Final = 1000


def send_transaction(node: Node, params: Params) -> Any:
    config = params.config(1)
    transaction = _parsed(params, config)
    view = view_of(node, config, "preflightCommitment")
    if not config.get("skipPreflight"):
        if not is_signed(transaction):
            raise RpcError(-32003, "Transaction signature verification failure")
        if node.faults.unhealthy:
            raise unhealthy(max(node.behind_now, 1))
        err, tried = _tried(node, transaction, view)
        if err is not None:
            raise preflight_failed(err, _simulated(tried, err) | {"accounts": None})
    node.send(transaction)
    return base58.encode(bytes(transaction.signatures[0]))


def simulate_transaction(node: Node, params: Params) -> Any:
    config = params.config(1)
    transaction = _parsed(params, config)
    view = view_of(node, config)
    replaces = bool(config.get("replaceRecentBlockhash"))
    if replaces and config.get("sigVerify"):
        raise invalid_params("sigVerify may not be used with replaceRecentBlockhash")
    if config.get("sigVerify") and not is_signed(transaction):
        raise RpcError(-32003, "Transaction signature verification failure")
    err, tried = _tried(node, transaction, view, checked=not replaces)
    result = _simulated(tried, err)
    asked = config.get("accounts")
    result["accounts"] = None if asked is None else _accounts(node, asked, tried)
    result["replacementBlockhash"] = None
    if replaces:
        blockhash, last = node.chain.latest_blockhash(view)
        result["replacementBlockhash"] = {
            "blockhash": base58.encode(blockhash),
            "lastValidBlockHeight": last,
        }
    if tried is not None:
        transaction_seen, outcome = tried
        places = {key: place for place, key in enumerate(transaction_seen.keys)}
        if config.get("innerInstructions"):
            result["innerInstructions"] = inner_instructions(outcome.inner, places)
        result |= _balances(node, transaction_seen, outcome)
    return with_context(view, result)


def get_signature_statuses(node: Node, params: Params) -> Any:
    signatures = [signature_of(one) for one in params.listed(0, STATUSES_MAX)]
    history = bool(params.config(1).get("searchTransactionHistory"))
    view = node.view(Commitment.PROCESSED)
    return with_context(view, [_status(node, signature, history=history) for signature in signatures])


def get_transaction(node: Node, params: Params) -> Any:
    signature = signature_of(params.required(0, "a signature"))
    config = params.config(1)
    commitment = commitment_of(config)
    if commitment is Commitment.PROCESSED:
        raise invalid_params("Method does not support commitment below `confirmed`")
    landed = node.chain.transaction(signature)
    if landed is None or landed.slot > node.view(commitment).slot or node.has_forgotten(landed.slot):
        return None
    shown = _shown(node, landed, config)
    if happens(node.faults.misreport_percent, node.chance):
        shown["meta"] = shown["meta"] | {"fee": shown["meta"]["fee"] + 1}
    return shown


def get_signatures_for_address(node: Node, params: Params) -> Any:
    config = params.config(1)
    view = view_of(node, config)
    limit = min(whole(config.get("limit") or SIGNATURES_MAX, "limit"), SIGNATURES_MAX)
    below = (view.slot + 1, 0)
    before, until = config.get("before"), config.get("until")
    if before is not None:
        landed = node.chain.transaction(signature_of(before))
        if landed is None:
            return []
        below = (landed.slot, landed.place)
    found = []
    for one in node.chain.mentioning(params.key(0), limit, below):
        if until is not None and one.signature == signature_of(until):
            break
        if node.has_forgotten(one.slot):
            break
        block = node.chain.block_at(one.slot)
        found.append(
            {
                "signature": base58.encode(one.signature),
                "slot": one.slot,
                "err": one.record["meta"]["err"],
                "memo": memos_of(one.record),
                "blockTime": None if block is None else block.unix_time,
                "confirmationStatus": _level(node, one.slot),
            }
        )
    return found


def request_airdrop(node: Node, params: Params) -> Any:
    lamports = whole(params.required(1, "lamports"), "lamports")
    if lamports > AIRDROP_LAMPORTS_MAX:
        raise invalid_params(f"Invalid params: an airdrop is at most {AIRDROP_LAMPORTS_MAX} lamports")
    blockhash, _ = node.chain.latest_blockhash(node.view(Commitment.PROCESSED))
    transaction = airdrop(node.chain, params.key(0), lamports, blockhash)
    node.send(transaction)
    return base58.encode(bytes(transaction.signatures[0]))


def _parsed(params: Params, config: dict[str, Any]) -> VersionedTransaction:
    encoding = config.get("encoding") or "base58"
    wire = decoded(params.required(0, "a transaction"), encoding)
    try:
        return parse(wire)
    except MalformedError as e:
        raise invalid_params(str(e)) from e


def _tried(
    node: Node, parsed: VersionedTransaction, view: Block, *, checked: bool = True
) -> tuple[Any, tuple[Transaction, Outcome] | None]:
    """The error that a transaction would end with now, and what it would do."""
    try:
        transaction = node.chain.prepare(parsed)
        if checked:
            node.chain.check(transaction, view)
        outcome = node.chain.simulate(transaction)
    except TransactionError as e:
        return e.err, None
    return outcome.err, (transaction, outcome)


def _simulated(tried: tuple[Transaction, Outcome] | None, err: Any) -> dict[str, Any]:
    outcome = tried[1] if tried else None
    return {
        "err": err,
        "logs": [] if outcome is None else list(outcome.logs),
        "unitsConsumed": 0 if outcome is None else outcome.units,
        "fee": None if outcome is None else outcome.fee,
        "innerInstructions": None,
        "loadedAccountsDataSize": 0,
        "returnData": None if outcome is None else return_data(outcome),
        "replacementBlockhash": None,
    }


def _balances(node: Node, transaction: Transaction, outcome: Outcome) -> dict[str, Any]:
    before = node.chain.account

    def after(key: Pubkey) -> Any:
        return outcome.changes[key] if key in outcome.changes else before(key)

    keys = transaction.keys
    sizes = [len(account.data) for key in keys if (account := before(key)) is not None]
    return {
        "loadedAccountsDataSize": sum(sizes),
        "preTokenBalances": token_balances(keys, before),
        "postTokenBalances": token_balances(keys, after),
        "preBalances": [account.lamports if (account := before(key)) else 0 for key in keys],
        "postBalances": [account.lamports if (account := after(key)) else 0 for key in keys],
    }


def _accounts(node: Node, asked: Any, tried: tuple[Transaction, Outcome] | None) -> list[Any]:
    if not isinstance(asked, dict) or not isinstance(asked.get("addresses"), list):
        raise invalid_params("Invalid params: accounts.addresses must be a list.")
    changes = tried[1].changes if tried else {}
    found = []
    for address in asked["addresses"]:
        key = key_of(address)
        account = changes[key] if key in changes else node.chain.account(key)
        found.append(shown(node, key, account, {"encoding": asked.get("encoding") or "base64"}))
    return found


def _status(node: Node, signature: bytes, *, history: bool) -> Any:
    found = node.status(signature, history=history)
    if found is None:
        return None
    slot, err = found
    level = _level(node, slot)
    confirmations = None
    if level != Commitment.FINALIZED:
        confirmations = max(node.view(Commitment.PROCESSED).slot - slot, 0)
    return {
        "slot": slot,
        "confirmations": confirmations,
        "err": err,
        "status": {"Ok": None} if err is None else {"Err": err},
        "confirmationStatus": level,
    }


def _level(node: Node, slot: int) -> str:
    for commitment in (Commitment.FINALIZED, Commitment.CONFIRMED):
        if slot <= node.view(commitment).slot:
            return commitment.value
    return Commitment.PROCESSED.value


def _shown(node: Node, landed: Landed, config: dict[str, Any]) -> dict[str, Any]:
    record = landed.record
    most = config.get("maxSupportedTransactionVersion")
    version = record["version"]
    if version != "legacy" and (most is None or version > most):
        raise unsupported_version(version)
    encoding = config.get("encoding") or "json"
    wire = base64.b64decode(record["wire"])
    shown_as: Any
    if encoding in {"json", "jsonParsed"}:
        shown_as = record["transaction"]
    elif encoding == "base64":
        shown_as = [record["wire"], "base64"]
    elif encoding in {"base58", "binary"}:
        shown_as = [base58.encode(wire), "base58"]
    else:
        raise invalid_params(f"unsupported encoding: {encoding}")
    block = node.chain.block_at(landed.slot)
    answer = {
        "slot": landed.slot,
        "blockTime": None if block is None else block.unix_time,
        "transactionIndex": landed.place,
        "transaction": shown_as,
        "meta": record["meta"],
    }
    return answer if most is None else answer | {"version": version}
