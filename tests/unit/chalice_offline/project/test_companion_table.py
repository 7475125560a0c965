"""``[[companions]]``: what a table may hold."""

from typing import Any

import pytest
from pydantic import ValidationError

from chalice_offline.project.companion_table import CompanionTable

LEAST: dict[str, Any] = {"name": "web", "command": "serve"}


def test_name_and_command_are_enough() -> None:
    table = CompanionTable.model_validate(LEAST)
    assert (table.port, table.ready, table.when, table.gives) == (None, None, {}, {})


@pytest.mark.parametrize(
    ("changed", "place"),
    [
        ({"name": "Web"}, "name"),
        ({"name": "postgres"}, "name"),
        ({"command": ""}, "command"),
        ({"ports": 17}, "ports"),
        ({"ready": "ftp://127.0.0.1"}, "ready"),
        ({"redy": "tcp://127.0.0.1:1"}, "redy"),
    ],
)
def test_table_with_a_mistake_is_refused_by_its_field(changed: dict[str, Any], place: str) -> None:
    with pytest.raises(ValidationError) as caught:
        CompanionTable.model_validate({**LEAST, **changed})
    assert [error["loc"] for error in caught.value.errors()] == [(place,)]
