"""A stage's deployment: plan it, do it, take it down."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from botocore.exceptions import ClientError

from infra.deploy.chalice_config import chalice_config
from infra.deploy.cloud import Cloud
from infra.deploy.cloudformation import Change, CloudFormation, additions
from infra.deploy.database_preparation import prepare_database
from infra.deploy.json_types import JsonObject
from infra.deploy.packaging import Package, package
from infra.deploy.protection import require_unprotected
from infra.deploy.solana_stage import NO_SOLANA, SolanaStage
from infra.deploy.stacks import (
    APP,
    MIGRATION,
    MONITORING,
    SOLANA,
    MissingValueError,
    Stack,
    changed_parameters,
    parameters,
    queues_only,
    stacks,
    stage_values,
)
from infra.deploy.stacks import template as template_of
from infra.deploy.stage_chain import keep_chain
from infra.deploy.stage_config import own_variables
from infra.deploy.variables import check_variables, unheeded, variables_of, with_later

_POLL_EMULATOR_S: Final = 0.1
_POLL_AWS_S: Final = 5.0
_POLICIES_OF_KEEPING: Final = frozenset({"DeletionPolicy", "UpdateReplacePolicy"})
_QUEUE_URLS: Final = ("OrdersQueueUrl", "OrdersDeadLetterQueueUrl")
_NO_QUEUE: Final = frozenset({"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"})
_ALARM_EMAIL: Final = "AlarmEmail"
_PROTECTED: Final = "IsProtected"


class QueueNotEmptyError(RuntimeError):
    """Taking the stage down would lose messages."""


@dataclass(frozen=True, slots=True)
class PlannedStack:
    """What a deployment would do to one stack.

    Attributes:
        settings: What parameters are and would be, of those that change.
        doubt: Why it cannot be known yet.
    """

    name: str
    is_new: bool
    changes: tuple[Change, ...]
    settings: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    doubt: str = ""


class Deployment:
    """One stage on one target.

    Args:
        options: Parameters by name that neither the stage nor
            another stack decides, such as the token issuer.
        say: Where progress goes, one line at a time.
        solana: The chain that it trades on, if that is Solana.
        is_beside_chalice: Only what ``chalice deploy`` wants to find is deployed.
        enters_mainnet: A stage that is there already may come to mainnet with the orders that it has.
    """

    def __init__(
        self,
        cloud: Cloud,
        stage: str,
        options: Mapping[str, str],
        *,
        app_dir: Path,
        say: Callable[[str], None],
        solana: SolanaStage = NO_SOLANA,
        is_beside_chalice: bool = False,
        enters_mainnet: bool = False,
    ) -> None:
        self._enters_mainnet = enters_mainnet
        self._solana = solana
        self._cloud = cloud
        self._stage = stage
        self._app_dir = app_dir
        self._say = say
        self._values = {
            **stage_values(stage),
            **options,
            **solana.parameters,
            "IsEmulated": "true" if cloud.is_emulated else "false",
        }
        poll_s = _POLL_EMULATOR_S if cloud.is_emulated else _POLL_AWS_S
        self._cloudformation = CloudFormation(
            cloud.client("cloudformation"), poll_s=poll_s, is_shared=not cloud.is_emulated
        )
        self.has_code = cloud.has_websocket_apis()
        self._stacks = (
            stacks(
                cloud.target,
                stage,
                is_beside_chalice=is_beside_chalice,
                is_on_solana=solana is not NO_SOLANA,
            )
            if self.has_code
            else queues_only(stage)
        )

    @property
    def database_host(self) -> str:
        """Where an emulator's stage finds its database; empty on AWS, which has its template."""
        return self._values.get("DatabaseHostname", "")

    def package(self, out: Path) -> Package | None:
        """Build what the target runs; None if its functions run elsewhere.

        Raises:
            ConfigurationError: The functions' variables are more than Lambda takes, or cannot be read.
        """
        if not any(stack.kind in {APP, MIGRATION} for stack in self._stacks):
            return None
        own = own_variables(self._app_dir, self._stage)
        made = self._variables(own)
        for name in unheeded(own, made):
            self._say(f"{name} in config.json is not taken: make deploy decides it")
        check_variables(made)
        self._say("packaging ...")
        built = package(self._app_dir, self._stage, out, self._solana.files)
        self._say(f"package {built.archive.stat().st_size / 1e6:.1f} MB, key {built.key}")
        return built

    def _variables(self, own: Mapping[str, str]) -> Mapping[str, str]:
        """Return what the functions will have as environment variables, beside those of ``config.json``."""
        values = with_later(self._values, self._cloud.session.region_name)
        if any(stack.kind == APP for stack in self._stacks):
            template = template_of(APP)
            stated = template["Globals"]["Function"]["Environment"]["Variables"]
            more = {name: value for name, value in own.items() if name not in stated}
            return {**more, **variables_of(template, values)}
        merged = chalice_config(self._stage, values)["stages"][self._stage]["environment_variables"]
        return {**own, **merged}

    def plan(self, built: Package | None) -> Iterator[PlannedStack]:
        """Yield what deploying would do, stack by stack. Changes nothing,
        and uploads nothing but the package.

        Raises:
            ConfigurationError: The stage trades on Solana, and would not any more.
        """
        self._keep_chain()
        self._values |= _package_values(built) | self._remembered()
        for stack in self._stacks:
            template = self._template(stack, built)
            known = self._cloudformation.outputs(stack.name)
            if known is None:
                # Its parameters come from stacks before it and are not known yet; what it makes is.
                yield PlannedStack(stack.name, is_new=True, changes=additions(template))
                continue
            yield self._planned_update(stack, template)
            self._values |= known
            if stack.kind == "artifacts" and built is not None:
                self._upload(built)

    def _planned_update(self, stack: Stack, template: JsonObject) -> PlannedStack:
        try:
            values = parameters(stack, template, self._values)
        except MissingValueError as missing:
            return PlannedStack(stack.name, is_new=False, changes=(), doubt=str(missing))
        if hindrance := self._cloudformation.hindrance(stack.name):
            return PlannedStack(stack.name, is_new=False, changes=(), doubt=hindrance)
        changes = self._cloudformation.planned(stack.name, template, values)
        settings = changed_parameters(template, self._cloudformation.parameters(stack.name), values)
        return PlannedStack(stack.name, is_new=False, changes=changes, settings=settings)

    def deploy(self, built: Package | None) -> dict[str, str]:
        """Bring every stack up to date, the database before the code; return all outputs.

        Raises:
            ConfigurationError: The stage trades on Solana, and would not any more.
            StackError: A stack failed and was rolled back; those before it stay.
            MigrationError: The database could not be prepared; the code was not deployed.
        """
        self._keep_chain()
        self._values |= _package_values(built) | self._remembered()
        for stack in self._stacks:
            template = self._template(stack, built)
            self._say(f"{stack.name} ...")
            self._settle(stack)
            values = parameters(stack, template, self._values)
            if values.get(_PROTECTED) == "true" and self._cloudformation.outputs(stack.name) is None:
                # What is protected would outlast the rollback of a creation that fails, and be in the way.
                self._cloudformation.deploy(stack.name, template, {**values, _PROTECTED: "false"})
            self._values |= self._cloudformation.deploy(stack.name, template, values)
            if stack.kind == "artifacts" and built is not None:
                self._upload(built)
            if stack.kind == SOLANA:
                self._keep_nodes()
            if stack.kind == MIGRATION:
                name = self._values["PrepareDatabaseName"]
                prepare_database(self._cloud.client("lambda"), name, self._say)
            if self._values.get(_PROTECTED) == "true":
                self._cloudformation.protect(stack.name)
        return dict(self._values)

    def destroy(self, *, loses_messages: bool) -> None:
        """Delete the stage's stacks, the newest first. What is retained on purpose is named.

        Raises:
            QueueNotEmptyError: A queue holds messages and ``loses_messages`` is false. If it was empty before
                the functions were deleted, they are gone, and all else is there.
            ProtectedStageError: Other decisions have to be taken first; nothing was deleted.
            StackError: Something could not be deleted.
        """
        self._require_unprotected()
        if not loses_messages:
            self._require_empty_queues()
        for stack in self._of_stage():
            self._settle(stack)
            if self._cloudformation.delete(stack.name):
                self._say_deleted(stack, "deleted")
            if stack.kind == APP and not loses_messages:
                # Orders were accepted until now. Deployed again, the stage executes them.
                self._require_empty_queues()

    def plan_destruction(self, *, loses_messages: bool) -> None:
        """Say what destroying would delete, and what it would leave. Changes nothing.

        Raises:
            ProtectedStageError, QueueNotEmptyError: As ``destroy`` would.
        """
        for stack in self._of_stage():
            if self._cloudformation.is_there(stack.name):
                self._say_deleted(stack, "delete")
        self._require_unprotected()
        if not loses_messages:
            self._require_empty_queues()

    def _keep_chain(self) -> None:
        keep_chain(
            self._cloudformation,
            self._cloud.target,
            self._stage,
            self._values,
            enters_mainnet=self._enters_mainnet,
        )

    def _remembered(self) -> dict[str, str]:
        """Return who alarms are sent to, where it is not said: a shell that does not know would end that."""
        monitoring = next((each.name for each in self._stacks if each.kind == MONITORING), None)
        if _ALARM_EMAIL in self._values or monitoring is None:
            return {}
        is_there = self._cloudformation.outputs(monitoring) is not None
        known = self._cloudformation.parameters(monitoring) if is_there else {}
        return {_ALARM_EMAIL: known.get(_ALARM_EMAIL, "")}

    def _settle(self, stack: Stack) -> None:
        """Wait for what another deployment, or one that was interrupted, has begun."""
        if status := self._cloudformation.going_on(stack.name):
            self._say(f"{stack.name} is {status}: waiting for its end ...")
            self._cloudformation.settle(stack.name)

    def _of_stage(self) -> Iterator[Stack]:
        """Yield the stacks that a stage may have, however it was deployed, the newest first."""
        every = stacks(self._cloud.target, self._stage, is_on_solana=True) if self.has_code else self._stacks
        beside_chalice = stacks(self._cloud.target, self._stage, is_beside_chalice=True)[-1]
        return (stack for stack in (beside_chalice, *reversed(every)) if stack.kind != "artifacts")

    def _say_deleted(self, stack: Stack, how: str) -> None:
        self._say(f"{stack.name}: {how}")
        for line in self._kept(stack):
            self._say(f"  kept: {line}")

    def _kept(self, stack: Stack) -> Iterator[str]:
        """Yield what outlives the stack."""
        declared = self._template(stack, None) if stack.template is not None else template_of(stack.kind)
        for logical_id, resource in declared["Resources"].items():
            if resource.get("DeletionPolicy") in {"Retain", "Snapshot"}:
                condition = f", if there is one: {resource['Condition']}" if "Condition" in resource else ""
                yield f"{resource['Type']} {logical_id} ({resource['DeletionPolicy'].lower()}{condition})"

    def _template(self, stack: Stack, built: Package | None) -> JsonObject:
        if stack.template is not None:
            return _disposable(stack.template) if self._cloud.is_emulated else stack.template
        assert built is not None, "a target with functions has a package"
        return built.stored_at(self._values.get("ArtifactsBucket", "not-made-yet"))

    def _upload(self, built: Package) -> None:
        s3, bucket = self._cloud.client("s3"), self._values["ArtifactsBucket"]
        # One that was deleted by hand leaves its name, which can be guessed, to any other account.
        owner = {} if self._cloud.is_emulated else {"ExpectedBucketOwner": self._cloud.identity()["Account"]}
        try:
            s3.head_object(Bucket=bucket, Key=built.key, **owner)
        except ClientError:
            self._say(f"uploading to {bucket} ...")
            s3.put_object(Bucket=bucket, Key=built.key, Body=built.archive.read_bytes(), **owner)

    def _keep_nodes(self) -> None:
        """Put the nodes' addresses where the functions read them, and nowhere else."""
        arn = self._values["SolanaNodesSecretArn"]
        secrets = self._cloud.client("secretsmanager")
        secrets.put_secret_value(SecretId=arn, SecretString=self._solana.rpc_urls)

    def _require_unprotected(self) -> None:
        names = [stack.name for stack in self._of_stage()]
        of_database = self._cloudformation.outputs(f"orderflow-{self._stage}-database") or {}
        rds = self._cloud.client("rds")
        require_unprotected(self._cloudformation, names, rds, of_database.get("DatabaseCluster"))

    def _require_empty_queues(self) -> None:
        outputs = self._cloudformation.outputs(f"orderflow-{self._stage}-queues") or {}
        sqs = self._cloud.client("sqs")
        kinds = ("", "NotVisible", "Delayed")
        names = [f"ApproximateNumberOfMessages{kind}" for kind in kinds]
        for url in (outputs[name] for name in _QUEUE_URLS if name in outputs):
            try:
                counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
            except ClientError as error:
                if error.response["Error"]["Code"] not in _NO_QUEUE:
                    raise
                continue  # deleted before, by a command that did not come to its end
            if count := sum(int(counts.get(name, 0)) for name in names):
                raise QueueNotEmptyError(f"{count} messages in {url}; --lose-messages deletes them unread")


def _disposable(template: JsonObject) -> JsonObject:
    """Return a template that keeps nothing when it is deleted: what an emulator holds is worth nothing."""
    resources = {
        logical_id: {key: value for key, value in resource.items() if key not in _POLICIES_OF_KEEPING}
        for logical_id, resource in template["Resources"].items()
    }
    return {**template, "Resources": resources}


def _package_values(built: Package | None) -> dict[str, str]:
    return {"PackageKey": built.key, "Runtime": built.runtime} if built is not None else {}


def database_options(url: str) -> dict[str, str]:
    """Return a database URL as the parameters of the template that keeps it as a secret."""
    parts = urlsplit(url)
    return {
        "DatabaseHostname": parts.hostname or "localhost",
        "DatabasePort": str(parts.port or 5432),
        "DatabaseName": parts.path.lstrip("/"),
        "DatabaseUser": unquote(parts.username or ""),
        "DatabasePassword": unquote(parts.password or ""),
        "DatabaseSslMode": dict(parse_qsl(parts.query)).get("sslmode", ""),
    }
