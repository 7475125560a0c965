"""An order as REST shows it: its terms, where it stands, and what its last event said."""

from dataclasses import replace

from chalicelib.adapters.token_list import load_tokens
from chalicelib.domain.orders import OrderState
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.wire.order_views import order_view
from chalicelib.wire.rest_answers import OrderBody
from chalicelib.wire.server_frames import json_text
from tests.fakes.orders import LIFE, NOON, advanced, an_order, changed


def test_order_is_shown_in_wire_form_and_as_documented() -> None:
    state, _ = advanced(OrderState(an_order(client_order_id="mine")), *LIFE)
    shown = order_view(state, {"txSignature": "5x"}, NOON, load_tokens())
    expected = {
        "clientOrderId": "mine", "status": "confirmed", "seq": 6, "type": "market", "inputToken": "SOL",
        "outputToken": "USDC", "swapMode": "exactIn", "amount": "1", "acceptedAt": "2026-01-01T12:00:00.000Z",
        "validUntil": "2026-01-01T12:01:00.000Z", "txSignature": "5x",
    }  # fmt: skip
    assert expected.items() <= shown.items()
    OrderBody.model_validate_json(json_text(shown))


def test_amount_is_in_the_token_that_the_client_fixed() -> None:
    bought = changed(an_order(amount_units=10**6), swap_mode=SwapMode.EXACT_OUT)
    state, _ = advanced(OrderState(bought), *LIFE[:1])
    assert order_view(state, {}, NOON, load_tokens())["amount"] == "1"


def test_last_event_never_covers_a_term() -> None:
    state, _ = advanced(OrderState(an_order()), *LIFE[:1])
    shown = order_view(replace(state), {"slippageBps": "1.25", "type": "x"}, NOON, load_tokens())
    assert (shown["slippageBps"], shown["type"]) == (50, "market")
