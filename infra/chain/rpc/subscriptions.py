"""WebSocket notifications: who wants to hear of what, and what there is to tell as blocks come into view."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

from chalicelib.adapters import base58
from chalicelib.adapters.solana.keys import Pubkey, address_of
from infra.chain.chain import BlockChanges, Commitment
from infra.chain.node import Node
from infra.chain.rpc.accounts import filters_of, matches, shown
from infra.chain.rpc.errors import RpcError, invalid_params
from infra.chain.rpc.params import Params, commitment_of, key_of, signature_of, with_context

SUBSCRIPTIONS_MAX: Final = 1000
Send = Callable[[dict[str, Any]], None]


@dataclass(slots=True)
class Subscription:
    """One wish of one client."""

    kind: str
    node: Node
    commitment: Commitment
    config: dict[str, Any]
    key: Pubkey | None = None
    signature: bytes = b""
    filters: list[tuple[int, bytes | None]] = field(default_factory=list)
    seen: int = 0  # the newest slot that was told


class Session:
    """The subscriptions of one connection."""

    _numbers = count(1)

    def __init__(self, node: Node, send: Send) -> None:
        self._node = node
        self._send = send
        self._live: dict[int, Subscription] = {}

    def methods(self) -> dict[str, Callable[[Node, Params], Any]]:
        """Return the calls that only a WebSocket has."""
        calls: dict[str, Callable[[Node, Params], Any]] = {}
        for kind, make in _KINDS.items():
            calls[f"{kind}Subscribe"] = self._subscribing(kind, make)
            calls[f"{kind}Unsubscribe"] = self._unsubscribe
        return calls

    def _subscribing(
        self, kind: str, make: Callable[[Params], tuple[dict[str, Any], dict[str, Any]]]
    ) -> Callable[[Node, Params], Any]:
        def subscribe(node: Node, params: Params) -> int:
            if len(self._live) >= SUBSCRIPTIONS_MAX:
                raise RpcError(-32603, f"Too many subscriptions; max {SUBSCRIPTIONS_MAX}")
            config, about = make(params)
            commitment = commitment_of(config) if kind != "slot" else Commitment.PROCESSED
            subscription = Subscription(kind, node, commitment, config, **about)
            subscription.seen = self._view(subscription)
            number = next(self._numbers)
            self._live[number] = subscription
            return number

        return subscribe

    def _unsubscribe(self, node: Node, params: Params) -> bool:
        del node
        number = params.at(0)
        if self._live.pop(number, None) is None:
            raise invalid_params("Invalid subscription id.")
        return True

    @staticmethod
    def _view(subscription: Subscription) -> int:
        """The newest sealed block that the subscription may hear of."""
        node = subscription.node
        if subscription.commitment is Commitment.PROCESSED and node.behind_now == 0:
            return node.chain.tip.slot
        return node.view(subscription.commitment).slot

    def pump(self) -> None:
        """Tell all that came into view."""
        for number, subscription in list(self._live.items()):
            view = self._view(subscription)
            for value, slot in self._news(subscription, view):
                result = value if subscription.kind == "slot" else _contextual(subscription, slot, value)
                self._send(
                    {
                        "jsonrpc": "2.0",
                        "method": f"{subscription.kind}Notification",
                        "params": {"result": result, "subscription": number},
                    }
                )
                if subscription.kind == "signature":
                    self._live.pop(number, None)
                    break
            subscription.seen = max(subscription.seen, view)

    def _news(self, subscription: Subscription, view: int) -> Iterator[tuple[Any, int]]:
        if subscription.kind == "signature":
            found = subscription.node.chain.status(subscription.signature, history=True)
            if found is not None and found[0] <= view:
                yield {"err": found[1]}, found[0]
            return
        fresh: list[BlockChanges] = []
        for changes in reversed(subscription.node.chain.sealed):
            if changes.block.slot <= subscription.seen:
                break
            if changes.block.slot <= view:
                fresh.append(changes)
        for changes in reversed(fresh):
            for value in _TELL[subscription.kind](subscription, changes):
                yield value, changes.block.slot


def _contextual(subscription: Subscription, slot: int, value: Any) -> dict[str, Any]:
    return with_context(subscription.node.chain.tip._replace(slot=slot), value)


def _account_news(subscription: Subscription, changes: BlockChanges) -> Iterator[Any]:
    key = subscription.key
    if key is not None and key in changes.before:
        node = subscription.node
        account = node.chain.account(key, changes.block.slot)
        gone = {"lamports": 0, "owner": address_of(Pubkey(bytes(32))), "data": ["", "base64"]}
        empty = gone | {"executable": False, "rentEpoch": 0, "space": 0}
        yield empty if account is None else shown(node, key, account, subscription.config)


def _program_news(subscription: Subscription, changes: BlockChanges) -> Iterator[Any]:
    node = subscription.node
    for key in changes.before:
        account = node.chain.account(key, changes.block.slot)
        if account is None or account.owner != subscription.key or not matches(account, subscription.filters):
            continue
        yield {"pubkey": address_of(key), "account": shown(node, key, account, subscription.config)}


def _logs_news(subscription: Subscription, changes: BlockChanges) -> Iterator[Any]:
    for landed in changes.landed:
        if subscription.key is None or subscription.key in landed.mentions:
            meta = landed.record["meta"]
            yield {
                "signature": base58.encode(landed.signature),
                "err": meta["err"],
                "logs": meta["logMessages"],
            }


def _slot_news(subscription: Subscription, changes: BlockChanges) -> Iterator[Any]:
    slot = changes.block.slot
    yield {"slot": slot, "parent": slot - 1, "root": subscription.node.view(Commitment.FINALIZED).slot}


def _about_account(params: Params) -> tuple[dict[str, Any], dict[str, Any]]:
    return params.config(1), {"key": params.key(0)}


def _about_program(params: Params) -> tuple[dict[str, Any], dict[str, Any]]:
    config = params.config(1)
    return config, {"key": params.key(0), "filters": filters_of(config)}


def _about_logs(params: Params) -> tuple[dict[str, Any], dict[str, Any]]:
    wanted = params.required(0, "a filter")
    if wanted in ("all", "allWithVotes"):
        return params.config(1), {}
    mentions = wanted.get("mentions") if isinstance(wanted, dict) else None
    if not isinstance(mentions, list) or len(mentions) != 1:
        raise invalid_params("Invalid Request: Only 1 address supported")
    return params.config(1), {"key": key_of(mentions[0])}


def _about_signature(params: Params) -> tuple[dict[str, Any], dict[str, Any]]:
    return params.config(1), {"signature": signature_of(params.required(0, "a signature"))}


def _about_slots(params: Params) -> tuple[dict[str, Any], dict[str, Any]]:
    del params
    return {}, {}


_KINDS: Final = {
    "account": _about_account,
    "program": _about_program,
    "logs": _about_logs,
    "signature": _about_signature,
    "slot": _about_slots,
}
_TELL: Final[dict[str, Callable[[Subscription, BlockChanges], Iterator[Any]]]] = {
    "account": _account_news,
    "program": _program_news,
    "logs": _logs_news,
    "slot": _slot_news,
}
