"""The command line of ``python -m infra.chain``."""

import argparse
import asyncio
import contextlib
import gc
import json
import sqlite3
import sys
import time
from pathlib import Path
from typing import Any

from infra.chain.chain import FIRST_HEIGHT, FIRST_SLOT, HISTORY_BLOCKS, Chain, Lags
from infra.chain.faucet import fill
from infra.chain.faults import Faults
from infra.chain.fork import Fork
from infra.chain.market_maker import WanderingMarket
from infra.chain.network import Network, network
from infra.chain.pool_file import write_pools
from infra.chain.seed import seed_chain
from infra.chain.serve import serve
from infra.chain.store import Store

_DESCRIPTION = """\
A local Solana: JSON-RPC over HTTP and WebSocket notifications, in one process with its state on disk.

Programs of the system and SPL Token, Token-2022, associated token accounts and memo run in LiteSVM. Swaps of
Raydium CPMM and CLMM and Meteora DLMM and DAMM v2 are carried out with this project's maths, at the programs'
own ids, accounts, instructions, events and errors; no third-party binary is used. Keys, prices and time are
made up.
"""
_EPILOG = """\
Any Solana client works with the URL (with WebSocket at the same port, and at the next one):
  solana balance --url http://127.0.0.1:8899 ADDRESS
Nodes beside the first are at /nodes/0, /nodes/1, ...; each has faults of its own.

While it runs, POST JSON-RPC calls for the chain's operator:
  chain_status []                          where it stands; tokens and pools that were seeded
  chain_setFaults [{"drop_percent": 60}, N]  change faults of node N (null: all)
  chain_getFaults [N], chain_resetFaults [N]  what goes wrong; nothing does
  chain_setBlockMs [400]                   another pace; 0 as transactions come, null only by chain_advance
  chain_setSkipPercent [5]                 slots without a block
  chain_advance [151]                      end so many blocks at once
  chain_lose []                            throw away what is only processed: it never happened
  chain_fund [ADDRESS]                     with --seed: give a wallet SOL and some of every token
  chain_openPool [POOL]                    with --seed: open a pool that is in no list: kind, base, quote,
                                           price, depth, and fee_bps, in_s (seconds from now),
                                           decimals (of a base that is no listed mint)
  chain_setAccount [ADDRESS, ACCOUNT]      write an account past all rules; null removes it

faults and their defaults:
"""


def parser() -> argparse.ArgumentParser:
    """Return the parser; its help documents the program."""
    made = argparse.ArgumentParser(
        ".venv/bin/python -m infra.chain",
        description=_DESCRIPTION,
        epilog=_EPILOG + json.dumps(Faults().shown(), indent=2),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_place(made)
    _add_pace(made)
    _add_seed(made)
    made.add_argument(
        "--fork",
        metavar="URL",
        help="fetch accounts and programs that are missing from this node, on first use, and keep them",
    )
    return made


def _add_place(made: argparse.ArgumentParser) -> None:
    made.add_argument("--host", default="127.0.0.1", help="address to listen at (default: %(default)s)")
    made.add_argument(
        "--port",
        type=_port,
        default=8899,
        help="for HTTP; the next is for WebSocket alone (default: %(default)s)",
    )
    made.add_argument(
        "--state",
        type=Path,
        default=Path(".chain"),
        help="directory of the state; made if it is not there (default: %(default)s)",
    )
    made.add_argument("--reset", action="store_true", help="begin anew: remove the state first")


def _add_pace(made: argparse.ArgumentParser) -> None:
    made.add_argument(
        "--block-ms",
        type=_count,
        default=400,
        help="how long a block lasts; 0: to 20 ms after a transaction, or 100 ms (default: %(default)s)",
    )
    made.add_argument(
        "--confirmed-lag",
        type=_lag,
        default=1,
        help="blocks until a block is confirmed (default: %(default)s)",
    )
    made.add_argument(
        "--finalized-lag",
        type=_lag,
        default=3,
        help="blocks until a block is finalized (default: %(default)s)",
    )
    made.add_argument(
        "--nodes", type=_nodes, default=1, help="how many nodes show the chain (default: %(default)s)"
    )
    made.add_argument(
        "--faults",
        type=Path,
        metavar="FILE",
        help="JSON: faults of all nodes, or a list with those of each node",
    )
    made.add_argument("--random", type=_count, default=0, help="seed of all chance (default: %(default)s)")


def _add_seed(made: argparse.ArgumentParser) -> None:
    made.add_argument("--seed", action="store_true", help="make tokens, pools and funded wallets, once")
    made.add_argument(
        "--fund",
        action="append",
        default=[],
        metavar="ADDRESS",
        help="with --seed: fund this wallet with SOL and every token; may be repeated",
    )
    made.add_argument(
        "--pools-file",
        type=Path,
        metavar="FILE",
        help="with --seed: write the pools' list for SOLANA_POOLS_FILE",
    )
    made.add_argument(
        "--market-maker",
        action="store_true",
        help="with --seed: trade in the pools, so that prices move",
    )


def main(arguments: list[str] | None = None) -> None:
    """Run the chain until a signal ends it."""
    options = parser().parse_args(arguments)
    if options.confirmed_lag > options.finalized_lag:
        sys.exit("--confirmed-lag must not exceed --finalized-lag")
    try:
        faults = _faults(options.faults, options.nodes)
        store = _opened(options.state / "chain.sqlite3", reset=options.reset)
        served = _network(options, store, faults)
    except (OSError, ValueError, sqlite3.Error) as e:
        sys.exit(f"the chain does not start: {e}")
    began = time.monotonic()
    maker = WanderingMarket(served, options.random) if options.market_maker else None

    def ready() -> None:
        tip = served.chain.tip
        took = time.monotonic() - began
        sys.stdout.write(
            f"chain ready at http://{options.host}:{options.port}"
            f" (ws at {options.port} and {options.port + 1}),"
            f" slot {tip.slot}, {len(served.chain.keys)} accounts, {took:.1f} s\n"
        )
        sys.stdout.flush()

    def beside() -> list[asyncio.Task[None]]:
        return [asyncio.create_task(maker.run())] if maker else []

    gc.freeze()
    try:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(serve(served, options.host, options.port, ready=ready, beside=beside))
    except OSError as e:
        sys.exit(f"the chain does not start: {e}")
    finally:
        store.close()


def _network(options: argparse.Namespace, store: Store, faults: list[Faults]) -> Network:
    fork = Fork(options.fork, now=time.monotonic) if options.fork else None
    lags = Lags(options.confirmed_lag, options.finalized_lag)
    first = fork.position() if fork and not store.last_blocks(1) else (FIRST_SLOT, FIRST_HEIGHT)
    chain = Chain(store, now=time.time, lags=lags, first=first)
    if fork is not None:
        fork.attach(chain)
    if chain.fact("genesis_hash") is None:
        chain.note("genesis_hash", fork.genesis_hash() if fork else _genesis_hash())
        fill(chain)
    if options.seed:
        seed_chain(chain, options.fund)
    if options.pools_file:
        write_pools(chain, options.pools_file)
    made = network(chain, nodes=options.nodes, block_ms=options.block_ms, seed=options.random)
    for node, its in zip(made.nodes, faults, strict=True):
        node.faults = its
    made.seal()
    return made


def _genesis_hash() -> str:
    from solders.hash import Hash  # noqa: PLC0415 - for a new chain only

    return str(Hash.new_unique())


def _opened(path: Path, *, reset: bool) -> Store:
    if reset:
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
    return Store(path)


def _faults(path: Path | None, nodes: int) -> list[Faults]:
    if path is None:
        return [Faults()] * nodes
    given: Any = json.loads(path.read_text(encoding="utf-8"))
    settings = given if isinstance(given, list) else [given] * nodes
    if len(settings) != nodes:
        raise ValueError(f"{path} has faults for {len(settings)} nodes, not for {nodes}")
    return [Faults().changed(one) for one in settings]


def _whole(text: str, least: int, most: int) -> int:
    number = int(text) if text.isdecimal() else -1
    if not least <= number <= most:
        raise argparse.ArgumentTypeError(f"must be a whole number from {least} to {most}, not {text!r}")
    return number


def _port(text: str) -> int:
    return _whole(text, 1, 65_534)


def _count(text: str) -> int:
    return _whole(text, 0, 3_600_000)


def _lag(text: str) -> int:
    return _whole(text, 0, HISTORY_BLOCKS // 2)


def _nodes(text: str) -> int:
    return _whole(text, 1, 64)
