"""A swap's request: an amount that an instruction can carry."""

import pytest

from chalicelib.amm.swaps import U64_MAX, Exact, Refusal, Swap, SwapRefusedError


@pytest.mark.parametrize("amount", [1, U64_MAX])
def test_amount_may_be_any_positive_u64(amount: int) -> None:
    assert Swap(Exact.IN, amount, 0).amount == amount


@pytest.mark.parametrize("amount", [0, -1, U64_MAX + 1])
def test_amount_that_no_instruction_can_carry_is_an_error(amount: int) -> None:
    with pytest.raises(ValueError, match="amount must be 1 to"):
        Swap(Exact.OUT, amount, 1)


@pytest.mark.parametrize("refusal", Refusal)
def test_refusal_says_why(refusal: Refusal) -> None:
    error = SwapRefusedError(refusal)
    assert (error.refusal, str(error)) == (refusal, refusal.value)
