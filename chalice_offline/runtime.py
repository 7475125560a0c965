"""The local runtime: one Chalice app, its functions and what triggers them, from start to stop."""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final

from chalice_offline.assembly import (
    api_stages,
    companions,
    gateway_settings,
    host_settings,
    mapping_settings,
)
from chalice_offline.event_source.mapping import EventSourceMapping
from chalice_offline.event_source.sqs_client import SqsClient, SqsError
from chalice_offline.gateway import Gateway
from chalice_offline.invocation import AppManifest, Functions
from chalice_offline.lambda_host.forker import Forker
from chalice_offline.lambda_host.host import LambdaHost, deployed_name
from chalice_offline.logs import Log
from chalice_offline.options import Options
from chalice_offline.project.functions import Project, QueueTrigger
from chalice_offline.project.inspection import ProjectError, inspect_project
from chalice_offline.project.local_toml import LocalToml
from chalice_offline.project.resources import answers, expressions, own_template
from chalice_offline.queue_template import QueueSpec, read_queues
from chalice_offline.queues import ensure_queues
from chalice_offline.reload import CodeWatch
from chalice_offline.services.daemon import DaemonError
from chalice_offline.services.managed import Services
from chalice_offline.stack import ensure_stack
from chalice_offline.start_commands import run_start_commands
from chalice_offline.state_dir import StateDir
from chalice_offline.supervision import all_of, keep_going
from chalice_offline.triggers import Triggers
from chalice_offline.variables import ACCOUNT, aws_variables, function_environment

# How long running invocations may take to finish when the runtime is asked to stop.
STOP_PATIENCE_S: Final = 15.0
_STATUS_INTERVAL_S: Final = 1.0


class Runtime:
    """One running app. ``start`` returns when it is ready;
    ``stop`` undoes whatever ``start`` has done so far.
    """

    def __init__(self, options: Options, project_file: LocalToml, state: StateDir, log: Log) -> None:
        self._options = options
        self._file = project_file
        self._state = state
        self._log = log
        self._stages = api_stages(options, project_file)
        self._services = Services(
            options,
            state,
            log,
            wants_database=project_file.database,
            functions_login=project_file.database_login,
            aws_services=project_file.aws_services,
            on_sqs_restarted=self._ensure_queues,
        )
        self._aws = aws_variables(
            os.environ,
            endpoint=self._services.sqs_endpoint,
            managed_credentials=self._services.emulator_credentials,
        )
        self._sqs = SqsClient(
            self._services.sqs_endpoint,
            region=self._aws["AWS_REGION"],
            access_key=self._aws["AWS_ACCESS_KEY_ID"],
            secret_key=self._aws["AWS_SECRET_ACCESS_KEY"],
        )
        self._queues = self._read_queues()
        self._has_template = bool(self._queues)
        environment = self._function_environment()
        self._companions = companions(
            options, project_file, environment, state=state, register=self._services.register, log=log
        )
        self._environment = environment | self._companions.gives
        self._forker = Forker(project_file.functions.preload, self._environment, options.interpreter)
        self._host: LambdaHost | None = None
        self._gateway: Gateway | None = None
        self._triggers: Triggers | None = None
        # Of expressions in variables.
        self._answers: Mapping[str, str] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._project: Project | None = None
        self._is_status_stale = False
        self._described = asyncio.Event()

    async def start(self) -> None:
        """Start everything; the servers come up while the app is described and its functions warm up.

        Raises:
            ProjectError, DaemonError, StartCommandError, SqsError, OSError: With what to do about it.
        """
        self._services.start_emulator_when_asked()
        async with asyncio.TaskGroup() as group:
            preparing = group.create_task(self._start_database())
            group.create_task(self._start_sqs())
            group.create_task(self._start_functions(preparing))
        assert self._host is not None
        assert self._project is not None
        self._gateway = Gateway(
            gateway_settings(self._options, self._file, self._stages, aws=self._aws, log=self._log),
            self._manifest(self._project),
            self._host,
        )
        await self._gateway.start()
        self._triggers = Triggers(
            self._host,
            self._new_mapping,
            region=self._aws["AWS_REGION"],
            runs_at_start=self._file.schedules.run_at_start,
            patience_s=STOP_PATIENCE_S,
        )
        await self._triggers.use(self._project)
        self._tasks.append(keep_going("status", self._publish_status))
        if self._options.reloads:
            self._tasks.append(keep_going("reload", self._watch_code))

    async def stop(self, *, is_hurried: bool = False) -> None:
        """Take no more work in, finish what runs, then end functions and servers.
        Safe at any stage of ``start``.
        """
        patience_s = 0.0 if is_hurried else STOP_PATIENCE_S
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        steps: list[Callable[[], Awaitable[object]]] = []
        if self._triggers is not None:
            steps.append(self._triggers.stop_schedules)
        if self._gateway is not None:
            steps.append(self._gateway.stop)
        if self._triggers is not None:
            steps.append(partial(self._triggers.stop_mappings, patience_s=patience_s))
        if self._host is not None:
            steps.append(partial(self._host.stop, patience_s=patience_s))
        steps += [self._forker.close, self._sqs.close, partial(self._services.stop, is_hurried=is_hurried)]
        steps.append(partial(self._companions.stop, is_hurried=is_hurried))
        steps.append(partial(asyncio.to_thread, self._state.clear_status))
        await all_of(steps)

    def running(self) -> list[str]:
        """Return the functions that run."""
        return self._host.running() if self._host is not None else []

    def banner(self) -> list[str]:
        """Return the lines to print when ready: where to connect."""
        assert self._project is not None
        address = self._options.address
        lines = []
        has_api = bool(self._project.manifest.websocket_handlers or self._project.manifest.http_function)
        if self._project.manifest.websocket_handlers:
            lines.append(f"wscat -c ws://{address}/{self._stages.websocket}")
        if self._project.manifest.http_function:
            lines.append(f"REST http://{address}/{self._stages.rest}")
        if self._services.emulator_credentials is not None:
            lines.append(f"AWS {self._services.sqs_endpoint}  credentials: . {self._state.path / 'aws.env'}")
        lines += [f"queue {self._services.sqs_endpoint}/{ACCOUNT}/{queue.name}" for queue in self._queues]
        if not has_api:
            names = ", ".join(self._project.functions) or "none"
            lines.append(f"no API; functions, for chalice-offline invoke: {names}")
        return lines + self._companions.banner

    async def _start_database(self) -> None:
        await asyncio.gather(self._services.start_database(), self._companions.start())
        await run_start_commands(
            self._file.on_start,
            app_dir=self._options.app_dir,
            environment={**self._environment, **self._owner_addresses()},
            log=self._log,
            python=self._options.interpreter,
        )

    async def _start_sqs(self) -> None:
        if not self._queues:
            # A project without a template gets plain queues under the names that its functions read from.
            await self._described.wait()
            names = {trigger.queue_name for trigger in self._project.queues} if self._project else set()
            self._queues = tuple(QueueSpec(name, name, {}) for name in sorted(names))
        if self._queues:
            await self._services.start_sqs()
            await self._ensure_queues()

    async def _ensure_queues(self) -> None:
        await ensure_queues(self._sqs, self._queues)

    async def _start_functions(self, preparing: asyncio.Task[None]) -> None:
        project, _ = await asyncio.gather(self._inspect_at_start(preparing), self._forker.start())
        for source in project.unsupported:
            self._log.event("warning", "event source not emulated", source=source)
        for route in project.open_routes:
            self._log.event("warning", "open to everybody here, since its guard is not emulated", route=route)
        self._project = project
        self._described.set()
        self._host = LambdaHost(
            project.functions,
            host_settings(self._options, self._file, project, self._environment),
            self._forker,
            self._log.function_line,
            on_finished=self._function_ended,
        )
        await self._host.start()

    async def _inspect_at_start(self, preparing: asyncio.Task[None]) -> Project:
        """Describe the app while its database is prepared; once more afterwards if it does not import
        without what ``on_start`` makes, such as a parameter that it reads.
        """
        await self._make_resources()
        try:
            return await self._inspect()
        except ProjectError:
            if not self._file.on_start:
                raise
            await asyncio.wait({preparing})
            return await self._inspect()

    async def _make_resources(self) -> None:
        """Create what ``resources.json`` declares, before the app is imported with variables that name it.

        Not at an endpoint of somebody else's, who may have it already.
        """
        if self._services.emulator_credentials is None:
            return
        folder = self._options.app_dir
        try:
            template = json.loads((folder / "resources.json").read_text(encoding="utf-8"))
            config = json.loads((folder / ".chalice" / "config.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return
        except ValueError as error:
            raise ProjectError(f"resources.json: {error}") from error
        wanted = expressions(config, self._options.stage)
        own, left_out = own_template(template, wanted)
        for name in left_out:
            self._log.event("warning", "not created: it is Chalice's or refers to what is", resource=name)
        if own["Resources"]:
            name = f"{config.get('app_name', 'app')}-{self._options.stage}"
            endpoint = self._services.sqs_endpoint
            self._answers = answers(
                wanted, await asyncio.to_thread(ensure_stack, name, own, endpoint, self._aws)
            )

    async def _inspect(self) -> Project:
        options = self._options
        project = await inspect_project(
            options.app_dir, options.stage, self._environment, options.interpreter, answers=self._answers
        )
        authorizer = self._file.gateway.authorizer
        if authorizer is not None and authorizer not in project.functions:
            raise ProjectError(f"local.toml: gateway.authorizer: the app has no function {authorizer!r}")
        return project

    def _manifest(self, project: Project) -> AppManifest:
        """Return the app's description with what is not Chalice's: the
        WebSocket API's authorizer, and the names that functions are deployed under.
        """
        app_name = project.manifest.app_name
        names = {deployed_name(name, app_name, self._options.stage): name for name in project.functions}
        return replace(
            project.manifest,
            authorizer_function=self._file.gateway.authorizer,
            deployed_names={name: name for name in project.functions} | names,
        )

    def _new_mapping(self, trigger: QueueTrigger, functions: Functions) -> EventSourceMapping:
        return EventSourceMapping(mapping_settings(self._file, trigger), self._sqs, functions, self._log)

    def _function_ended(self, function_name: str) -> None:
        if self._triggers is not None:
            self._triggers.function_ended(function_name)

    async def _watch_code(self) -> None:
        watch = CodeWatch(self._options.app_dir, self._state.path, self._log)
        await watch.run(self._reload)

    async def _reload(self) -> None:
        """Run the code as it is now: functions, routes, queues and schedules."""
        assert self._host is not None
        assert self._gateway is not None
        assert self._triggers is not None
        try:
            project = await self._inspect()
        except ProjectError as error:
            self._log.event("error", "not reloaded, the old code goes on", exception=str(error))
            return
        await self._host.reload(
            project.functions, host_settings(self._options, self._file, project, self._environment)
        )
        self._project = project
        self._gateway.use(self._manifest(project))
        try:
            await self._make_new_queues(project)
            await self._triggers.use(project)
        except (SqsError, DaemonError, OSError, ValueError) as error:
            self._log.event("error", "queues and schedules are not those of the code", reason=str(error))
        self._log.event("info", "reloaded")

    async def _make_new_queues(self, project: Project) -> None:
        """Make the queues that the code names and no template does, unless they are there."""
        if self._has_template:
            return
        known = {queue.name for queue in self._queues}
        added = sorted({trigger.queue_name for trigger in project.queues} - known)
        if added:
            self._queues += tuple(QueueSpec(name, name, {}) for name in added)
            await self._services.start_sqs()
            await self._ensure_queues()

    def _read_queues(self) -> tuple[QueueSpec, ...]:
        path = self._options.queues
        if path is None and self._file.queues is not None:
            path = self._options.app_dir / self._file.queues
        if path is None:
            return ()
        parameters = {"Stage": self._options.stage, **self._file.parameters}
        template = json.loads(path.read_text(encoding="utf-8"))
        return read_queues(template, parameters, region=self._aws["AWS_REGION"], account=ACCOUNT)

    def _function_environment(self) -> dict[str, str]:
        gateway = f"http://{self._options.address}"
        managed = {
            **self._aws,
            "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI": f"{gateway}/{self._stages.websocket}",
            "AWS_ENDPOINT_URL_LAMBDA": gateway,
            "LOCAL_GATEWAY_HOST": self._options.host,
            **{name: self._state.secret(name) for name in self._file.secrets if name not in os.environ},
        }
        if self._services.functions_database_url is not None:
            managed["DATABASE_URL"] = self._services.functions_database_url
        urls = {
            f"QUEUE_URL_{queue.logical_id}": f"{self._services.sqs_endpoint}/{ACCOUNT}/{queue.name}"
            for queue in self._queues
        }
        return function_environment(os.environ, managed, self._file.environment, references=urls)

    def _owner_addresses(self) -> dict[str, str]:
        """Return what tells the commands that prepare a database who owns it, and who is to be let in."""
        services = self._services
        if services.database_url is None or services.functions_database_url in (None, services.database_url):
            return {}
        return {
            "DATABASE_URL": services.database_url,
            "FUNCTIONS_DATABASE_URL": str(services.functions_database_url),
        }

    async def _publish_status(self) -> None:
        published: Mapping[str, Any] = {}
        while True:
            status = self._status()
            if status != published and self._write_status(status):
                published = status
            await asyncio.sleep(_STATUS_INTERVAL_S)

    def _write_status(self, status: Mapping[str, Any]) -> bool:
        """Return whether it could be written: a full disk may have room again later."""
        try:
            self._state.write_status(status)
        except OSError as error:
            if not self._is_status_stale:
                self._log.event("warning", "status.json is out of date", reason=str(error))
            self._is_status_stale = True
            return False
        self._is_status_stale = False
        return True

    def _status(self) -> dict[str, Any]:
        assert self._host is not None
        return {
            "pid": os.getpid(),
            "app": str(self._options.app_dir),
            "host": self._options.host,
            "port": self._options.port,
            "database_url": self._services.database_url,
            "functions_database_url": self._services.functions_database_url,
            "sqs_endpoint": self._services.sqs_endpoint,
            # Of a foreign emulator, or of a real account, they are the shell's business.
            "aws": self._aws if self._services.emulator_credentials is not None else {},
            "url": f"http://{self._options.address}",
            "websocket_url": f"ws://{self._options.address}/{self._stages.websocket}",
            "rest_url": f"http://{self._options.address}/{self._stages.rest}",
            "region": self._aws["AWS_REGION"],
            "credentials": {name: self._aws[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")},
            "functions": sorted(self._project.functions) if self._project else [],
            "schedules": [each.function_name for each in self._project.schedules] if self._project else [],
            "queues": {queue.logical_id: queue.name for queue in self._queues},
            "companions": self._companions.ports,
            "given": self._companions.gives,
            "pids": {**self._services.register.pids(), "functions": self._host.pids()},
        }
