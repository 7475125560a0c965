"""What is printed arrives line by line, however it is cut on its way."""

from collections.abc import Sequence

import pytest

from chalice_offline.lambda_host.output import LINE_BYTES_MAX, LineReader


def lines_of(*pieces: bytes) -> list[str]:
    found: list[str] = []

    def note(lines: Sequence[str]) -> None:
        assert lines, "nothing is not worth a call"
        found.extend(lines)

    reader = LineReader(note)
    for piece in pieces:
        reader.data_received(piece)
    reader.connection_lost(None)
    return found


PRINTED = "one\n\ntwö\r\nthree\r\r\n\r\nfo\rur\x0bfive\u2028six\x85\nend".encode() + b"\xe2\n\xffx"
EXPECTED = ["one", "twö", "three", "fo\rur\x0bfive\u2028six\x85", "end�", "�x"]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1_000])
def test_lines_are_the_same_however_they_arrive(size: int) -> None:
    assert lines_of(*(PRINTED[at : at + size] for at in range(0, len(PRINTED), size))) == EXPECTED


def test_line_without_end_is_cut() -> None:
    assert lines_of(b"x" * LINE_BYTES_MAX, b"y", b"z\nlast\n") == [f"{'x' * LINE_BYTES_MAX}y", "z", "last"]
