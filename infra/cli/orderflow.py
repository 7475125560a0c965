"""``orderflow``: the operator's command line. Each group of commands is a module of its own."""

from typing import Final

import click

from infra.cli.database_login import DatabaseLogin
from infra.cli.late_commands import LateCommands
from infra.cli.session import CliSession
from infra.version import VERSION

COMMANDS: Final = {
    "advisories": "infra.cli.advisories:advisories",
    "archive": "infra.cli.archive:archive",
    "audit": "infra.cli.audit:audit_command",
    "cancel-all": "infra.cli.cancel_all:cancel_all",
    "dead-letters": "infra.cli.queues:dead_letters",
    "market": "infra.cli.market:market",
    "order": "infra.cli.orders:order",
    "orders": "infra.cli.orders:orders",
    "pools": "infra.cli.pools:pools",
    "queues": "infra.cli.queues:queues",
    "specs": "infra.cli.specs:specs",
    "token": "infra.cli.token:token",
    "trade": "infra.cli.trade:trade",
    "wallet": "infra.cli.wallet:wallet",
    "watch": "infra.cli.watch:watch",
}


@click.group(name="orderflow", cls=LateCommands, places=COMMANDS)
@click.version_option(VERSION, prog_name="orderflow")
@click.option("--database-url", envvar="DATABASE_URL", help="Default: that of the runtime that is running.")
@click.option(
    "--database-secret",
    envvar="DATABASE_SECRET_ARN",
    show_envvar=True,
    help="The secret with the database's login, instead of a URL: of a stage on AWS.",
)
@click.option(
    "--database-host",
    envvar="DATABASE_HOST",
    show_envvar=True,
    default="",
    help="Connect to this host instead of the one in the secret: the proxy's.",
)
@click.option("--json", "is_json", is_flag=True, help="Print JSON, for scripts.")
@click.pass_context
def orderflow(
    context: click.Context,
    database_url: str | None,
    database_secret: str | None,
    database_host: str,
    *,
    is_json: bool,
) -> None:
    """Look into an order execution engine, and operate it."""
    login = DatabaseLogin(database_secret, database_host) if database_secret else None
    context.obj = session = CliSession(database_url, login=login, is_json=is_json)
    context.call_on_close(session.close)
