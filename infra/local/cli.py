"""The command line: ``python -m infra.local --app PROJECT``."""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from infra.local.lifecycle import run
from infra.local.logs import Log, leave_unwritable_streams
from infra.local.options import Options
from infra.local.scheduling import stay_until_done

_DIRECTORY = click.Path(file_okay=False, path_type=Path)
_PROJECT = click.Path(exists=True, file_okay=False, path_type=Path)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def _option(*names: str, variable: str, **settings: Any) -> Callable[[Any], Any]:
    """Declare an option that its environment variable can set as well."""
    return click.option(*names, envvar=variable, show_envvar=True, **settings)


@click.command(context_settings={"show_default": True, "max_content_width": 110})
@_option(
    "--app",
    "app_dir",
    variable="ORDERFLOW_APP",
    type=_PROJECT,
    default=Path(),
    help="Chalice project to run.",
)
@_option("--host", variable="ORDERFLOW_HOST", default="127.0.0.1", help="Address to listen on.")
@_option(
    "--port",
    variable="ORDERFLOW_PORT",
    type=click.IntRange(0, 65535),
    default=3000,
    help="0 takes a free one.",
)
@_option(
    "--state-dir",
    variable="ORDERFLOW_HOME",
    type=_DIRECTORY,
    default=Path(".orderflow"),
    help="Where data lives between runs.",
)
@_option("--stage", variable="ORDERFLOW_STAGE", default="local", help="Chalice stage in config.json.")
@_option(
    "--queues", variable="ORDERFLOW_QUEUES", type=_FILE, help="Queue template.  [default: as in local.toml]"
)
@_option("--database-url", variable="DATABASE_URL", help="Use this PostgreSQL instead of a managed one.")
@_option(
    "--functions-database-url",
    variable="FUNCTIONS_DATABASE_URL",
    help="The login of functions there; --database-url then owns the database, and prepares it.",
)
@_option(
    "--aws-endpoint-url", variable="AWS_ENDPOINT_URL", help="Use this SQS instead of a managed MiniStack."
)
@_option(
    "--reload/--no-reload",
    "reloads",
    variable="ORDERFLOW_RELOAD",
    default=True,
    help="Reload handlers on changes.",
)
@_option(
    "--json-logs", variable="ORDERFLOW_JSON_LOGS", is_flag=True, help="Print function output unrendered."
)
@_option("--verbose", variable="ORDERFLOW_VERBOSE", is_flag=True, help="Show what the runtime itself does.")
def main(*, json_logs: bool, verbose: bool, **given: Any) -> None:
    """Run a Chalice app locally: WebSocket, REST, SQS and schedules, as on AWS."""
    if given["functions_database_url"] and not given["database_url"]:
        raise click.UsageError(
            "--functions-database-url goes with --database-url: whose database would it be?"
        )
    options = Options(**{**given, "app_dir": given["app_dir"].resolve()})
    stay_until_done()
    log = Log(sys.stdout, is_raw=json_logs, is_verbose=verbose)
    try:
        status = asyncio.run(run(options, log))
    finally:
        log.close()
        leave_unwritable_streams()
    sys.exit(status)
