"""Calls for the chain's operator: faults, pace, accounts. No node of a real cluster has them."""

import base64
from collections.abc import Callable
from typing import Any, Final

from chalicelib.adapters import base58
from chalicelib.adapters.solana.accounts import Account
from chalicelib.adapters.solana.keys import NO_KEY, address_of
from infra.chain.faults import Faults
from infra.chain.network import Network
from infra.chain.node import Node
from infra.chain.opening import open_pool
from infra.chain.rpc.errors import invalid_params
from infra.chain.rpc.methods import Method
from infra.chain.rpc.params import Params, key_of, whole
from infra.chain.seed import fund

PREFIX: Final = "chain_"
BLOCKS_MAX: Final = 10_000


def admin_methods(network: Network) -> dict[str, Method]:
    """Return the calls by name; they answer on every node, and no fault concerns them."""
    calls: dict[str, Callable[[Network, Params], Any]] = {
        "chain_status": _status,
        "chain_getFaults": _get_faults,
        "chain_setFaults": _set_faults,
        "chain_resetFaults": _reset_faults,
        "chain_setBlockMs": _set_block_ms,
        "chain_setSkipPercent": _set_skip_percent,
        "chain_advance": _advance,
        "chain_setAccount": _set_account,
        "chain_fund": _fund,
        "chain_openPool": _open_pool,
        "chain_lose": _lose,
    }

    def bound(call: Callable[[Network, Params], Any]) -> Method:
        def method(node: Node, params: Params) -> Any:
            del node
            return call(network, params)

        return method

    return {name: bound(call) for name, call in calls.items()}


def _status(network: Network, params: Params) -> Any:
    del params
    chain = network.chain
    return {
        "slot": chain.tip.slot,
        "blockHeight": chain.tip.height,
        "blockMs": network.block_ms,
        "nodes": len(network.nodes),
        "waiting": len(network.arrivals.waiting),
        "transactions": chain.transaction_count,
        "accounts": len(chain.keys),
        "nativePrograms": sorted(map(address_of, chain.native)),
        "pools": chain.fact("pools") or [],
        "tokens": chain.fact("tokens") or [],
    }


def _nodes(network: Network, params: Params) -> list[Node]:
    index = params.at(1)
    if index is None:
        return network.nodes
    if whole(index, "node") >= len(network.nodes):
        raise invalid_params(f"there are {len(network.nodes)} nodes, the first is 0")
    return [network.nodes[index]]


def _get_faults(network: Network, params: Params) -> Any:
    del params
    return [node.faults.shown() for node in network.nodes]


def _set_faults(network: Network, params: Params) -> Any:
    """``[settings, node or null]``: change the named settings, of one node or of all."""
    nodes = _nodes(network, params)
    settings = params.config(0)
    try:
        changed = [node.faults.changed(settings) for node in nodes]
    except ValueError as e:
        raise invalid_params(str(e)) from e
    for node, faults in zip(nodes, changed, strict=True):
        node.faults = faults
    return _get_faults(network, params)


def _reset_faults(network: Network, params: Params) -> Any:
    for node in network.nodes:
        node.faults = Faults()
    return _get_faults(network, params)


def _set_block_ms(network: Network, params: Params) -> Any:
    value = params.at(0)
    network.block_ms = None if value is None else min(whole(value, "milliseconds"), 3_600_000)
    return network.block_ms


def _set_skip_percent(network: Network, params: Params) -> Any:
    value = params.at(0)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 100:
        raise invalid_params("a percentage below 100")
    network.skip_percent = value
    return value


def _advance(network: Network, params: Params) -> Any:
    """``[blocks]``: end so many blocks at once."""
    count = whole(params.required(0, "blocks"), "blocks")
    if count > BLOCKS_MAX:
        raise invalid_params(f"at most {BLOCKS_MAX} blocks at once")
    for _ in range(count):
        network.seal()
    return {"slot": network.chain.tip.slot, "blockHeight": network.chain.tip.height}


def _lose(network: Network, params: Params) -> Any:
    """``[]``: throw away what is only processed, and return the signatures of its transactions."""
    del params
    return [base58.encode(signature) for signature in network.chain.lose()]


def _fund(network: Network, params: Params) -> Any:
    """``[address]``: give a wallet SOL and, on a seeded chain, some of every token."""
    if network.chain.fact("pools") is None:
        raise invalid_params("the chain was not started with --seed, and has no tokens")
    fund(network.chain, params.key(0))
    return True


def _open_pool(network: Network, params: Params) -> Any:
    """``[{kind, base, quote, price, depth, fee_bps, in_s}]``: make a pool that no list has."""
    if network.chain.fact("pools") is None:
        raise invalid_params("the chain was not started with --seed, and has no tokens")
    try:
        return open_pool(network.chain, params.config(0))
    except ValueError as error:
        raise invalid_params(str(error)) from error


def _set_account(network: Network, params: Params) -> Any:
    """``[address, {lamports, owner, data (base64), executable} or null]``.

    Write an account past all rules.
    """
    key = params.key(0)
    value = params.at(1)
    if value is None:
        network.chain.put({key: None})
        return True
    config = params.config(1)
    data = config.get("data") or ""
    if isinstance(data, list):  # as getAccountInfo returns it
        data = data[0]
    try:
        raw = base64.b64decode(data, validate=True)
    except ValueError as e:
        raise invalid_params("data must be base64") from e
    owner = key_of(config["owner"]) if config.get("owner") else NO_KEY
    account = Account(owner, whole(config.get("lamports"), "lamports"), raw)
    network.chain.put({key: account}, executable=[key] if config.get("executable") else [])
    return True
