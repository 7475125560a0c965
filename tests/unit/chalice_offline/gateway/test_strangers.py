"""A web page in the developer's browser reaches none of the app's functions;
our own pages and programs do.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from chalice_offline.gateway import Gateway
from chalice_offline.invocation import Returned
from tests.unit.chalice_offline.gateway.fakes import FakeFunctions, a_gateway

Door = tuple[str, Sequence[str]]

REST = {"http_function": "rest", "http_routes": {"/orders": ("GET", "POST")}}
UPGRADE = [
    *["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"],
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
]
WEBSOCKET = ("GET /ws?inputToken=SOL HTTP/1.1", UPGRADE)
GET: Door = ("GET /api/orders HTTP/1.1", [])
FORM_POST = ("POST /api/orders HTTP/1.1", ["Content-Type: text/plain", "Content-Length: 0"])
PREFLIGHT = ("OPTIONS /api/orders HTTP/1.1", ["Access-Control-Request-Method: POST"])
EMULATOR_FORM: Door = ("GET /_aws/execute-api/x/api/orders HTTP/1.1", [])
CALLBACK = ("POST /ws/@connections/AAAAAAAAAAAAAAA= HTTP/1.1", ["Content-Length: 0"])
ENCODED_CALLBACK = ("POST /ws/%40connections/AAAAAAAAAAAAAAA= HTTP/1.1", ["Content-Length: 0"])
DOORS: dict[str, Door] = {
    "websocket": WEBSOCKET,
    "get": GET,
    "form": FORM_POST,
    "preflight": PREFLIGHT,
    "emulator's form": EMULATOR_FORM,
    "callback": CALLBACK,
    "encoded callback": ENCODED_CALLBACK,
}


def test_table_of_doors_names_each_once() -> None:
    assert len({request for request, _ in DOORS.values()}) == len(DOORS)


async def status_and_head(gateway: Gateway, door: Door, *headers: str) -> tuple[int, str]:
    request, own = door
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    shown = [header.replace("PORT", str(gateway.port)) for header in headers]
    writer.write("\r\n".join([request, *shown, *own, "", ""]).encode("latin-1"))
    async with asyncio.timeout(10):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
    writer.close()
    return int(head.split()[1]), head.lower()


def answer(door: Door, *headers: str, **settings: Any) -> tuple[int, str, list[str]]:
    """Return status and head of the answer, and the functions that were asked."""

    async def scenario() -> tuple[int, str, list[str]]:
        functions = FakeFunctions(rest=Returned({"statusCode": 200, "body": ""}))
        async with a_gateway(functions, manifest=REST, **settings) as gateway:
            status, head = await status_and_head(gateway, door, *headers)
            return status, head, [name for name, _ in functions.events if name != "disconnect"]

    return asyncio.run(scenario())


@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)
@pytest.mark.parametrize(
    "headers",
    [
        ["Host: 127.0.0.1:PORT", "Origin: https://evil.example"],
        ["Host: 127.0.0.1:PORT", "Origin: null"],
        ["Host: 127.0.0.1:PORT", "Origin: http://localhost:8080"],
        ["Host: evil.example:PORT"],
        ["Host: evil.example:PORT", "Origin: http://evil.example:PORT"],
        ["Host: 127.0.0.1:PORT", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors"],
        ["Host: 127.0.0.1:PORT", "Host: evil.example"],
    ],
    ids=["foreign", "sandboxed", "other port", "rebound", "rebound script", "image", "two hosts"],
)
def test_page_is_refused_at_every_door_before_any_function(door: Door, headers: list[str]) -> None:
    status, head, asked = answer(door, *headers)
    assert (status, asked) == (403, [])
    assert "access-control" not in head


@pytest.mark.parametrize(
    "request_line", ["GET /api/orders HTTP/1.0", "GET http://evil.example/api/orders HTTP/1.1"]
)
def test_host_that_is_missing_or_in_the_target_is_judged_too(request_line: str) -> None:
    headers = [] if "1.0" in request_line else ["Host: 127.0.0.1:PORT"]
    assert answer((request_line, []), *headers)[::2] == (403, [])


@pytest.mark.parametrize("origin", [[], ["Origin: http://127.0.0.1:PORT"], ["Origin: http://localhost:PORT"]])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_programs_and_own_pages_are_served(origin: list[str], host: str) -> None:
    assert answer(WEBSOCKET, f"Host: {host}:PORT", *origin)[::2] == (101, ["connect"])
    assert answer(FORM_POST, f"Host: {host}:PORT", *origin)[::2] == (200, ["rest"])


@pytest.mark.parametrize("header", ["Origin: http://127.0.0.1:PORT", "Sec-Fetch-Site: none"])
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])  # noqa: S104  # a host that is listened on in a test
def test_callback_from_a_browser_is_refused_wherever_it_comes_from(header: str, host: str) -> None:
    assert answer(CALLBACK, "Host: 127.0.0.1:PORT", header, host=host)[0] == 403
    assert answer(CALLBACK, "Host: 127.0.0.1:PORT", host=host)[0] == 410


def test_what_the_project_allows_is_served() -> None:
    allowed = {
        "allowed_origins": frozenset({"http://localhost:5173"}),
        "allowed_hosts": frozenset({"app.test"}),
    }
    page = ["Host: app.test:PORT", "Origin: http://localhost:5173", "Sec-Fetch-Site: cross-site"]
    assert answer(WEBSOCKET, *page, **allowed)[0] == 101
    assert answer(GET, *page, **allowed)[0] == 200


def test_gateway_that_listens_beyond_loopback_is_open_to_pages_as_on_aws() -> None:
    headers = ["Host: example.test", "Origin: https://example.test"]
    assert answer(GET, *headers, host="0.0.0.0")[::2] == (200, ["rest"])  # noqa: S104  # as above


def test_developer_is_told_of_a_page_that_was_refused_once_and_of_so_many_at_most() -> None:
    told: list[str] = []

    def warn(message: str, facts: Any) -> None:
        told.append(f"{message}: {facts['reason']}")

    async def scenario() -> None:
        async with a_gateway(FakeFunctions(), manifest=REST, warn=warn) as gateway:
            for port in [5173, 5173, *range(100)]:
                own = ("Host: 127.0.0.1:PORT", f"Origin: http://localhost:{port}")
                await status_and_head(gateway, GET, *own)

    asyncio.run(scenario())
    assert "allowed_origins" in told[0]
    assert "http://localhost:5173" in told[0]
    assert len(told) == len(set(told)) == 20
