import pytest

from chalicelib.domain.transactions import VALIDITY_BLOCKS, ChainView, SignedTransaction

SENT = SignedTransaction("signature", b"", 1_000)


@pytest.mark.parametrize(("height", "is_dead"), [(0, False), (1_002, False), (1_003, True), (9_000, True)])
def test_unknown_transaction_is_dead_only_past_its_last_height_and_the_margin(
    height: int, *, is_dead: bool
) -> None:
    assert ChainView(height, {}).proves_dead(SENT, margin_blocks=2) is is_dead


@pytest.mark.parametrize(
    ("history_from", "is_dead"),
    [(1_000 - VALIDITY_BLOCKS, True), (1_001 - VALIDITY_BLOCKS, False), (5_000, False)],
)
def test_node_that_has_forgotten_the_blocks_it_might_have_landed_in_proves_nothing(
    history_from: int, *, is_dead: bool
) -> None:
    view = ChainView(9_000, {}, history_from)
    assert view.proves_dead(SENT, margin_blocks=2) is is_dead


def test_first_blocks_of_a_chain_have_nothing_before_them_to_be_forgotten() -> None:
    assert ChainView(60, {}, 0).proves_dead(SignedTransaction("signature", b"", 50), margin_blocks=2)
