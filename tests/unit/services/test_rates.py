"""Each kind of request has a rate of its own, for each account."""

import pytest

from chalicelib.domain.errors import Code, LimitExceededError
from chalicelib.services.rates import Rate, Request, RequestRates
from tests.fakes.outside import FrozenClock


def rates(clock: FrozenClock) -> RequestRates:
    return RequestRates(dict.fromkeys(Request, Rate(per_second=2, burst=3)), clock)


def admitted(limits: RequestRates, account_id: str, kind: Request) -> int:
    """Ask until it is refused; return how often it was not."""
    return next(count for count in range(100) if is_refused(limits, account_id, kind))


def is_refused(limits: RequestRates, account_id: str, kind: Request) -> bool:
    try:
        limits.admit(account_id, kind)
    except LimitExceededError as refusal:
        return (refusal.code, kind in refusal.message) == (Code.RATE_LIMITED, True)
    return False


@pytest.mark.parametrize("kind", Request)
def test_kind_that_is_used_up_leaves_the_others_and_other_accounts_theirs(kind: Request) -> None:
    limits = rates(FrozenClock())
    assert admitted(limits, "alice", kind) == 3
    assert {admitted(limits, "alice", other) for other in Request if other is not kind} == {3}
    assert admitted(limits, "bob", kind) == 3


def test_rate_is_what_counts_after_the_burst() -> None:
    clock = FrozenClock()
    limits = rates(clock)
    admitted(limits, "alice", Request.QUOTE)
    clock.sleep(1)
    assert admitted(limits, "alice", Request.QUOTE) == 2
