"""``python -m infra.deploy.emulator``: MiniStack and PostgreSQL on loopback, as a cloud to deploy into.

On Linux and macOS, as ``chalice_offline.cloud``; the tests run it on Linux.
"""

import os
import shlex
from pathlib import Path
from typing import Final

import click

from chalice_offline.cloud import Cloud, CloudError, PortTakenError, run_cloud
from infra.deploy.running_emulator import emulator_home

# What the templates, the deployment and `chalice deploy` ask for, by signing names.
SERVICES: Final = (
    "apigateway",
    "cloudformation",
    "events",
    "execute-api",
    "iam",
    "kms",
    "lambda",
    "logs",
    "monitoring",
    "s3",
    "secretsmanager",
    "sns",
    "sqs",
    "sts",
)


@click.command(context_settings={"show_default": True})
@click.option("--port", type=click.IntRange(0, 65535), default=4566, envvar="CLOUD_PORT", show_envvar=True)
@click.option(
    "--home", type=click.Path(file_okay=False, path_type=Path), help="Where data lives between runs."
)
def main(*, port: int, home: Path | None) -> None:
    """Run an emulated cloud until interrupted; `make deploy TARGET=ministack` deploys into it."""
    try:
        run_cloud(home or emulator_home(os.environ), port, SERVICES, _ready)
    except PortTakenError as error:
        raise click.ClickException(f"{error}; choose another with --port or CLOUD_PORT") from error
    except CloudError as error:
        raise click.ClickException(str(error)) from error


def _ready(cloud: Cloud) -> tuple[str, ...]:
    return (
        f"ready: AWS_ENDPOINT_URL={cloud.endpoint}",
        "deploy into it with: make deploy TARGET=ministack",
        f"its credentials, for other tools: . {shlex.quote(str(cloud.variables_file))}",
    )


if __name__ == "__main__":
    main()
