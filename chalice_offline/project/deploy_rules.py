"""Why an app could not be deployed: by rules of Chalice, API Gateway or Lambda, or for want of a name.

It stands alone, like the module that loads it, beside the app's own Chalice.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from chalice.config import Config
from chalice.deploy import validate

_LISTENS_TO = {
    "S3EventConfig": "bucket",
    "SNSEventConfig": "topic",
    "CloudWatchEventConfig": "event_pattern",
    "KinesisEventConfig": "stream",
    "DynamoDBEventConfig": "stream_arn",
    "ScheduledEventConfig": "schedule_expression",
}
"""Attribute of an event source by the name of its class."""


# https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html and gettingstarted-limits.html
_TIMEOUT_S = (1, 900)
_MEMORY_MB = (128, 10_240)
_NAME_CHARS_MAX = 64
# Of stages too: api-gateway-known-issues.html.
_NAME = re.compile(r"[a-zA-Z0-9_-]+")
_BATCH_MAX = 10
_CONCURRENCY = (2, 1000)
_VARIABLES_BYTES_MAX = 4 * 1024
# API_Environment.html
_VARIABLE = re.compile(r"[a-zA-Z][a-zA-Z0-9_]+")
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
_LAMBDAS_OWN = frozenset(
    {
        "_HANDLER",
        "_X_AMZN_TRACE_ID",
        "AWS_DEFAULT_REGION",
        "AWS_REGION",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_LAMBDA_RUNTIME_API",
        "LAMBDA_TASK_ROOT",
        "LAMBDA_RUNTIME_DIR",
    }
)


def refusals(config: Config, app: Any, functions: Sequence[Mapping[str, Any]] = ()) -> Iterator[str]:
    """Yield the reasons, one of each of Chalice's rules at most.

    ``functions`` are those of the description.
    """
    yield from _by_chalice(config, app)
    yield from _by_api_gateway(config.api_gateway_stage, app.routes)
    yield from _by_user_pools(app.routes)
    yield from _by_services(app.event_sources)
    # What all functions have in common is said once.
    yield from dict.fromkeys(reason for function in functions for reason in _by_lambda(config, function))


def _by_chalice(config: Config, app: Any) -> Iterator[str]:
    rules = {
        "validate_routes": (app.routes,),
        "validate_route_content_types": (app.routes, app.api.binary_types),
        "validate_unique_function_names": (config,),
        "validate_sqs_configuration": (app,),
    }
    for rule, looked_at in rules.items():
        try:
            getattr(validate, rule, _no_rule)(*looked_at)
        except ValueError as error:
            yield str(error)
    # Chalice's rule refuses expressions as well, which a deployment by CloudFormation takes.
    variables = config.environment_variables
    strange = sorted(name for name, value in variables.items() if not isinstance(value, str | dict))
    if strange:
        yield f"Environment variable values must be strings; other ones have {', '.join(strange)}"


def _no_rule(*_looked_at: object) -> None:
    """Refuse nothing: the app's Chalice is older than this rule."""


def _by_api_gateway(stage: Any, routes: Iterable[str]) -> Iterator[str]:
    """Yield a stage that has no name for API Gateway, and variables beside which it takes no other: "A
    sibling of this resource already has a variable path part"
    (https://github.com/amazon-archives/aws-apigateway-importer/issues/202).
    """
    if not _NAME.fullmatch(str(stage)):
        yield f"API Gateway takes a stage of letters, digits, - and _, not {stage!r}"
    first: dict[str, str] = {}
    told: set[tuple[str, str]] = set()
    for route in sorted(routes):
        place = ""
        for segment in route.split("/")[1:]:
            if segment.startswith("{"):
                other = first.setdefault(place, segment)
                if other != segment and (place, segment) not in told:
                    told.add((place, segment))
                    yield f"API Gateway takes one of {place}/{other} and {place}/{segment}, as variables"
            place += f"/{segment}"


def _by_user_pools(routes: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield authorizers that ask for members of no user pool."""
    authorizers = {entry.authorizer for by_method in routes.values() for entry in by_method.values()}
    nameless = [
        authorizer.name or "a Cognito authorizer"
        for authorizer in authorizers
        if type(authorizer).__name__ == "CognitoUserPoolAuthorizer"
        and not all(
            str(arn).startswith("arn:")
            for arn in authorizer.to_swagger()["x-amazon-apigateway-authorizer"]["providerARNs"]
        )
    ]
    for name in sorted(nameless):
        yield f"{name} names no user pool: is the variable that names it set?"


def _by_lambda(config: Config, function: Mapping[str, Any]) -> Iterator[str]:
    """Yield what Lambda does not take of a function's settings and variables."""
    for setting, key, (least, most) in (
        ("lambda_timeout", "timeout_s", _TIMEOUT_S),
        ("lambda_memory_size", "memory_mb", _MEMORY_MB),
    ):
        if not least <= function[key] <= most:
            yield f"Lambda takes a {setting} of {least} to {most}, not {function[key]}"
    variables: Mapping[str, str] = function["environment"]
    if own := sorted(_LAMBDAS_OWN.intersection(variables)):
        yield f"Lambda sets these variables itself and takes no others: {', '.join(own)}"
    if strange := sorted(name for name in variables if not _VARIABLE.fullmatch(name)):
        rule = "names of variables are two letters, digits or _ at least, and begin with a letter"
        yield f"Lambda's {rule}: {', '.join(strange)}"
    size = len(json.dumps(dict(variables), separators=(",", ":")).encode())
    if size > _VARIABLES_BYTES_MAX:
        yield f"Lambda takes {_VARIABLES_BYTES_MAX} bytes of variables, not {size}"
    # Chalice gives the function behind the routes the app's name alone.
    names = [
        config.app_name,
        config.chalice_stage,
        *([function["name"]] * (function["name"] != "api_handler")),
    ]
    deployed = "-".join(map(str, names))
    for name in map(str, names):
        if not _NAME.fullmatch(name):
            yield f"Lambda takes names of letters, digits, - and _, not {name!r}"
    if len(deployed) > _NAME_CHARS_MAX:
        yield f"Lambda takes names of {_NAME_CHARS_MAX} characters, not {len(deployed)}: {deployed}"


def _by_services(sources: Iterable[Any]) -> Iterator[str]:
    """Yield functions that listen to nothing, and event source mappings that Lambda does not make."""
    for source in sources:
        if type(source).__name__ == "SQSEventConfig":
            yield from _by_mapping(source)
        attribute = _LISTENS_TO.get(type(source).__name__)
        if attribute is not None and not getattr(source, attribute):
            yield f"{source.name} listens to no {attribute}: is the variable that names it set?"


def _by_mapping(source: Any) -> Iterator[str]:
    """Yield what Lambda does not take of a queue's mapping.

    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-parameters.html
    """
    name = source.queue or str(getattr(source, "queue_arn", ""))
    window_s = getattr(source, "maximum_batching_window_in_seconds", 0) or 0
    concurrency = getattr(source, "maximum_concurrency", None)
    if name.endswith(".fifo"):
        if source.batch_size > _BATCH_MAX or window_s:
            yield f"{source.name}: a FIFO queue has batches of {_BATCH_MAX} at most and no window"
    elif source.batch_size > _BATCH_MAX and not window_s:
        yield (f"{source.name}: batches of more than {_BATCH_MAX} need maximum_batching_window_in_seconds")
    least, most = _CONCURRENCY
    if concurrency is not None and not least <= concurrency <= most:
        yield f"{source.name}: Lambda takes a maximum_concurrency of {least} to {most}, not {concurrency}"
