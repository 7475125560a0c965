"""What is asked for, before it leaves."""

import pytest

from orderflow_client.models import OrderFields
from orderflow_client.requests import checked, order_path


def test_name_that_no_request_has_is_refused_not_dropped() -> None:
    with pytest.raises(TypeError, match="stop_price is not one of"):
        checked(OrderFields, {"side": "sell", "amount": "1", "stop_price": "140"})


def test_only_an_order_id_becomes_a_path() -> None:
    order_id = "0192f3a4-5b6c-7d8e-9f01-23456789abcd"
    assert order_path(order_id) == f"/orders/{order_id}"
    with pytest.raises(ValueError, match=r"'\.\./venues' is no order's id, which is a UUID"):
        order_path("../venues")
