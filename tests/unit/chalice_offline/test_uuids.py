import uuid

from chalice_offline.uuids import new_uuid


def test_uuid_is_a_random_one_of_the_standard_form() -> None:
    made = {new_uuid() for _ in range(100)}
    assert len(made) == 100
    for text in made:
        assert str(uuid.UUID(text)) == text
        assert (uuid.UUID(text).version, uuid.UUID(text).variant) == (4, uuid.RFC_4122)
