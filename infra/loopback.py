"""What is on this machine: the shell's proxies are for other machines."""

from typing import Any, Final
from urllib.parse import urlsplit

LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


def is_here(url: str) -> bool:
    """Return whether a URL leads to this machine."""
    return urlsplit(url).hostname in LOOPBACK


def past_proxies(endpoint: str | None) -> dict[str, Any]:
    """Return what botocore's ``Config`` is told of proxies: to ask none of them for what is on this machine,
    and nothing, so that the shell's are asked, for anything else.
    """
    return {"proxies": {}} if endpoint and is_here(endpoint) else {}
