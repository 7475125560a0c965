"""The probe app behind our gateway, without the Lambda host: handlers run in threads of this process."""

import asyncio
import importlib.util
import json
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from chalice_offline.gateway import Gateway, GatewaySettings
from chalice_offline.invocation import (
    ANY_CALLER,
    AppManifest,
    Caller,
    Functions,
    Outcome,
    Raised,
    Returned,
    TimedOut,
)
from tests.fakes.functions import FakeHost

PROBE_APP = Path(__file__).parent / "probe_app"

Handler = Callable[[Any, Any], Any]


class ThreadFunctions(FakeHost):
    """Runs handlers in threads; events and results pass through JSON, as on Lambda."""

    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        super().__init__()
        self._handlers = handlers

    async def invoke(
        self,
        function_name: str,
        event: Mapping[str, Any],
        *,
        timeout_s: float | None = None,
        caller: Caller = ANY_CALLER,
    ) -> Outcome:
        assert caller.still_waits()
        try:
            call = asyncio.to_thread(self._handlers[function_name], json.loads(json.dumps(event)), None)
            payload = json.loads(json.dumps(await asyncio.wait_for(call, timeout_s)))
        except TimeoutError:
            assert timeout_s is not None
            return TimedOut(timeout_s)
        except Exception as error:  # noqa: BLE001  # whatever a handler raises is its outcome
            return Raised(type(error).__name__, str(error))
        return Returned(payload)


class GatewayThread:
    """A running gateway with an event loop of its own, for tests that are not asynchronous."""

    def __init__(self, settings: GatewaySettings, manifest: AppManifest, functions: Functions) -> None:
        self._loop = asyncio.new_event_loop()
        self._gateway = Gateway(settings, manifest, functions)
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._gateway.start(), self._loop).result()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._gateway.port}"

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._gateway.stop(), self._loop).result()
        asyncio.run_coroutine_threadsafe(self._loop.shutdown_default_executor(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def probe_functions() -> ThreadFunctions:
    """Load the probe app and return its functions under Chalice's names."""
    spec = importlib.util.spec_from_file_location("probe_app", PROBE_APP / "app.py")
    assert spec is not None
    assert spec.loader is not None
    probe = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(probe)
    return ThreadFunctions(
        {
            "websocket_connect": probe.connect,
            "websocket_message": probe.message,
            "websocket_disconnect": probe.disconnect,
            "authorize": probe.authorize,
            "api_handler": probe.app,
        }
    )


def probe_manifest(**changes: Any) -> AppManifest:
    """Describe the probe app, with some fields changed."""
    fields: dict[str, Any] = {
        "app_name": "gateway-probe",
        "websocket_handlers": {
            "$connect": "websocket_connect",
            "$default": "websocket_message",
            "$disconnect": "websocket_disconnect",
        },
        "http_function": "api_handler",
        "http_routes": {"/echo/{name}": ("POST",)},
        "http_cors": {"/echo/{name}": {"Access-Control-Allow-Origin": "*"}},
    }
    return AppManifest(**{**fields, **changes})
