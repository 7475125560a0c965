"""Secrets Manager, and the secret in which RDS keeps a database login."""

import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from chalicelib.adapters.aws.json_service import CallRefusedError, JsonService, ServiceSilentError
from chalicelib.adapters.time_left import TimeLeft, time_left
from chalicelib.domain.errors import RetryableError
from chalicelib.logs import logger

if TYPE_CHECKING:
    from chalicelib.adapters.aws.endpoint import Endpoint

TIME_LIMIT_S: Final = 3.0
"""For one secret, all tries together."""

LIFESPAN_S: Final = 300
"""A secret that is asked for again within this time is not fetched again."""


class Secrets:
    """Reads secrets, and keeps them for a while. Safe to share between threads."""

    def __init__(
        self,
        endpoint: "Callable[[], Endpoint]",
        *,
        lifespan_s: float = LIFESPAN_S,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        time_left: TimeLeft = time_left,
    ) -> None:
        self._manager = JsonService(endpoint, "secretsmanager", time_limit_s=TIME_LIMIT_S, sleep=sleep)
        self._lifespan_s, self._monotonic, self._time_left = lifespan_s, monotonic, time_left
        self._kept: dict[str, tuple[str, float]] = {}

    def text(self, arn: str, *, is_fresh: bool = False) -> str:
        """Return the secret's value.

        Args:
            arn: Or its name.
            is_fresh: Fetch it whatever was read before, as for a login that was just refused.

        Raises:
            RetryableError: It cannot be read, or is not text. Why, and which one, goes to the log alone.
        """
        kept, until = self._kept.get(arn, ("", 0.0))
        if not is_fresh and self._monotonic() < until:
            return kept
        # It is read once for many requests: so it may take longer than the one that wants it now is worth.
        if not self._time_left.has(TIME_LIMIT_S):
            raise RetryableError("no time is left to read a secret")
        value = self._fetched(arn)
        self._kept[arn] = value, self._monotonic() + self._lifespan_s
        return value

    def _fetched(self, arn: str) -> str:
        try:
            value = self._manager.answer("GetSecretValue", {"SecretId": arn}).get("SecretString")
        except CallRefusedError as error:
            # It does not pass by itself: operators mend a right, a key or a name.
            logger.error("secret not readable", secret_id=arn, reason=str(error))
            raise RetryableError("a secret cannot be read") from None
        except ServiceSilentError as error:
            logger.warning("Secrets Manager does not answer", secret_id=arn, reason=str(error))
            raise RetryableError("a secret cannot be read") from None
        if not isinstance(value, str):
            logger.error("secret not readable", secret_id=arn, reason="no text")
            raise RetryableError("a secret is not text")
        return value


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
