"""How far streams were read, kept over restarts in a file of the instance's."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Protocol

from chalice_offline.logs import Log
from chalice_offline.project.functions import StreamTrigger
from chalice_offline.state_dir import write_private

FIRST: Final = ""
"""Where a shard begins, in place of a record's sequence number."""


class Positions(Protocol):
    """Where one mapping has got to in each shard of its stream."""

    def last(self, shard: str) -> str | None:
        """Return the sequence number of the last record that is behind it, None if nothing was noted."""
        ...

    def reached(self, shard: str, sequence: str) -> None:
        """Note that a record, and all before it, are dealt with, or none of the mapping's; ``FIRST``
        if the mapping is to have them all. Raises nothing.
        """
        ...


class PositionsFile:
    """The positions of all mappings. What cannot be written is told once, and read again after a restart."""

    def __init__(self, path: Path, log: Log) -> None:
        self._path = path
        self._log = log
        self._is_stale = False
        self._kept = _read(path)

    def of(self, trigger: StreamTrigger) -> Positions:
        """Return those of a trigger: of a function, and the stream that it names."""
        return _OfOneMapping(self, f"{trigger.function_name} {trigger.service} {trigger.stream}")

    def last(self, mapping: str, shard: str) -> str | None:
        return self._kept.get(mapping, {}).get(shard)

    def reached(self, mapping: str, shard: str, sequence: str) -> None:
        self._kept.setdefault(mapping, {})[shard] = sequence
        try:
            write_private(self._path, json.dumps(self._kept))
        except OSError as error:
            if not self._is_stale:
                self._log.event("warning", "how far streams were read is not kept", reason=str(error))
            self._is_stale = True
            return
        self._is_stale = False


class _OfOneMapping:
    def __init__(self, file: PositionsFile, mapping: str) -> None:
        self._file = file
        self._mapping = mapping

    def last(self, shard: str) -> str | None:
        return self._file.last(self._mapping, shard)

    def reached(self, shard: str, sequence: str) -> None:
        self._file.reached(self._mapping, shard, sequence)


def _read(path: Path) -> dict[str, dict[str, str]]:
    """Return what was kept; nothing if there is none, or it cannot be read: then the code says where to
    begin.
    """
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    shards = kept.items() if isinstance(kept, dict) else ()
    return {str(name): _texts(by_shard) for name, by_shard in shards if isinstance(by_shard, Mapping)}


def _texts(by_shard: Mapping[str, object]) -> dict[str, str]:
    return {shard: last for shard, last in by_shard.items() if isinstance(last, str)}
