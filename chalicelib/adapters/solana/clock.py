"""The chain's clock, as its sysvar tells it to the programs, and how long its slots take.

https://docs.anza.xyz/runtime/sysvars#clock
"""

from typing import Final, NamedTuple

from chalicelib.adapters.solana.accounts import Account
from chalicelib.adapters.solana.keys import address_of
from chalicelib.adapters.solana.layouts import CLOCK
from chalicelib.adapters.solana.programs import SYSVARS

EPOCH_SLOTS: Final = 432_000
# The first epochs of devnet and testnet were shorter (getEpochSchedule there: ``warmup``).
_FIRST_FULL_EPOCH, _FIRST_FULL_SLOT = 14, 524_256
# Times are in whole seconds, and the median of what validators say: to a few per cent after so long.
_SAYS_AFTER_S: Final = 60
_SLOT_S_MIN, _SLOT_S_MAX = 0.05, 1.0
_SLOT_MAX: Final = 2**53
_UNIX_TIME_MAX: Final = 2**35
"""In the year 3058. A calendar has no room for what a node can write here."""


class ClockSysvar(NamedTuple):
    """The chain's own time, which all four programs go by.

    Attributes:
        epoch_start_timestamp: When the epoch's first slot was.
    """

    slot: int
    epoch: int
    unix_timestamp: int
    epoch_start_timestamp: int = 0

    @property
    def slot_s(self) -> float | None:
        """How long a slot has taken in this epoch on average, in seconds; None if the clock does not show it.

        Clusters change it from epoch to epoch: mainnet's slots took 400 ms until 2026, and half of that
        since.
        """
        passed_s = self.unix_timestamp - self.epoch_start_timestamp
        slots = self.slot - self._first_slot
        if passed_s < _SAYS_AFTER_S or not 0 < slots < EPOCH_SLOTS:
            return None
        slot_s = passed_s / slots
        return slot_s if _SLOT_S_MIN <= slot_s <= _SLOT_S_MAX else None

    @property
    def _first_slot(self) -> int:
        first = self.epoch * EPOCH_SLOTS
        if self.slot < first:  # it began with shorter epochs
            return _FIRST_FULL_SLOT + (self.epoch - _FIRST_FULL_EPOCH) * EPOCH_SLOTS
        return first


def clock_of(account: Account) -> ClockSysvar:
    """Return what the clock sysvar says.

    Raises:
        ValueError: It is no clock.
    """
    if account.owner != SYSVARS:
        raise ValueError(f"the clock is owned by {address_of(account.owner)}")
    ints = CLOCK.read(account.data).ints
    if ints["slot"] > _SLOT_MAX or not 0 <= ints["unix_timestamp"] <= _UNIX_TIME_MAX:
        raise ValueError(f"a clock at slot {ints['slot']} and second {ints['unix_timestamp']}")
    return ClockSysvar(ints["slot"], ints["epoch"], ints["unix_timestamp"], ints["epoch_start_timestamp"])
