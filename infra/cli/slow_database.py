"""Says which database a command waits for, where one takes its time to let in, as one that resumes does."""

import threading
from typing import Final

import click
from sqlalchemy import Engine, event
from sqlalchemy.engine import URL, make_url

from chalicelib.adapters.postgres.engine import make_engine

CONNECT_TIME_LIMIT_S: Final = 20
"""Aurora that paused by itself takes some fifteen seconds to resume
(https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-serverless-v2-auto-pause.html).
"""

TOLD_AFTER_S: Final = 2.0


def place_of(url: URL) -> str:
    """Return where a database is, without its login."""
    return f"{url.host or 'localhost'}:{url.port or 5432}"


def engine_at(url: str, *, time_limit_s: int) -> Engine:
    """Return a database whose first word is waited for, and told on stderr if it takes longer than usual.

    Args:
        time_limit_s: For each answer once it has let in.

    Raises:
        ValueError, ArgumentError: The URL is none of a database, or asks for what is not offered.
    """
    waiting: list[threading.Timer] = []
    told = f"waiting for the database at {place_of(make_url(url))}, {CONNECT_TIME_LIMIT_S} s at most"

    def begin() -> None:
        timer = threading.Timer(TOLD_AFTER_S, click.echo, (told,), {"err": True})
        timer.daemon = True
        waiting.append(timer)
        timer.start()

    def end(*_: object) -> None:
        while waiting:
            waiting.pop().cancel()

    engine = make_engine(
        url,
        time_limit_s=time_limit_s,
        connect_time_limit_s=CONNECT_TIME_LIMIT_S,
        before_connecting=begin,
    )
    event.listen(engine, "connect", end)
    event.listen(engine, "handle_error", end)
    return engine
