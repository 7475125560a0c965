"""JSON-RPC's requests: methods and parameters, every default named that would bite.

Defaults of a node are ``finalized`` and base58; ours are
``confirmed``, which is final since Alpenglow, and base64.
"""

import base64
import json
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from chalicelib.adapters.solana.keys import Pubkey, address_of

COMMITMENT: Final = "confirmed"
ACCOUNTS_MAX: Final = 100
SIGNATURES_MAX: Final = 256
FEE_ACCOUNTS_MAX: Final = 128
HISTORY_PAGE: Final = 1_000
MAX_TRANSACTION_VERSION: Final = 1


class RpcCall(NamedTuple):
    """One call, for any node."""

    method: str
    params: tuple[Any, ...]

    def body(self, call_id: int = 1) -> bytes:
        """Return the body of the request."""
        call = {"jsonrpc": "2.0", "id": call_id, "method": self.method, "params": self.params}
        return json.dumps(call, separators=(",", ":")).encode()


def get_latest_blockhash(min_context_slot: int | None = None) -> RpcCall:
    return RpcCall("getLatestBlockhash", (_config(min_context_slot),))


def get_epoch_info(min_context_slot: int | None = None) -> RpcCall:
    return RpcCall("getEpochInfo", (_config(min_context_slot),))


def get_multiple_accounts(keys: Sequence[Pubkey], min_context_slot: int | None = None) -> RpcCall:
    """Ask for at most ``ACCOUNTS_MAX`` accounts, all as of one slot."""
    assert len(keys) <= ACCOUNTS_MAX, "more accounts than a node reads at once"
    config = {"encoding": "base64", **_config(min_context_slot)}
    return RpcCall("getMultipleAccounts", ([address_of(key) for key in keys], config))


def get_signature_statuses(signatures: Sequence[str]) -> RpcCall:
    """Ask what became of at most ``SIGNATURES_MAX`` transactions, in the ledger, too:
    the cache is 30 s deep.
    """
    assert len(signatures) <= SIGNATURES_MAX, "more signatures than a node looks up at once"
    return RpcCall("getSignatureStatuses", (list(signatures), {"searchTransactionHistory": True}))


def get_transaction(signature: str, *, encoding: str = "json") -> RpcCall:
    config = {
        "encoding": encoding,
        "commitment": COMMITMENT,
        "maxSupportedTransactionVersion": MAX_TRANSACTION_VERSION,
    }
    return RpcCall("getTransaction", (signature, config))


def get_signatures_for_address(key: Pubkey, before: str | None = None) -> RpcCall:
    """Ask for a page of the transactions that name an account, the newest first; later ones by ``before``."""
    config: dict[str, Any] = {"commitment": COMMITMENT, "limit": HISTORY_PAGE}
    if before is not None:
        config["before"] = before
    return RpcCall("getSignaturesForAddress", (address_of(key), config))


def request_airdrop(key: Pubkey, lamports: int) -> RpcCall:
    """Ask for lamports, which chains without worth give away."""
    return RpcCall("requestAirdrop", (address_of(key), lamports, {"commitment": COMMITMENT}))


def send_transaction(
    wire: bytes, *, is_simulated_first: bool, min_context_slot: int | None = None
) -> RpcCall:
    """Hand a node a transaction. It must not repeat it by itself: we do, to more nodes than one."""
    config = {
        "encoding": "base64",
        "skipPreflight": not is_simulated_first,
        "preflightCommitment": COMMITMENT,
        "maxRetries": 0,
        **({} if min_context_slot is None else {"minContextSlot": min_context_slot}),
    }
    return RpcCall("sendTransaction", (base64.b64encode(wire).decode(), config))


def simulate_transaction(wire: bytes) -> RpcCall:
    """Ask what an unsigned transaction would do, with whatever block hash."""
    config = {
        "encoding": "base64",
        "sigVerify": False,
        "replaceRecentBlockhash": True,
        "commitment": COMMITMENT,
    }
    return RpcCall("simulateTransaction", (base64.b64encode(wire).decode(), config))


def get_recent_prioritization_fees(writable: Sequence[Pubkey]) -> RpcCall:
    """Ask for the least fee that landed in each recent block with all these accounts locked."""
    assert len(writable) <= FEE_ACCOUNTS_MAX, "more accounts than a node looks at"
    return RpcCall("getRecentPrioritizationFees", ([address_of(key) for key in writable],))


def get_first_available_block() -> RpcCall:
    return RpcCall("getFirstAvailableBlock", ())


def get_block(slot: int) -> RpcCall:
    """Ask for a block without its transactions: for its height."""
    config = {
        "commitment": COMMITMENT,
        "transactionDetails": "none",
        "rewards": False,
        "maxSupportedTransactionVersion": MAX_TRANSACTION_VERSION,
    }
    return RpcCall("getBlock", (slot, config))


def get_program_accounts(
    program: Pubkey, *, data_bytes: int, contents: Sequence[tuple[int, Pubkey]]
) -> RpcCall:
    """Ask for all accounts of a length that hold keys at offsets. Many nodes limit this one most of all."""
    filters: list[dict[str, Any]] = [{"dataSize": data_bytes}]
    filters += [{"memcmp": {"offset": offset, "bytes": address_of(key)}} for offset, key in contents]
    config = {"encoding": "base64", "commitment": COMMITMENT, "filters": filters}
    return RpcCall("getProgramAccounts", (address_of(program), config))


def get_token_accounts_by_owner(owner: Pubkey, program: Pubkey) -> RpcCall:
    """Ask for all accounts of one of the two token programs that a wallet has, of whichever mint."""
    config = {"encoding": "base64", "commitment": COMMITMENT}
    return RpcCall("getTokenAccountsByOwner", (address_of(owner), {"programId": address_of(program)}, config))


def _config(min_context_slot: int | None) -> dict[str, Any]:
    config: dict[str, Any] = {"commitment": COMMITMENT}
    return config if min_context_slot is None else config | {"minContextSlot": min_context_slot}
