import base64
import random

from chalice_offline.gateway.ids import ID_BYTES, MADE_AT_ONCE, is_well_formed, new_id, new_ids


def test_new_id_is_well_formed_and_new() -> None:
    made = [new_id() for _ in range(2 * MADE_AT_ONCE + 1)]
    assert all(map(is_well_formed, made))
    assert len({*made}) == len(made)


def test_ids_made_at_once_are_the_same_as_if_made_one_by_one() -> None:
    entropy = random.Random(1).randbytes(ID_BYTES * MADE_AT_ONCE)
    expected = [
        base64.urlsafe_b64encode(entropy[at : at + ID_BYTES]).decode()
        for at in range(0, len(entropy), ID_BYTES)
    ]
    assert new_ids(lambda size: entropy[:size]) == expected
