"""Events as people read them."""

import pytest

from infra.cli.event_lines import event_line

EVENT = {"orderId": "01a21f69-7adc-7adc-b4a9-db9881056388", "attempt": 1}
TERMS = {"inputToken": "SOL", "outputToken": "USDC"}


@pytest.mark.parametrize(
    ("facts", "line"),
    [
        ({"status": "pending", **TERMS}, "01a21f69…6388 pending    SOL → USDC"),
        ({"status": "routing"}, "01a21f69…6388 routing"),
        (
            {"status": "routing", "attempt": 2, "reason": "expired"},
            "01a21f69…6388 routing    expired (attempt 2)",
        ),
        ({"status": "submitted", "txSignature": "5" * 80}, "01a21f69…6388 submitted  5555555555555555"),
        (
            {
                "status": "confirmed",
                "inputAmount": "1500",
                "outputAmount": "224852.905446",
                "txSignature": "5",
            },
            "01a21f69…6388 confirmed  1500 SOL → 224852.905446 USDC",
        ),
        (
            {"status": "failed", "code": "NO_ROUTE", "message": "none"},
            "01a21f69…6388 failed     NO_ROUTE none",
        ),
        ({"status": "triggered", "observedPrice": "119.9"}, "01a21f69…6388 triggered  at 119.9"),
        ({"status": "teleported"}, "01a21f69…6388 teleported"),
    ],
)
def test_line_says_what_the_event_adds(facts: dict[str, object], line: str) -> None:
    assert event_line({**EVENT, **facts}, TERMS) == line
