"""An emulated cloud to deploy into: MiniStack, with the APIs deployed into it served, and PostgreSQL.

Both listen on loopback, keep what they hold in one directory from run to run, and end with the program that
runs them. The database needs the extra ``postgres`` or a PostgreSQL of the system. Public: see the README.
"""

import asyncio
import signal
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from chalice_offline.hangup import when_hung_up
from chalice_offline.logs import Log
from chalice_offline.services.children import ChildRegister
from chalice_offline.services.daemon import DaemonError
from chalice_offline.services.ministack import Ministack
from chalice_offline.services.ports import LOOPBACK, free_port, is_taken
from chalice_offline.services.postgres import Postgres
from chalice_offline.services.postgres_binaries import PostgresMissingError
from chalice_offline.state_dir import StateDir, StateDirInUseError, StateDirUnwritableError
from chalice_offline.variables import aws_variables


class CloudError(RuntimeError):
    """The cloud cannot run; the message says why, and what to do."""


class PortTakenError(CloudError):
    """Something else listens on the port."""


@dataclass(frozen=True, slots=True)
class Cloud:
    """A cloud that runs.

    Attributes:
        endpoint: ``AWS_ENDPOINT_URL``.
        database_url: Of the database, as its owner.
        variables: Endpoint, region and credentials, as AWS's tools read them.
        variables_file: The same for a shell to read.
    """

    endpoint: str
    database_url: str
    variables: Mapping[str, str]
    variables_file: Path


def run_cloud(
    home: Path, port: int, services: Sequence[str] | None, when_ready: Callable[[Cloud], Iterable[str]]
) -> None:
    """Run a cloud until SIGINT, SIGTERM or the end of its terminal.

    Once it is ready, the lines that ``when_ready`` returns are printed.
    While it is ready, ``status.json`` in ``home`` has ``endpoint``, ``database_url`` and ``aws``.

    Args:
        home: Where data lives between runs; one cloud at a time.
        port: 0 takes a free one.
        services: That may be asked, by their signing names; None for all. Fewer is safer: some run code.

    Raises:
        PortTakenError: See there.
        CloudError: The directory is in use or not writable, or a server did not start.
    """
    state = StateDir(home)
    if port and is_taken(LOOPBACK, port):
        raise PortTakenError(f"port {port} is taken")
    try:
        state.acquire()
    except (StateDirInUseError, StateDirUnwritableError) as error:
        raise CloudError(str(error)) from error
    log = Log(sys.stdout)
    try:
        asyncio.run(_run(state, port or free_port(), services, when_ready, log))
    except (DaemonError, PostgresMissingError, OSError) as error:
        raise CloudError(str(error)) from error
    finally:
        log.close()
        state.release()


async def _run(
    state: StateDir,
    port: int,
    services: Sequence[str] | None,
    when_ready: Callable[[Cloud], Iterable[str]],
    log: Log,
) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    hangup = when_hung_up(stopped.set)
    register = ChildRegister(state.path / "children.json")
    register.end_leftovers()
    postgres = Postgres(state, free_port(), register, log)
    ministack = Ministack(
        state, port, register, log, _nothing_to_restore, services=services, has_open_apis=True
    )
    aws = aws_variables({}, endpoint=ministack.endpoint, managed_credentials=state.emulator_credentials())
    try:
        await asyncio.gather(postgres.start(), ministack.start())
        state.write_status({"endpoint": ministack.endpoint, "database_url": postgres.url, "aws": aws})
        for line in when_ready(Cloud(ministack.endpoint, postgres.url, aws, state.path / "aws.env")):
            log.say(line)
        await stopped.wait()
    finally:
        if hangup is not None:
            hangup.cancel()
        with suppress(OSError):
            state.clear_status()
        await asyncio.gather(ministack.stop(), postgres.stop())


async def _nothing_to_restore() -> None:
    """MiniStack loads what it saved; there are no queues of an app's own."""
