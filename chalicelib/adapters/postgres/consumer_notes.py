"""Consumers that ran lately, a row each; each note removes those of hours ago."""

from typing import Final
from uuid import UUID

from sqlalchemy import Engine, text

from chalicelib.adapters.postgres.error_translation import translated_errors

# What a crash of the server takes is told again in a moment. Each writes its own row, and skips what another
# removes.
_NOTE: Final = text("""
WITH quick AS (SELECT public.without_waiting()),
old AS (
    SELECT consumer_id FROM consumers WHERE seen_at < now() - interval '1 hour'
        AND consumer_id <> CAST(:consumer_id AS uuid) LIMIT 100 FOR UPDATE SKIP LOCKED
),
removed AS (DELETE FROM consumers USING old WHERE consumers.consumer_id = old.consumer_id)
INSERT INTO consumers (consumer_id, seen_at, oldest_ms)
SELECT CAST(:consumer_id AS uuid), now(), CAST(:oldest_ms AS bigint) FROM quick
ON CONFLICT (consumer_id) DO UPDATE SET seen_at = excluded.seen_at, oldest_ms = excluded.oldest_ms
""")


class PostgresConsumerNotes:
    """``ConsumerNotes`` on Postgres: one statement, one transaction."""

    def __init__(self, engine: Engine) -> None:
        self._single = engine.execution_options(isolation_level="AUTOCOMMIT")

    def note(self, consumer_id: UUID, oldest_ms: int) -> None:
        parameters = {"consumer_id": str(consumer_id), "oldest_ms": oldest_ms}
        with translated_errors(), self._single.connect() as connection:
            connection.execute(_NOTE, parameters)
