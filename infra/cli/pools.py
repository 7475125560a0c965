"""``orderflow pools``.

Find the pools of a pair on chain, keep them in a file, and see which can be traded with.
"""

import time
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Column, Table

from chalicelib.adapters.solana.discovery import FoundPool, discover, merged
from chalicelib.adapters.solana.keys import address_of
from chalicelib.adapters.solana.pool_list import ListedPool, written_pools
from chalicelib.adapters.solana.pool_reader import PoolReader
from chalicelib.adapters.solana.rpc_errors import NodeError
from chalicelib.amm import pools as amm_pools
from chalicelib.domain.amounts import price_text
from chalicelib.domain.tokens import Tokens
from infra.cli.parameters import NAME, pair_named
from infra.cli.session import CliSession
from infra.cli.solana_nodes import TIME_LIMIT_S, SolanaNodes, rpc_options

_SEARCH_LIMIT_S = 60.0


@click.group()
def pools() -> None:
    """Solana's pools: which are traded, and what they are at."""


@pools.command("discover")
@click.argument("pairs", nargs=-1, required=True)
@click.option("--venue", type=NAME, help="Call all pools that are found by this venue's name.")
@click.option("--keep-untradable", is_flag=True, help="List also what the engine would leave alone.")
@rpc_options
@click.pass_obj
def discover_command(
    session: CliSession,
    /,
    pairs: tuple[str, ...],
    *,
    venue: str | None,
    keep_untradable: bool,
    **options: Any,
) -> None:
    """Search for all pools of some PAIRS, such as SOL/USDC, and add them to --pools-file.

    Pools that the file has keep their ids and venues. The file is written after each pair, so that a search
    which a node ends can go on with the next call.
    """
    solana = SolanaNodes(session, **options)
    path = solana.pools_file
    if path is None:
        raise click.UsageError("where to? Give --pools-file FILE, for SOLANA_POOLS_FILE to name later")
    wanted = [pair_named(text, solana.tokens.named, "PAIRS") for text in pairs]
    listed = solana.listed()
    facts: list[dict[str, Any]] = []
    with session.progress() as progress:
        for text, pair in zip(pairs, progress.track(wanted, description="Searching"), strict=True):
            try:
                found = discover(solana.nodes, solana.ids, pair, time_limit_s=_SEARCH_LIMIT_S)
            except NodeError as error:
                raise click.ClickException(
                    f"{text}: no node answered the search ({error}); many providers limit getProgramAccounts:"
                    " try another --rpc-url. What was found before is kept"
                ) from error
            refused = _refused(solana, [one.listed for one in found])
            facts += [_found(text, one, refused.get(one.listed.pool_id)) for one in found]
            kept = [
                _named(one, venue) for one in found if keep_untradable or one.listed.pool_id not in refused
            ]
            listed = merged(listed, kept)
            _write(path, listed)
    session.show(
        {"file": str(path), "pools": facts}, lambda console: _print_found(console, facts, path, len(listed))
    )


@pools.command("show")
@rpc_options
@click.pass_obj
def show_command(session: CliSession, /, **options: Any) -> None:
    """Read every listed pool, and show its price or why it is left alone."""
    solana = SolanaNodes(session, **options)
    listed = solana.listed()
    if not listed:
        raise click.ClickException("no pool is listed: ./orderflow pools discover SOL/USDC --pools-file FILE")
    try:
        book = _reader(solana, listed).read()
    except NodeError as error:
        raise click.ClickException(f"no node shows the pools: {error}") from error
    facts = []
    for pool in listed:
        read = book.pools.get(pool.pool_id)
        facts.append(
            {
                "pool": pool.pool_id,
                "address": address_of(pool.key),
                "venue": pool.venue,
                "pair": "/".join(pool.tokens),
                "price": None if read is None else _price(read.state, pool, solana.tokens),
                "problem": book.refused.get(pool.pool_id),
            }
        )
    session.show(facts, lambda console: _print_shown(console, facts, book.clock.slot))


def _reader(solana: SolanaNodes, listed: Any) -> PoolReader:
    return PoolReader(
        solana.nodes, solana.ids, listed, solana.tokens, now_unix_s=time.time, time_limit_s=TIME_LIMIT_S
    )


def _refused(solana: SolanaNodes, listed: list[ListedPool]) -> dict[str, str]:
    if not listed:
        return {}
    try:
        return dict(_reader(solana, listed).read().refused)
    except NodeError as error:
        raise click.ClickException(f"the pools that were found cannot be read: {error}") from error


def _named(found: FoundPool, venue: str | None) -> FoundPool:
    return found if venue is None else found._replace(listed=found.listed._replace(venue=venue))


def _found(pair: str, found: FoundPool, problem: str | None) -> dict[str, Any]:
    pool = found.listed
    return {
        "pair": pair,
        "program": found.program.value,
        "address": address_of(pool.key),
        "problem": problem,
    }


def _write(path: Path, listed: tuple[ListedPool, ...]) -> None:
    """Replace the file in one step: an engine that starts meanwhile reads the old one or the new one."""
    draft = path.with_name(f"{path.name}.new")
    draft.write_text(written_pools(listed), encoding="utf-8")
    draft.replace(path)


def _price(state: Any, pool: ListedPool, tokens: Tokens) -> str | None:
    base, quote = (tokens[symbol] for symbol in pool.tokens)
    quote_units, base_units = amm_pools.spot_price(state)
    return price_text(quote_units, quote.scale, base_units, base.scale)


def _print_found(console: Console, facts: list[dict[str, Any]], path: Path, count: int) -> None:
    table = Table("pair", "program", Column("address", overflow="fold"), "can be traded with")
    for one in facts:
        table.add_row(one["pair"], one["program"], one["address"], one["problem"] or "yes")
    console.print(table)
    console.print(f"{path} lists {count} pools. To trade with them: SOLANA_POOLS_FILE={path}", soft_wrap=True)


def _print_shown(console: Console, facts: list[dict[str, Any]], slot: int) -> None:
    table = Table("pair", "venue", Column("pool", overflow="fold"), "price", "left alone because")
    for one in facts:
        table.add_row(one["pair"], one["venue"], one["pool"], one["price"] or "", one["problem"] or "")
    console.print(table)
    console.print(f"as of slot {slot}")
