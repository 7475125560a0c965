"""Whether what ``TRACES`` asks for is installed.

It is in a set of its own, and in no package unless asked for.
"""

from importlib.util import find_spec
from typing import Final

from chalicelib.config import ConfigurationError

EXPORTER: Final = "opentelemetry.exporter.otlp.proto.http"


def check_tracing(module: str = EXPORTER) -> None:
    """Raise ``ConfigurationError`` if spans could not be exported.

    Nothing of OpenTelemetry is loaded here.
    """
    if not _is_there(module):
        problem = "needs OpenTelemetry, which is not installed: requirements-traces.txt has it"
        raise ConfigurationError(f"TRACES: {problem}")


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False
