"""The page of error codes: every code once, with the status that is really answered."""

import re
from pathlib import Path

import pytest

from chalicelib.domain.errors import Code
from chalicelib.handlers.errors import status_of
from infra.specs.error_table import MEANINGS, error_table

CONSUMER = Path(__file__).parents[4] / "chalicelib" / "services" / "consumer"
ROW = re.compile(r"^\| `(\w+)` \| (\S+) \| (yes|–) \| (.+) \|$", re.MULTILINE)
ROWS = {code: (status, ends, meaning) for code, status, ends, meaning in ROW.findall(error_table())}


def test_every_code_has_one_row_in_the_order_of_their_definition() -> None:
    assert list(ROWS) == [code.value for code in Code]
    assert MEANINGS.keys() == set(Code)


@pytest.mark.parametrize("code", Code)
def test_row_has_the_status_that_is_answered(code: Code) -> None:
    kind, meaning = MEANINGS[code]
    status, _, told = ROWS[code]
    assert status == ("–" if kind is None else str(status_of(kind, code)))
    assert told == meaning


@pytest.mark.parametrize("code", [code for code in Code if MEANINGS[code][0] is None])
def test_code_that_no_request_is_refused_with_ends_orders(code: Code) -> None:
    assert ROWS[code][1] == "yes"


def test_each_code_that_the_consumer_names_ends_orders() -> None:
    named = {
        code for path in CONSUMER.glob("*.py") for code in re.findall(r"\bCode\.(\w+)", path.read_text())
    }
    assert named
    assert [code for code in sorted(named) if ROWS[code][1] != "yes"] == []
