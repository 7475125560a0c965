"""The database's login in a secret, as a stage on AWS keeps it."""

import json
from typing import NamedTuple

import click

from chalicelib.adapters.aws.secrets import login_url


class DatabaseLogin(NamedTuple):
    """A login that is read when it is needed.

    Attributes:
        secret: The secret's ARN or name.
        host: Where to connect instead of the host in the secret; may be empty.
    """

    secret: str
    host: str = ""

    def url(self) -> str:
        """Return the database's URL, with the password that holds now.

        Raises:
            ClickException: The secret cannot be read, or is none of RDS's form.
        """
        # A third of a second, for a command that may not need it.
        from botocore.exceptions import BotoCoreError, ClientError

        from infra.cli.aws_client import aws_client, said

        try:
            found = aws_client("secretsmanager").get_secret_value(SecretId=self.secret)["SecretString"]
            return login_url(found, host=self.host)
        except (BotoCoreError, ClientError, ValueError) as error:
            if isinstance(error, json.JSONDecodeError):
                raise click.ClickException(f"{self.secret} is no secret of RDS's form: no JSON") from None
            told = said("Secrets Manager", error)
            raise click.ClickException(f"the secret {self.secret} cannot be read: {told}") from error
        except (KeyError, TypeError) as error:
            raise click.ClickException(
                f"{self.secret} is no secret of RDS's form: it lacks {error}"
            ) from None
