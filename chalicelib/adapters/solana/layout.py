"""Account layouts as tables: the name, offset and type of each field, little-endian, read in one go."""

from collections.abc import Mapping
from struct import Struct
from typing import Final, NamedTuple

from chalicelib.adapters.solana.keys import KEY_BYTES, Pubkey

# Type: (format of the struct module, bytes). Wider integers than it knows are read as bytes first.
_TYPES: Final = {
    "u8": ("B", 1),
    "u16": ("H", 2),
    "u32": ("I", 4),
    "u64": ("Q", 8),
    "i32": ("i", 4),
    "i64": ("q", 8),
    "u128": ("16s", 16),
    "i128": ("16s", 16),
    "key": ("32s", KEY_BYTES),
}


class Fields(NamedTuple):
    """What an account or an event holds, by the program's own names."""

    ints: Mapping[str, int]
    keys: Mapping[str, Pubkey]
    blobs: Mapping[str, bytes]


class Layout:
    """Fields at fixed offsets.

    Args:
        length: Of the whole, in bytes.
        table: One field a line: name, offset from the first byte, type. Types are those of Rust, ``key``, and
            ``bytesN``. Bytes that no line names are padding, or nothing we read.
    """

    def __init__(self, name: str, length: int, table: str) -> None:
        self.name = name
        self.length = length
        self._ints: list[tuple[int, str, bool | None]] = []
        self._keys: list[tuple[int, str]] = []
        self._blobs: list[tuple[int, str]] = []
        code, end = "<", 0
        lines = [line.split() for line in table.strip().splitlines()]
        for index, (field, offset, kind) in enumerate(lines):
            gap = int(offset) - end
            assert gap >= 0, f"{name}.{field} overlaps the field before it"
            if kind == "key":
                self._keys.append((index, field))
            elif kind.startswith("bytes"):
                self._blobs.append((index, field))
            else:
                is_wide = kind in {"u128", "i128"}
                self._ints.append((index, field, kind == "i128" if is_wide else None))
            letters, width = _blob(kind) if kind.startswith("bytes") else _TYPES[kind]
            code += f"{gap}x{letters}"
            end = int(offset) + width
        assert end <= length, f"{name} has fields beyond its length"
        self._struct: Final = Struct(code)
        self.end: Final = self._struct.size

    def read(self, data: bytes, offset: int = 0) -> Fields:
        """Return all fields.

        Raises:
            ValueError: The data ends before the last field does.
        """
        if len(data) - offset < self._struct.size:
            raise ValueError(f"{self.name} needs {self._struct.size} bytes, not {len(data) - offset}")
        values = self._struct.unpack_from(data, offset)
        return Fields(
            {
                name: values[i] if signed is None else int.from_bytes(values[i], "little", signed=signed)
                for i, name, signed in self._ints
            },
            {name: Pubkey(values[i]) for i, name in self._keys},
            {name: values[i] for i, name in self._blobs},
        )


def _blob(kind: str) -> tuple[str, int]:
    width = int(kind.removeprefix("bytes"))
    return f"{width}s", width
