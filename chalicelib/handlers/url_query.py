"""What the URL of a REST request says."""

from collections.abc import Collection, Mapping
from typing import Any, Final

from chalice.app import MultiDict, Request

from chalicelib.domain.errors import FieldError, FieldProblem, InvalidRequestError
from chalicelib.wire.known_names import misspelt, refuse_words
from chalicelib.wire.resting_frames import is_dry, is_dry_by_query

_DRY_RUN: Final = "dryRun"
_WHOLE_NUMBERS: Final = ("limit", "afterSeq")
# Of a request that is signed in its URL, for an API that asks for IAM's authorization.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html
_OF_AWS: Final = "x-amz-"


def url_query(request: Request, *once: str) -> dict[str, str]:
    """Return what the URL says to us, the last of each name.

    Args:
        once: The names that may stand there once alone, since readers differ in which of two counts.

    Raises:
        FieldError: One of them stands there twice.
    """
    given = request.query_params or MultiDict({})
    for name in once:
        if name in given and len(given.getlist(name)) > 1:
            raise FieldError(name, "must stand once in the URL")
    return {name: text for name, text in given.items() if not name.lower().startswith(_OF_AWS)}


def read_query(request: Request, *names: str) -> dict[str, str]:
    """Return what the URL of a read says, the last of each name; it narrows down what is read.

    Nothing that is unknown is ignored: a client that misspells a filter would take all that there is for
    what it asked for.

    Args:
        names: The parameters that there are.

    Raises:
        InvalidRequestError: It says something else, or one of them twice.
    """
    said = url_query(request, *names)
    known = f"the parameters are {', '.join(sorted(names))}" if names else "there are none here"
    unknown = {name: FieldProblem(name, f"is not a parameter; {known}") for name in said.keys() - names}
    # The right name, where one is nearly it, helps more than all of them.
    problems = unknown | {problem.field: problem for problem in misspelt(said, names)}
    if problems:
        raise InvalidRequestError.of(tuple(problems.values()))
    return said


def read_members(request: Request, *names: str) -> dict[str, Any]:
    """Return the same with numbers as numbers: everything in a URL is text."""
    members: dict[str, Any] = dict(read_query(request, *names))
    for name in _WHOLE_NUMBERS:
        text = members.get(name)
        if isinstance(text, str) and text.isascii() and text.isdigit() and len(text) < 10:
            members[name] = int(text)
    return members


def refuse_in_url(request: Request, words: Collection[str], problem: str = "belongs into the body") -> None:
    """Refuse a URL that says what only another part of the request can say.

    Args:
        words: As ``plain_words`` has them.

    Raises:
        InvalidRequestError: It does.
    """
    refuse_words(url_query(request), words, problem)


def is_dry_run(request: Request, members: Mapping[str, Any]) -> bool:
    """Return whether a request asks only what would happen, in its URL or in its body.

    Raises:
        InvalidRequestError: It says so otherwise than with one true or false.
    """
    in_url = is_dry_by_query(url_query(request, _DRY_RUN))
    return is_dry(members) or in_url


def refuse_dry_run(request: Request, members: Mapping[str, Any]) -> None:
    """Refuse a request that asks what would happen of a route that can only do it.

    Raises:
        InvalidRequestError: It does.
    """
    if is_dry_run(request, members):
        raise FieldError(_DRY_RUN, "goes with submitting one order alone")
