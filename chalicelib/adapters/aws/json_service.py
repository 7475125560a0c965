"""A service of AWS that is asked in its JSON protocol for what may be asked twice: KMS, Secrets Manager.

It is asked by requests of our own, as SQS is: botocore waits for a silent service for five minutes, asks one
that throttles for ten seconds, and reads an answer that comes a byte at a time without end, where a function
has seconds.
"""

import json
import re
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from chalicelib.adapters.aws.http_request import NoAnswerError, NotSentError

if TYPE_CHECKING:  # it takes botocore along
    from chalicelib.adapters.aws.endpoint import Endpoint, EndpointAnswer

_RETRY_DELAYS_S: Final = (0.05, 0.2, 0.5)
_OK: Final = 200
_CLIENTS_FAULTS_END: Final = 500
_PASSING_STATUSES: Final = frozenset({408, 429})
# What is said in place of such a status: most are a 400.
_PASSING: Final = re.compile(
    r"Throttl|LimitExceeded|TooManyRequests|SlowDown|RequestTimeout"
    r"|DependencyTimeout|KMSInternal|KeyUnavailable|InternalService|InternalFailure|ServiceUnavailable"
)
_ERROR_CODE: Final = re.compile(r"[A-Za-z]{1,60}$")


class CallRefusedError(Exception):
    """The service refuses, and would again; the text is the status and the error's name, and no more."""


class ServiceSilentError(Exception):
    """The service did not answer in time, or with faults that pass; the text is the last, likewise."""


class JsonService:
    """One service. Safe to share between threads.

    Args:
        target: What the names of its operations begin with.
        time_limit_s: For one answer, all tries together.
        limited: Returns how long may be waited of so many seconds.
    """

    def __init__(
        self,
        endpoint: "Callable[[], Endpoint]",
        target: str,
        *,
        time_limit_s: float,
        limited: Callable[[float], float] = float,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._endpoint, self._target = endpoint, target
        self._time_limit_s, self._limited, self._sleep = time_limit_s, limited, sleep

    def answer(self, operation: str, request: Mapping[str, str]) -> dict[str, Any]:
        """Return the members of an answer, none if it is no JSON object; what passes is tried again.

        Raises:
            CallRefusedError, ServiceSilentError: There is none.
        """
        ends_at = time.monotonic() + self._time_limit_s
        body = json.dumps(request).encode()
        headers = {
            "content-type": "application/x-amz-json-1.1",
            "x-amz-target": f"{self._target}.{operation}",
        }
        problem = "no time left"
        for delay_s in (*_RETRY_DELAYS_S, None):
            limit_s = self._limited(ends_at - time.monotonic())
            if limit_s <= 0:
                break
            try:
                found = self._endpoint().request("POST", "/", body, headers=headers, time_limit_s=limit_s)
            except NotSentError as error:
                problem = str(error) or "not reached"
            except NoAnswerError:
                problem = "no answer"
            else:
                members = _members(found.body)
                if found.status == _OK:
                    return members
                code = _code(members)
                problem = f"{found.status} {code or 'without a name'}"
                if not _is_passing(found, code):
                    raise CallRefusedError(problem)
            if delay_s is not None:
                self._sleep(max(0.0, self._limited(min(delay_s, ends_at - time.monotonic()))))
        raise ServiceSilentError(problem)


def _is_passing(answer: "EndpointAnswer", code: str | None) -> bool:
    # A gateway on the way may say it in words of its own.
    said = code or answer.body.decode(errors="replace")
    is_ours = answer.status < _CLIENTS_FAULTS_END and answer.status not in _PASSING_STATUSES
    return not is_ours or _PASSING.search(said) is not None


def _members(body: bytes) -> dict[str, Any]:
    """Return the members of an answer, none if it is not the service's."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _code(members: Mapping[str, Any]) -> str | None:
    """Return the name of an error, which holds no more than that."""
    named = _ERROR_CODE.search(str(members.get("__type") or members.get("code") or ""))
    return named[0] if named else None
