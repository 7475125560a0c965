"""A batch of dead letters: each is resolved by itself, and none stands in the way of the others."""

from collections.abc import Sequence

from chalicelib.domain.errors import RetryableError
from chalicelib.logs import logger
from chalicelib.services.consumer.dead_letters import DeadLetter, ResolveDeadLetters
from chalicelib.services.isolation import is_of_all


def resolve_each(resolve_dead_letters: ResolveDeadLetters, letters: Sequence[DeadLetter]) -> dict[str, bool]:
    """Resolve dead letters one by one; a fault or a defect of one leaves the others alone.

    A passing fault keeps a letter in its queue. One that runs into a defect is archived: resolved again, it
    would fail again, and an order on record has the sweep. One that is all there is of an order, or all that
    would tell it, stays as well.
    """
    resolved = dict.fromkeys((letter.message_id for letter in letters), False)
    # Each time another one is the first: should this process die over one of them, all come back together,
    # and those behind it would never have their turn.
    first = max((letter.receive_count for letter in letters), default=0) % max(1, len(letters))
    for letter in (*letters[first:], *letters[:first]):
        try:
            resolved[letter.message_id] = _is_resolved(resolve_dead_letters, letter)
        except RetryableError as fault:
            logger.warning("dead letter stays", message_id=letter.message_id, reason=fault.message)
        except Exception:  # noqa: BLE001  # as below
            logger.exception("defect", message_id=letter.message_id, doing="archiving a dead letter")
    return resolved


def _is_resolved(resolve_dead_letters: ResolveDeadLetters, letter: DeadLetter) -> bool:
    try:
        return resolve_dead_letters.resolve(letter)
    except Exception as error:
        if is_of_all(error):
            raise
        return resolve_dead_letters.give_up(letter, error)  # a defect of ours is this letter's alone
