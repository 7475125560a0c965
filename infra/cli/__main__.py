"""``orderflow``: the operator's command line. Each group of commands is a module of its own."""

import logging
import sys

import click

from chalicelib.logs import SERVICE
from infra.cli import (
    advisories,
    archive,
    audit,
    cancel_all,
    market,
    orders,
    pools,
    queues,
    specs,
    token,
    trade,
    wallet,
    watch,
)
from infra.cli.database_faults import DatabaseCommands
from infra.cli.json_option import accept_json
from infra.cli.session import CliSession
from infra.version import VERSION


@click.group(name="orderflow", cls=DatabaseCommands)
@click.version_option(VERSION)
@click.option("--database-url", envvar="DATABASE_URL", help="Default: that of the runtime that is running.")
@click.option("--json", "is_json", is_flag=True, help="Print JSON, for scripts.")
@click.pass_context
def orderflow(context: click.Context, database_url: str | None, *, is_json: bool) -> None:
    """Look into an order execution engine, and operate it."""
    context.obj = session = CliSession(database_url, is_json=is_json)
    context.call_on_close(session.close)


for command in (
    orders.orders,
    orders.order,
    watch.watch,
    cancel_all.cancel_all,
    queues.queues,
    queues.dead_letters,
    audit.audit_command,
    archive.archive,
    market.market,
    trade.trade,
    pools.pools,
    wallet.wallet,
    token.token,
    specs.specs,
    advisories.advisories,
):
    orderflow.add_command(command)
accept_json(orderflow)

if __name__ == "__main__":
    # What is printed is the answer, which a script reads as JSON; what is logged beside it is not.
    for handler in logging.getLogger(SERVICE).handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(sys.stderr)
    orderflow(prog_name="orderflow")
