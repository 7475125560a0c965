"""What tests of the local chain leave open is closed."""

from collections.abc import Iterator

import pytest

from tests.unit.infra.chain.builders import opened


@pytest.fixture(scope="module", autouse=True)
def closed_stores() -> Iterator[None]:
    yield
    while opened:
        opened.pop().close()
