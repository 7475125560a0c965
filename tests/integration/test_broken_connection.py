"""What a connection does whose server went away."""

import logging

import pytest
from sqlalchemy import Engine, text

from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.adapters.postgres.error_translation import translated_errors
from chalicelib.domain.errors import RetryableError


def use_after_its_end(engine: Engine, killer: Engine) -> None:
    """Run a statement on a connection whose server process has just been ended."""
    with translated_errors(), engine.connect() as connection:
        pid = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
        with killer.connect() as other:
            other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
        connection.execute(text("SELECT 1"))


def test_lost_connection_is_a_passing_fault_and_leaves_no_traceback(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    engine, killer = make_engine(database_url), make_engine(database_url)
    caplog.set_level(logging.DEBUG)
    with pytest.raises(RetryableError):
        use_after_its_end(engine, killer)
    assert not [record for record in caplog.records if record.exc_info]
    engine.dispose()
    killer.dispose()
