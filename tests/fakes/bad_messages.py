"""Messages that no release of the engine writes, each broken in one way:
poison for a consumer that trusts the queue.
"""

import json
from typing import Any, Final

from chalicelib.domain.queue_messages import OrderMessage
from chalicelib.wire.queue_messages import render_message
from tests.fakes.orders import an_order

_NIL: Final = "00000000-0000-0000-0000-000000000000"

BAD_ORDERS: Final[dict[str, dict[str, Any]]] = {
    "price base of neither token": {"price_base": "BTC"},
    "price base empty": {"price_base": ""},
    "amount of 2^64": {"amount_units": 2**64},
    "amount of 10^40": {"amount_units": 10**40},
    "amount of a thousand digits": {"amount_units": 10**1000},
    "amount zero": {"amount_units": 0},
    "amount negative": {"amount_units": -5},
    "amount true": {"amount_units": True},
    "amount text": {"amount_units": "5"},
    "amount fraction": {"amount_units": 1.5},
    "amount null": {"amount_units": None},
    "slippage above all": {"slippage_bps": 10_001},
    "slippage negative": {"slippage_bps": -1},
    "slippage of 2^31": {"slippage_bps": 2**31},
    "NUL in a token": {"input_token": "SO\x00L", "price_base": "USDC"},
    "NUL in the account": {"account_id": "al\x00ice"},
    "NUL in the client order id": {"client_order_id": "c\x00"},
    "NUL in the digest": {"content_sha256": "\x00"},
    "same token twice": {"output_token": "SOL"},
    "token empty": {"output_token": "", "price_base": "SOL"},
    "token very long": {"output_token": "U" * 100_000},
    "account empty": {"account_id": ""},
    "account very long": {"account_id": "a" * 129},
    "account huge": {"account_id": "a" * 100_000},
    "account null": {"account_id": None},
    "client order id empty": {"client_order_id": ""},
    "client order id long": {"client_order_id": "c" * 65},
    "date without zone": {"accepted_at": "2026-01-01T12:00:00"},
    "deadline without zone": {"valid_until": "2026-01-01T12:01:00"},
    "date number": {"accepted_at": 1_767_268_800},
    "date beyond the calendar": {
        "accepted_at": "9999-12-31T23:59:59-23:59",
        "valid_until": "9999-12-31T23:59:59-23:59",
    },
    "date before the calendar": {
        "accepted_at": "0001-01-01T00:00:00+23:59",
        "valid_until": "0001-01-01T00:00:00+23:59",
    },
    "deadline before acceptance": {"valid_until": "2026-01-01T11:59:59Z"},
    "deadline in a year": {"valid_until": "2027-01-01T12:00:00Z"},
    "order type not offered": {"order_type": "limit"},
    "order type unknown": {"order_type": "stop"},
    "swap mode unknown": {"swap_mode": "exactIn"},
    "order id no UUID": {"order_id": "7"},
    "order id nil": {"order_id": _NIL},
    "submission no UUID": {"submission_id": "x"},
    "member from elsewhere": {"limit_price": "150"},
    "decimals of no sniper order": {"output_decimals": 6},
}

BAD_SUBSCRIPTIONS: Final[dict[str, dict[str, Any]]] = {
    "after a negative seq": {"after_seq": -1},
    "after a seq beyond the column": {"after_seq": 2**31},
    "after a fraction": {"after_seq": 0.5},
    "order id nil": {"order_id": _NIL},
    "no connection": {"connection_id": ""},
    "NUL in the connection": {"connection_id": "c\x00"},
    "connection very long": {"connection_id": "c" * 1_000},
    "NUL in the account": {"account_id": "a\x00"},
    "is new by a number": {"is_new": 1},
}

BAD_BODIES: Final[dict[str, str]] = {
    "nothing": "",
    "no JSON": "hello",
    "JSON cut off": '{"kind":"order","order":{"order_id"',
    "list": "[]",
    "text": '"order"',
    "number": "7",
    "null": "null",
    "empty object": "{}",
    "kind unknown": '{"kind":"amend"}',
    "kind a list": '{"kind":[]}',
    "kind an object": '{"kind":{"order":1}}',
    "order missing": '{"kind":"order"}',
    "order a list": '{"kind":"order","order":[1,2]}',
    "order empty": '{"kind":"order","order":{}}',
    "nested deeply": '{"kind":"order","order":' + '{"a":' * 20_000 + "1" + "}" * 20_000 + "}",
    "lists deeply": "[" * 200_000,
    "huge": '{"kind":"order","x":"' + "x" * 250_000 + '"}',
    "number of many digits": '{"kind":"resume","order_id":' + "9" * 100_000 + "}",
    "NaN": '{"kind":"resume","order_id":NaN}',
    "lone surrogate": '{"kind":"resume","order_id":"\ud800"}',
    "escaped surrogate": '{"kind":"resume","order_id":"\\ud800"}',
    "NUL": '{"kind":"resume","order_id":"\x00"}',
}


def an_order_body(**members: Any) -> str:
    """Return the message of a sound order, with some of its members replaced."""
    message = json.loads(render_message(OrderMessage(order=an_order(), connection_id="c=")))
    message["order"] |= members
    return json.dumps(message)
