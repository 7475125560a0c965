"""What many parts of the runtime are given."""

import io
from collections.abc import Iterator

import pytest

from chalice_offline.logs import Log


@pytest.fixture
def log() -> Iterator[Log]:
    """A log that nothing reads, closed at the end: it writes in a thread of its own."""
    log = Log(io.StringIO())
    yield log
    log.close()
