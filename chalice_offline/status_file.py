"""``status.json``, kept true while an instance runs."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

from chalice_offline.logs import Log
from chalice_offline.state_dir import StateDir

_INTERVAL_S: Final = 1.0


class StatusFile:
    """Writes an instance's status when it changes, as far as the disk has room."""

    def __init__(self, state: StateDir, log: Log, status: Callable[[], Mapping[str, Any]]) -> None:
        self._state = state
        self._log = log
        self._status = status
        self._is_stale = False
        self._published: Mapping[str, Any] = {}

    async def keep(self) -> None:
        """Look every second; ends when cancelled."""
        while True:
            self.update()
            await asyncio.sleep(_INTERVAL_S)

    def update(self) -> None:
        """Look now, as before what makes others read it is told."""
        status = self._status()
        if status != self._published and self._write(status):
            self._published = status

    def _write(self, status: Mapping[str, Any]) -> bool:
        """Return whether it could be written: a full disk may have room again later."""
        try:
            self._state.write_status(status)
        except OSError as error:
            if not self._is_stale:
                self._log.event("warning", "status.json is out of date", reason=str(error))
            self._is_stale = True
            return False
        self._is_stale = False
        return True
