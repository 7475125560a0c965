"""The local runtime: one Chalice app, its functions and what triggers them, from start to stop."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace
from functools import partial
from typing import Any, Final

from chalice_offline.assembly import (
    api_stages,
    companions,
    differences,
    gateway_settings,
    host_settings,
    mapping_settings,
)
from chalice_offline.banner import banner
from chalice_offline.declared_resources import DeclaredResources
from chalice_offline.event_source.mapping import EventSourceMapping
from chalice_offline.event_source.positions import PositionsFile
from chalice_offline.event_source.sqs_client import SqsClient, SqsError
from chalice_offline.event_source.stream import StreamMapping
from chalice_offline.event_source.stream_clients import stream_reader
from chalice_offline.feeds import Feeds
from chalice_offline.gateway import Gateway
from chalice_offline.gateway.settings import FindPool, no_pool
from chalice_offline.invocation import AppManifest, Functions
from chalice_offline.lambda_host.forker import Forker
from chalice_offline.lambda_host.host import LambdaHost, deployed_name
from chalice_offline.logs import Log
from chalice_offline.options import Options
from chalice_offline.pools import UserPools
from chalice_offline.project.function_changes import FunctionChanges
from chalice_offline.project.functions import Project, StreamTrigger
from chalice_offline.project.inspection import ProjectError, inspect_project
from chalice_offline.project.local_toml import LocalToml, LocalTomlError, read_local_toml
from chalice_offline.queues import ProjectQueues, hidden_while_handled, read_template, template_path
from chalice_offline.reload import CodeWatch, is_among, unless
from chalice_offline.services.daemon import DaemonError
from chalice_offline.services.managed import Services
from chalice_offline.start_commands import StartCommandError, run_start_commands
from chalice_offline.state_dir import StateDir
from chalice_offline.status_file import StatusFile
from chalice_offline.supervision import Deadline, all_of, keep_going
from chalice_offline.triggers import Mapping, Trigger, Triggers
from chalice_offline.variables import ACCOUNT, aws_variables, function_environment

# How long running invocations may take to finish when the runtime is asked to stop.
STOP_TIMEOUT_S: Final = 15.0


class Runtime:
    """One running app. ``start`` returns when it is ready; ``stop`` undoes what that has done so far."""

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
            can_gather=self._services.is_managed,
        )
        self._queues = ProjectQueues(
            self._sqs, partial(read_template, options, project_file, region=self._aws["AWS_REGION"])
        )
        environment = self._function_environment()
        self._companions = companions(
            options, project_file, environment, state=state, register=self._services.register, log=log
        )
        self._environment = environment | self._companions.gives
        self._forker = Forker(project_file.functions.preload, self._environment, options.interpreter)
        self._host: LambdaHost | None = None
        self._gateway: Gateway | None = None
        self._triggers: Triggers | None = None
        # At another owner's endpoint they may be there already.
        self._resources: DeclaredResources | None = None
        self._find_pool: FindPool = no_pool
        is_managed, endpoint = self._services.is_managed, self._services.sqs_endpoint
        self._feeds = Feeds(self._sqs, endpoint, self._aws, options.stage, log, is_there=is_managed)
        if is_managed:
            self._find_pool = UserPools(endpoint, self._aws, log).find
            self._resources = DeclaredResources(options.app_dir, options.stage, endpoint, self._aws, log)
        self._tasks: list[asyncio.Task[None]] = []
        self._status_file = StatusFile(state, log, self._status)
        self._project: Project | None = None
        self._positions = PositionsFile(state.path / "streams.json", log)
        self._described = asyncio.Event()
        # What reloads that failed were to bring about is still to be done.
        self._must_prepare = self._must_make_queues = False

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
            gateway_settings(
                self._options, self._file, self._stages, self._find_pool, aws=self._aws, log=self._log
            ),
            self._manifest(self._project),
            self._host,
        )
        await self._gateway.start()
        self._triggers = Triggers(
            self._host,
            self._new_mapping,
            is_fed=self._feeds.is_there,
            region=self._aws["AWS_REGION"],
            runs_at_start=self._file.schedules.run_at_start,
            timeout_s=STOP_TIMEOUT_S,
        )
        await self._triggers.use(self._project)
        self._tasks.append(keep_going("status", self._status_file.keep))
        if self._options.reloads:
            self._tasks.append(keep_going("reload", self._watch_code))

    async def stop(self, *, is_hurried: bool = False) -> None:
        """Take no more work in, finish what runs, then end functions and servers.
        Safe at any stage of ``start``.
        """
        deadline = Deadline(0.0 if is_hurried else STOP_TIMEOUT_S)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        steps: list[Callable[[], Awaitable[object]]] = []
        if self._triggers is not None:
            steps.append(self._triggers.stop_schedules)
        if self._gateway is not None:
            steps.append(self._gateway.stop)
        if self._triggers is not None:
            steps.append(deadline.of(self._triggers.stop_mappings))
        if self._host is not None:
            steps.append(deadline.of(self._host.stop))
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
        lines = banner(
            self._project,
            self._options,
            self._stages,
            base_path=self._file.gateway.base_path,
            pages=self._file.gateway.pages,
            endpoint=self._services.sqs_endpoint,
            credentials=self._state.aws_env_command if self._services.is_managed else None,
            queues=[queue.name for queue in self._queues.specs],
        )
        return [*lines, *self._companions.banner]

    async def _start_database(self) -> None:
        await asyncio.gather(self._services.start_database(), self._companions.start())
        await self._run_start_commands()

    async def _run_start_commands(self) -> None:
        await run_start_commands(
            self._file.on_start,
            app_dir=self._options.app_dir,
            environment={**self._environment, **self._services.owner_addresses()},
            log=self._log,
            python=self._options.interpreter,
        )

    async def _start_sqs(self) -> None:
        if not self._queues.has_template:
            await self._described.wait()
            if self._project is not None:
                self._queues.name(hidden_while_handled(self._project))
        if self._queues.specs:
            await self._services.start_sqs()
            await self._queues.ensure()
        await self._described.wait()
        await self._feed()

    async def _ensure_queues(self) -> None:
        await self._queues.ensure()
        await self._feeds.ensure(self._project)

    async def _feed(self) -> None:
        """Have the emulator tell functions what they are there for; it starts for them alone, too."""
        if self._feeds.are_wanted(self._project):
            await self._services.start_sqs()
            await self._feeds.ensure(self._project)

    async def _start_functions(self, preparing: asyncio.Task[None]) -> None:
        project, _ = await asyncio.gather(self._inspect_at_start(preparing), self._forker.start())
        # To be asked for pools, an emulator that nothing else needs would be started.
        find_pool = self._find_pool if self._resources and self._resources.are_made else no_pool
        async for message, facts in differences(project, self._file, find_pool, is_fed=self._feeds.is_there):
            self._log.event("warning", message, **facts)
        self._project = project
        self._described.set()
        self._host = LambdaHost(
            project.functions,
            host_settings(self._options, self._file, project, self._environment),
            self._forker,
            self._log.function_lines,
            on_finished=self._function_ended,
            on_refused=self._snapshot_refused,
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
        """Create what ``resources.json`` declares, before the app is imported with variables that name it."""
        if self._resources is not None:
            await self._resources.ensure()

    async def _inspect(self) -> Project:
        options, resources = self._options, self._resources
        answers, changes = (resources.answers, resources.changes) if resources else ({}, FunctionChanges())
        variables = {**changes.variables(answers), **self._environment}
        # What is wrong with the configuration is said before anything is imported for it.
        api_stages(options, self._file)
        project = await inspect_project(
            options.app_dir, options.stage, variables, options.interpreter, answers=answers
        )
        for reason in project.refused:
            self._log.event("warning", "chalice deploy would refuse the app", reason=reason)
        functions = {name: changes.applied(spec, answers) for name, spec in project.functions.items()}
        project = replace(project, functions=functions)
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

    def _new_mapping(self, trigger: Trigger, functions: Functions) -> Mapping:
        assert self._project is not None
        if isinstance(trigger, StreamTrigger):
            reader = stream_reader(trigger, self._services.sqs_endpoint, self._aws)
            return StreamMapping(trigger, reader, functions, self._log, self._positions.of(trigger))
        app_name = self._project.manifest.app_name
        settings = mapping_settings(self._file, trigger, app_name=app_name, stage=self._options.stage)
        return EventSourceMapping(settings, self._sqs, functions, self._log)

    def _snapshot_refused(self, why: str) -> None:
        self._log.event("warning", "no snapshot: each environment imports the app by itself", reason=why)

    def _function_ended(self, function_name: str) -> None:
        if self._triggers is not None:
            self._triggers.function_ended(function_name)

    async def _watch_code(self) -> None:
        files = filter(None, [template_path(self._options, self._file)])
        await CodeWatch(self._options.app_dir, self._state.path, self._log, files).run(self._reload)

    async def _reload(self, changed: Collection[str], is_more: asyncio.Event) -> None:
        """Run the project as it is now: resources, functions, routes, queues and schedules.

        An import that takes long, or hangs, is given up once there are newer changes.
        """
        assert self._host is not None
        assert self._gateway is not None
        assert self._triggers is not None
        assert self._project is not None
        self._must_prepare |= is_among(changed, self._file.on_start_again, self._options.app_dir)
        try:
            await self._make_resources()
            self._must_make_queues |= self._queues.reread()
            self._environment = self._function_environment() | self._companions.gives
            project = await unless(is_more, self._inspect())
            if project is None:
                return
            if self._must_prepare:
                await self._run_start_commands()
                self._must_prepare = False
        except (ProjectError, StartCommandError, OSError, ValueError) as error:
            self._log.event("error", "not reloaded, the old code goes on", exception=str(error))
            self._host.hold()
            return
        settings = host_settings(self._options, self._file, project, self._environment)
        await self._host.reload(project.functions, settings)
        former, self._project = self._project, project
        self._gateway.use(self._manifest(project))
        try:
            self._must_make_queues |= self._queues.name(hidden_while_handled(project))
            if self._must_make_queues:
                await self._services.start_sqs()
                await self._queues.ensure()
                self._must_make_queues = False
            await self._feed()
            await self._triggers.use(project)
            await self._feeds.forget(former, project)
        except (SqsError, DaemonError, OSError, ValueError) as error:
            self._log.event("error", "queues and schedules are not those of the code", reason=str(error))
        if self._needs_restart():
            self._log.event("warning", "the project's settings have changed: they need a restart")
        self._status_file.update()
        self._log.event("info", "reloaded")

    def _needs_restart(self) -> bool:
        try:
            file = read_local_toml(self._options.app_dir)
        except LocalTomlError:
            return True
        return file != self._file or api_stages(self._options, file) != self._stages

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
            for queue in self._queues.specs
        }
        return function_environment(
            os.environ, managed, self._file.environment, references=urls, is_managed=self._services.is_managed
        )

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
            "queues": {queue.logical_id: queue.name for queue in self._queues.specs},
            "companions": self._companions.ports,
            "given": self._companions.gives,
            "pids": {**self._services.register.pids(), "functions": self._host.pids()},
        }
