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


def test_content_of_an_id_is_looked_up_without_tying_it(store: Store) -> None:
    key = str(uuid4())
    assert store.contents.content_of("alice", key) is None
    assert store.keys.reserve("alice", key, "aa")
    assert store.contents.content_of("alice", key) == "aa"
    assert store.contents.content_of("bob", key) is None
