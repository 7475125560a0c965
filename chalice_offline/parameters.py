"""Kinds of options, each with the rule that its values keep to; what breaks one exits with 2 and names it."""

import os
import socket
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import click


class Host(click.ParamType[str]):
    """An address to listen on, or a name of one."""

    name = "host"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the host."""
        if not _is_known(value):
            self.fail(f"{value!r} is no address, nor a name of one", param, ctx)
        return str(value)


class EndpointUrl(click.ParamType[str]):
    """Where an emulated AWS is."""

    name = "url"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the URL."""
        if not _is_http(value):
            self.fail(f"{value!r} is no http or https URL, such as http://127.0.0.1:4566", param, ctx)
        return str(value)


class Python(click.Path):
    """A virtual environment, or an interpreter."""

    def __init__(self) -> None:
        super().__init__(exists=True, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path."""
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        program = path / "bin" / "python" if path.is_dir() else path
        if not os.access(program, os.X_OK):
            self.fail(f"{program} is no interpreter", param, ctx)
        return path


def _is_known(host: str) -> bool:
    try:
        return bool(host and socket.getaddrinfo(host, None))
    except (OSError, UnicodeError):
        return False


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").encode("idna"), parts.port
    except ValueError:  # of the port; what encoding raises is one as well
        return False
    return parts.scheme in {"http", "https"} and host != b"" and port != 0


HOST: Final = Host()
ENDPOINT_URL: Final = EndpointUrl()
PYTHON: Final = Python()
