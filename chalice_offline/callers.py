"""Which requests to a server on loopback come from this machine's own programs, and which from a web page.

A browser lets any page send requests to 127.0.0.1. It always says whose page it was where it matters: in
``Origin`` for WebSockets, for what is not a GET, and for what a script reads; else in ``Sec-Fetch-Site``
(https://www.w3.org/TR/ fetch-metadata/), which page code cannot forge. A page that had its own name resolve
to 127.0.0.1 (DNS rebinding) is of the same origin to the browser, and given away by ``Host``.
"""

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

Headers = Sequence[tuple[bytes, bytes]]
HeadersByName = Mapping[bytes, bytes]
"""Names in lower case; of a header that was sent twice, the later one."""

_AUTHORITY: Final = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::[0-9]{1,5})?")
_HOST_CHARS_MAX: Final = 255
_SAYS_WHERE_FROM: Final = frozenset({b"host", b"origin", b"sec-fetch-site", b"referer"})
_OF_BROWSERS: Final = frozenset({b"origin", b"sec-fetch-site"})
# The others are ``same-origin`` and ``none``: a page of our own, and an address that a person typed.
_FOREIGN_SITES: Final = frozenset({b"cross-site", b"same-site"})


@dataclass(frozen=True, slots=True)
class Callers:
    """Who may call a server on loopback.

    Attributes:
        own_origins: Origins of pages that the server itself serves,
            besides ``http://`` and the request's own ``Host``.
        hosts: Names in ``Host``, without port, that are allowed besides those of loopback.
        origins: Origins whose pages are allowed although others serve them.
    """

    own_origins: frozenset[str] = frozenset()
    hosts: frozenset[str] = frozenset()
    origins: frozenset[str] = frozenset()

    def refusal(self, headers: Headers) -> str | None:
        """Return why a request is refused, None if it is not. Names of headers may be in any case."""
        telling = _telling(_names(headers))
        # Nearly all requests say their host, and nothing else of where they are from.
        if len(telling) == 1 and telling[0][1] == b"host":
            host = headers[telling[0][0]][1]
            if is_loopback_host(_text_of(host)):
                return None
        return self._judged(
            {
                name: [headers[place][1].strip() for place, named in telling if named == name]
                for name in _SAYS_WHERE_FROM
            }
        )

    def _judged(self, said: Mapping[bytes, Sequence[bytes]]) -> str | None:
        """Return the same, by the values of each header that says where a request is from."""
        hosts = said[b"host"]
        if len(hosts) != 1:
            return "a request must have one Host header"
        host = _text_of(hosts[0])
        if not (is_loopback_host(host) or _name_of(host) in self.hosts):
            return f"Host {host[:_HOST_CHARS_MAX]!r} is not a name of this machine's loopback address"
        own = f"http://{host}"
        for origin in said[b"origin"]:
            text = origin.decode("latin-1").lower()
            if text != own and text not in self.own_origins and text not in self.origins:
                return f"Origin {text[:_HOST_CHARS_MAX]!r} is not ours"
        is_foreign = any(site.lower() in _FOREIGN_SITES for site in said[b"sec-fetch-site"])
        if not is_foreign or said[b"origin"]:
            return None
        # A GET for an image, a script or a link names no origin; the page's address is the next best.
        pages = [_origin_of(referer.decode("latin-1")) for referer in said[b"referer"]]
        if pages and all(page in self.origins for page in pages):
            return None
        return "the request was made by a page of another origin"


def own_origins(host: str, port: int) -> frozenset[str]:
    """Return the origins that browsers may give to pages of a server that listens on a loopback ``host``."""
    shown = f"[{host}]" if ":" in host else host
    names = {shown, "localhost"} if host != "localhost" else {"localhost", "127.0.0.1", "[::1]"}
    # A browser leaves the scheme's own port out.
    return frozenset(f"http://{name}" if port == 80 else f"http://{name}:{port}" for name in names)


def by_name(headers: Headers) -> HeadersByName:
    if not headers:
        return {}
    names, values = zip(*headers, strict=True)
    return dict(zip(_in_lower_case(names), values, strict=True))


def is_surely_a_programs(headers: Headers, named: HeadersByName) -> bool:
    """Return whether a request, by its headers and the same by name, was surely made by a program, and to
    loopback: no ``Callers`` would refuse it. Nearly all requests tell so at first sight.
    """
    return (
        _OF_BROWSERS.isdisjoint(named)
        and len(named) == len(headers)
        and is_loopback_name(named.get(b"host", b""))
    )


@lru_cache(maxsize=64)
def is_loopback_name(host: bytes) -> bool:
    """Return the same as ``is_loopback_host``, of a header as it was sent."""
    return is_loopback_host(_text_of(host))


@lru_cache(maxsize=64)
def _in_lower_case(names: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """Return the names of some headers: the requests of one program have the same nearly always."""
    return tuple(name.lower() for name in names)


def is_made_by_a_browser(headers: Headers) -> bool:
    """Return whether a request carries what browsers add and programs do not."""
    return not _OF_BROWSERS.isdisjoint([name for _, name in _telling(_names(headers))])


def is_loopback(host: str) -> bool:
    """Return whether only programs on this machine can reach a server bound to ``host``."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@lru_cache(maxsize=64)
def is_loopback_host(host: str, *, takes_subdomains: bool = False) -> bool:
    """Return whether a ``Host`` header, in lower case, names
    loopback: ``localhost`` or an address, and any port.

    Args:
        takes_subdomains: Whether ``NAME.localhost`` will do, which not every resolver keeps on this machine.
    """
    name = _name_of(host)
    return name is not None and (is_loopback(name) or (takes_subdomains and name.endswith(".localhost")))


def _names(headers: Headers) -> tuple[bytes, ...]:
    return next(zip(*headers, strict=True), ())


@lru_cache(maxsize=64)
def _telling(names: tuple[bytes, ...]) -> tuple[tuple[int, bytes], ...]:
    """Return which of some headers say where a request is from: their places, and their names in lower case.
    The requests of one program have the same names nearly always.
    """
    lowered = [name.lower() for name in names]
    return tuple((place, name) for place, name in enumerate(lowered) if name in _SAYS_WHERE_FROM)


def _name_of(host: str) -> str | None:
    """Return the name or address in a ``Host`` header, None if it has no such form."""
    found = _AUTHORITY.fullmatch(host)
    return found[1].strip("[]") if found else None


def _origin_of(url: str) -> str:
    try:
        parts = urlsplit(url.lower())
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.netloc}"


def _text_of(host: bytes) -> str:
    return host.strip().decode("latin-1").lower()
