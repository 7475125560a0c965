"""Each kind of request has a rate of its own, for each account."""

import pytest

from chalicelib.domain.errors import Code, LimitExceededError
from chalicelib.services.intake.rates import RequestKind, RequestRate, RequestRates
from tests.fakes.ports import FrozenClock


def rates(clock: FrozenClock) -> RequestRates:
    return RequestRates(dict.fromkeys(RequestKind, RequestRate(per_second=2, burst=3)), clock)


def admitted(limits: RequestRates, account_id: str, kind: RequestKind) -> int:
    """Ask until it is refused; return how often it was not."""
    return next(count for count in range(100) if is_refused(limits, account_id, kind))


def is_refused(limits: RequestRates, account_id: str, kind: RequestKind) -> bool:
    try:
        limits.admit(account_id, kind)
    except LimitExceededError as refusal:
        return (refusal.code, kind in refusal.message) == (Code.RATE_LIMITED, True)
    return False


@pytest.mark.parametrize("kind", RequestKind)
def test_kind_that_is_used_up_leaves_the_others_and_other_accounts_theirs(kind: RequestKind) -> None:
    limits = rates(FrozenClock())
    assert admitted(limits, "alice", kind) == 3
    assert {admitted(limits, "alice", other) for other in RequestKind if other is not kind} == {3}
    assert admitted(limits, "bob", kind) == 3


def test_refusal_says_how_long_its_kind_has_to_wait() -> None:
    clock = FrozenClock()
    limits = rates(clock)
    admitted(limits, "alice", RequestKind.QUOTE)
    clock.sleep(0.125)
    with pytest.raises(LimitExceededError) as refused:
        limits.admit("alice", RequestKind.QUOTE)
    assert refused.value.wait_s == 0.375


def test_rate_is_what_counts_after_the_burst() -> None:
    clock = FrozenClock()
    limits = rates(clock)
    admitted(limits, "alice", RequestKind.QUOTE)
    clock.sleep(1)
    assert admitted(limits, "alice", RequestKind.QUOTE) == 2
