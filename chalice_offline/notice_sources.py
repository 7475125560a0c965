"""Who tells functions something, in the emulator: buckets, topics and rules, each with a queue to tell it to.

What the code names and what is not there is created, as queues are. Calls block: make them in a thread.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, Final

from chalice_offline.aws_client import local_client
from chalice_offline.event_source.notices import KEPT_S, RETRY_AFTER_S
from chalice_offline.project.functions import NoticeTrigger, Project
from chalice_offline.queue_template import QueueSpec
from chalice_offline.variables import ACCOUNT

# Queues and settings that begin so are the runtime's own.
_OURS: Final = "chalice-offline-"
_QUEUE_CHARS_MAX: Final = 80
_RULE_CHARS_MAX: Final = 64


def notice_queue(function_name: str, app_name: str, stage: str) -> str:
    """Return the name of the queue in which a function's notices wait."""
    return _within(_QUEUE_CHARS_MAX, f"{_OURS}{app_name}-{stage}-{function_name}")


def rule_name(queue: str) -> str:
    """Return the name of the rule that tells a queue: another for each."""
    return _within(_RULE_CHARS_MAX, queue)


def _within(chars_max: int, name: str) -> str:
    if len(name) <= chars_max:
        return name
    # The end of a name says which function it is.
    digest = hashlib.sha256(name.encode()).hexdigest()[:12]
    return f"{name[: chars_max - 13]}-{digest}"


def notice_queues(project: Project, stage: str) -> list[QueueSpec]:
    """Return the queues of a project's notices. A message that a function failed for comes back as late as
    Lambda tries again.
    """
    return [
        QueueSpec(
            name,
            name,
            {
                "VisibilityTimeout": str(
                    round(project.functions[trigger.function_name].timeout_s) + RETRY_AFTER_S
                ),
                "MessageRetentionPeriod": str(KEPT_S),
            },
        )
        for trigger in project.notices
        for name in [notice_queue(trigger.function_name, project.manifest.app_name, stage)]
    ]


class NoticeSources:
    """The services that tell, at one endpoint."""

    def __init__(self, endpoint: str, aws: Mapping[str, str], stage: str) -> None:
        """Take region and credentials as environment variables."""
        self._endpoint = endpoint
        self._aws = aws
        self._stage = stage

    def ensure(self, project: Project) -> list[tuple[NoticeTrigger, str]]:
        """Have every source tell its function's queue; return those that cannot, with the reason.

        The queues are there already. Safe to repeat.
        """
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415  # as in aws_client

        problems: list[tuple[NoticeTrigger, str]] = []
        buckets: dict[str, list[tuple[NoticeTrigger, str]]] = {}
        for trigger in project.notices:
            name = notice_queue(trigger.function_name, project.manifest.app_name, self._stage)
            arn = f"arn:aws:sqs:{self._aws['AWS_REGION']}:{ACCOUNT}:{name}"
            try:
                match trigger.service:
                    case "s3":
                        buckets.setdefault(trigger.source, []).append((trigger, arn))
                    case "sns":
                        self._subscribe(trigger, arn)
                    case "events":
                        self._rule(trigger, arn, name)
            except (ClientError, BotoCoreError) as error:
                problems.append((trigger, str(error)))
        for bucket, told in buckets.items():
            try:
                self._notify(bucket, told)
            except (ClientError, BotoCoreError) as error:
                problems += [(trigger, str(error)) for trigger, _ in told]
        return problems

    def _subscribe(self, trigger: NoticeTrigger, queue_arn: str) -> None:
        sns = self._client("sns")
        # Of a topic in another account there is one here that has its name.
        topic = sns.create_topic(Name=trigger.source.rpartition(":")[2])["TopicArn"]
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn)

    def _rule(self, trigger: NoticeTrigger, queue_arn: str, name: str) -> None:
        events = self._client("events")
        rule = rule_name(name)
        events.put_rule(Name=rule, EventPattern=trigger.source, State="ENABLED")
        events.put_targets(Rule=rule, Targets=[{"Id": "1", "Arn": queue_arn}])

    def _notify(self, bucket: str, told: Iterable[tuple[NoticeTrigger, str]]) -> None:
        s3 = self._client("s3")
        if bucket not in {each["Name"] for each in s3.list_buckets()["Buckets"]}:
            s3.create_bucket(Bucket=bucket, **self._where())
        kept = s3.get_bucket_notification_configuration(Bucket=bucket)
        kept.pop("ResponseMetadata", None)
        others = [each for each in kept.get("QueueConfigurations", []) if not each["Id"].startswith(_OURS)]
        ours = [_configuration(trigger, arn) for trigger, arn in told]
        s3.put_bucket_notification_configuration(
            Bucket=bucket, NotificationConfiguration={**kept, "QueueConfigurations": [*others, *ours]}
        )

    def _where(self) -> dict[str, Any]:
        region = self._aws["AWS_REGION"]
        if region == "us-east-1":  # which S3 does not take for an answer
            return {}
        return {"CreateBucketConfiguration": {"LocationConstraint": region}}

    def _client(self, service: str) -> Any:
        return local_client(service, self._endpoint, self._aws)


def _configuration(trigger: NoticeTrigger, queue_arn: str) -> dict[str, Any]:
    rules = [
        {"Name": name, "Value": value}
        for name, value in (("prefix", trigger.prefix), ("suffix", trigger.suffix))
        if value
    ]
    configuration: dict[str, Any] = {
        "Id": f"{_OURS}{trigger.function_name}",
        "QueueArn": queue_arn,
        "Events": list(trigger.kinds),
    }
    return configuration | ({"Filter": {"Key": {"FilterRules": rules}}} if rules else {})
