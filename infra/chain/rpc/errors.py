"""JSON-RPC errors with a node's codes and texts (anza-xyz/agave ``rpc-client-api/src/custom_error.rs``)."""

import re
from typing import Any, Final


class RpcError(Exception):
    """An answer with an error."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data

    def body(self) -> dict[str, Any]:
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        return error if self.data is None else error | {"data": self.data}


def invalid_params(message: str) -> RpcError:
    return RpcError(-32602, message)


def preflight_failed(err: object, result: dict[str, Any]) -> RpcError:
    return RpcError(-32002, f"Transaction simulation failed: {described(err)}", result)


def unhealthy(behind: int) -> RpcError:
    return RpcError(-32005, f"Node is behind by {behind} slots", {"numSlotsBehind": behind})


def context_slot_not_reached(slot: int) -> RpcError:
    return RpcError(-32016, "Minimum context slot has not been reached", {"contextSlot": slot})


def unsupported_version(version: int) -> RpcError:
    return RpcError(
        -32015,
        f"Transaction version ({version}) is not supported by the requesting client."
        " Please try the request again with"
        f' the following configuration parameter: "maxSupportedTransactionVersion": {version}',
    )


_TEXTS: Final = {
    "BlockhashNotFound": "Blockhash not found",
    "AlreadyProcessed": "This transaction has already been processed",
    "AccountNotFound": "Attempt to debit an account but found no record of a prior credit.",
    "InsufficientFundsForFee": "Insufficient funds for fee",
    "InvalidAccountForFee": "This account may not be used to pay transaction fees",
    "SanitizeFailure": "Transaction failed to sanitize accounts offsets correctly",
    "AccountLoadedTwice": "Account loaded twice",
    "ProgramAccountNotFound": "Attempt to load a program that does not exist",
    "InvalidProgramForExecution": "This program may not be used for executing instructions",
}
_INNER: Final = {
    "ComputationalBudgetExceeded": "Computational budget exceeded",
    "ProgramFailedToComplete": "Program failed to complete",
    "MissingRequiredSignature": "missing required signature for instruction",
    "InvalidAccountData": "invalid account data for instruction",
    "InsufficientFunds": "insufficient funds for instruction",
}


def described(err: object) -> str:
    """Return a transaction's error in a node's words."""
    if isinstance(err, str):
        return _TEXTS.get(err) or _words(err)
    if isinstance(err, dict):
        if "InstructionError" in err:
            index, inner = err["InstructionError"]
            if isinstance(inner, dict) and "Custom" in inner:
                text = f"custom program error: {hex(inner['Custom'])}"
            else:
                text = _INNER.get(str(inner)) or _words(str(inner))
            return f"Error processing Instruction {index}: {text}"
        if "InsufficientFundsForRent" in err:
            place = err["InsufficientFundsForRent"]["account_index"]
            return f"Transaction results in an account ({place}) with insufficient funds for rent"
        if "DuplicateInstruction" in err:
            place = err["DuplicateInstruction"]
            return f"Transaction contains a duplicate instruction ({place}) that is not allowed"
    return str(err)


def _words(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).capitalize()
