"""Faults of the local Solana that runs beside an instance, and the comparison of its record with it."""

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import httpx
from sqlalchemy import Engine

from chalicelib.adapters.solana.pool_list import load_pools
from chalicelib.adapters.solana.programs import Cluster
from chalicelib.adapters.solana.rpc_errors import NodeError
from chalicelib.adapters.solana.rpc_nodes import RpcNode, RpcNodes
from chalicelib.adapters.token_list import load_tokens
from chalicelib.bootstrap.audit import chain_audit
from tests.chaos.own_chain import NODES
from tests.chaos.waiting import LISTED


def break_chain(dice: Random, url: str) -> str:
    """Have transactions lost, delayed and doubled, nodes limit, lag, forget and fall silent, and one lie."""
    faults: dict[str, Any] = {
        "drop_percent": dice.choice([0, 60, 90]),
        "delay_percent": dice.choice([0, 50]),
        "delay_blocks_min": 1,
        "delay_blocks_max": dice.choice([20, 149]),
        "duplicate_percent": dice.choice([0, 50]),
        "lost_answer_percent": dice.choice([0, 30]),
        "rate_limit_percent": dice.choice([0, 20]),
        "retry_after_s": dice.choice([None, 0.2]),
        "unavailable_percent": dice.choice([0, 20]),
        "garbage_percent": dice.choice([0, 10]),
        "behind_blocks": dice.choice([0, 10]),
        "behind_jitter_blocks": dice.choice([0, 20]),
        "hidden_status_percent": 0,
        "misreport_percent": 0,
        "history_blocks": dice.choice([None, None, 20, 155]),
    }
    tell(url, "chain_setFaults", faults, None)
    liar = dice.randrange(NODES)
    lies = {
        "hidden_status_percent": dice.choice([0, 30, 100]),
        "misreport_percent": dice.choice([0, 0, 50, 100]),
    }
    tell(url, "chain_setFaults", lies, liar)
    shown = {name: value for name, value in faults.items() if value}
    told = {name: value for name, value in lies.items() if value}
    return f"broke the chain: {shown}" + (f", and node {liar} lies: {told}" if told else "")


def open_pool(dice: Random, url: str) -> str:
    """Open a pool that is in no list, for sniper orders that wait."""
    pool = {
        "kind": dice.choice(["cpmm", "damm_v2"]),
        "base": LISTED,
        "quote": "USDC",
        "price": "2.4",
        "depth": str(dice.choice([30_000, 60_000])),
        "in_s": dice.choice([0, 2]),
    }
    tell(url, "chain_openPool", pool)
    return f"opened a {pool['kind']} pool of {LISTED}"


def heal_chain(url: str) -> None:
    """End all faults."""
    tell(url, "chain_resetFaults")


def tell(url: str, method: str, *params: Any) -> None:
    """Make a call that only a local chain knows.

    Raises:
        OSError: It does not answer, as after its kill.
    """
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    try:
        httpx.post(url, json=body, timeout=5).raise_for_status()
    except httpx.HTTPError as error:
        raise OSError(str(error)) from error


def compared(url: str, pools_file: Path, engine: Engine) -> Iterator[str]:
    """Yield what the record and the chain say differently, and what the chain cannot tell."""
    tokens = load_tokens()
    nodes = [RpcNode(url)]
    listed = load_pools(pools_file, tokens)
    audit = chain_audit(RpcNodes(nodes), Cluster.LOCAL, listed, tokens)
    try:
        slot = audit.slot()
        with engine.execution_options(isolation_level="REPEATABLE READ").connect() as connection:
            found = audit.run(connection, up_to_slot=slot)
    except NodeError as error:
        yield f"the chain does not answer: {error}"
        return
    finally:
        for node in nodes:
            node.close()
    for (rule, is_unknown), differences in found.shown.items():
        for one in differences:
            yield f"{'unknown: ' if is_unknown else ''}{rule}: {one.subject}: {one.problem}"
