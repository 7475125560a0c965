"""The login of the functions: a member of the application's role, with the password of its secret."""

from base64 import b64encode
from typing import Final

from scramp import ScramMechanism
from sqlalchemy import Connection, Engine, text

from chalicelib.migrations.roles import APP_ROLE

_EXISTS: Final = text("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = :name)")
_CREATE: Final = text("SELECT format('CREATE ROLE %I', CAST(:name AS text))")
_ENTER: Final = text(
    "SELECT format('ALTER ROLE %I LOGIN PASSWORD %L', CAST(:name AS text), CAST(:verifier AS text))"
)
_JOIN: Final = text(f"SELECT format('GRANT {APP_ROLE} TO %I', CAST(:name AS text))")
_KEEP: Final = text("SELECT set_config('orderflow.statement', :statement, true)")
_DO: Final = text("DO $$ BEGIN EXECUTE current_setting('orderflow.statement'); END $$")


def let_in(engine: Engine, name: str, password: str) -> None:
    """Create the login if there is none, and give it the password. Safe to repeat.

    The application's role must exist: ``roles.grant`` makes it.
    """
    with engine.begin() as connection:
        if not connection.execute(_EXISTS, {"name": name}).scalar_one():
            _run(connection, connection.execute(_CREATE, {"name": name}).scalar_one())
        entry = {"name": name, "verifier": _verifier(password)}
        _run(connection, connection.execute(_ENTER, entry).scalar_one())
        _run(connection, connection.execute(_JOIN, {"name": name}).scalar_one())


def _verifier(password: str) -> str:
    """Return what Postgres keeps in a password's place (RFC 5803), and takes.

    It logs statements that are slow or fail, with all that is in them.
    """
    salt, stored_key, server_key, iterations = ScramMechanism("SCRAM-SHA-256").make_auth_info(password)
    kept = [b64encode(part).decode() for part in (salt, stored_key, server_key)]
    return f"SCRAM-SHA-256${iterations}:{kept[0]}${kept[1]}:{kept[2]}"


def _run(connection: Connection, statement: str) -> None:
    """Run a statement about roles, which takes no parameters: the server quoted what is in it itself.

    The server is handed it as a value, since drivers differ in what they make of a ``%`` in a statement.
    """
    connection.execute(_KEEP, {"statement": statement})
    connection.execute(_DO)
