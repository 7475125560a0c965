"""An order's story: terms in words, moments short, amounts in token units."""

from typing import Any

import pytest

from chalicelib.adapters.token_list import load_tokens
from infra.cli.order_story import story_lines, terms_text

ORDER: dict[str, Any] = {
    "order_id": "8d6f7d36-6498-555c-b95a-0593d2f81a71",
    "status": "confirmed",
    "order_type": "market",
    "trigger_terms": {"when": "below", "price": "140"},
    "slippage_bps": 2000,
    "swap_mode": "exact_in",
    "input_token": "SOL",
    "output_token": "USDC",
    "account_id": "local",
    "accepted_at": "2026-11-27T23:59:59.95305+00:00",
}
EVENTS: list[dict[str, Any]] = [
    {"seq": 1, "status": "open", "attempt": 1, "occurred_at": ORDER["accepted_at"], "data": {}},
    {
        "seq": 12,
        "status": "open",
        "attempt": 1,
        "occurred_at": "2026-11-28T00:00:01.5+00:00",
        "data": {"amended": {"limitPrice": "144"}},
    },
]
ATTEMPT: dict[str, Any] = {
    "attempt": 1,
    "outcome": None,
    "signature": "5Ro2",
    "signed_at": ORDER["accepted_at"],
    "threshold_units": 119879440,
}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"order_type": "market"}, "market"),
        ({"order_type": "limit", "limit_terms": {"price": "145"}}, "limit 145"),
        (ORDER, "below 140, market"),
        (ORDER | {"order_type": "limit", "limit_terms": {"price": "139"}}, "below 140, limit 139"),
    ],
)
def test_terms_are_what_an_order_executes_on(row: dict[str, Any], said: str) -> None:
    assert terms_text(row) == said


def test_story_has_the_terms_every_event_and_every_attempt() -> None:
    lines = list(story_lines(ORDER, "1 SOL → USDC", EVENTS, [ATTEMPT], load_tokens()))
    assert lines[0].endswith("confirmed  1 SOL → USDC")
    assert "  terms            below 140, market  slippage 2000 bps" in lines
    assert "  1  23:59:59.953        open" in lines
    assert " 12  11-28 00:00:01.500  open    limitPrice 144" in lines
    assert lines[-2:] == [
        "attempt 1  not known yet  5Ro2",
        "  signed 23:59:59.953, at least 119.87944 USDC",
    ]


def test_amount_of_a_token_that_is_not_listed_is_in_its_units() -> None:
    order = ORDER | {"output_token": "GONE"}
    assert list(story_lines(order, "", EVENTS, [ATTEMPT], load_tokens()))[-1].endswith(
        "119879440 units of GONE"
    )
