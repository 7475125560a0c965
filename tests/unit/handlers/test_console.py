"""The console's routes: any browser may load it, and lets it do nothing but talk to our own APIs."""

from typing import Any

import pytest
from chalice.app import Request, Response

from chalicelib.adapters.console_files import PageFacts, console_files
from chalicelib.config import Settings
from chalicelib.handlers import console
from tests.deploy.events import rest_event
from tests.unit.handlers.conftest import ENVIRONMENT, Wired


def request(**headers: str) -> Request:
    event = rest_event("GET", "/console", None)
    event["headers"] = {
        **event["headers"],
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    return Request(event, None)


@pytest.fixture
def page(wired: Wired, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(console, "services", lambda: wired.services)
    return console.page


def test_page_needs_no_token_and_is_asked_for_again_each_time(page: Any) -> None:
    response: Response = page(request())
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert response.headers["Cache-Control"] == "no-cache"
    assert 'data-auth="jwt"' in response.body


def test_page_that_a_browser_has_is_not_sent_again(page: Any) -> None:
    tag = page(request()).headers["ETag"]
    for known in (tag, f"W/{tag}", f'"other", {tag}'):
        again = page(request(if_none_match=known))
        assert (again.status_code, again.body, again.headers["ETag"]) == (304, "", tag)
    assert page(request(if_none_match='"other"')).status_code == 200


def test_policy_allows_our_own_files_and_apis_alone() -> None:
    settings = Settings.from_env(ENVIRONMENT | {"CONNECTIONS_URL": "https://abc.execute-api.eu.example/ws"})
    url = console.websocket_url_of(settings)
    assert url == "wss://abc.execute-api.eu.example/ws"
    page = console_files().page(PageFacts(url, "prod", "simulated", asks_for_token=True))
    rules = dict(rule.split(" ", 1) for rule in console.content_security_policy(page, url).split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == f"'self' 'sha256-{page.script_sha256}'"
    assert rules["connect-src"] == "'self' wss://abc.execute-api.eu.example"
    assert rules["require-trusted-types-for"] == "'script'"
    assert not any("unsafe" in rule for rule in rules.values())


def test_websocket_is_beside_the_management_api_with_and_without_tls() -> None:
    emulated = Settings.from_env(
        ENVIRONMENT | {"CONNECTIONS_URL": "http://127.0.0.1:4566/_aws/execute-api/x/ws"}
    )
    assert console.websocket_url_of(emulated) == "ws://127.0.0.1:4566/_aws/execute-api/x/ws"
    assert console.websocket_url_of(Settings.from_env(ENVIRONMENT | {"CONNECTIONS_URL": ""})) == ""


def test_asset_is_kept_for_good_under_its_version() -> None:
    response = console.asset(console_files().version, "main.js")
    assert response.status_code == 200
    assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert response.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_asset_of_another_release_is_not_found_and_not_kept() -> None:
    response = console.asset("0" * 16, "main.js")
    assert (response.status_code, '"NOT_FOUND"' in response.body) == (404, True)
    assert "Cache-Control" not in response.headers
