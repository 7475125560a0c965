import os

from chalice_offline.gateway.ids import is_well_formed, new_id


def test_new_id_is_well_formed_and_new() -> None:
    first, second = new_id(os.urandom), new_id(os.urandom)
    assert is_well_formed(first)
    assert first != second
