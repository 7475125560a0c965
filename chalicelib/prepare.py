"""``python -m chalicelib.prepare``: bring the database at
DATABASE_URL up to date, and with CHAIN=simulated, the default, open the simulated market.

A record whose orders execute on one chain is prepared for another only once all of them have ended.

FUNCTIONS_DATABASE_URL, if set, names the login of the functions, which is let in with just their rights.

Deployed, the same is a function that runs once per deployment, where the database can be reached.
"""

import json
import os
import sys
import time
from typing import Final

from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from chalicelib.adapters.aws.secrets import login_url
from chalicelib.adapters.postgres.chains import name_of, note_chain
from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.adapters.postgres.error_translation import is_passing, said, sqlstate
from chalicelib.adapters.simulated_market.definition import load_market
from chalicelib.adapters.simulated_market.seed import seed
from chalicelib.config import ChainName, ClusterName, ConfigurationError, Settings
from chalicelib.migrations import newest_revision, upgrade
from chalicelib.migrations.app_login import let_in
from chalicelib.migrations.roles import grant

STATEMENT_TIME_LIMIT_S: Final = 600
"""A migration may rewrite a table; what the functions ask has to be answered much sooner."""

_CANNOT_CONNECT_NOW: Final = "57P03"
_STARTS_WITHIN_S: Final = 30.0
_LOOK_S: Final = 0.1


def prepare(
    url: str, chain: ChainName = ChainName.SIMULATED, cluster: ClusterName = ClusterName.LOCAL
) -> str:
    """Migrate, and seed what the chain has here; both are safe to repeat.

    Return the revision that the database is at.

    Raises:
        ConfigurationError: The record has orders that have not ended, on another chain: see ``note_chain``.
            It is migrated, and else as it was.
    """
    engine = make_engine(url, time_limit_s=STATEMENT_TIME_LIMIT_S)
    try:
        revision = upgrade(engine)
        grant(engine, keeps_others=revision > newest_revision())
        note_chain(engine, name_of(chain, cluster))
        if chain is ChainName.SIMULATED:
            seed(engine, load_market())
    finally:
        engine.dispose()
    return revision


def prepare_from_secrets(
    owner: str,
    app: str,
    *,
    host: str,
    chain: ChainName = ChainName.SIMULATED,
    cluster: ClusterName = ClusterName.LOCAL,
) -> str:
    """Prepare the database as its owner, and let the functions' login in. Return the revision.

    Args:
        owner: The owner's secret, in the form that RDS writes; ``app`` is that of the functions.
        host: Where to connect instead of the host in the secret; may be empty.
    """
    revision = prepare(login_url(owner, host=host), chain, cluster)
    login = json.loads(app)
    if login["username"] != json.loads(owner)["username"]:
        engine = make_engine(login_url(owner, host=host))
        try:
            let_in(engine, login["username"], login["password"])
        finally:
            engine.dispose()
    return revision


def handler(_event: object, _context: object) -> dict[str, str]:
    """Prepare the database that the secrets name; a failure fails the invocation, and so the deployment."""
    # The command, which every local start waits for, needs none.
    from chalicelib.bootstrap.clients import Clients  # noqa: PLC0415

    settings = Settings.read(os.environ)
    secrets = Clients(settings).secrets
    owner, app = (
        secrets.text(os.environ[name]) for name in ("DATABASE_SECRET_ARN", "APP_DATABASE_SECRET_ARN")
    )
    host = os.environ.get("DATABASE_HOST", "")
    revision = prepare_from_secrets(
        owner, app, host=host, chain=settings.chain, cluster=settings.solana_cluster
    )
    return {"revision": revision}


def main() -> int:
    """Prepare the database that the environment names."""
    url = os.environ.get("DATABASE_URL")
    if not url:
        sys.stderr.write("DATABASE_URL is not set: which database should be prepared?\n")
        return 2
    try:
        settings = Settings.read(os.environ)
        if "LOCAL_GATEWAY_HOST" in os.environ:
            # Functions would find out at their first event; the local runtime can still refuse to start.
            _check(Settings.from_env(os.environ))
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    try:
        _prepare_once_started(url, settings.chain, settings.solana_cluster)
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except DBAPIError as error:
        if not is_passing(error):
            raise
        statement = f", at {' '.join(error.statement.split())[:100]}" if error.statement else ""
        sys.stderr.write(f"the database was not prepared: {said(error)}{statement}; start again to go on\n")
        return 1
    functions_url = os.environ.get("FUNCTIONS_DATABASE_URL")
    if functions_url:
        return _let_functions_in(url, functions_url)
    return 0


def _prepare_once_started(url: str, chain: ChainName, cluster: ClusterName) -> None:
    """Prepare the database; wait for a server that says it is starting, as it does after it was killed."""
    deadline = time.monotonic() + _STARTS_WITHIN_S
    while True:
        try:
            prepare(url, chain, cluster)
        except DBAPIError as error:
            if sqlstate(error) != _CANNOT_CONNECT_NOW or time.monotonic() > deadline:
                raise
            time.sleep(_LOOK_S)
        else:
            return


def _check(settings: Settings) -> None:
    """Raise ``ConfigurationError`` if the chain wants something that the settings lack."""
    if settings.chain is ChainName.SOLANA:
        # With the wiring: a fifth of what this command imports, which every local start waits for.
        from chalicelib.bootstrap.market import check_market, traded_tokens  # noqa: PLC0415

        check_market(settings, lambda: traded_tokens(settings))


def _let_functions_in(owner_url: str, functions_url: str) -> int:
    owner, login = make_url(owner_url), make_url(functions_url)
    if not login.username or login.username == owner.username:
        sys.stderr.write("FUNCTIONS_DATABASE_URL must name a login of its own, not the owner's\n")
        return 2
    engine = make_engine(owner_url)
    try:
        let_in(engine, login.username, login.password or "")
    finally:
        engine.dispose()
    return 0


if __name__ == "__main__":
    sys.exit(main())
