"""A defect stays where it is: what a batch does together is
done with each of its members alone once it fails.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from chalicelib.domain.errors import DatabaseInternalError, RetryableError

Item = TypeVar("Item")
Result = TypeVar("Result")

Broken = Callable[[Item, Exception], None]
"""Called with a member that fails even alone, and with why."""


def is_of_all(error: Exception) -> bool:
    """Return whether something outside does not answer, whichever member asks; if not, it may be one's."""
    return isinstance(error, RetryableError) and not isinstance(error, DatabaseInternalError)


def one_by_one(items: Iterable[Item], act: Callable[[Item], Result], broken: Broken[Item]) -> list[Result]:
    """Return what each member comes to; those that raise something
    unforeseen are left out, and passed to ``broken``.

    Raises:
        RetryableError: As the first member did: something outside
            does not answer, which is no defect of a member.
    """
    results = []
    for item in items:
        try:
            results.append(act(item))
        except Exception as error:
            if is_of_all(error):
                raise
            broken(item, error)  # whatever it is, it is this member's
    return results


def together_or_alone(
    items: Sequence[Item], act: Callable[[Sequence[Item]], Result], broken: Broken[Item]
) -> list[Result]:
    """Return what all members come to in one go, or, if that raises something unforeseen, each by itself.

    ``act`` must leave nothing half done when it raises, or nothing that doing it again would harm.

    Raises:
        RetryableError: As ``one_by_one``.
    """
    if not items:
        return []
    try:
        return [act(items)]
    except Exception as error:
        if is_of_all(error):
            raise
        if len(items) == 1:
            broken(items[0], error)
            return []
    return one_by_one(items, lambda item: act([item]), broken)
