"""The audit: the record's checks, and those of the market that CHAIN names."""

from collections.abc import Iterator

from sqlalchemy import Connection

from chalicelib.adapters.audit_checks import Check, Violation
from chalicelib.adapters.postgres.audit import record_checks
from chalicelib.adapters.simulated_market.audit import market_checks
from chalicelib.adapters.token_list import load_tokens
from chalicelib.config import ChainName


def checks(
    chain: ChainName, *, must_be_finished: bool, wallet_seed: bytes | None = None
) -> tuple[Check, ...]:
    """Return what is to be checked, the record first. Of Solana nothing is kept here that could be.

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
