"""From what a project and its user want to the settings of each part."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Final, NamedTuple

from chalice_offline.debugging import DEBUGGING_TIMEOUT_S
from chalice_offline.event_source.mapping import MappingSettings
from chalice_offline.feeds import notice_settings
from chalice_offline.gateway import CallbackSignatures, GatewayLimits, GatewaySettings
from chalice_offline.gateway.settings import FindPool, discard, no_pool
from chalice_offline.lambda_host.host import HostSettings
from chalice_offline.logs import Log
from chalice_offline.options import Options
from chalice_offline.project.functions import NoticeTrigger, Project, QueueTrigger
from chalice_offline.project.local_toml import LocalToml
from chalice_offline.project.stage import api_stage
from chalice_offline.services.children import ChildRegister
from chalice_offline.services.companions import Companions
from chalice_offline.state_dir import StateDir
from chalice_offline.variables import ACCOUNT

_OPEN: Final = "open to all clients here; gateway.iam has signatures asked for"
_OPEN_WITHOUT_OTHERS: Final = "open to all clients here; its authorizer is no function of this app"
_OPEN_IF_NO_POOL: Final = "open to all clients unless the emulator has its user pool"


class ApiStages(NamedTuple):
    """First path segments of the two APIs; they may be the same."""

    websocket: str
    rest: str


def api_stages(options: Options, file: LocalToml) -> ApiStages:
    """Return the stages that the project names, else the one that Chalice deploys both APIs to.

    Raises:
        ProjectError: ``config.json`` does not have the stage to run.
    """
    deployed = api_stage(options.app_dir, options.stage)
    return ApiStages(file.gateway.websocket_stage or deployed, file.gateway.rest_stage or deployed)


def host_settings(
    options: Options, file: LocalToml, project: Project, environment: Mapping[str, str]
) -> HostSettings:
    """Return the Lambda host's settings; ``environment`` is what all functions share."""
    # A function must have an environment for each batch that its mapping may hand to it.
    by_queue = {trigger.function_name: _concurrency(file, trigger) for trigger in project.queues}
    by_queue |= dict.fromkeys((each.function_name for each in project.notices), file.event_source.concurrency)
    return HostSettings(
        app_name=project.manifest.app_name,
        stage=options.stage,
        task_root=options.app_dir,
        environment=environment,
        region=environment["AWS_REGION"],
        account=ACCOUNT,
        concurrency_max=file.functions.concurrency,
        concurrency_by_function={**by_queue, **file.functions.concurrency_by_function},
        idle_s=file.functions.idle_s,
        rare=frozenset(file.functions.rare),
        cut_short=frozenset(file.functions.cut_short),
        python=project.python,
        tmp_root=options.state_dir.absolute() / "tmp",
        snapshot=file.functions.snapshot,
        debugging=options.debugging,
    )


def mapping_settings(
    file: LocalToml, trigger: QueueTrigger | NoticeTrigger, *, app_name: str, stage: str
) -> MappingSettings:
    """Return an event source mapping's settings: what the code says,
    and the project where the code is silent.
    """
    if isinstance(trigger, NoticeTrigger):
        return notice_settings(trigger, app_name, stage, concurrency=file.event_source.concurrency)
    return MappingSettings(
        function_name=trigger.function_name,
        queue_name=trigger.queue_name,
        batch_size=trigger.batch_size,
        batching_window_s=trigger.batching_window_s,
        concurrency_max=_concurrency(file, trigger),
        gather_s=file.event_source.gather_ms / 1000,
        reports_item_failures=file.event_source.report_batch_item_failures,
    )


def gateway_settings(
    options: Options,
    file: LocalToml,
    stages: ApiStages,
    find_pool: FindPool = no_pool,
    *,
    aws: Mapping[str, str],
    log: Log,
) -> GatewaySettings:
    """Return the gateway's settings; what it does is logged for those who ask for it.

    Args:
        find_pool: Which user pools there are.
        aws: Region and credentials of the functions, as environment variables.
    """
    table = file.gateway
    return GatewaySettings(
        host=options.host,
        port=options.port,
        websocket_stage=stages.websocket,
        rest_stage=stages.rest,
        base_path=table.base_path,
        stage_variables=table.stage_variables,
        region=aws["AWS_REGION"],
        account_id=ACCOUNT,
        domain_name=table.domain_name,
        authorizer_identity_sources=table.authorizer_identity_sources,
        callback_signatures=table.callbacks,
        iam=table.iam,
        credentials={aws["AWS_ACCESS_KEY_ID"]: aws["AWS_SECRET_ACCESS_KEY"]},
        message_order=table.message_order,
        route_selection_expression=table.route_selection_expression,
        route_responses=table.route_responses,
        keeps_authorizers_answers=table.authorizer_caching,
        api_keys=table.api_keys,
        find_pool=find_pool,
        permessage_deflate=table.permessage_deflate,
        allowed_hosts=table.allowed_hosts,
        allowed_origins=table.allowed_origins,
        limits=_limits(options, file),
        warn=lambda message, facts: log.event("warning", message, **facts),
        # A dozen for each message that a client sends, of which no line is shown unless asked for.
        log=(lambda message, facts: log.event("debug", message, **facts)) if log.is_verbose else discard,
    )


def _limits(options: Options, file: LocalToml) -> GatewayLimits:
    limits = GatewayLimits(**file.gateway.limits.model_dump())
    if options.debugging is None:
        return limits
    return replace(
        limits,
        idle_s=DEBUGGING_TIMEOUT_S,
        duration_s=DEBUGGING_TIMEOUT_S,
        integration_timeout_s=DEBUGGING_TIMEOUT_S,
    )


def companions(
    options: Options,
    file: LocalToml,
    environment: Mapping[str, str],
    *,
    state: StateDir,
    register: ChildRegister,
    log: Log,
) -> Companions:
    """Return the project's companions.

    Args:
        environment: That of the functions. They get neither its secrets nor the database's password.

    Raises:
        CompanionError: One is declared in a way that cannot be carried out.
    """
    hidden = {*file.secrets, "DATABASE_URL", "FUNCTIONS_DATABASE_URL"}
    return Companions(
        file.companions,
        {name: value for name, value in environment.items() if name not in hidden},
        state,
        register,
        log,
        app_dir=options.app_dir,
        interpreter=options.interpreter,
    )


def _concurrency(file: LocalToml, trigger: QueueTrigger) -> int:
    return trigger.maximum_concurrency or file.event_source.concurrency


async def differences(
    project: Project, file: LocalToml, find_pool: FindPool, *, is_fed: bool
) -> AsyncIterator[tuple[str, dict[str, object]]]:
    """Yield what a project has that is not as on AWS here: messages of the log, and their facts.

    Args:
        find_pool: Which user pools there are by now.
        is_fed: Whether services of the endpoint tell functions what happens.
    """
    silent = list(project.unsupported)
    if not is_fed:
        silent += [f"{each.function_name} ({each.service})" for each in project.notices]
        silent += [f"{each.function_name} ({each.service})" for each in project.streams]
    for source in silent:
        yield "event source not emulated; chalice-offline invoke runs it", {"source": source}
    by_pools: dict[tuple[str, ...], list[str]] = {}
    for path, by_method in project.manifest.http_user_pools.items():
        for method, guard in sorted(by_method.items()):
            by_pools.setdefault(guard.pools, []).append(f"{method} {path}")
    for pools, routes in by_pools.items():
        if not any([await find_pool(pool) is not None for pool in pools]):
            yield _OPEN_IF_NO_POOL, {"routes": routes, "user_pools": list(pools)}
    if file.gateway.iam is CallbackSignatures.OPEN and (routes := _with(project, "(IAMAuthorizer)")):
        yield _OPEN, {"routes": routes}
    if routes := _with(project, "(CustomAuthorizer)"):
        yield _OPEN_WITHOUT_OTHERS, {"routes": routes}
    if project.manifest.http_api_keys and not file.gateway.api_keys:
        routes = sorted(project.manifest.http_api_keys)
        yield "any API key is let in; gateway.api_keys says which", {"routes": routes}


def _with(project: Project, authorizer: str) -> list[str]:
    """Return the open routes that have this kind of authorizer, ``(IAMAuthorizer)``."""
    ends = f" {authorizer}"
    return [route.removesuffix(ends) for route in project.open_routes if route.endswith(ends)]
