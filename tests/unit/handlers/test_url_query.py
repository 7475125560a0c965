"""What counts of a REST request's URL."""

from collections.abc import Callable
from typing import Any

import pytest
from chalice.app import Request

from chalicelib.domain.errors import FieldError, InvalidRequestError
from chalicelib.handlers.url_query import is_dry_run, refuse_dry_run, url_query
from tests.deploy.events import rest_event


def request(**query: list[str]) -> Request:
    return Request(rest_event("GET", "/") | {"multiValueQueryStringParameters": query or None}, None)


def test_url_without_a_query_says_nothing() -> None:
    assert url_query(request(), "limit") == {}


def test_name_that_stands_twice_is_refused_where_it_counts_and_passed_over_elsewhere() -> None:
    twice = request(limit=["1", "2"], page=["3", "4"])
    with pytest.raises(FieldError, match="limit must stand once in the URL"):
        url_query(twice, "limit")
    assert url_query(twice, "status") == {"limit": "2", "page": "4"}


@pytest.mark.parametrize(
    ("query", "members", "dry"),
    [
        ({}, {}, False),
        ({"dryRun": ["true"]}, {}, True),
        ({"dryRun": ["false"]}, {}, False),
        ({"dryRun": ["false"]}, {"dryRun": True}, True),
        ({"dryRun": ["true"]}, {"dryRun": False}, True),
    ],
)
def test_dry_run_is_asked_for_in_the_url_or_in_the_body(
    query: dict[str, list[str]], members: dict[str, Any], *, dry: bool
) -> None:
    assert is_dry_run(request(**query), members) is dry


@pytest.mark.parametrize("decide", [is_dry_run, refuse_dry_run])
@pytest.mark.parametrize("said", [["true", "false"], ["false", "false"], ["1"], [""]])
def test_dry_run_that_is_not_one_true_or_false_is_refused(
    said: list[str], decide: Callable[[Request, dict[str, Any]], object]
) -> None:
    with pytest.raises(InvalidRequestError, match="dryRun must"):
        decide(request(dryRun=said), {})


def test_route_that_has_no_dry_run_refuses_to_be_asked_for_one() -> None:
    for asked, members in ((request(dryRun=["true"]), {}), (request(), {"dryRun": True})):
        with pytest.raises(FieldError, match="dryRun goes with submitting one order alone"):
            refuse_dry_run(asked, members)
    refuse_dry_run(request(dryRun=["false"]), {"dryRun": False})
