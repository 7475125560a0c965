"""Refused requests by code and minute, in ten rows a code that are used again and again."""

from collections.abc import Mapping
from typing import Final

from sqlalchemy import Engine, text

from chalicelib.adapters.postgres.error_translation import translated_errors

# A count that a crash of the server takes is not worth waiting for. Rows are locked in one order by all.
_ADD: Final = text("""
INSERT INTO refusals AS kept (slot, code, minute, number)
SELECT extract(minute FROM now())::integer % 10, new.code, date_trunc('minute', now()), new.number
FROM unnest(CAST(:codes AS text[]), CAST(:numbers AS bigint[])) AS new (code, number),
     public.without_waiting()
ORDER BY new.code
ON CONFLICT (slot, code) DO UPDATE SET
    number = excluded.number + CASE WHEN kept.minute = excluded.minute THEN kept.number ELSE 0 END,
    minute = excluded.minute
""")


class PostgresRefusalTally:
    """``RefusalTally`` on Postgres: one statement, one transaction."""

    def __init__(self, engine: Engine) -> None:
        self._single = engine.execution_options(isolation_level="AUTOCOMMIT")

    def add(self, numbers: Mapping[str, int]) -> None:
        parameters = {"codes": list(numbers), "numbers": list(numbers.values())}
        with translated_errors(), self._single.connect() as connection:
            connection.execute(_ADD, parameters)
