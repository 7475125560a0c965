"""Making the next thing while one is being used."""

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TypeVar

T = TypeVar("T")


def ahead(items: Generator[T, None, None]) -> Generator[T, None, None]:
    """Yield what a generator yields; it goes on in a thread meanwhile, by one item and no more.

    What it raises is raised here, in the item's place. Closed, this waits for the item under way and closes
    the generator.
    """
    with closing(items), ThreadPoolExecutor(1, "ahead") as thread:
        coming = thread.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = thread.submit(next, items, None)
            yield item
