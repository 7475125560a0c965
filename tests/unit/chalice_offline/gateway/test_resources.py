"""Which resource a request leads to."""

import pytest

from chalice_offline.gateway.resources import Match, Resources

PATHS = dict.fromkeys(
    (
        "/",
        "/orders",
        "/orders/{id}",
        "/orders/all",
        "/orders/{id}/legs",
        "/{tenant}/users",
        "/files/{key+}",
    ),
    ("GET",),
)


@pytest.mark.parametrize(
    ("path", "resource", "parameters"),
    [
        ("/", "/", {}),
        ("/orders", "/orders", {}),
        ("/orders/", "/orders", {}),
        ("/orders/7", "/orders/{id}", {"id": "7"}),
        ("/orders/all", "/orders/all", {}),
        ("/orders/all/legs", "/orders/{id}/legs", {"id": "all"}),
        ("/files/a/b.txt", "/files/{key+}", {"key": "a/b.txt"}),
        ("/files/a/", "/files/{key+}", {"key": "a"}),
    ],
)
def test_most_literal_resource_takes_a_path(path: str, resource: str, parameters: dict[str, str]) -> None:
    assert Resources(PATHS).find("GET", path) == Match(resource, parameters)


@pytest.mark.parametrize("path", ["/orders/7/legs/1", "/files", "/files/", "/nothing", "/orders//legs"])
def test_path_of_no_resource_leads_nowhere(path: str) -> None:
    assert Resources(PATHS).find("GET", path) is None


def test_variables_of_resources_that_did_not_fit_are_not_among_the_values() -> None:
    """``/{shop}/items`` has the first two segments of it."""
    paths = dict.fromkeys(["/{shop}/items", "/{tenant}/users"], ("GET",))
    match = Resources(paths).find("GET", "/7/users")
    assert match == Match("/{tenant}/users", {"tenant": "7"})


def test_values_stay_as_they_were_sent() -> None:
    path = "/files/user/test%2Balias@example.com/plus+a%2Fb%20c"
    assert Resources(PATHS).find("GET", path) == Match("/files/{key+}", {"key": path.removeprefix("/files/")})


METHODS = {
    "/users/me": ("PATCH",),
    "/users/{id}": ("GET",),
    "/things/real": ("GET",),
    "/things/{proxy+}": ("GET", "POST"),
    "/jobs": (),
    "/{proxy+}": ("OPTIONS",),
}


@pytest.mark.parametrize(
    ("method", "path", "resource"),
    [
        ("PATCH", "/users/me", "/users/me"),
        ("GET", "/users/me", "/users/{id}"),
        ("GET", "/things/real", "/things/real"),
        ("POST", "/things/real", "/things/{proxy+}"),
        ("OPTIONS", "/things/real", "/{proxy+}"),
        ("OPTIONS", "/jobs", "/{proxy+}"),
        ("POST", "/users/me", None),
        ("GET", "/jobs", None),
    ],
)
def test_resource_without_the_method_leaves_a_request_to_the_next(
    method: str, path: str, resource: str | None
) -> None:
    """Seen on AWS: https://github.com/floci-io/floci/pull/3399 (a comment of September 2026)."""
    found = Resources(METHODS).find(method, path)
    assert (found and found.resource) == resource
