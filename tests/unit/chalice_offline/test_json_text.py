"""Two ways to read and write JSON, and no difference to be seen."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalice_offline.json_text import decoded, encoded

TEXTS = st.text(st.characters(codec=None), max_size=20)
NUMBERS = st.integers() | st.floats(allow_nan=False)
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
)


@given(DOCUMENTS)
def test_documents_survive_the_way_there_and_back(document: object) -> None:
    assert json.loads(encoded(document)) == document
    assert decoded(encoded(document)) == document
    assert decoded(json.dumps(document).encode()) == document


def deep(levels: int) -> object:
    document: object = 1
    for _ in range(levels):
        document = [document]
    return document


@pytest.mark.parametrize("document", ["\ud800", {"\udfff": 1}, deep(300), 10**400, float("inf")])
def test_what_is_rare_survives_too(document: object) -> None:
    assert decoded(encoded(document)) == document


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b"1 2", b"[" * 100_000])
def test_no_json_is_an_error(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # whichever parser says it
        decoded(data)
