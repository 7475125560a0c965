"""What the URL of a REST request says."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from chalice.app import MultiDict, Request

from chalicelib.domain.errors import FieldError
from chalicelib.wire.resting_frames import is_dry, is_dry_by_query

_DRY_RUN: Final = "dryRun"
_NO_BODY: Final[Mapping[str, Any]] = MappingProxyType({})


def url_query(request: Request, *once: str) -> dict[str, str]:
    """Return what the URL says, the last of each name.

    Args:
        once: The names that may stand there once alone, since readers differ in which of two counts.

    Raises:
        FieldError: One of them stands there twice.
    """
    given = request.query_params or MultiDict({})
    for name in once:
        if name in given and len(given.getlist(name)) > 1:
            raise FieldError(name, "must stand once in the URL")
    return dict(given)


def is_dry_run(request: Request, members: Mapping[str, Any] = _NO_BODY) -> bool:
    """Return whether a request asks only what would happen, in its URL or in its body.

    Raises:
        InvalidRequestError: It says so otherwise than with one true or false.
    """
    in_url = is_dry_by_query(url_query(request, _DRY_RUN))
    return is_dry(members) or in_url


def refuse_dry_run(request: Request, members: Mapping[str, Any] = _NO_BODY) -> None:
    """Refuse a request that asks what would happen of a route that can only do it.

    Raises:
        InvalidRequestError: It does.
    """
    if is_dry_run(request, members):
        raise FieldError(_DRY_RUN, "goes with submitting one order alone")
