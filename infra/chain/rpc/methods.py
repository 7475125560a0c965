"""Which call is which function, and the answer to one request of JSON-RPC 2.0."""

import logging
from collections.abc import Callable
from typing import Any, Final

from infra.chain.fork import ForkError
from infra.chain.node import Node
from infra.chain.rpc import accounts, cluster, transactions
from infra.chain.rpc.errors import RpcError
from infra.chain.rpc.params import Params

_log = logging.getLogger(__name__)

Method = Callable[[Node, Params], Any]

METHODS: Final[dict[str, Method]] = {
    "getAccountInfo": accounts.get_account_info,
    "getAgGenesisCert": cluster.get_ag_genesis_cert,
    "getBalance": accounts.get_balance,
    "getBlock": cluster.get_block,
    "getBlockHeight": cluster.get_block_height,
    "getBlockTime": cluster.get_block_time,
    "getBlocks": cluster.get_blocks,
    "getEpochInfo": cluster.get_epoch_info,
    "getEpochSchedule": cluster.get_epoch_schedule,
    "getFeeForMessage": cluster.get_fee_for_message,
    "getFirstAvailableBlock": cluster.get_first_available_block,
    "getGenesisHash": cluster.get_genesis_hash,
    "getHealth": cluster.get_health,
    "getIdentity": cluster.get_identity,
    "getLatestBlockhash": cluster.get_latest_blockhash,
    "getMinimumBalanceForRentExemption": cluster.get_minimum_balance_for_rent_exemption,
    "getMultipleAccounts": accounts.get_multiple_accounts,
    "getProgramAccounts": accounts.get_program_accounts,
    "getRecentPrioritizationFees": cluster.get_recent_prioritization_fees,
    "getSignatureStatuses": transactions.get_signature_statuses,
    "getSignaturesForAddress": transactions.get_signatures_for_address,
    "getSlot": cluster.get_slot,
    "getTokenAccountBalance": accounts.get_token_account_balance,
    "getTokenAccountsByOwner": accounts.get_token_accounts_by_owner,
    "getTokenSupply": accounts.get_token_supply,
    "getTransaction": transactions.get_transaction,
    "getTransactionCount": cluster.get_transaction_count,
    "getVersion": cluster.get_version,
    "isBlockhashValid": cluster.is_blockhash_valid,
    "requestAirdrop": transactions.request_airdrop,
    "sendTransaction": transactions.send_transaction,
    "simulateTransaction": transactions.simulate_transaction,
}


def answer(node: Node, request: Any, more: dict[str, Method] | None = None) -> dict[str, Any] | None:
    """Return the response to one request, None to a notification.

    Args:
        more: Calls beside the nodes' own.
    """
    if not isinstance(request, dict) or not isinstance(request.get("method"), str):
        return _failed(None, RpcError(-32600, "Invalid request"))
    identity = request.get("id")
    try:
        result = _called(node, request, more or {})
    except RpcError as e:
        return _failed(identity, e)
    except ForkError as e:
        return _failed(identity, RpcError(-32603, str(e)))
    except Exception:  # noqa: BLE001 - logged; see below
        # Whatever one call meets, the chain goes on for all others.
        _log.exception("a call failed: %s", request["method"])
        return _failed(identity, RpcError(-32603, "Internal error"))
    if "id" not in request:
        return None
    return {"jsonrpc": "2.0", "result": result, "id": identity}


def _called(node: Node, request: dict[str, Any], more: dict[str, Method]) -> Any:
    method = METHODS.get(request["method"]) or more.get(request["method"])
    values = request.get("params") or []
    if request.get("jsonrpc") != "2.0":
        raise RpcError(-32600, "Invalid request")
    if method is None:
        raise RpcError(-32601, "Method not found")
    if not isinstance(values, list):
        raise RpcError(-32602, "Invalid params: expected an array.")
    return method(node, Params(values))


def _failed(identity: Any, error: RpcError) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "error": error.body(), "id": identity}
