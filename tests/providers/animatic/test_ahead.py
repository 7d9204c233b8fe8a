import threading
from collections.abc import Generator, Iterator

import pytest

from bot.providers.animatic.ahead import ahead


def test_the_items_come_whole_and_in_order() -> None:
    assert list(ahead(iter(range(1, 50)), 4)) == list(range(1, 50))
    assert list(ahead(iter([1]), 4)) == [1]


def test_they_are_made_elsewhere_and_not_further_ahead_than_allowed() -> None:
    made: list[int] = []
    threads: set[int] = set()

    def numbers() -> Generator[int]:
        for number in range(1, 100):
            made.append(number)
            threads.add(threading.get_ident())
            yield number

    coming = ahead(numbers(), 4)
    for taken in range(1, 20):
        assert next(coming) == taken
        assert len(made) <= taken + 4
    coming.close()  # type: ignore[attr-defined]  # a generator
    assert threads
    assert threading.get_ident() not in threads
    assert not {thread.ident for thread in threading.enumerate()} & threads


def test_an_error_comes_to_the_caller_after_what_was_made() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise ZeroDivisionError

    coming = ahead(broken(), 4)
    assert next(coming) == 1
    with pytest.raises(ZeroDivisionError):
        next(coming)
