"""Secrets Manager, and the secret in which RDS keeps a database login."""

import json
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import quote

if TYPE_CHECKING:
    import botocore.session

# An invocation lasts seconds, and botocore would wait for a minute.
_TIME_LIMIT_S: Final = 3


class Secrets:
    """Reads secrets; the client is made when the first is read."""

    def __init__(self, session: "botocore.session.Session", region: str) -> None:
        self._session = session
        self._region = region

    def text(self, arn: str) -> str:
        """Return the secret's current value.

        Raises:
            botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError: It cannot be read.
        """
        from botocore.config import Config  # noqa: PLC0415  # with a URL in the environment nothing is read

        config = Config(
            connect_timeout=_TIME_LIMIT_S, read_timeout=_TIME_LIMIT_S, retries={"total_max_attempts": 2}
        )
        client = self._session.create_client("secretsmanager", region_name=self._region, config=config)
        value: str = cast("Any", client).get_secret_value(SecretId=arn)["SecretString"]
        return value


def login_url(secret: str, *, host: str = "") -> str:
    """Return the database URL in a secret of RDS's form (``username password host port dbname``).

    Args:
        host: Where to connect instead, such as a proxy's endpoint: the secret names the database itself.
    """
    login = json.loads(secret)
    user, password = quote(login["username"], safe=""), quote(login["password"], safe="")
    return (
        f"postgresql://{user}:{password}@{host or login['host']}:{login.get('port', 5432)}/{login['dbname']}"
    )
