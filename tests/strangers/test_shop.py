"""An app that asks AWS for a parameter while it is imported, and keeps what it is told in a bucket."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.instance import REPOSITORY, Instance

SHOP = REPOSITORY / "tests" / "strangers" / "shop"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    with Instance(SHOP, tmp_path_factory.mktemp("shop") / "state", "--no-reload") as instance:
        yield instance


def call(instance: Instance, method: str, path: str, document: Any = None) -> Any:
    request = urllib.request.Request(
        f"http://127.0.0.1:{instance.port}/api/{path}",
        None if document is None else json.dumps(document).encode(),
        {"Content-Type": "application/json"},
        method=method,
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def test_parameter_that_on_start_makes_is_there_when_the_app_is_imported(shop: Instance) -> None:
    assert call(shop, "PUT", "orders/1", {"tea": 2}) == {"prices": "tea=3"}


def test_object_is_asked_for_by_its_head_and_read(shop: Instance) -> None:
    call(shop, "PUT", "orders/2", {"tea": 5})
    assert call(shop, "GET", "orders/2") == {"size": 10, "order": {"tea": 5}}
    with pytest.raises(urllib.error.HTTPError, match="404"):
        call(shop, "GET", "orders/3")
