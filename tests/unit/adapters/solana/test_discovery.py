import pytest

from chalicelib.adapters.solana.discovery import discover, merged
from chalicelib.adapters.solana.keys import address_of
from chalicelib.adapters.solana.programs import PROGRAM_IDS, Cluster, SwapProgram
from chalicelib.domain.tokens import Token
from tests.unit.adapters.solana.examples import a_case, a_pool
from tests.unit.adapters.solana.fake_node import FakeNode, nodes_of

IDS = PROGRAM_IDS[Cluster.MAINNET]


@pytest.mark.parametrize("program", list(SwapProgram))
def test_pool_is_found_by_its_pair_either_way_and_lists_its_tokens_in_its_own_order(
    program: SwapProgram,
) -> None:
    node = FakeNode()
    for other in SwapProgram:
        node.accounts.update(a_case(other).accounts)
    case = a_case(program)
    mints = [address_of(mint.key) for mint in a_pool(case).mints]
    first, second = (Token(symbol, mint, 6, 1, 0) for symbol, mint in zip("AB", mints, strict=True))
    for pair in ((first, second), (second, first)):
        (found,) = discover(nodes_of(node), IDS, pair)
        assert (found.program, found.listed.key, found.listed.tokens) == (program, case.pool, ("A", "B"))
    assert node.requests == []
    assert discover(nodes_of(node), IDS, (first, second), is_together=True) == (found,)
    assert node.requests == [["getProgramAccounts"] * 8]
    kept = found.listed._replace(pool_id="mine")
    assert merged([kept], [found]) == (kept,)
    assert merged([], [found]) == (found.listed,)


def test_account_of_the_right_length_that_is_no_pool_is_left_out() -> None:
    node = FakeNode()
    case = a_case(SwapProgram.CPMM)
    account = case.accounts[case.pool]
    node.accounts[case.pool] = account._replace(data=b"\0" * 8 + account.data[8:])
    mints = [address_of(mint.key) for mint in a_pool(case).mints]
    pair = Token("A", mints[0], 6, 1, 0), Token("B", mints[1], 6, 1, 0)
    assert discover(nodes_of(node), IDS, pair) == ()
