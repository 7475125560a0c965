"""Let a function's callbacks reach the local gateway, whatever
client makes them and whenever it was configured.

AWS's management API is at ``https://{domainName}/{stage}``, which most code builds and Chalice does by
itself, past ``AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI``. The gateway speaks plain HTTP, and a client that is
made at import may name the API that is deployed. So, before the app is imported:

- Chalice and botocore (boto3) send callbacks for any ``https`` address to the gateway;
- in whatever else opens TLS (urllib, urllib3, requests, httpx,
  asyncio and aiohttp), it is left out to the gateway.

A botocore before 1.31 does not look at ``AWS_ENDPOINT_URL``; its clients would call AWS itself, and are given
that address. So is a client for which the code names one of AWS's own, unless it is given keys as well: the
functions' are no account's.

It stands alone, like the bootstrap, and imports nothing that the app does not.
"""

import importlib.util
import os
import socket
import sys
from collections.abc import Callable, Sequence
from functools import partial, wraps
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

_SERVICE = "apigatewaymanagementapi"
_LOOPBACK = ("127.", "::1", "localhost")
# Of botocore's endpoints.json, and of its dual-stack endpoints.
_AWS = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")

Patch = Callable[[Any], None]


class LocalManagementApi:
    """The local gateway's management API, by its endpoint ``http://host:port/stage``."""

    def __init__(self, endpoint: str) -> None:
        parts = urlsplit(endpoint)
        self.endpoint = endpoint
        self._root = f"{parts.scheme}://{parts.netloc}"
        self._host = parts.hostname or ""
        self._port = parts.port or 80

    def is_at(self, host: Any, port: Any) -> bool:
        """Return whether an address is the gateway's, by one of loopback's names if it is there."""
        if port != self._port or not isinstance(host, str):
            return False
        return host == self._host or (host.startswith(_LOOPBACK) and self._host.startswith(_LOOPBACK))

    def is_peer(self, sock: Any) -> bool:
        try:
            return self.is_at(*sock.getpeername()[:2])
        except (OSError, TypeError, AttributeError):
            return False

    def redirected(self, url: str) -> str:
        """Return where a management client goes instead; what names another server without TLS means it.

        The gateway's own address keeps its stage, right or wrong. Another API's is that API's.
        """
        parts = urlsplit(url)
        if parts.scheme != "https":
            return url
        return self._root + parts.path if self.is_at(parts.hostname, parts.port) else self.endpoint


class PlainSocket(socket.socket):
    """A connection to the gateway for those who expect a TLS one. It never left the machine."""

    @classmethod
    def of(cls, sock: socket.socket) -> "PlainSocket":
        timeout_s = sock.gettimeout()
        plain = cls(sock.family, sock.type, sock.proto, fileno=sock.detach())
        plain.settimeout(timeout_s)
        return plain

    def do_handshake(self) -> None:
        """There is none."""

    def unwrap(self) -> socket.socket:
        return self

    def pending(self) -> int:
        return 0

    def getpeercert(self, binary_form: bool = False) -> Any:  # noqa: FBT001, FBT002  # as ssl has it
        return b"" if binary_form else {}

    def selected_alpn_protocol(self) -> None:
        return None

    def version(self) -> None:
        return None

    def cipher(self) -> None:
        return None


def install(endpoint: str) -> None:
    """Redirect in modules that are here, and in the others as soon as they are imported."""
    gateway = LocalManagementApi(endpoint)
    patches: dict[str, Patch] = {
        "chalice.app": partial(_patch_chalice, gateway),
        "botocore.session": partial(_patch_botocore, gateway),
        "ssl": partial(_patch_ssl, gateway),
        "asyncio.base_events": partial(_patch_asyncio, gateway),
    }
    for name in list(patches):
        if name in sys.modules:
            patches.pop(name)(sys.modules[name])
    if patches:
        sys.meta_path.insert(0, AfterImport(patches))


class AfterImport:
    """A finder that finds nothing by itself: it has modules patched when others have found them."""

    def __init__(self, patches: dict[str, Patch]) -> None:
        self._patches = patches

    def find_spec(
        self, name: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        patch = self._patches.pop(name, None)
        spec = importlib.util.find_spec(name) if patch is not None else None
        if patch is None or spec is None or spec.loader is None:
            return None
        run = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            run(module)
            patch(module)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]  # of this one loader
        return spec


def _patch_chalice(gateway: LocalManagementApi, chalice_app: Any) -> None:
    def configure(self: Any, domain_name: str, stage: str) -> None:
        if self._endpoint is None:
            self._endpoint = gateway.redirected(f"https://{domain_name}/{stage}")

    chalice_app.WebsocketAPI.configure = configure


def _patch_botocore(gateway: LocalManagementApi, botocore_session: Any) -> None:
    create = botocore_session.Session.create_client
    reads_variables = hasattr(botocore_session.Session, "_add_configured_endpoint_provider")

    @wraps(create)
    def create_client(self: Any, service_name: str, *args: Any, **named: Any) -> Any:
        if not reads_variables and not named.get("endpoint_url"):
            named["endpoint_url"] = _endpoint_of(service_name)
        if service_name == _SERVICE and named.get("endpoint_url"):
            named["endpoint_url"] = gateway.redirected(named["endpoint_url"])
        elif _is_of_aws(named.get("endpoint_url")) and not named.get("aws_access_key_id"):
            named["endpoint_url"] = _endpoint_of(service_name) or named["endpoint_url"]
        return create(self, service_name, *args, **named)

    botocore_session.Session.create_client = create_client


def _is_of_aws(url: str | None) -> bool:
    return (urlsplit(url or "").hostname or "").endswith(_AWS)


def _endpoint_of(service_name: str) -> str | None:
    """Return what the variables say, as a later botocore reads them; None leaves it to botocore."""
    own = os.environ.get(f"AWS_ENDPOINT_URL_{service_name.upper().replace('-', '_')}")
    return own or os.environ.get("AWS_ENDPOINT_URL")


def _patch_ssl(gateway: LocalManagementApi, ssl: Any) -> None:
    wrap = ssl.SSLContext.wrap_socket

    @wraps(wrap)
    def wrap_socket(self: Any, sock: Any, server_side: bool = False, *args: Any, **named: Any) -> Any:  # noqa: FBT001, FBT002  # as ssl has it
        if not server_side and type(sock) is socket.socket and gateway.is_peer(sock):
            return PlainSocket.of(sock)
        return wrap(self, sock, server_side, *args, **named)

    ssl.SSLContext.wrap_socket = wrap_socket


def _patch_asyncio(gateway: LocalManagementApi, base_events: Any) -> None:
    connect = base_events.BaseEventLoop.create_connection

    @wraps(connect)
    async def create_connection(
        self: Any, protocol_factory: Any, host: Any = None, port: Any = None, **named: Any
    ) -> Any:
        if named.get("ssl") and (gateway.is_at(host, port) or gateway.is_peer(named.get("sock"))):
            named.update(
                ssl=None, server_hostname=None, ssl_handshake_timeout=None, ssl_shutdown_timeout=None
            )
        return await connect(self, protocol_factory, host, port, **named)

    base_events.BaseEventLoop.create_connection = create_connection
