"""Frames between the runtime and an execution environment: a 4-byte big-endian length,
then that many bytes of JSON.
"""

from typing import Final

_LENGTH_BYTES: Final = 4
_BYTES_MAX: Final = 2**32 - 1


def frame(document: bytes) -> bytes:
    return len(document).to_bytes(_LENGTH_BYTES, "big") + document


class FrameReader:
    """Cuts a byte stream into documents, however the bytes arrive."""

    def __init__(self, bytes_max: int = _BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Return the documents that these bytes complete, in order.

        Raises:
            ValueError: A document would be longer than allowed; the stream is of no more use.
        """
        if not self._buffer and _is_one_frame(data):  # as nearly always
            return [data[_LENGTH_BYTES:]]
        self._buffer += data
        documents: list[bytes] = []
        start = 0
        while len(self._buffer) - start >= _LENGTH_BYTES:
            size = int.from_bytes(self._buffer[start : start + _LENGTH_BYTES], "big")
            if size > self._bytes_max:
                raise ValueError(f"a document of {size} bytes; at most {self._bytes_max} are allowed")
            end = start + _LENGTH_BYTES + size
            if len(self._buffer) < end:
                break
            documents.append(bytes(self._buffer[start + _LENGTH_BYTES : end]))
            start = end
        del self._buffer[:start]
        return documents


def _is_one_frame(data: bytes) -> bool:
    return len(data) == _LENGTH_BYTES + int.from_bytes(data[:_LENGTH_BYTES], "big")
