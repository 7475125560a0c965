"""What an instance of the runtime is given on its command line or by the environment."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chalice_offline.debugging import Debugging
from chalice_offline.services.ports import authority

STATE_DIR_NAME: Final = ".chalice-offline"
"""Where an instance keeps its data unless another is named: a directory of the project."""


@dataclass(frozen=True, slots=True)
class Options:
    """One instance.

    Attributes:
        stage: Chalice stage: selects the settings in ``config.json``.
        queues: CloudFormation template of the queues; None leaves it to ``local.toml``.
        database_url: A server to use instead of a managed one, as
            its owner if ``functions_database_url`` is given.
        functions_database_url: The same database as functions log
            in to it; None lets them use ``database_url``.
        aws_endpoint_url: An emulator to use instead of the managed MiniStack.
        python: Virtual environment, or interpreter, that functions run on; None for the runtime's own.
        debugging: How functions are debugged, without time-outs; None if they are not.
        port_variable: The variable that sets the port, for the message that another has to be chosen.
    """

    app_dir: Path
    host: str
    port: int
    state_dir: Path
    stage: str
    queues: Path | None
    database_url: str | None
    functions_database_url: str | None
    aws_endpoint_url: str | None
    reloads: bool
    python: Path | None = None
    debugging: Debugging | None = None
    port_variable: str = "CHALICE_OFFLINE_PORT"

    @property
    def interpreter(self) -> str:
        """The program that functions run on."""
        if self.python is None:
            return sys.executable
        # Not resolved: by the link's own place an interpreter finds its environment.
        place = self.python / "bin" / "python" if self.python.is_dir() else self.python
        return str(place.absolute())

    @property
    def local_host(self) -> str:
        """The host by which programs on this machine reach the gateway."""
        return "127.0.0.1" if self.host in {"0.0.0.0", "::"} else self.host  # noqa: S104  # compared, not bound

    @property
    def address(self) -> str:
        """Host and port of the gateway, as URLs have them."""
        return authority(self.local_host, self.port)
