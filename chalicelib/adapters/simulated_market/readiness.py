"""Whether there is a market: a database that is only migrated has none, and every order would fail."""

from typing import Final

from sqlalchemy import Engine, text

from chalicelib.adapters.postgres.error_translation import translated_errors
from chalicelib.domain.errors import RetryableError

_HAS_POOLS: Final = text("SELECT EXISTS (SELECT FROM market.pools)")


def check_has_pools(engine: Engine) -> None:
    """Return if anything can be traded with.

    Raises:
        RetryableError: The database does not answer, or the market was never opened.
    """
    with translated_errors(), engine.connect() as connection:
        has_pools = connection.execute(_HAS_POOLS).scalar_one()
    if not has_pools:
        raise RetryableError("the market has no pools: python -m chalicelib.prepare opens it")
