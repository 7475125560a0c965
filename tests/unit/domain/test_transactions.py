"""What one view of a chain proves of a transaction that it does not know."""

import pytest

from chalicelib.domain.transactions import (
    VALIDITY_BLOCKS,
    ChainView,
    SignatureStatus,
    SignedTransaction,
    TransactionStatus,
)

LAST = 1_000
MARGIN = 2


def a_transaction() -> SignedTransaction:
    return SignedTransaction(signature="s", payload=b"", last_valid_height=LAST)


@pytest.mark.parametrize(
    ("height", "is_dead"), [(LAST, False), (LAST + MARGIN, False), (LAST + MARGIN + 1, True)]
)
def test_transaction_is_dead_once_its_validity_and_the_margin_have_passed(
    height: int, *, is_dead: bool
) -> None:
    assert ChainView(height, {}).proves_dead(a_transaction(), margin_blocks=MARGIN) is is_dead


@pytest.mark.parametrize(
    ("history_from", "is_dead"), [(LAST - VALIDITY_BLOCKS, True), (LAST - VALIDITY_BLOCKS + 1, False)]
)
def test_node_that_has_forgotten_when_it_might_have_landed_proves_nothing(
    history_from: int, *, is_dead: bool
) -> None:
    view = ChainView(LAST + 500, {}, history_from)
    assert view.proves_dead(a_transaction(), margin_blocks=MARGIN) is is_dead


def test_chain_that_is_younger_than_a_validity_has_forgotten_nothing() -> None:
    young = SignedTransaction(signature="s", payload=b"", last_valid_height=10)
    assert ChainView(20, {}).proves_dead(young, margin_blocks=MARGIN)


def test_transaction_of_which_others_may_say_more_is_not_proved_dead() -> None:
    view = ChainView(LAST + 500, {}, doubted={"s"})
    assert not view.proves_dead(a_transaction(), margin_blocks=MARGIN)


@pytest.mark.parametrize("status", SignatureStatus)
def test_only_what_a_view_does_not_know_can_be_dead_to_it(status: SignatureStatus) -> None:
    statuses = {"s": TransactionStatus(status)}
    is_dead = status is SignatureStatus.UNKNOWN
    late, early = (ChainView(LAST + more, statuses) for more in (MARGIN + 1, MARGIN))
    assert late.dead([a_transaction()], margin_blocks=MARGIN) == (
        frozenset({"s"}) if is_dead else frozenset()
    )
    assert early.dead([a_transaction()], margin_blocks=MARGIN) == frozenset()
