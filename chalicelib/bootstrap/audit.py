"""The audit: the record's checks, and those of the market that CHAIN names."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection

from chalicelib.adapters.audit_checks import AuditCheck, Violation, reads_whole_tables
from chalicelib.adapters.postgres.archive import archive_check
from chalicelib.adapters.postgres.audit import record_checks
from chalicelib.adapters.postgres.chains import name_of
from chalicelib.adapters.simulated_market.audit import market_checks
from chalicelib.adapters.simulated_market.mints import mint_scales
from chalicelib.adapters.solana.found_pools import found_mint_scales
from chalicelib.adapters.token_list import load_tokens
from chalicelib.config import ChainName, ClusterName
from chalicelib.domain.tokens import Tokens
from chalicelib.services.archive.ports import ArchiveStore

if TYPE_CHECKING:
    from chalicelib.adapters.solana.chain_audit import ChainAudit
    from chalicelib.adapters.solana.pool_list import ListedPool
    from chalicelib.adapters.solana.programs import Cluster
    from chalicelib.adapters.solana.rpc_nodes import RpcNodes

_AUDIT_LIMIT_S: Final = 20.0
"""For one question to the nodes, pauses that they ask for included."""


def checks(
    chain: ChainName,
    *,
    must_be_finished: bool,
    wallet_seed: bytes | None = None,
    tokens: Tokens | None = None,
    archives: ArchiveStore | None = None,
) -> tuple[AuditCheck, ...]:
    """Return what is to be checked, the record first. Of Solana nothing is kept here: see
    ``chain_audit``.

    Args:
        must_be_finished: An order that is not final is a violation too.
        tokens: Those that are traded; the usual ones if not given.
        wallet_seed: What the simulated market's wallets derive from: see ``market_checks``.
        archives: Where they are, if they are to be read too.
    """
    record = record_checks(
        tokens or load_tokens(),
        must_be_finished=must_be_finished,
        mint_scales=mint_scales if chain is ChainName.SIMULATED else found_mint_scales,
    )
    if archives is not None:
        record = (*record, archive_check(archives))
    match chain:
        case ChainName.SIMULATED:
            return (*record, *market_checks(wallet_seed))
        case ChainName.SOLANA:
            return record


def chain_audit(
    nodes: "RpcNodes",
    cluster: "Cluster",
    listed: "Iterable[ListedPool]",
    tokens: Tokens,
    *,
    archives: ArchiveStore | None = None,
) -> "ChainAudit":
    """Return what compares a record with a Solana.

    Args:
        listed: Names for pools; others are told by their addresses.
        archives: Where they are; without them, what confirmed forgotten orders is not on record.
    """
    from chalicelib.adapters.solana.chain_audit import ChainAudit
    from chalicelib.adapters.solana.chain_view import ChainReader
    from chalicelib.adapters.solana.fills import names_of
    from chalicelib.adapters.solana.programs import PROGRAM_IDS

    names = names_of(PROGRAM_IDS[cluster], listed, tokens)
    reader = ChainReader(nodes, lambda: names, time_limit_s=_AUDIT_LIMIT_S)
    chain = name_of(ChainName.SOLANA, ClusterName(cluster.value))
    return ChainAudit(nodes, reader, tokens, chain=chain, time_limit_s=_AUDIT_LIMIT_S, archives=archives)


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
    reads_whole_tables(connection)
    for check in checks(chain, must_be_finished=must_be_finished, wallet_seed=wallet_seed):
        yield check.violations(connection)
