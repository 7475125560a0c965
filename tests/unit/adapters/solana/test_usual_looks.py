"""When transactions are asked for together with their statuses: at the look at which they usually landed."""

from chalicelib.adapters.solana.usual_looks import UsualLooks


def test_first_look_is_expected_to_find_what_was_sent_until_it_is_seen_not_to() -> None:
    usual = UsualLooks()
    assert usual.expected(["one", "two"]) == ["one", "two"]
    for number in range(30):
        usual.looked([f"{number}"], ())
    assert usual.expected(["one"]) == []


def test_transactions_that_land_at_their_second_look_are_expected_then() -> None:
    usual = UsualLooks()
    for number in range(30):
        usual.looked([f"{number}"], ())
        usual.looked([f"{number}"], [f"{number}"])
    assert usual.expected(["one"]) == []
    usual.looked(["one"], ())
    assert usual.expected(["one"]) == ["one"]


def test_chain_that_became_faster_is_noticed_without_asking_for_more() -> None:
    usual = UsualLooks()
    for number in range(30):
        usual.looked([f"slow {number}"], ())
    for number in range(30):
        usual.looked([f"fast {number}"], [f"fast {number}"])
    assert usual.expected(["one"]) == ["one"]


def test_transaction_that_never_lands_is_not_asked_for_at_every_look() -> None:
    usual = UsualLooks()
    asked = 0
    for _ in range(200):
        asked += len(usual.expected(["lost"]))
        usual.looked(["lost"], ())
    assert asked < 30
