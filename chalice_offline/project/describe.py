"""Print what a Chalice app consists of, as JSON: run in a process of its
own, so that the app stays out of the runtime.

Functions, names and handler strings are those that ``chalice deploy`` would create
(``chalice/deploy/appgraph.py``). Run as ``python -P describe.py PROJECT_DIR STAGE ANSWERS``, the last being
values of expressions in variables, by their JSON; standard
output is the description, or ``{"refused_configuration": why}``.
"""

import faulthandler
import gc
import importlib
import importlib.util
import json
import os
import resource
import sys
import traceback
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from chalice import app as chalice_api
from chalice.config import Config
from chalice.constants import DEFAULT_APIGATEWAY_STAGE_NAME, DEFAULT_ENDPOINT_TYPE
from chalice.deploy.validate import validate_feature_flags

_FORMAT_MAX = 2.0
"""Of ``config.json``."""

_WEBSOCKET_FUNCTIONS = {
    "$connect": "websocket_connect",
    "$default": "websocket_message",
    "$disconnect": "websocket_disconnect",
}


_QUEUE = "SQSEventConfig"
_SCHEDULE = "ScheduledEventConfig"
_NOTICES = ("S3EventConfig", "SNSEventConfig", "CloudWatchEventConfig")
_STREAMS = ("KinesisEventConfig", "DynamoDBEventConfig")
"""Classes of event sources, by name: the app's own Chalice may be too old to have them all."""
_NO_OBJECTS = "lambda_functions is to be an object of objects"


class ConfigurationError(ValueError):
    """``config.json`` is wrong, whatever the app is."""


def texts(variables: Mapping[str, Any], answers: Mapping[str, str]) -> dict[str, str]:
    """Return variables as text, expressions of CloudFormation by their answers."""
    found: dict[str, str] = {}
    for name, value in variables.items():
        key = json.dumps(value, sort_keys=True)
        if isinstance(value, dict) and key not in answers:
            raise ConfigurationError(f"environment_variables.{name}: nothing in resources.json answers {key}")
        found[name] = answers[key] if isinstance(value, dict) else str(value)
    return found


def describe(project_dir: str, stage: str, answers: Mapping[str, str]) -> dict[str, Any]:
    """Import the app in ``project_dir`` and describe it for ``stage``."""
    config = read_project(project_dir, stage, answers)
    app: chalice_api.Chalice = config.chalice_app
    functions: list[dict[str, Any]] = []

    def add(name: str, handler: str) -> str:
        try:
            functions.append(_function(config.scope(stage, name), name, handler, answers))
        except AttributeError as error:
            raise ConfigurationError(_NO_OBJECTS) from error
        return name

    websocket_handlers = {
        route_key: add(_WEBSOCKET_FUNCTIONS[route_key], handler.handler_string)
        for handler in app.websocket_handlers.values()
        for route_key in [handler.route_key_handled]
    }
    http_function = add("api_handler", "app.app") if app.routes else None
    for authorizer in app.builtin_auth_handlers:
        add(authorizer.name, authorizer.handler_string)
    for pure in app.pure_lambda_functions:
        add(pure.name, pure.handler_string)
    for source in app.event_sources:
        add(source.name, source.handler_string)
    return {
        "app_name": config.app_name,
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "websocket_handlers": websocket_handlers,
        "http": _http(app, http_function),
        "functions": functions,
        "queues": [_queue(source) for source in app.event_sources if _kind(source) == _QUEUE],
        "schedules": [schedule for source in app.event_sources for schedule in _schedules(source)],
        "open_routes": _open_routes(app),
        "refused": list(_loaded("project", "deploy_rules").refusals(config, app, functions)),
        "notices": [
            notice for source in app.event_sources for notice in _notices(source) if notice["source"]
        ],
        "streams": [
            stream for source in app.event_sources for stream in _streams(source) if stream["stream"]
        ],
        "unsupported": [
            f"{source.name} ({_kind(source).removesuffix('Config')})"
            for source in app.event_sources
            if _kind(source) not in {_QUEUE, _SCHEDULE, *_NOTICES, *_STREAMS}
        ],
    }


def read_project(project_dir: str, stage: str, answers: Mapping[str, str]) -> Config:
    """Return what Chalice's own commands would read (``chalice/cli/factory.py``), which imports the app when
    it is asked for it.

    They import botocore, and all that deploys, before they read anything: 0.15 s of a start, and of a reload.
    """
    try:
        found = json.loads(Path(project_dir, ".chalice", "config.json").read_text(encoding="utf-8"))
    except OSError as error:
        raise RuntimeError(
            "Unable to load the project config file. Are you sure this is a chalice project?"
        ) from error
    except ValueError as error:
        raise RuntimeError(f"Unable to load the project config file: {error}") from error
    if not _is_known(found.get("version", "1.0")):
        raise ConfigurationError(f"Unknown version {found['version']!r}")
    for settings in (found, found.get("stages", {}).get(stage, {})):
        # The app's own settings are looked for in there as well.
        if not isinstance(settings.get("lambda_functions", {}), dict):
            raise ConfigurationError(_NO_OBJECTS)
    given: dict[str, Any] = {}
    config = Config(
        chalice_stage=stage,
        user_provided_params=given,
        config_from_disk=found,
        default_params={
            "project_dir": project_dir,
            "api_gateway_stage": DEFAULT_APIGATEWAY_STAGE_NAME,
            "api_gateway_endpoint_type": DEFAULT_ENDPOINT_TYPE,
            "autogen_policy": True,
        },
    )
    given["chalice_app"] = lambda: _app(project_dir, texts(config.environment_variables, answers))
    return config


def _is_known(version: Any) -> bool:
    try:
        return float(version) <= _FORMAT_MAX
    except (TypeError, ValueError):
        return False


def _app(project_dir: str, variables: Mapping[str, str]) -> chalice_api.Chalice:
    """Import the app; what the environment says already goes before its variables, as in functions."""
    if project_dir not in sys.path:
        sys.path.insert(0, project_dir)
    vendor = os.path.join(project_dir, "vendor")  # noqa: PTH118  # as it is searched for
    if Path(vendor).is_dir() and vendor not in sys.path:
        sys.path.append(vendor)
    for name, value in variables.items():
        os.environ.setdefault(name, value)
    try:
        app: chalice_api.Chalice = importlib.import_module("app").app
    except SyntaxError as error:
        raise RuntimeError(
            f'Unable to import your app.py file:\n\nFile "{error.filename}", line {error.lineno}\n'
            f"  {error.text}\nSyntaxError: {error.msg}"
        ) from error
    validate_feature_flags(app)
    return app


def _function(config: Config, name: str, handler: str, answers: Mapping[str, str]) -> dict[str, Any]:
    return {
        "name": name,
        "handler": handler,
        # Chalice deploys these when config.json says nothing (chalice/constants.py).
        "timeout_s": _number(config, "lambda_timeout") or 60,
        "memory_mb": _number(config, "lambda_memory_size") or 128,
        "environment": texts(config.environment_variables, answers),
        "reserved_concurrency": _number(config, "reserved_concurrency"),
    }


def _number(config: Config, setting: str) -> int | None:
    """Return a setting of a function; None if there is none."""
    value = getattr(config, setting)
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise ConfigurationError(f"{setting} of {config.function_name} is to be a whole number, not {value!r}")


def _kind(source: chalice_api.BaseEventSourceConfig) -> str:
    return type(source).__name__


def _given(source: Any, setting: str) -> int | None:
    """Return what a decorator was given; None where the app's Chalice is older than that."""
    value = getattr(source, setting, None)
    if value is None or isinstance(value, int):
        return value
    raise ValueError(f"{setting} of {source.name} is to be a whole number, not {value!r}")


def _queue(source: Any) -> dict[str, Any]:
    queue_name = source.queue or str(getattr(source, "queue_arn", "")).rpartition(":")[2]
    return {
        "function_name": source.name,
        "queue_name": queue_name,
        "batch_size": _given(source, "batch_size"),
        "batching_window_s": _given(source, "maximum_batching_window_in_seconds") or 0,
        "maximum_concurrency": _given(source, "maximum_concurrency"),
    }


def _notices(source: Any) -> list[dict[str, Any]]:
    """Return what a service tells this function, none if it is no such event source."""
    match _kind(source):
        case "S3EventConfig":
            told = {"service": "s3", "source": source.bucket, "kinds": list(source.events)}
            told |= {"prefix": source.prefix or "", "suffix": source.suffix or ""}
        case "SNSEventConfig":
            told = {"service": "sns", "source": source.topic, "kinds": []}
        case "CloudWatchEventConfig":
            told = {"service": "events", "source": json.dumps(source.event_pattern), "kinds": []}
        case _:
            return []
    return [{"function_name": source.name, **told}]


def _streams(source: Any) -> list[dict[str, Any]]:
    """Return the stream that this function reads, none if it is no such event source."""
    match _kind(source):
        case "KinesisEventConfig":
            read = {"service": "kinesis", "stream": source.stream}
        case "DynamoDBEventConfig":
            read = {"service": "dynamodbstreams", "stream": source.stream_arn}
        case _:
            return []
    begins_at_end = source.starting_position == "LATEST"
    return [
        {
            "function_name": source.name,
            **read,
            "batch_size": _given(source, "batch_size"),
            "batching_window_s": _given(source, "maximum_batching_window_in_seconds") or 0,
            "begins_at_end": begins_at_end,
        }
    ]


def _schedules(source: Any) -> list[dict[str, str]]:
    """Return when this function is to run, nothing if it is no such event source."""
    if _kind(source) != _SCHEDULE or not source.schedule_expression:
        return []
    expression = source.schedule_expression
    text = expression if isinstance(expression, str) else str(expression.to_string())
    return [{"function_name": source.name, "expression": text}]


def _open_routes(app: chalice_api.Chalice) -> list[str]:
    """Return the routes that AWS guards by what is not emulated, or not where there is no such user pool."""
    guarded: list[str] = []
    for path, by_method in app.routes.items():
        for method, entry in sorted(by_method.items()):
            if entry.authorizer is not None and not isinstance(
                entry.authorizer, chalice_api.ChaliceAuthorizer
            ):
                guarded.append(f"{method} {path} ({type(entry.authorizer).__name__})")
    return guarded


def _user_pool(authorizer: chalice_api.CognitoUserPoolAuthorizer) -> dict[str, Any]:
    declared = authorizer.to_swagger()
    arns = declared["x-amazon-apigateway-authorizer"]["providerARNs"]
    return {
        "header": declared["name"],
        "pools": [str(arn).rpartition("/")[2] for arn in arns if arn],
        "scopes": list(getattr(authorizer, "scopes", None) or ()),
    }


def _http(app: chalice_api.Chalice, function: str | None) -> dict[str, Any]:
    cors: dict[str, dict[str, str]] = {}
    authorizers: dict[str, dict[str, str]] = {}
    user_pools: dict[str, dict[str, Any]] = {}
    iam: dict[str, list[str]] = {}
    api_keys: dict[str, list[str]] = {}
    for path, by_method in app.routes.items():
        with_cors = [method for method, entry in by_method.items() if entry.cors is not None]
        if with_cors:
            methods = ",".join([*with_cors, "OPTIONS"])
            headers = by_method[with_cors[0]].cors.get_access_control_headers()
            cors[path] = {"Access-Control-Allow-Methods": methods, **headers}
        for method, entry in by_method.items():
            if isinstance(entry.authorizer, chalice_api.ChaliceAuthorizer):
                # Of a blueprint's authorizer only the configuration has the name with its prefix.
                authorizers.setdefault(path, {})[method] = entry.authorizer.config.name
            if isinstance(entry.authorizer, chalice_api.CognitoUserPoolAuthorizer):
                user_pools.setdefault(path, {})[method] = _user_pool(entry.authorizer)
            if isinstance(entry.authorizer, chalice_api.IAMAuthorizer):
                iam.setdefault(path, []).append(method)
            if entry.api_key_required:
                api_keys.setdefault(path, []).append(method)
    return {
        "function": function,
        "routes": {path: sorted(by_method) for path, by_method in app.routes.items()},
        "binary_types": list(app.api.binary_types),
        "cors": cors,
        "authorizers": authorizers,
        "user_pools": user_pools,
        "iam": iam,
        "api_keys": api_keys,
        "authorizer_ttls": {
            handler.name: int(ttl_s)
            for handler in app.builtin_auth_handlers
            if (ttl_s := getattr(handler, "ttl_seconds", None)) is not None
        },
        "authorizer_headers": {
            handler.name: handler.header
            for handler in app.builtin_auth_handlers
            if getattr(handler, "header", None)
        },
    }


def main() -> None:
    project_dir, stage, answers = sys.argv[1:]
    # What the app finds there; it may well read arguments when it is imported.
    sys.argv[:] = ["bootstrap"]
    # What is imported here stays as long as the process.
    gc.disable()
    # An import that hangs is asked where it does by a signal, and a crash tells it, without a core file.
    faulthandler.enable()
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    # As Chalice's own commands say it, which import the app to deploy it.
    os.environ.setdefault("AWS_CHALICE_CLI_MODE", "true")
    reach_endpoints()
    # Whatever the app, or a program of its, prints while it is imported must not mix with the description.
    output = os.dup(1)
    os.dup2(2, 1)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # a text stream, though typed more widely
    try:
        said, status, place = json.dumps(describe(project_dir, stage, json.loads(answers))), 0, output
    except ConfigurationError as error:
        said, status, place = json.dumps({"refused_configuration": str(error)}), 0, output
    except BaseException as error:  # noqa: BLE001  # anything at all may happen in a module body
        said, status, place = in_project(error, project_dir), 1, 2
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # the app may have closed or replaced it
            stream.flush()
    with open(place, "w", encoding="utf-8", errors="backslashreplace", closefd=False) as stream:
        stream.write(said + "\n")
    # Threads that the import has begun go on as long as an environment, and this is none.
    os._exit(status)


def reach_endpoints() -> None:
    """Let clients that the app makes when it is imported go where those in functions go."""
    endpoint = os.environ.get("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI")
    if endpoint:
        _loaded("lambda_host", "callback_redirect").install(endpoint)


def _loaded(package: str, name: str) -> Any:
    """Load a module of the runtime's that stands alone, under a name that no app's module has."""
    place = Path(__file__).parents[1] / package / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"_local_runtime_{name}", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def in_project(error: BaseException, project_dir: str) -> str:
    """Return an error with its traceback from the project's own first line on:
    how it was imported says nothing to its author.
    """
    trace = error.__traceback__
    while trace is not None and not trace.tb_frame.f_code.co_filename.startswith(project_dir + os.sep):
        trace = trace.tb_next
    shown = error.with_traceback(trace)
    return "".join(traceback.format_exception(shown, chain=trace is not None)).rstrip()


if __name__ == "__main__":
    main()
