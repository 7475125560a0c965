import pytest

from chalicelib.adapters.solana.programs import Cluster
from chalicelib.adapters.solana.spending import MainnetRefusedError, SpendCaps, check_spend, require_leave
from chalicelib.domain.errors import RefusedError

CAPS = {"SOL": SpendCaps(10, 25)}


def test_mainnet_starts_with_leave_and_caps_for_every_token_only() -> None:
    require_leave(Cluster.MAINNET, is_allowed=True, caps=CAPS, tokens=["SOL"])
    require_leave(Cluster.DEVNET, is_allowed=False, caps={}, tokens=["SOL"])
    with pytest.raises(MainnetRefusedError, match=r"SOLANA_ALLOW_MAINNET must be 1; caps .* for RAY, USDC"):
        require_leave(Cluster.MAINNET, is_allowed=False, caps=CAPS, tokens=["USDC", "SOL", "RAY"])


def test_caps_of_one_unit_and_of_a_whole_day_for_one_order_start() -> None:
    caps = {"SOL": SpendCaps(1, 1), "USDC": SpendCaps(7, 7)}
    require_leave(Cluster.MAINNET, is_allowed=True, caps=caps, tokens=["SOL", "USDC"])


@pytest.mark.parametrize("cap", [SpendCaps(0, 5), SpendCaps(-1, 5), SpendCaps(6, 5)])
def test_caps_that_make_no_sense_do_not_start(cap: SpendCaps) -> None:
    with pytest.raises(MainnetRefusedError, match="within the day's: SOL"):
        require_leave(Cluster.MAINNET, is_allowed=True, caps={"SOL": cap}, tokens=["SOL"])


@pytest.mark.parametrize(("units", "spent"), [(10, 0), (10, 15), (1, 24)])
def test_order_within_both_caps_is_signed(units: int, spent: int) -> None:
    check_spend(CAPS, "SOL", units, spent_today=spent, is_demanded=True)


@pytest.mark.parametrize(
    ("units", "spent", "problem"), [(11, 0, "one order"), (10, 16, "day's cap"), (1, 25, "day's")]
)
def test_order_beyond_a_cap_is_refused(units: int, spent: int, problem: str) -> None:
    with pytest.raises(RefusedError, match=problem):
        check_spend(CAPS, "SOL", units, spent_today=spent, is_demanded=True)


def test_token_without_caps_is_spent_only_where_none_are_demanded() -> None:
    check_spend(CAPS, "USDC", 10**9, spent_today=0, is_demanded=False)
    with pytest.raises(RefusedError, match="USDC has no cap"):
        check_spend(CAPS, "USDC", 1, spent_today=0, is_demanded=True)
