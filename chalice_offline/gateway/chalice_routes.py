"""An app's routes in the shape in which ``chalice.local.LocalGateway`` reads them.

``LocalGateway`` wants the app object and calls it in-process. The stand-in here has the app's routes and,
when called, returns the event, so that the Lambda host can run it somewhere else.
"""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, Final, cast

from chalice.local import LocalGateway

from chalice_offline.invocation import AppManifest

INVOKE: Final = "invoke"  # key of an event that LocalGateway would have handed to the app

# Only feeds the context object that LocalGateway makes and that the stand-in ignores.
_CONFIG: Final = SimpleNamespace(lambda_timeout=None, function_name="", lambda_memory_size=128)


def local_gateway(manifest: AppManifest) -> LocalGateway:
    """Return a ``LocalGateway`` for the app that ``manifest`` describes; it authorizes every client."""
    # Both are stand-ins for the real thing by shape, not by type.
    return LocalGateway(cast("Any", _StandIn(manifest)), cast("Any", _CONFIG))


class _StandIn:
    """What ``LocalGateway`` uses of a ``Chalice`` object: ``routes``, ``api``, and being called."""

    def __init__(self, manifest: AppManifest) -> None:
        self.api = SimpleNamespace(binary_types=list(manifest.http_binary_types))
        self.routes = {
            path: dict.fromkeys(methods, _route(manifest.http_cors.get(path)))
            for path, methods in manifest.http_routes.items()
        }

    def __call__(self, event: dict[str, Any], _context: object) -> dict[str, Any]:
        return {INVOKE: event}


def _route(cors: Mapping[str, str] | None) -> SimpleNamespace:
    return SimpleNamespace(cors=None if cors is None else _Cors(cors), authorizer=None)


class _Cors:
    """A ``CORSConfig`` whose headers are known already."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = headers

    def get_access_control_headers(self) -> dict[str, str]:
        return dict(self._headers)
