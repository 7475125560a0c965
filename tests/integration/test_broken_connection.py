"""What a connection does whose server went away."""

import logging

import pytest
from sqlalchemy import text

from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.adapters.postgres.faults import translated_errors
from chalicelib.domain.errors import RetryableError


def test_lost_connection_is_a_passing_fault_and_leaves_no_traceback(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    engine, other = make_engine(database_url), make_engine(database_url)
    terminate = text("SELECT pg_terminate_backend(:pid)")
    with caplog.at_level(logging.DEBUG), pytest.raises(RetryableError), translated_errors():
        with engine.connect() as connection:
            pid = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
            with other.connect() as killer:
                killer.execute(terminate, {"pid": pid})
            connection.execute(text("SELECT 1"))
    assert not [record for record in caplog.records if record.exc_info]
    engine.dispose()
    other.dispose()
