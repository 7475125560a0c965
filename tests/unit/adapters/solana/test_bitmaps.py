"""Against the programs' own way of counting, written out for one index at a time."""

from random import Random

from chalicelib.adapters.solana.bitmaps import Bitmap, meteora_bitmap, raydium_bitmap


def _raydium_place(index: int) -> tuple[str, int]:
    """``TickArrayBitmapExtension::get_bitmap_offset`` and ``tick_array_offset_in_bitmap``, tick spacing 1."""
    if -512 <= index < 512:
        return "middle", index + 512
    start, boundary = index * 60, 512 * 60
    row = abs(start) // boundary - 1
    if start < 0 and abs(start) % boundary == 0:
        row -= 1
    bit = abs(start) % boundary // 60
    if start < 0 and bit:
        bit = 512 - bit
    return ("positive" if start > 0 else "negative"), row * 512 + bit


def _meteora_place(index: int) -> tuple[str, int]:
    if -512 <= index <= 511:
        return "middle", index + 512
    if index > 0:
        return "positive", (index // 512 - 1) * 512 + index % 512
    mirrored = -(index + 1)
    return "negative", (mirrored // 512 - 1) * 512 + mirrored % 512


def _blobs(places: list[tuple[str, int]], rows: int) -> dict[str, bytes]:
    numbers = dict.fromkeys(("middle", "negative", "positive"), 0)
    for side, bit in places:
        numbers[side] |= 1 << bit
    return {
        side: number.to_bytes(128 if side == "middle" else rows * 64, "little")
        for side, number in numbers.items()
    }


def _assert_walks(bitmap: Bitmap, indexes: list[int], random: Random) -> None:
    for start in [0, -1, 511, 512, -512, -513, *random.choices(indexes, k=5), 10**5, -(10**5)]:
        assert list(bitmap.falling(start)) == [index for index in reversed(indexes) if index <= start]
        assert list(bitmap.rising(start)) == [index for index in indexes if index >= start]


def test_tick_arrays_are_found_in_the_middle_and_in_all_rows() -> None:
    random = Random(1)
    edges = [-512, 511, 512, -513, -1024, -1025, 1023, 1024, 7679, -7680]
    indexes = sorted({*edges, *random.sample(range(-7680, 7680), 200)})
    bitmap = raydium_bitmap(**_blobs([_raydium_place(index) for index in indexes], 14))
    _assert_walks(bitmap, indexes, random)


def test_bin_arrays_are_found_in_the_middle_and_in_all_rows() -> None:
    random = Random(2)
    edges = [-512, 511, 512, -513, -1024, -1025, 1023, 1024, 6655, -6656]
    indexes = sorted({*edges, *random.sample(range(-6656, 6656), 200)})
    bitmap = meteora_bitmap(**_blobs([_meteora_place(index) for index in indexes], 12))
    _assert_walks(bitmap, indexes, random)


def test_pool_without_an_extension_has_the_middle_alone() -> None:
    indexes = [-512, -3, 0, 511]
    middle = _blobs([_raydium_place(index) for index in indexes], 0)["middle"]
    for bitmap in (raydium_bitmap(middle), meteora_bitmap(middle)):
        _assert_walks(bitmap, indexes, Random(3))
