"""Order ids: sortable by time, or derived from the client's own."""

from uuid import RFC_4122, UUID, uuid5

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.ids import client_order_uuid, new_order_id


@given(now_ms=st.integers(0, 2**48 - 1))
def test_new_id_is_a_version_7_uuid_with_its_time_in_front(now_ms: int) -> None:
    order_id = new_order_id(now_ms)
    assert (order_id.version, order_id.variant) == (7, RFC_4122)
    assert order_id.int >> 80 == now_ms


def test_ids_of_one_millisecond_differ() -> None:
    assert len({new_order_id(1) for _ in range(1000)}) == 1000


@given(account=st.text(min_size=1), key=st.text(min_size=1))
def test_client_order_id_always_leads_to_the_same_order(account: str, key: str) -> None:
    assert client_order_uuid(account, key) == client_order_uuid(account, key)
    assert client_order_uuid(account, key) != client_order_uuid(account + "x", key)


@given(account=st.text(min_size=1), key=st.text(min_size=1))
def test_client_order_id_leads_to_the_id_that_it_led_to_in_every_release(account: str, key: str) -> None:
    namespace = UUID("6f1d5f0e-8a44-5d6e-9c53-0f7f5b9f2f11")
    assert client_order_uuid(account, key) == uuid5(namespace, f"{len(account)}:{account}:{key}")


def test_account_and_key_are_kept_apart() -> None:
    assert client_order_uuid("a", "b:c") != client_order_uuid("a:b", "c")
    assert client_order_uuid("1:a", "b") != client_order_uuid("1", "a:b")
