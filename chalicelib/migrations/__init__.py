"""The database's shape, step by step; ``upgrade`` brings a database up to date."""

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, text

# Two instances starting at once must not migrate at once; any constant of our own will do.
_LOCK_KEY: Final = 0x6F726465


def upgrade(engine: Engine) -> str:
    """Apply the migrations that the database lacks; return the revision that it is at then.

    Safe to call again, and from two places at once.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    with engine.connect() as connection:
        # The server's own limit is made for what the functions ask.
        connection.execute(text("SET statement_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK_KEY})
        connection.commit()
        try:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
        finally:
            connection.rollback()
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _LOCK_KEY})
            connection.execute(text("RESET statement_timeout"))
            connection.commit()
    revision = ScriptDirectory.from_config(config).get_current_head()
    assert revision is not None, "there is a migration"
    return revision
