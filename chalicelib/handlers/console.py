"""The console: a page that any browser may load, since all that it shows is asked for with a token."""

from typing import Any, Final
from urllib.parse import urlsplit

from chalice.app import Request, Response

from chalicelib.adapters.console_files import Page, PageFacts, console_files
from chalicelib.bootstrap import services
from chalicelib.config import AuthMode, Settings
from chalicelib.domain.errors import Code, RefusedError
from chalicelib.handlers.rest_edge import http_errors

_FOR_GOOD: Final = "public, max-age=31536000, immutable"
_ASK_AGAIN: Final = "no-cache"

_EVERY_ANSWER: Final[dict[str, Any]] = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class NoSuchAssetError(RefusedError):
    """This release has no such file: the page that asks is another release's."""

    def __init__(self) -> None:
        super().__init__(Code.NOT_FOUND, "this release of the console has no such file; load the page again")


@http_errors
def page(request: Request) -> Response:
    """Return the page; 304 if the browser has it already."""
    settings = services().settings
    websocket_url = websocket_url_of(settings)
    found = console_files().page(
        PageFacts(websocket_url, settings.stage, settings.chain, settings.auth_mode is AuthMode.JWT)
    )
    headers = {
        **_EVERY_ANSWER,
        "Content-Type": "text/html; charset=utf-8",
        "Cache-Control": _ASK_AGAIN,
        "ETag": found.tag,
        "Content-Security-Policy": content_security_policy(found, websocket_url),
        "Cross-Origin-Opener-Policy": "same-origin",
    }
    if _is_known(request.headers.get("if-none-match", ""), found.tag):
        return Response("", headers=headers, status_code=304)
    return Response(found.html, headers=headers)


@http_errors
def asset(version: str, name: str) -> Response:
    """Return one of the page's files; under its address it never changes."""
    found = console_files().asset(version, name)
    if found is None:
        raise NoSuchAssetError
    text, content_type = found
    headers = {
        **_EVERY_ANSWER,
        "Content-Type": content_type,
        "Cache-Control": _FOR_GOOD,
        "ETag": f'"{version}"',
    }
    return Response(text, headers=headers)


def websocket_url_of(settings: Settings) -> str:
    """Return where the WebSocket API is: where frames are posted to, but for the scheme; empty if unknown."""
    place = urlsplit(settings.connections_url)
    if not place.netloc:
        return ""
    return f"{'wss' if place.scheme == 'https' else 'ws'}://{place.netloc}{place.path}"


def content_security_policy(page: Page, websocket_url: str) -> str:
    """Return the policy: scripts and styles of our own files, requests to our own APIs, nothing else.

    ``require-trusted-types-for`` has the browser refuse text that would become HTML or a script.
    """
    place = urlsplit(websocket_url)
    apis = f"'self' {place.scheme}://{place.netloc}" if websocket_url else "'self'"
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'self' 'sha256-{page.script_sha256}'",
            "style-src 'self'",
            "img-src 'self'",
            f"connect-src {apis}",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )


def _is_known(if_none_match: str, tag: str) -> bool:
    """Return whether one of the tags that a browser names is this one; weakly, as RFC 9110, 13.1.2 asks."""
    return any(each.strip().removeprefix("W/") == tag for each in if_none_match.split(","))
