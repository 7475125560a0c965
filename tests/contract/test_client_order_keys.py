"""What every ``ClientOrderKeys`` promises: one content per id and account, for good."""

from uuid import uuid4

from tests.contract.records import Store


def test_id_is_tied_to_the_first_content(store: Store) -> None:
    key = str(uuid4())
    assert store.keys.reserve("alice", key, "aa")
    assert store.keys.reserve("alice", key, "aa")
    assert not store.keys.reserve("alice", key, "bb")
    assert store.keys.reserve("alice", key, "aa")


def test_accounts_have_ids_of_their_own(store: Store) -> None:
    key = str(uuid4())
    assert store.keys.reserve("alice", key, "aa")
    assert store.keys.reserve("bob", key, "bb")
