"""Which arrays of ticks or bins a pool has: one bit each, the middle in the pool, the rest in its extension.

After raydium-io/raydium-clmm@03b44b7 ``states/tickarray_bitmap_extension.rs`` and
MeteoraAg/dlmm-sdk@fb02e51 ``commons/src/extensions/bin_array_bitmap.rs``. Array ``i`` covers ticks (bins)
from ``i`` times the array's width on.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

ROW_BITS: Final = 512
ROW_BYTES: Final = ROW_BITS // 8


class Bitmap(NamedTuple):
    """A set of array indexes: bit ``i + offset`` stands for ``i``."""

    bits: int
    offset: int

    def falling(self, start: int) -> Iterator[int]:
        """Yield the indexes from ``start`` downwards."""
        left = self.bits & (1 << max(start + self.offset + 1, 0)) - 1
        while left:
            top = left.bit_length() - 1
            yield top - self.offset
            left ^= 1 << top

    def rising(self, start: int) -> Iterator[int]:
        """Yield the indexes from ``start`` upwards."""
        base = max(start + self.offset, 0)
        left = self.bits >> base
        while left:
            low = left & -left
            yield low.bit_length() - 1 + base - self.offset
            left ^= low


def raydium_bitmap(middle: bytes, negative: bytes = b"", positive: bytes = b"") -> Bitmap:
    """Return a CLMM's tick arrays: rows of 512 ascend away from the middle, bits within a row ascend."""
    rows = [negative[at : at + ROW_BYTES] for at in range(0, len(negative), ROW_BYTES)]
    whole = b"".join(reversed(rows)) + middle + positive
    return Bitmap(int.from_bytes(whole, "little"), len(negative) * 8 + len(middle) * 4)


def meteora_bitmap(middle: bytes, negative: bytes = b"", positive: bytes = b"") -> Bitmap:
    """Return a DLMM's bin arrays: on the negative side bits, too, ascend away from the middle."""
    width = len(negative) * 8
    mirrored = int(f"{int.from_bytes(negative, 'little'):0{width}b}"[::-1], 2) if width else 0
    ascending = int.from_bytes(middle + positive, "little")
    return Bitmap(ascending << width | mirrored, width + len(middle) * 4)
