"""What the commands share that are a client of the engine: its addresses, and a token."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import click
import httpx

from infra.cli.parameters import BEARER, ServiceUrl
from infra.cli.session import CliSession, status_file
from infra.loopback import is_here

# Behind what is installed: the repository's own client serves where no other does.
PACKAGE: Final = Path(__file__).parents[2] / "clients" / "python" / "src"

TIME_LIMIT_S: Final = 30.0
_UNSENT: Final = (httpx.ConnectError, httpx.ConnectTimeout)


def as_a_client(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command that is a client of the engine its options: two addresses and a token."""
    url = click.option(
        "--url",
        type=ServiceUrl(),
        envvar="ORDERFLOW_URL",
        show_envvar=True,
        help="Default: the runtime that is running.",
    )
    rest_url = click.option(
        "--rest-url",
        type=ServiceUrl(),
        envvar="ORDERFLOW_REST_URL",
        show_envvar=True,
        help="If not beside --url.",
    )
    token = click.option(
        "--token", type=BEARER, envvar="ORDERFLOW_TOKEN", show_envvar=True, help="Better set than typed."
    )
    return url(rest_url(token(command)))


def address(session: CliSession, url: str | None, name: str) -> str:
    """Return the URL that was given, else the running runtime's.

    No address is tried that neither names: an order and a token would be whose program listens there.
    """
    found = url or session.running(name)
    if not found:
        raise click.ClickException(
            f"which engine? No runtime is running with {status_file()}: "
            "start one (make run), name its directory (ORDERFLOW_HOME), or give --url"
        )
    return str(found).rstrip("/")


def rest_address(session: CliSession, url: str | None, rest_url: str | None) -> str:
    """Return the URL that was given of the REST API, else that beside ``url``, or the running runtime's."""
    if url is not None:
        sys.path.append(str(PACKAGE))
        from orderflow_client.addresses import addresses

        try:
            rest_url = addresses(url, rest_url).rest
        except ValueError as error:
            raise click.ClickException(str(error)) from error
    return address(session, rest_url, "rest_url")


def said(engine: str, error: Exception) -> str:
    """Return what an error of the client says; of an engine that does not answer, with its address."""
    from orderflow_client import DisconnectedError, UnknownOutcomeError

    is_silent = isinstance(error, DisconnectedError | UnknownOutcomeError)
    return f"{engine}: {error}" if is_silent else str(error)


def bearer(token: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


def request(
    method: str, url: str, token: str | None, *, query: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return the answer of the REST API.

    Raises:
        ClickException: A refusal, as it was answered; or that none was, and whether something may be done.
    """
    asked = f"{url}?{urlencode(query)}" if query else url
    perhaps = "" if method == "GET" else "; whether it was done is not known"
    try:
        with httpx.Client(timeout=TIME_LIMIT_S, trust_env=not is_here(url)) as client:
            answer = client.request(method, asked, headers=bearer(token))
    except _UNSENT as error:
        raise click.ClickException(f"{url} cannot be reached: {error}") from error
    except httpx.HTTPError as error:
        raise click.ClickException(f"{url} does not answer: {error}{perhaps}") from error
    try:
        body = answer.json()
    except ValueError:
        body = None
    if answer.is_error and isinstance(body, dict) and "code" in body:
        raise click.ClickException(f"{body['code']}: {body.get('message')}")
    if answer.is_error or not isinstance(body, dict):
        # A gateway's own words, which say nothing of what was done behind it unless it refused.
        told = "" if 400 <= answer.status_code < 500 else perhaps
        raise click.ClickException(f"{url} answered {answer.status_code} {answer.reason_phrase}{told}")
    return body
