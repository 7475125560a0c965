"""The audit: the record's checks, and those of the market that CHAIN names."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection

from chalicelib.adapters.audit_checks import Check, Violation
from chalicelib.adapters.postgres.audit import record_checks
from chalicelib.adapters.simulated_market.audit import market_checks
from chalicelib.adapters.token_list import load_tokens
from chalicelib.config import ChainName, ClusterName, ConfigurationError

if TYPE_CHECKING:
    from chalicelib.adapters.solana.chain_audit import ChainAudit

_AUDIT_LIMIT_S: Final = 20.0
"""For one question to the nodes, pauses that they ask for included."""


def checks(
    chain: ChainName, *, must_be_finished: bool, wallet_seed: bytes | None = None
) -> tuple[Check, ...]:
    """Return what is to be checked, the record first. Of Solana nothing is kept here: see
    ``chain_audit``.

    Args:
        must_be_finished: An order that is not final is a violation too.
        wallet_seed: What the simulated market's wallets derive from: see ``market_checks``.
    """
    record = record_checks(load_tokens(), must_be_finished=must_be_finished)
    match chain:
        case ChainName.SIMULATED:
            return (*record, *market_checks(wallet_seed))
        case ChainName.SOLANA:
            return record


def chain_audit(urls: Sequence[str], cluster: ClusterName, pools_file: Path | None) -> "ChainAudit":
    """Return what compares a record with a Solana behind some nodes.

    Args:
        pools_file: Names for pools; without it they are told by their addresses.

    Raises:
        ConfigurationError: An address is none, or the list cannot be read.
    """
    from chalicelib.adapters.solana.chain_audit import ChainAudit
    from chalicelib.adapters.solana.chain_view import ChainReader
    from chalicelib.adapters.solana.cluster import ClusterNode
    from chalicelib.adapters.solana.fills import names_of
    from chalicelib.adapters.solana.pool_list import PoolListError, load_pools
    from chalicelib.adapters.solana.programs import PROGRAM_IDS, Cluster
    from chalicelib.adapters.solana.rpc_nodes import RpcNodes

    tokens, shown = load_tokens(), Cluster(cluster)
    try:
        nodes = RpcNodes([ClusterNode(url, shown) for url in urls])
        listed = load_pools(pools_file, tokens) if pools_file else ()
    except (ValueError, PoolListError) as error:
        raise ConfigurationError(f"the chain cannot be looked at: {error}") from error
    names = names_of(PROGRAM_IDS[shown], listed, tokens)
    reader = ChainReader(nodes, lambda: names, time_limit_s=_AUDIT_LIMIT_S)
    return ChainAudit(nodes, reader, tokens, time_limit_s=_AUDIT_LIMIT_S)


def audit(
    connection: Connection,
    *,
    chain: ChainName = ChainName.SIMULATED,
    must_be_finished: bool,
    wallet_seed: bytes | None = None,
) -> Iterator[list[Violation]]:
    """Yield the violations of one check after the other.

    The connection must be in a transaction of its own at REPEATABLE READ, so that all see the same snapshot.
    """
    for check in checks(chain, must_be_finished=must_be_finished, wallet_seed=wallet_seed):
        yield check.violations(connection)
