"""Which of the invocations that wait is next: callers take turns."""

from chalice_offline.invocation import Caller
from chalice_offline.lambda_host.turns import Turns, Waiting


def put(turns: Turns, key: str, *names: str) -> None:
    for name in names:
        turns.put(Waiting({"name": name}, lambda _outcome: None, Caller(key)))


def order(turns: Turns) -> str:
    return "".join(waiting.event["name"] for waiting in iter(turns.next, None))


def test_one_callers_invocations_come_in_their_order() -> None:
    turns = Turns()
    put(turns, "a", *"1234")
    assert (len(turns), order(turns), len(turns)) == (4, "1234", 0)


def test_caller_with_one_invocation_waits_for_one_of_each_other_caller() -> None:
    turns = Turns()
    put(turns, "noisy", *"n" * 1_000)
    put(turns, "noisy too", *"m" * 1_000)
    put(turns, "quiet", "q")
    assert order(turns).index("q") == 2


def test_caller_that_comes_back_each_time_has_every_other_turn() -> None:
    turns = Turns()
    put(turns, "noisy", *"n" * 5)
    served = ""
    for _ in range(5):
        put(turns, "quiet", "q")
        for waiting in (turns.next(), turns.next()):
            assert waiting is not None
            served += waiting.event["name"]
    assert served in {"nq" * 5, "qn" * 5}


def test_nothing_waits_in_the_end() -> None:
    turns = Turns()
    put(turns, "a", "1")
    assert (order(turns), turns.next(), len(turns)) == ("1", None, 0)
