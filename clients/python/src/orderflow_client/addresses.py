"""Where an engine answers: its WebSocket and its REST API, from the one address that a caller gives."""

from ipaddress import ip_address
from typing import Final, NamedTuple
from urllib.parse import SplitResult, urlsplit, urlunsplit

_PLAIN: Final = {"ws": "http", "http": "http", "wss": "https", "https": "https"}
_SOCKET: Final = {"http": "ws", "https": "wss"}
_STAGES: Final = ("/ws", "/api")


class Addresses(NamedTuple):
    """
    Attributes:
        is_local: Both are on this machine: no proxy stands between, and a token may go without TLS.
        is_secret: Both are reached over TLS.
    """

    websocket: str
    rest: str
    is_local: bool
    is_secret: bool


def addresses(url: str, rest_url: str | None = None) -> Addresses:
    """Return both addresses.

    Args:
        url: ``http(s)://host``, or the WebSocket's own ``ws(s)://host/ws``; the other one follows from it.
        rest_url: The REST API's, where that is another host's: on AWS each of the two has its own.

    Raises:
        ValueError: No such URL, or one that carries a query, credentials or a fragment.
    """
    parts = _parts(url)
    base = parts.path.rstrip("/")
    for stage in _STAGES:
        base = base.removesuffix(stage)
    scheme = _PLAIN[parts.scheme]
    websocket = urlunsplit((_SOCKET[scheme], parts.netloc, f"{base}/ws", "", ""))
    rest = urlunsplit((scheme, parts.netloc, f"{base}/api", "", ""))
    hosts = [parts]
    if rest_url is not None:
        other = _parts(rest_url)
        rest = urlunsplit((_PLAIN[other.scheme], other.netloc, other.path.rstrip("/"), "", ""))
        hosts.append(other)
    return Addresses(
        websocket,
        rest,
        is_local=all(_is_loopback(each.hostname or "") for each in hosts),
        is_secret=all(_PLAIN[each.scheme] == "https" for each in hosts),
    )


def _parts(url: str) -> SplitResult:
    parts = _url(url)
    if parts is None or parts.scheme not in _PLAIN or not parts.hostname:
        raise ValueError(
            "the engine's address must be a http, https, ws or wss URL, such as http://127.0.0.1:3000"
        )
    if parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError(
            "the engine's address must carry no query, fragment or credentials; tokens are an argument"
        )
    return parts


def _url(text: str) -> SplitResult | None:
    try:
        parts = urlsplit(text)
        is_one = parts.port != 0
    except ValueError:
        is_one = False  # brackets that hold no address, or a port that is none
    return parts if is_one else None


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
