"""What the runtime knows of one function and of what triggers it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from chalice_offline.invocation import AppManifest, UserPoolGuard


@dataclass(frozen=True, slots=True)
class FunctionSpec:
    """One Lambda function of a Chalice app.

    Attributes:
        name: Chalice's resource name, the key of per-function settings in ``config.json``.
        handler: ``module.attribute`` as Chalice deploys it.
        environment: From ``config.json``, merged over app, stage and function.
    """

    name: str
    handler: str
    timeout_s: float
    memory_mb: int
    environment: Mapping[str, str]
    reserved_concurrency: int | None = None


@dataclass(frozen=True, slots=True)
class QueueTrigger:
    """An ``@app.on_sqs_message``: queue and how to read it, as the event source mapping would be created."""

    function_name: str
    queue_name: str
    batch_size: int
    batching_window_s: int
    maximum_concurrency: int | None


@dataclass(frozen=True, slots=True)
class ScheduleTrigger:
    """An ``@app.schedule``: ``rate(…)`` or ``cron(…)``."""

    function_name: str
    expression: str


@dataclass(frozen=True, slots=True)
class NoticeTrigger:
    """An ``@app.on_s3_event``, ``on_sns_message`` or ``on_cw_event``.

    Attributes:
        service: ``s3``, ``sns`` or ``events``.
        source: The bucket; the topic, by name or ARN; or the rule's event pattern as JSON.
        kinds: Of a bucket, the events that are told, such as ``s3:ObjectCreated:*``.
        prefix, suffix: Of a bucket, what the keys of told objects begin and end with.
    """

    function_name: str
    service: Literal["s3", "sns", "events"]
    source: str
    kinds: tuple[str, ...] = ()
    prefix: str = ""
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class StreamTrigger:
    """An ``@app.on_kinesis_record`` or ``on_dynamodb_record``.

    Attributes:
        service: ``kinesis`` or ``dynamodbstreams``.
        stream: The stream's name, or the ARN of a table's stream.
        batching_window_s: How long a batch that is not full waits for more records.
        begins_at_end: Only records that are written from now on are read (``LATEST``).
    """

    function_name: str
    service: Literal["kinesis", "dynamodbstreams"]
    stream: str
    batch_size: int
    batching_window_s: int
    begins_at_end: bool


@dataclass(frozen=True, slots=True)
class Project:
    """A Chalice app, described without importing it here.

    Attributes:
        python: The version that it was imported by.
        unsupported: Event sources of a kind that is not known here.
        open_routes: Routes that AWS guards by what is not emulated: Cognito, IAM, functions of others.
        refused: Why it could not be deployed as it is, in words of Chalice or of ours.
    """

    manifest: AppManifest
    functions: Mapping[str, FunctionSpec]
    queues: tuple[QueueTrigger, ...]
    schedules: tuple[ScheduleTrigger, ...]
    notices: tuple[NoticeTrigger, ...]
    streams: tuple[StreamTrigger, ...]
    unsupported: tuple[str, ...]
    python: str
    open_routes: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()


def parse_project(described: Mapping[str, Any]) -> Project:
    """Return the project in what ``describe.py`` printed."""
    http = described["http"]
    manifest = AppManifest(
        app_name=described["app_name"],
        websocket_handlers=described["websocket_handlers"],
        http_function=http["function"],
        http_routes={path: tuple(methods) for path, methods in http["routes"].items()},
        http_binary_types=tuple(http["binary_types"]),
        http_cors=http["cors"],
        http_authorizers=http["authorizers"],
        http_authorizer_headers=http["authorizer_headers"],
        http_authorizer_ttls=http["authorizer_ttls"],
        http_user_pools={
            path: {
                method: UserPoolGuard(each["header"], tuple(each["pools"]), tuple(each["scopes"]))
                for method, each in by_method.items()
            }
            for path, by_method in http["user_pools"].items()
        },
        http_iam={path: tuple(methods) for path, methods in http["iam"].items()},
        http_api_keys={path: tuple(methods) for path, methods in http["api_keys"].items()},
    )
    return Project(
        manifest=manifest,
        functions={spec["name"]: FunctionSpec(**spec) for spec in described["functions"]},
        queues=tuple(QueueTrigger(**trigger) for trigger in described["queues"]),
        schedules=tuple(ScheduleTrigger(**trigger) for trigger in described["schedules"]),
        notices=tuple(
            NoticeTrigger(**{**trigger, "kinds": tuple(trigger["kinds"])}) for trigger in described["notices"]
        ),
        streams=tuple(StreamTrigger(**trigger) for trigger in described["streams"]),
        unsupported=tuple(described["unsupported"]),
        python=described["python"],
        open_routes=tuple(described["open_routes"]),
        refused=tuple(described["refused"]),
    )
