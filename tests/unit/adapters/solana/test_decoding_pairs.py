"""What a DLMM pair's bytes become where no recorded swap says it: they are put there one by one."""

import pytest

from chalicelib.adapters.solana.accounts import Unsupported
from chalicelib.adapters.solana.meteora_dlmm import DlmmAccounts
from chalicelib.adapters.solana.programs import SwapProgram
from chalicelib.amm.activation import ActivationType
from chalicelib.amm.dlmm_fee import DlmmCollectFeeMode
from tests.unit.adapters.solana.examples import a_case, a_pool, refusal_of, with_bytes
from tests.vectors.onchain import Case

FUNCTION, REWARDS = 35, (264, 408)


def pair(case: Case) -> DlmmAccounts:
    pool = a_pool(case)
    assert isinstance(pool, DlmmAccounts)
    return pool


def a_pair(at: int, raw: bytes, kind: str = "normal") -> Case:
    case = a_case(SwapProgram.DLMM, kind)
    return with_bytes(case, case.pool, at, raw)


@pytest.mark.parametrize(("pair_type", "is_activated"), [(0, False), (1, True), (2, True), (3, False)])
@pytest.mark.parametrize("activation", [(0, ActivationType.SLOT), (1, ActivationType.TIMESTAMP)])
def test_pair_opens_at_its_point_if_it_is_of_a_kind_that_has_one(
    pair_type: int, is_activated: bool, activation: tuple[int, ActivationType]
) -> None:
    case = a_pair(75, bytes([pair_type]))
    case = with_bytes(case, case.pool, 86, bytes([activation[0]]))
    state = pair(with_bytes(case, case.pool, 816, (77).to_bytes(8, "little"))).state
    assert (state.activation_point, state.activation_type) == (
        (77, activation[1]) if is_activated else (0, ActivationType.TIMESTAMP)
    )


@pytest.mark.parametrize(
    ("function", "reward", "has_orders"),
    [(2, None, True), (2, 0, True), (0, None, True), (0, 0, False), (0, 1, False), (1, None, False)],
)
def test_pair_has_limit_orders_by_its_function_or_for_lack_of_rewards(
    function: int, reward: int | None, has_orders: bool
) -> None:
    case = a_pair(FUNCTION, bytes([function]), "limit_order")
    for told in (b"\x01".ljust(32, b"\0"), b"\x01".rjust(32, b"\0")):
        for number, at in enumerate(REWARDS):
            case = with_bytes(case, case.pool, at, told if reward == number else bytes(32))
        assert bool(pair(case).state.orders) is has_orders


@pytest.mark.parametrize(
    ("at", "believed", "refused"),
    [
        (34, b"\x09", b"\x0a"),
        (32, (10_000).to_bytes(2, "little"), (10_001).to_bytes(2, "little")),
        (80, b"\x01\0", b"\0\0"),
        (80, (400).to_bytes(2, "little"), (10_001).to_bytes(2, "little")),
    ],
    ids=["power", "share", "smallest step", "largest step"],
)
def test_pair_is_believed_up_to_the_programs_bounds(at: int, believed: bytes, refused: bytes) -> None:
    assert refusal_of(a_pair(at, refused)) is Unsupported.IMPLAUSIBLE
    small_step = a_pair(80, b"\x01\0")
    case = with_bytes(small_step, small_step.pool, 76, bytes(4))
    case = with_bytes(case, case.pool, at, believed)
    a_pool(case)


def test_pair_collects_its_fee_in_what_its_bytes_say() -> None:
    modes = [pair(a_pair(36, bytes([mode]))).state.parameters.collect_fee_mode for mode in (0, 1)]
    assert modes == [DlmmCollectFeeMode.INPUT, DlmmCollectFeeMode.ONLY_Y]
