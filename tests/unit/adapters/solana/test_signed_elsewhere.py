"""Signatures that a service gives, for a whole batch."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Final
from uuid import UUID

import pytest

from chalicelib.adapters.solana.signer import SeedSigner
from chalicelib.domain.errors import KeyUnusableError
from tests.unit.adapters.solana.test_chain import a_chain, a_node, an_order

WAIT_S: Final = 30.0


class SlowSigner(SeedSigner):
    """A signer elsewhere, which signs once all who shall wait with each other have asked."""

    def __init__(self, together: int) -> None:
        super().__init__(b"seed")
        self._all_here = Barrier(together)

    def sign(self, account_id: str, message: bytes) -> bytes:
        self._all_here.wait(WAIT_S)
        return super().sign(account_id, message)


def test_holder_of_keys_elsewhere_is_waited_for_with_all_of_a_batch_at_once() -> None:
    """A batch of ten would have no time for ten answers of half a second, one after the other."""
    orders = [an_order(number) for number in (1, 2, 3)]
    with ThreadPoolExecutor(3) as executor:
        signed = a_chain(a_node(), signer=SlowSigner(3), executor=executor).sign(orders)
    one_by_one = [a_chain(a_node()).sign([order])[0] for order in orders]
    assert [each.signature for each in signed] == [each.signature for each in one_by_one]


class OneUnusable(SlowSigner):
    """A signer elsewhere whose key cannot be used for one order, while others are signed for."""

    def __init__(self, together: int, order_id: UUID) -> None:
        super().__init__(together)
        self._mark = order_id.hex.encode()

    def sign(self, account_id: str, message: bytes) -> bytes:
        signature = super().sign(account_id, message)
        if self._mark in message:
            raise KeyUnusableError("the wallet's key cannot be used now")
        return signature


@pytest.mark.parametrize("place", [0, 2])
def test_key_that_cannot_be_used_is_told_as_such_wherever_its_order_stands(place: int) -> None:
    orders = [an_order(number) for number in (1, 2, 3)]
    signer = OneUnusable(3, orders[place].order_id)
    with ThreadPoolExecutor(3) as executor, pytest.raises(KeyUnusableError):
        a_chain(a_node(), signer=signer, executor=executor).sign(orders)
