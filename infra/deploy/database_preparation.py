"""Has the function of a stage's migration prepare the database, where that can be reached."""

import json
from collections.abc import Callable
from typing import Any, Final

from botocore.exceptions import ClientError

from chalicelib.config import ConfigurationError

# Lambda takes the network of a function away that was not called for weeks, as this one is between two
# deployments. The call that finds out is refused, and has it made again
# (https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html).
_NOT_READY: Final = frozenset({"ResourceNotReadyException", "ResourceConflictException"})


class MigrationError(RuntimeError):
    """The database could not be prepared. No function has the new code."""


def prepare_database(client: Any, function: str, say: Callable[[str], None]) -> None:
    """Invoke the function and tell the revision that the database is at then.

    Raises:
        MigrationError: The function failed, or its end was not waited for.
    """
    say("preparing the database ...")
    try:
        answer = _invoked(client, function, say)
    except KeyboardInterrupt as interrupt:
        raise MigrationError(
            "interrupted. The function goes on to prepare the database, for fifteen minutes at most, "
            "and the next `make deploy` waits for it"
        ) from interrupt
    result = json.loads(answer["Payload"].read() or b"null")
    if answer.get("FunctionError"):
        # Of a record that is not for these settings it says all; of a defect its stack tells more.
        is_refusal = result.get("errorType") == ConfigurationError.__name__
        raise MigrationError(result["errorMessage"] if is_refusal else json.dumps(result))
    say(f"database at {result['revision']}")


def _invoked(client: Any, function: str, say: Callable[[str], None]) -> Any:
    try:
        return client.invoke(FunctionName=function)
    except ClientError as error:
        if error.response["Error"]["Code"] not in _NOT_READY:
            raise
    say(f"waiting for {function} to be ready ...")
    client.get_waiter("function_active_v2").wait(FunctionName=function)
    return client.invoke(FunctionName=function)
