"""The services around the functions: managed here, or others when the options name them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from chalice_offline.logs import Log
from chalice_offline.options import Options
from chalice_offline.services.children import ChildRegister
from chalice_offline.services.ministack import Ministack
from chalice_offline.services.ports import LOOPBACK, free_port
from chalice_offline.services.postgres import Postgres
from chalice_offline.state_dir import StateDir

_PORT: Final = "emulator"


class Services:
    """Addresses are known from the start,
    so that everything else can be prepared while the servers come up.
    """

    def __init__(
        self,
        options: Options,
        state: StateDir,
        log: Log,
        *,
        wants_database: bool,
        functions_login: str | None,
        aws_services: Sequence[str] | None,
        on_sqs_restarted: Callable[[], Awaitable[None]],
    ) -> None:
        self.register = ChildRegister(state.path / "children.json")
        left = self.register.end_leftovers()
        if left:
            log.event("info", "ended what an earlier run left behind", kinds=left)
        self._postgres: Postgres | None = None
        if wants_database and options.database_url is None:
            self._postgres = Postgres(state, free_port(), self.register, log, functions_login=functions_login)
        self._ministack: Ministack | None = None
        foreign = _foreign(options.aws_endpoint_url, state)
        if foreign is None:
            self._ministack = _emulator(state, self.register, log, on_sqs_restarted, aws_services)
        self.database_url = self._postgres.url if self._postgres else options.database_url
        # A server that is not ours lets in only logins that its owner has named.
        self.functions_database_url = (
            self._postgres.functions_url
            if self._postgres
            else options.functions_database_url or options.database_url
        )
        self.sqs_endpoint = foreign or (self._ministack.endpoint if self._ministack else "")
        self.emulator_credentials = state.emulator_credentials() if self._ministack else None

    @property
    def is_managed(self) -> bool:
        """Whether the emulator is ours."""
        return self._ministack is not None

    def owner_addresses(self) -> dict[str, str]:
        """Return what tells the commands that prepare a database who owns it, and who is to be let in."""
        if self.database_url is None or self.functions_database_url in (None, self.database_url):
            return {}
        return {
            "DATABASE_URL": self.database_url,
            "FUNCTIONS_DATABASE_URL": str(self.functions_database_url),
        }

    async def start_database(self) -> None:
        if self._postgres is not None:
            await self._postgres.start()

    def start_emulator_when_asked(self) -> None:
        if self._ministack is not None:
            self._ministack.start_when_asked()

    async def start_sqs(self) -> None:
        if self._ministack is not None:
            await self._ministack.start(keeps_queues=True)

    async def stop(self, *, is_hurried: bool) -> None:
        """Stop both; MiniStack writes its queues to disk, PostgreSQL its checkpoint."""
        running = [service for service in (self._postgres, self._ministack) if service is not None]
        await asyncio.gather(*(service.stop(is_hurried=is_hurried) for service in running))


def _foreign(endpoint: str | None, state: StateDir) -> str | None:
    """Return an endpoint unless it is our own emulator's, as a shell names it that has read ``aws.env``."""
    port = state.kept_port(_PORT)
    return None if port and endpoint and endpoint.rstrip("/") == f"http://{LOOPBACK}:{port}" else endpoint


def _emulator(
    state: StateDir,
    register: ChildRegister,
    log: Log,
    on_restarted: Callable[[], Awaitable[None]],
    services: Sequence[str] | None,
) -> Ministack:
    """Return an emulator on the port of the last run, or on another if another process has that by now."""
    try:
        emulator = Ministack(state, state.kept_port(_PORT), register, log, on_restarted, services=services)
    except OSError:
        emulator = Ministack(state, 0, register, log, on_restarted, services=services)
    state.keep_port(_PORT, emulator.port)
    return emulator
