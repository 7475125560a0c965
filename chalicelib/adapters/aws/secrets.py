"""Secrets Manager, and the secret in which RDS keeps a database login."""

import json
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from chalicelib.adapters.time_left import time_left
from chalicelib.domain.errors import RetryableError
from chalicelib.made_once import made_once

if TYPE_CHECKING:
    import botocore.session
    from aws_lambda_powertools.utilities.parameters.secrets import SecretsProvider

# An invocation lasts seconds, and botocore would wait for a minute, five times.
_CONNECT_TIME_LIMIT_S: Final = 1
_READ_TIME_LIMIT_S: Final = 2

TIME_LIMIT_S: Final = _CONNECT_TIME_LIMIT_S + _READ_TIME_LIMIT_S
"""For one secret. It cannot be cut short, so nothing is asked when an invocation has less time left."""

LIFESPAN_S: Final = 300
"""A secret that is asked for again within this time is not fetched again."""


class Secrets:
    """Reads secrets, and keeps them for a while.

    Powertools imports boto3 whatever client it is given, so it is imported, and the client made, when the
    first secret is read: with the values in the environment that is never.
    """

    def __init__(
        self, session: "botocore.session.Session", region: str, *, lifespan_s: int = LIFESPAN_S
    ) -> None:
        self._session = session
        self._region = region
        self._lifespan_s = lifespan_s

    def text(self, arn: str, *, is_fresh: bool = False) -> str:
        """Return the secret's value.

        Args:
            is_fresh: Fetch it whatever was read before, as for a login that was just refused.

        Raises:
            RetryableError: It cannot be read, or is not text.
        """
        from aws_lambda_powertools.utilities.parameters.exceptions import (  # noqa: PLC0415  # see the class
            GetParameterError,
        )

        try:
            value = self._provider.get(arn, max_age=self._lifespan_s, force_fetch=is_fresh)
        except GetParameterError as error:
            raise RetryableError("a secret cannot be read") from error
        if not isinstance(value, str):
            raise RetryableError("a secret is not text")
        return value

    @made_once
    def _provider(self) -> "SecretsProvider":
        from aws_lambda_powertools.utilities.parameters.secrets import (  # noqa: PLC0415  # see the class
            SecretsProvider,
        )
        from botocore.config import Config  # noqa: PLC0415  # see the class

        config = Config(
            connect_timeout=_CONNECT_TIME_LIMIT_S,
            read_timeout=_READ_TIME_LIMIT_S,
            retries={"total_max_attempts": 1},
        )
        client = self._session.create_client("secretsmanager", region_name=self._region, config=config)
        client.meta.events.register("before-send.secretsmanager", _check_time)
        return SecretsProvider(boto3_client=client)


def _check_time(**_: object) -> None:
    """Ask nothing that cannot be waited for.

    Raises:
        RetryableError: The invocation's time is nearly up.
    """
    if not time_left.has(TIME_LIMIT_S):
        raise RetryableError("no time is left to read a secret")


def login_url(secret: str, *, host: str = "") -> str:
    """Return the database URL in a secret of RDS's form (``username password host port dbname``).

    Args:
        host: Where to connect instead, such as a proxy's endpoint: the secret names the database itself.
    """
    login = json.loads(secret)
    user, password = quote(login["username"], safe=""), quote(login["password"], safe="")
    # Not of RDS's form: for a database beside an emulator, which may have no certificate.
    query = f"?sslmode={quote(login['sslmode'])}" if login.get("sslmode") else ""
    address = f"{host or login['host']}:{login.get('port', 5432)}/{login['dbname']}"
    return f"postgresql://{user}:{password}@{address}{query}"
