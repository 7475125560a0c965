"""Exchanges with a node: our requests against those in the file, and its answers read as values."""

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from chalicelib.adapters.solana import rpc_answers as answers
from chalicelib.adapters.solana import rpc_calls as calls
from chalicelib.adapters.solana.events import swap_event
from chalicelib.adapters.solana.keys import pubkey
from chalicelib.adapters.solana.program_logs import logged_events
from chalicelib.adapters.solana.programs import SwapProgram
from chalicelib.adapters.solana.rpc_errors import RpcError

Finding = tuple[str, str, bool]

_REQUESTS: Final[dict[str, Callable[[list[Any]], calls.RpcCall]]] = {
    "getLatestBlockhash": lambda params: calls.get_latest_blockhash(params[0]["minContextSlot"]),
    "getEpochInfo": lambda params: calls.get_epoch_info(params[0]["minContextSlot"]),
    "getMultipleAccounts": lambda params: calls.get_multiple_accounts(
        [pubkey(text) for text in params[0]], params[1]["minContextSlot"]
    ),
    "getSignatureStatuses": lambda params: calls.get_signature_statuses(params[0]),
    "getTransaction": lambda params: calls.get_transaction(params[0]),
    "sendTransaction": lambda params: calls.send_transaction(
        base64.b64decode(params[0]),
        is_simulated_first=not params[1]["skipPreflight"],
        min_context_slot=params[1]["minContextSlot"],
    ),
    "simulateTransaction": lambda params: calls.simulate_transaction(base64.b64decode(params[0])),
    "getRecentPrioritizationFees": lambda params: calls.get_recent_prioritization_fees(
        [pubkey(text) for text in params[0]]
    ),
}


def exchange_findings(exchange: Mapping[str, Any], expect: Mapping[str, Any]) -> Iterator[Finding]:
    """Check one exchange.

    Args:
        expect: What the swap around which they were made did.
    """
    name, response = exchange["call"], exchange["response"]
    if exchange["request"] is not None and name in _REQUESTS:
        yield _request(exchange["request"], _REQUESTS[name](exchange["request"]["params"]))
    if "error" in response:
        yield _error(exchange["http"], response)
    elif "params" in response:
        yield from _notification(name, response["params"]["result"])
    else:
        result = answers.result_of(exchange["http"], json.dumps(response).encode())
        yield from _result(name, exchange["request"], result, expect)


def _request(theirs: Mapping[str, Any], ours: calls.RpcCall) -> Finding:
    """Ours say all that theirs say, and may say more; what is null in theirs need not be there."""
    sent = json.loads(ours.body())
    agrees = sent["method"] == theirs["method"] and len(sent["params"]) == len(theirs["params"])
    for given, wanted in zip(sent["params"], theirs["params"], strict=False):
        if isinstance(wanted, dict):
            stated = {key: value for key, value in wanted.items() if value is not None}
            # A choice of ours, and what only some calls want.
            free = {"maxRetries", "innerInstructions", "accounts", "sigVerify", "replaceRecentBlockhash"}
            agrees = agrees and all(
                given.get(key) == value for key, value in stated.items() if key not in free
            )
        else:
            agrees = agrees and given == wanted
    return "request", f"got {ours}"[:300], agrees


def _error(status: int, response: Mapping[str, Any]) -> Finding:
    try:
        answers.result_of(status, json.dumps(response).encode())
    except RpcError as e:
        return "error", f"got {e.code}", e.code == response["error"]["code"]
    return "error", "got a result", False


def _notification(name: str, result: Mapping[str, Any]) -> Iterator[Finding]:
    value = result["value"]
    if name in {"accountNotification", "programNotification"}:
        read = answers.account(value.get("account", value))
        yield "notification", f"got {len(read.data)} bytes", len(read.data) > 0
    if name == "logsNotification":
        found = [swap_event(SwapProgram.CPMM, event.data) for event in logged_events(value["logs"])]
        yield "notification", f"got {found}"[:200], any(found)


def _result(name: str, request: Any, result: Any, expect: Mapping[str, Any]) -> Iterator[Finding]:
    match name:
        case "getLatestBlockhash":
            latest = answers.latest_blockhash(result)
            yield "result", f"got {latest}", latest.last_valid_height > 0
        case "getEpochInfo":
            yield "result", "no height", answers.epoch_info(result).height > 0
        case "getMultipleAccounts":
            read = answers.accounts_at(result, len(request["params"][0]))
            yield "result", f"got {read}"[:200], any(read.accounts)
        case "getAccountInfo":
            yield "result", "no data", len(answers.account(result["value"]).data) > 0
        case "getSignatureStatuses":
            statuses = answers.statuses_at(result, len(request["params"][0])).statuses
            yield (
                "result",
                f"got {statuses}",
                statuses[-1] is None and all(one.is_final for one in statuses[:-1] if one),
            )
        case "getTransaction":
            yield from _transaction(answers.transaction(result), expect)
        case "simulateTransaction":
            simulated = answers.simulation(result)
            yield "result", f"got {simulated}"[:200], simulated.units_consumed > 0
        case "getRecentPrioritizationFees":
            yield "result", "no fees", len(answers.prioritization_fees(result)) > 0


def _transaction(record: answers.TransactionRecord | None, expect: Mapping[str, Any]) -> Iterator[Finding]:
    if record is None:
        return
    changes = {record.token_change(key) for key in record.keys}
    paid, received = int(expect["paid"]), int(expect["received"])
    yield "fill", f"balances changed by {changes}", {-paid, received} <= changes
    yield "fill", f"fee {record.fee_lamports}", record.fee_lamports == expect["fee_lamports"]
    found = [swap_event(SwapProgram.CPMM, event.data) for event in logged_events(record.logs)]
    told = [(event.paid, event.received) for event in found if event is not None]
    yield "fill", f"events say {told}", told == [(paid, received)]
    yield "fill", "no inner instructions", any(record.inner.values())
