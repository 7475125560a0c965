"""What clients send nearly always, read without a parser: a short text in a frame of its own (RFC 6455, 5.2).

websockets' parser takes a frame apart step by step, in six generators; that is six times the work.
"""

from typing import Final

from websockets.frames import apply_mask  # type: ignore[attr-defined]  # of C, or its stand-in

_FIN_TEXT: Final = 0x81
_MASKED: Final = 0x80
_TWO_BYTES: Final = 126
_EIGHT_BYTES: Final = 127
_MASK_BYTES: Final = 4


def whole_text(data: bytes, *, bytes_max: int) -> bytes | None:
    """Return the payload of a text message if some bytes are one masked frame with all of it, nothing else.

    ``bytes_max``: Longer ones are the parser's to refuse.
    """
    if len(data) < 2 + _MASK_BYTES or data[0] != _FIN_TEXT:
        return None
    size, begin = data[1] - _MASKED, 2 + _MASK_BYTES
    if size == _TWO_BYTES:
        size, begin = int.from_bytes(data[2:4], "big"), 4 + _MASK_BYTES
    elif size == _EIGHT_BYTES:
        return None
    if len(data) != begin + size or size > bytes_max:
        return None
    return bytes(apply_mask(data[begin:], data[begin - _MASK_BYTES : begin]))


class FrameEnds:
    """Follows a client's frames, whatever is in them, so as to know where they end.

    Attributes:
        is_between: Whether what has come ends with a frame.
    """

    def __init__(self) -> None:
        self.is_between = True
        self._missing = 0  # of the frame whose head has come last
        self._head = b""  # of one whose head is not complete

    def follow(self, data: bytes) -> None:
        at, data = self._missing, self._head + data
        self._head = b""
        while at < len(data):
            size = _frame_bytes(data[at : at + 10])
            if size is None:
                self._head, at = data[at:], len(data)
            else:
                at += size
        self._missing = at - len(data)
        self.is_between = not self._missing and not self._head


def _frame_bytes(head: bytes) -> int | None:
    """Return how long a frame is; None if too little of its head is there to tell."""
    if len(head) < 2:
        return None
    size, length_bytes = head[1] & ~_MASKED, 0
    if size >= _TWO_BYTES:
        length_bytes = 2 if size == _TWO_BYTES else 8
        if len(head) < 2 + length_bytes:
            return None
        size = int.from_bytes(head[2 : 2 + length_bytes], "big")
    return 2 + length_bytes + (_MASK_BYTES if head[1] & _MASKED else 0) + size
