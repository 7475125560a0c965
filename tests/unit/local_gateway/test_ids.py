import os
import uuid

from infra.local.gateway.ids import is_well_formed, new_id, new_uuid


def test_new_id_is_well_formed_and_new() -> None:
    first, second = new_id(os.urandom), new_id(os.urandom)
    assert is_well_formed(first)
    assert first != second


def test_uuid_is_a_random_one_of_the_standard_form() -> None:
    made = {new_uuid(os.urandom) for _ in range(100)}
    assert len(made) == 100
    for text in made:
        assert str(uuid.UUID(text)) == text
        assert (uuid.UUID(text).version, uuid.UUID(text).variant) == (4, uuid.RFC_4122)
