"""``orderflow queues`` and ``orderflow dead-letters``: what waits, and what died."""

import json
import os
from typing import Any, Final

import click
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from sqlalchemy import text

from chalice_offline.aws_client import local_client
from infra.cli.aws_client import aws_client, limits, said
from infra.cli.columns import column_lines
from infra.cli.moments import in_utc, to_the_second
from infra.cli.parameters import NAME
from infra.cli.redrive import DONE, send_back
from infra.cli.session import CliSession, status_file

_DEPTHS: Final = {
    "ApproximateNumberOfMessages": "waiting",
    "ApproximateNumberOfMessagesNotVisible": "in flight",
    "ApproximateNumberOfMessagesDelayed": "delayed",
}
_LOCAL: Final = "local"
_LETTERS: Final = text("""
SELECT message_id, order_id::text, receive_count, reason, archived_at, body
FROM dead_letters ORDER BY archived_at DESC LIMIT :limit
""")


@click.command()
@click.option("--stage", type=NAME, default=_LOCAL, show_default=True, envvar="STAGE")
@click.pass_obj
def queues(session: CliSession, stage: str) -> None:
    """Show how many messages wait in each queue."""
    client = _client(stage)
    depths: dict[str, dict[str, int]] = {}
    for name in _names(stage):
        try:
            url = client.get_queue_url(QueueName=name)["QueueUrl"]
            found = client.get_queue_attributes(QueueUrl=url, AttributeNames=list(_DEPTHS))["Attributes"]
        except (ClientError, BotoCoreError) as error:
            raise click.ClickException(f"{name}: {said('SQS', error)}") from error
        depths[name] = {label: int(found.get(attribute, 0)) for attribute, label in _DEPTHS.items()}
    session.show(depths, lambda console: _print_depths(console, depths))


@click.group(name="dead-letters")
def dead_letters() -> None:
    """Look at archived dead letters, or send those still in their queue back."""


@dead_letters.command(name="list")
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True)
@click.pass_obj
def list_letters(session: CliSession, limit: int) -> None:
    """List archived dead letters, newest first, with what became of their orders."""
    with session.engine.connect() as connection:
        rows = [
            {**row, "archived_at": in_utc(row["archived_at"])}
            for row in connection.execute(_LETTERS, {"limit": limit}).mappings()
        ]
    session.show(rows, lambda console: _print_letters(console, rows))


@dead_letters.command()
@click.option("--stage", type=NAME, default=_LOCAL, show_default=True, envvar="STAGE")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def redrive(session: CliSession, stage: str, *, yes: bool) -> None:
    """Send what is still in the dead-letter queue back to the orders queue.

    SQS does it by itself, also if this command is ended; an emulator that cannot is asked for each message.
    """
    client = _client(stage)
    target, dead = _names(stage)
    if not yes:
        click.confirm(f"Send all messages of {dead} back to their queue?", abort=True)
    try:
        with session.progress() as progress:
            bar = progress.add_task("Moving", total=None)
            done = send_back(client, dead, target, lambda moved: progress.update(bar, completed=moved))
    except (ClientError, BotoCoreError) as error:
        raise click.ClickException(f"{dead}: {said('SQS', error)}") from error
    facts = {"status": done.status, "moved": done.moved}
    session.show(facts, lambda console: console.print(f"{done.status}: {done.moved} messages moved"))
    if done.status != DONE:
        raise click.ClickException(done.why or "not all of them were moved")


def _names(stage: str) -> tuple[str, str]:
    return f"orderflow-{stage}-orders", f"orderflow-{stage}-orders-dlq"


def _client(stage: str) -> Any:
    """Return an SQS client: for AWS_ENDPOINT_URL or AWS if the environment names one, else the runtime's of
    this machine, and where there is none, AWS's for a stage other than the local one.

    Raises:
        ClickException: What the environment names is not there, or it names no region.
    """
    if not any(os.environ.get(name) for name in ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_PROFILE")):
        try:
            return _client_of_runtime()
        except (OSError, ValueError, KeyError) as error:
            # Other shells than one's own have their keys from elsewhere, such as CloudShell's.
            if stage == _LOCAL:
                raise click.ClickException(
                    f"which queues? {status_file()} names none; set AWS_ENDPOINT_URL"
                ) from error
    try:
        return aws_client("sqs")
    except (BotoCoreError, ValueError) as error:
        raise click.ClickException(str(error)) from error


def _client_of_runtime() -> Any:
    status = json.loads(status_file().read_text(encoding="utf-8"))
    endpoint, aws = status["sqs_endpoint"], status.get("aws") or {}
    # An emulator of one's own takes any.
    any_login = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1"}
    return local_client("sqs", endpoint, {**any_login, **aws}, config=limits())


def _print_depths(console: Console, depths: dict[str, dict[str, int]]) -> None:
    for name, counts in depths.items():
        shown = ", ".join(f"{count} {label}" for label, count in counts.items())
        console.print(f"{name}: {shown}", highlight=False)


def _print_letters(console: Console, rows: list[dict[str, Any]]) -> None:
    lines = [
        (to_the_second(row["archived_at"]), row["order_id"] or "no order", row["reason"]) for row in rows
    ]
    for line in column_lines(("archived", "order", "reason"), lines):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
