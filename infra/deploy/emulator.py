"""``python -m infra.deploy.emulator``: MiniStack and PostgreSQL on loopback, as a cloud to deploy into."""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Final

import click

from chalice_offline.logs import Log
from chalice_offline.services.children import ChildRegister
from chalice_offline.services.daemon import DaemonError
from chalice_offline.services.ministack import Ministack
from chalice_offline.services.ports import LOOPBACK, free_port, is_taken
from chalice_offline.services.postgres import Postgres
from chalice_offline.services.postgres_binaries import PostgresMissingError
from chalice_offline.state_dir import StateDir, StateDirInUseError
from chalice_offline.variables import aws_variables
from infra.deploy.running_emulator import emulator_home

# What the templates, the deployment and `chalice deploy` ask for, by signing names.
SERVICES: Final = (
    "apigateway",
    "cloudformation",
    "events",
    "execute-api",
    "iam",
    "lambda",
    "logs",
    "monitoring",
    "s3",
    "secretsmanager",
    "sns",
    "sqs",
    "sts",
)


@click.command(context_settings={"show_default": True})
@click.option("--port", type=click.IntRange(0, 65535), default=4566, envvar="CLOUD_PORT", show_envvar=True)
@click.option(
    "--home", type=click.Path(file_okay=False, path_type=Path), help="Where data lives between runs."
)
def main(*, port: int, home: Path | None) -> None:
    """Run an emulated cloud until interrupted; `make deploy TARGET=ministack` deploys into it."""
    state = StateDir(home or emulator_home(os.environ))
    if port and is_taken(LOOPBACK, port):
        raise click.ClickException(f"port {port} is taken; choose another with --port or CLOUD_PORT")
    try:
        state.acquire()
    except (StateDirInUseError, OSError) as error:
        raise click.ClickException(str(error)) from error
    log = Log(sys.stdout, is_raw=False, is_verbose=False)
    try:
        asyncio.run(_run(state, port or free_port(), log))
    except (DaemonError, PostgresMissingError, OSError) as error:
        raise click.ClickException(str(error)) from error
    finally:
        log.close()
        state.release()


async def _run(state: StateDir, port: int, log: Log) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stopped.set)
    register = ChildRegister(state.path / "children.json")
    register.end_leftovers()
    postgres = Postgres(state, free_port(), register, log)
    ministack = Ministack(
        state, port, register, log, _nothing_to_restore, services=SERVICES, has_open_apis=True
    )
    aws = aws_variables({}, endpoint=ministack.endpoint, managed_credentials=state.emulator_credentials())
    try:
        await asyncio.gather(postgres.start(), ministack.start())
        state.write_status({"endpoint": ministack.endpoint, "database_url": postgres.url, "aws": aws})
        log.say(f"ready: AWS_ENDPOINT_URL={ministack.endpoint}")
        log.say("deploy into it with: make deploy TARGET=ministack")
        log.say(f"its credentials, for other tools: . {state.path / 'aws.env'}")
        await stopped.wait()
    finally:
        state.clear_status()
        await asyncio.gather(ministack.stop(), postgres.stop())


async def _nothing_to_restore() -> None:
    """MiniStack loads what it saved; the runtime's queues are not ours."""


if __name__ == "__main__":
    main()
