"""``python -m infra.deploy``: plan a deployment, and do it with ``--yes``. ``--destroy`` takes it down."""

import json
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.config import ClusterName, ConfigurationError
from infra.deploy.chalice_config import chalice_config
from infra.deploy.cloud import Cloud, Target
from infra.deploy.cloudformation import CloudFormation, StackError
from infra.deploy.database_preparation import MigrationError
from infra.deploy.deployment import (
    Deployment,
    PlannedStack,
    QueueNotEmptyError,
    database_options,
)
from infra.deploy.operator_shell import shell_lines
from infra.deploy.packaging import PackagingError
from infra.deploy.protection import ProtectedStageError
from infra.deploy.running_emulator import running_database_url
from infra.deploy.smoke import TIME_LIMIT_S, SmokeOrderError, smoke_order
from infra.deploy.solana_stage import NO_SOLANA, solana_stage
from infra.loopback import LOOPBACK

APP_DIR: Final = Path("chalice_app")

# What may go wrong with an account, a file or a network, and is said in a sentence.
_TOLD: Final = (
    BotoCoreError,
    ClientError,
    ConfigurationError,
    MigrationError,
    PackagingError,
    ProtectedStageError,
    QueueNotEmptyError,
    SmokeOrderError,
    StackError,
)
_NOBODY: Final = "none"
_REPLACED: Final = {"True": " (replaced)", "Conditional": " (may be replaced)"}
_QUEUES_ALONE: Final = """\
This LocalStack has no WebSocket APIs, so the queues alone are deployed into it. With them it takes the whole
application: start LocalStack with LOCALSTACK_AUTH_TOKEN, of a plan that has API Gateway V2, and with Docker's
socket, in which it runs the functions. Without a token the functions run in front of it:
  AWS_ENDPOINT_URL={endpoint} make run"""


@click.command(context_settings={"show_default": True, "max_content_width": 100})
@click.option("--stage", type=click.Choice(["dev", "prod"]), default="dev", envvar="STAGE", show_envvar=True)
@click.option(
    "--target",
    type=click.Choice(Target, case_sensitive=False),
    default=Target.AWS,
    show_default=Target.AWS.value,
    envvar="TARGET",
    show_envvar=True,
)
@click.option("--yes", "is_decided", is_flag=True, help="Do it; without, only the plan is shown.")
@click.option("--destroy", "destroys", is_flag=True, help="Delete the stage instead.")
@click.option(
    "--stacks-only", is_flag=True, help="Only what stands beside the code; `chalice deploy` deploys that."
)
@click.option(
    "--shell", "prints_shell", is_flag=True, help="Print what ./orderflow needs of the stage, for eval."
)
@click.option("--lose-messages", is_flag=True, help="Destroy although a queue holds messages.")
@click.option(
    "--enter-mainnet", is_flag=True, help="Let a stage that is there trade on mainnet, with its orders."
)
@click.option(
    "--database-url", envvar="DATABASE_URL", show_envvar=True, help="Of an emulator's stage; AWS has its own."
)
@click.option(
    "--jwks-url", envvar="JWKS_URL", show_envvar=True, help="Where the token issuer publishes its keys."
)
@click.option("--jwt-issuer", envvar="JWT_ISSUER", show_envvar=True)
@click.option("--jwt-audience", envvar="JWT_AUDIENCE", show_envvar=True)
@click.option(
    "--jwt-secret", envvar="JWT_SECRET", show_envvar=True, help="An emulator's alternative to --jwks-url."
)
@click.option(
    "--functions-endpoint",
    envvar="FUNCTIONS_ENDPOINT_URL",
    show_envvar=True,
    help="Where functions find the emulator, if not where you do.",
)
@click.option("--token", envvar="ORDERFLOW_TOKEN", show_envvar=True, help="For the smoke order.")
@click.option(
    "--smoke-time-limit",
    type=click.FloatRange(min=1, max=3600),
    default=TIME_LIMIT_S,
    metavar="SECONDS",
    help="For the smoke order to end, with the cold starts of a new stage.",
)
@click.option(
    "--log-level",
    type=click.Choice(["INFO", "WARNING"]),
    envvar="ORDERFLOW_LOG_LEVEL",
    show_default="INFO, and WARNING for prod",
    show_envvar=True,
    help="INFO has a line for each event of an order.",
)
@click.option(
    "--system-log-level",
    type=click.Choice(["INFO", "WARN"]),
    default="WARN",
    envvar="ORDERFLOW_SYSTEM_LOG_LEVEL",
    show_default=True,
    show_envvar=True,
    help="INFO has Lambda's START and REPORT lines for each invocation.",
)
@click.option(
    "--alarm-email",
    envvar="ALARM_EMAIL",
    show_default="whom the stage knows",
    show_envvar=True,
    help="Who alarms are sent to; none ends that.",
)
@click.option(
    "--metrics",
    type=click.Choice(["0", "1"]),
    envvar="METRICS",
    show_envvar=True,
    help="1 turns GET /metrics on.",
)
@click.option(
    "--route-responses",
    type=click.Choice(["0", "1"]),
    default="0",
    envvar="ORDERFLOW_ROUTE_RESPONSES",
    show_default=True,
    show_envvar=True,
    help="1 answers frames in the function's result instead of by posts.",
)
@click.option("--app", "app_dir", type=click.Path(path_type=Path), default=APP_DIR)
def main(
    *,
    stage: str,
    target: Target,
    is_decided: bool,
    destroys: bool,
    stacks_only: bool,
    prints_shell: bool,
    lose_messages: bool,
    enter_mainnet: bool,
    token: str | None,
    smoke_time_limit: float,
    app_dir: Path,
    **given: Any,
) -> None:
    """Deploy Orderflow with CloudFormation: plan first, then the same with --yes."""
    try:
        cloud = Cloud.of(target, os.environ)
        if prints_shell:
            _print_shell(cloud, stage)
            return
        deployment = Deployment(
            cloud,
            stage,
            # What a stage was deployed with, its end need not know.
            {} if destroys else _options(cloud, given),
            app_dir=app_dir,
            say=click.echo,
            solana=NO_SOLANA if destroys else solana_stage(os.environ, is_emulated=cloud.is_emulated),
            is_beside_chalice=stacks_only,
            enters_mainnet=enter_mainnet,
        )
        if destroys:
            _show_account(cloud)
            _destroy(deployment, stage, is_decided=is_decided, loses_messages=lose_messages)
            return
        if not deployment.has_code:
            click.echo(_QUEUES_ALONE.format(endpoint=cloud.endpoint))
        elif not given["functions_endpoint"]:
            _check_database(cloud, deployment.database_host)
        outputs = _deploy(deployment, cloud, stage, is_decided=is_decided)
        if outputs is None:
            return
        if not deployment.has_code:
            click.echo(f"\nqueue {outputs['OrdersQueueUrl']}")
        elif stacks_only:
            _show_chalice_config(app_dir, stage, outputs)
        else:
            _show_deployed(cloud, outputs, token, smoke_time_limit)
    except _TOLD as error:
        raise click.ClickException(str(error)) from error


def _print_shell(cloud: Cloud, stage: str) -> None:
    stacks = CloudFormation(cloud.client("cloudformation"), poll_s=0, is_shared=not cloud.is_emulated)
    try:
        lines = list(shell_lines(stage, stacks.outputs, region=cloud.session.region_name))
    except LookupError as error:
        raise click.ClickException(str(error)) from error
    click.echo("\n".join(lines))


def _deploy(deployment: Deployment, cloud: Cloud, stage: str, *, is_decided: bool) -> dict[str, str] | None:
    """Deploy and return all outputs; or show the plan and return None."""
    with tempfile.TemporaryDirectory(prefix="orderflow-package-") as out:
        built = deployment.package(Path(out))
        _show_account(cloud)
        if not is_decided:
            for planned in deployment.plan(built):
                _show(planned)
            click.echo(f"\nNothing was changed. Deploy {stage} to {cloud.target} by adding --yes.")
            return None
        return deployment.deploy(built)


def _show_account(cloud: Cloud) -> None:
    """Say where this goes: another account or region than was meant has no such stage, and would get one."""
    if not cloud.is_emulated:
        whose = cloud.identity()
        click.echo(f"account {whose['Account']}, {cloud.session.region_name}, as {whose['Arn']}")


def _show_chalice_config(app_dir: Path, stage: str, outputs: Mapping[str, str]) -> None:
    own = json.dumps(chalice_config(stage, outputs), indent=2)
    click.echo(f"\nMerge this into {app_dir / '.chalice' / 'config.json'}:\n{own}")
    click.echo(f"then deploy the code: cd {app_dir} && chalice deploy --stage {stage}")


def _show_deployed(cloud: Cloud, outputs: Mapping[str, str], token: str | None, time_limit_s: float) -> None:
    _show_addresses(cloud, outputs)
    if not cloud.is_emulated:
        click.echo(f"alarms     {outputs['AlarmEmail'] or 'are sent to no address: ALARM_EMAIL names one'}")
    if outputs.get("SolanaCluster") == ClusterName.MAINNET:
        click.echo("No smoke order on mainnet, where it would spend money: submit one yourself.")
    elif outputs["AuthMode"] == "none" or token:
        click.echo("smoke order:")
        smoke_order(cloud.websocket_url(outputs), token=token, say=click.echo, time_limit_s=time_limit_s)
    else:
        click.echo("No smoke order without a token: give --token.")


def _destroy(deployment: Deployment, stage: str, *, is_decided: bool, loses_messages: bool) -> None:
    if not is_decided:
        deployment.plan_destruction(loses_messages=loses_messages)
        click.echo(f"Nothing was changed. Delete everything of {stage} by adding --yes.")
        return
    deployment.destroy(loses_messages=loses_messages)


def _check_database(cloud: Cloud, host: str) -> None:
    """Refuse a database that the functions cannot reach.

    Raises:
        UsageError: It is at a loopback address, and the functions are in containers.
    """
    if cloud.endpoint_of_functions != cloud.endpoint and host in LOOPBACK:
        raise click.UsageError(
            f"LocalStack runs functions in containers, which do not reach a database at {host}; name it in "
            "DATABASE_URL by an address that they reach, such as host.docker.internal"
        )


def _options(cloud: Cloud, given: Mapping[str, str | None]) -> dict[str, str]:
    """Return the parameters that the command line decides.

    Raises:
        UsageError: AWS without a token issuer, or an emulator without a database.
    """
    names = {"jwks_url": "JwksUrl", "jwt_issuer": "JwtIssuer", "jwt_audience": "JwtAudience"}
    options = {parameter: given[name] or "" for name, parameter in names.items()}
    if given["alarm_email"]:
        options["AlarmEmail"] = "" if given["alarm_email"] == _NOBODY else given["alarm_email"]
    if given["log_level"]:
        options["LogLevel"] = given["log_level"]
    options["Metrics"] = given["metrics"] or "0"
    options["SystemLogLevel"] = given["system_log_level"] or ""
    options["RouteResponses"] = given["route_responses"] or "0"
    if not cloud.is_emulated:
        if not all(options[name] for name in names.values()):
            raise click.UsageError("a deployed stage needs --jwks-url, --jwt-issuer and --jwt-audience")
        return options | {"AuthMode": "jwt"}
    url = given["database_url"] or running_database_url(os.environ)
    if url is None:
        raise click.UsageError(
            "which database? Run `make cloud` for an emulator with one, or set DATABASE_URL"
        )
    mode = "jwt" if given["jwt_secret"] or options["JwksUrl"] else "none"
    emulator_url = given["functions_endpoint"] or cloud.endpoint_of_functions
    emulated = {"EmulatorUrl": emulator_url, "JwtSecret": given["jwt_secret"] or "", "AuthMode": mode}
    return options | database_options(url) | emulated


def _show(planned: PlannedStack) -> None:
    title = "create" if planned.is_new else "update" if planned.changes or planned.doubt else "unchanged"
    click.echo(f"\n{planned.name}: {title}")
    for change in planned.changes:
        note = f" (if {change.condition})" if change.condition else _REPLACED.get(change.replaced, "")
        click.echo(f"  {change.action.lower():7} {change.kind} {change.logical_id}{note}")
    for name, (before, after) in planned.settings.items():
        click.echo(f"  setting {name}: {before or 'none'} -> {after or 'none'}")
    if planned.doubt:
        click.echo(f"  changes are not known yet: {planned.doubt}")


def _show_addresses(cloud: Cloud, outputs: Mapping[str, str]) -> None:
    url = cloud.websocket_url(outputs)
    header = "" if outputs["AuthMode"] == "none" else ' -H "Authorization: Bearer $ORDERFLOW_TOKEN"'
    click.echo(f"\nREST       {cloud.rest_url(outputs)}")
    click.echo(f"WebSocket  {url}")
    click.echo(f"wscat -c {url}{header}")


if __name__ == "__main__":
    sys.exit(main(prog_name=".venv/bin/python -m infra.deploy"))
