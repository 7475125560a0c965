"""Columns that cut nothing off."""

from infra.cli.columns import column_lines


def test_columns_are_as_wide_as_their_widest_text_and_lines_end_without_blanks() -> None:
    lines = list(
        column_lines(("a", "price", ""), [("long one", "1.5", ""), ("b", "10", "x")], right=frozenset({1}))
    )
    assert lines == ["a         price", "long one    1.5", "b            10  x"]
