"""A node that answers from what a test put into it, in the shapes that nodes answer in."""

import base64
from collections.abc import Callable, Sequence
from typing import Any

from chalicelib.adapters import base58
from chalicelib.adapters.solana.accounts import Account
from chalicelib.adapters.solana.clock import ClockSysvar
from chalicelib.adapters.solana.keys import Pubkey, address_of, pubkey
from chalicelib.adapters.solana.programs import CLOCK_SYSVAR, SYSVARS
from chalicelib.adapters.solana.rpc_batches import one_by_one
from chalicelib.adapters.solana.rpc_calls import RpcCall
from chalicelib.adapters.solana.rpc_errors import NodeError, RpcError
from chalicelib.adapters.solana.rpc_nodes import RpcNode, RpcNodes


def shown(account: Account | None) -> Any:
    if account is None:
        return None
    return {
        "data": [base64.b64encode(account.data).decode(), "base64"],
        "executable": False,
        "lamports": account.lamports,
        "owner": address_of(account.owner),
        "rentEpoch": 2**64 - 1,
        "space": len(account.data),
    }


def a_clock_account(clock: ClockSysvar) -> Account:
    numbers = (clock.slot, 0, clock.epoch, clock.epoch, clock.unix_timestamp)
    return Account(SYSVARS, 1, b"".join(number.to_bytes(8, "little") for number in numbers))


class FakeNode(RpcNode):
    """Holds accounts, a height, statuses and transactions; notes what it was asked and sent.

    Attributes:
        histories: By address: what ``getSignaturesForAddress`` tells, the newest first.
        requests: Methods of the calls that came together.
        failing: Raised by each call, if set.
    """

    def __init__(self, name: str = "node") -> None:
        self.name = name
        self.slot = 1_000
        self.height = 900
        self.statuses_slot: int | None = None
        self.first_block = 0
        self.block_unix_time: int | None = None
        self.wires: dict[str, str] = {}
        self.accounts: dict[Pubkey, Account] = {}
        self.statuses: dict[str, Any] = {}
        self.transactions: dict[str, Any] = {}
        self.histories: dict[str, list[dict[str, Any]]] = {}
        self.history_page = 1_000
        self.fees: list[int] = []
        self.last_valid_height: int | None = None
        self.asked: list[RpcCall] = []
        self.requests: list[list[str]] = []
        self.sent: list[bytes] = []
        self.failing: NodeError | None = None
        self.without: set[str] = set()
        self.on_call: Callable[[RpcCall], None] = lambda _: None
        self.simulation: dict[str, Any] = {"err": None, "logs": [], "unitsConsumed": 40_000}

    def count(self, method: str) -> int:
        return sum(call.method == method for call in self.asked)

    def call(self, call: RpcCall, *, time_limit_s: float) -> Any:  # noqa: ARG002 - it answers at once
        self.asked.append(call)
        self.on_call(call)
        if self.failing is not None:
            raise self.failing
        if call.method in self.without:
            raise RpcError(-32601, "Method not found", None)
        config = call.params[-1] if call.params and isinstance(call.params[-1], dict) else {}
        if (config.get("minContextSlot") or 0) > self.slot:
            raise RpcError(-32016, "Minimum context slot has not been reached", {"contextSlot": self.slot})
        return getattr(self, f"_{call.method}")(*call.params)

    def call_all(self, calls: Sequence[RpcCall], *, time_limit_s: float) -> list[Any]:
        self.requests.append([call.method for call in calls])
        return one_by_one(self.call, calls, time_limit_s=time_limit_s)

    def _context(self, value: Any, slot: int | None = None) -> Any:
        return {
            "context": {"apiVersion": "4.0.0", "slot": self.slot if slot is None else slot},
            "value": value,
        }

    def _getMultipleAccounts(self, keys: list[str], _: Any) -> Any:  # noqa: N802 - the methods' own names
        return self._context([shown(self.accounts.get(pubkey(key))) for key in keys])

    def _getProgramAccounts(self, program: str, config: Any) -> Any:  # noqa: N802
        found = []
        for key, account in self.accounts.items():
            is_so = address_of(account.owner) == program
            for one in config["filters"]:
                if "dataSize" in one:
                    is_so = is_so and len(account.data) == one["dataSize"]
                else:
                    at, text = one["memcmp"]["offset"], one["memcmp"]["bytes"]
                    raw = base58.decode(text)
                    is_so = is_so and account.data[at : at + len(raw)] == raw
            if is_so:
                found.append({"pubkey": address_of(key), "account": shown(account)})
        return found

    def _getLatestBlockhash(self, _: Any) -> Any:  # noqa: N802
        height = self.height + 150 if self.last_valid_height is None else self.last_valid_height
        hash_ = address_of(Pubkey(self.height.to_bytes(32, "big")))
        return self._context({"blockhash": hash_, "lastValidBlockHeight": height})

    def _getEpochInfo(self, _: Any) -> Any:  # noqa: N802
        return {
            "absoluteSlot": self.slot,
            "blockHeight": self.height,
            "epoch": 800,
            "slotIndex": 0,
            "slotsInEpoch": 1,
        }

    def _getSignatureStatuses(self, signatures: list[str], _: Any) -> Any:  # noqa: N802
        return self._context([self.statuses.get(one) for one in signatures], self.statuses_slot)

    def _getTransaction(self, signature: str, config: Any) -> Any:  # noqa: N802
        found = self.transactions.get(signature)
        if found is None:
            return None
        if config["encoding"] == "base64":
            return found | {"transaction": [self.wires[signature], "base64"]}
        # Unless a test says that it shows another one's.
        return found | {"transaction": {"signatures": [signature], **found["transaction"]}}

    def _getSignaturesForAddress(self, address: str, config: Any) -> Any:  # noqa: N802
        history = self.histories.get(address, [])
        signatures = [one["signature"] for one in history]
        first = signatures.index(config["before"]) + 1 if "before" in config else 0
        return history[first : first + self.history_page]

    def _getFirstAvailableBlock(self) -> Any:  # noqa: N802
        return self.first_block

    def _getBlock(self, slot: int, _: Any) -> Any:  # noqa: N802
        height = slot - (self.slot - self.height)
        return {"blockHeight": height, "parentSlot": slot - 1, "blockTime": self.block_unix_time}

    def _getRecentPrioritizationFees(self, _: Any) -> Any:  # noqa: N802
        return [{"slot": self.slot, "prioritizationFee": fee} for fee in self.fees]

    def _simulateTransaction(self, *_: Any) -> Any:  # noqa: N802
        return self._context(self.simulation)

    def _sendTransaction(self, wire: str, _: Any) -> Any:  # noqa: N802
        self.sent.append(base64.b64decode(wire))
        return "accepted"

    def show_clock(self, clock: ClockSysvar) -> None:
        self.accounts[CLOCK_SYSVAR] = a_clock_account(clock)
        self.slot = clock.slot

    def has_status(self, signature: str, *, err: Any = None, commitment: str = "confirmed") -> None:
        self.statuses[signature] = {
            "slot": self.slot,
            "confirmations": None,
            "err": err,
            "status": {"Ok": None} if err is None else {"Err": err},
            "confirmationStatus": commitment,
        }


def nodes_of(*nodes: FakeNode) -> RpcNodes:
    """Nodes whose pauses take no time, on a clock that only the pauses move."""
    moment = [0.0]

    def pause(seconds: float) -> None:
        moment[0] += max(seconds, 0.001)

    return RpcNodes(nodes, now_s=lambda: moment[0], pause=pause, jitter=lambda: 1.0)
