"""What the clock sysvar says of time, and of how long slots take."""

import pytest

from chalicelib.adapters.solana.accounts import Account
from chalicelib.adapters.solana.clock import EPOCH_SLOTS, ClockSysvar, clock_of
from chalicelib.adapters.solana.programs import SYSVARS, TOKEN
from tests.unit.adapters.solana.test_tokens import u

NOW_S = 1_795_822_000


def test_clock_is_read_from_its_sysvar_only() -> None:
    data = u(463_000_125, 8) + u(NOW_S - 70_000, 8) + u(1071, 8) + u(1072, 8) + u(NOW_S, 8)
    clock = clock_of(Account(SYSVARS, 1, data))
    assert clock == ClockSysvar(463_000_125, 1071, NOW_S, NOW_S - 70_000)
    assert clock.slot_s == pytest.approx(70_000 / 328_125)
    with pytest.raises(ValueError, match="owned by"):
        clock_of(Account(TOKEN, 1, data))
    with pytest.raises(ValueError, match="needs 40 bytes"):
        clock_of(Account(SYSVARS, 1, data[:-1]))


@pytest.mark.parametrize(
    ("slot", "unix_time"), [(2**64 - 1, NOW_S), (1, 2**63 - 1), (1, 2**35 + 1), (1, 2**63), (1, 2**64 - 1)]
)
def test_clock_of_no_calendar_is_none(slot: int, unix_time: int) -> None:
    data = u(slot, 8) + u(NOW_S, 8) + u(1071, 8) + u(1072, 8) + u(unix_time, 8)
    with pytest.raises(ValueError, match="a clock at slot"):
        clock_of(Account(SYSVARS, 1, data))


def test_epochs_are_counted_also_on_clusters_that_began_with_shorter_ones() -> None:
    first = 524_256 + (1100 - 14) * EPOCH_SLOTS
    assert ClockSysvar(first + 1_000, 1100, NOW_S, NOW_S - 400).slot_s == 0.4


@pytest.mark.parametrize(
    "clock",
    [
        pytest.param(ClockSysvar(8 * EPOCH_SLOTS + 290, 8, NOW_S, NOW_S - 59), id="the epoch has just begun"),
        pytest.param(ClockSysvar(8 * EPOCH_SLOTS, 8, NOW_S, NOW_S - 100), id="no slot has passed"),
        pytest.param(ClockSysvar(9 * EPOCH_SLOTS, 8, NOW_S, NOW_S - 90_000), id="of another epoch"),
        pytest.param(ClockSysvar(8 * EPOCH_SLOTS + 1_000, 8, NOW_S, NOW_S - 1_001), id="it stood still"),
        pytest.param(ClockSysvar(8 * EPOCH_SLOTS + 9_999, 8, NOW_S, NOW_S - 400), id="faster than any chain"),
        pytest.param(ClockSysvar(8 * EPOCH_SLOTS + 999, 8, NOW_S, 2**63 - 1), id="it begins in the future"),
        pytest.param(ClockSysvar(8 * EPOCH_SLOTS + 999, 8, NOW_S), id="it does not say when it began"),
    ],
)
def test_clock_that_does_not_show_the_pace_says_so(clock: ClockSysvar) -> None:
    assert clock.slot_s is None
