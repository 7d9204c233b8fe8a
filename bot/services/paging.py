"""A history in pages, the newest first: each begins before some line, however many lines there are."""

from collections.abc import Awaitable, Callable

from bot.ports.quota import L, Page

PAGE_LINES = 8
"""Of the longest lines no more fit a message."""
PAGES_MAX = 125
"""Which page can be asked for by its number; the buttons go on beyond."""
HISTORY_LINES_MAX = PAGES_MAX * PAGE_LINES
NEWEST = (0,)
READ_AHEAD = 2
"""Of free clips a third of the lines moves nothing."""

Read = Callable[[int | None, int], Awaitable[list[L]]]
"""So many lines before this one."""


async def page_of(
    owner: str | None,
    read: Read[L],
    counts: Callable[[L], bool],
    number: int,
    trail: tuple[int, ...],
) -> Page[L]:
    """A page by its number, or where a `trail` ends; of the lines only those that count.

    Found by where it begins: lines that came since the last look move no page that was seen.
    """
    if not trail:
        number, trail = await _opened(read, counts, number)
    lines: list[L] = await _lines(read, counts, trail[-1], PAGE_LINES + 1)
    return Page(
        owner=owner,
        lines=tuple(lines[:PAGE_LINES]),
        number=number,
        trail=trail,
        has_older=len(lines) > PAGE_LINES,
    )


async def _opened(read: Read[L], counts: Callable[[L], bool], number: int) -> tuple[int, tuple[int, ...]]:
    """The page of this number, or the last one, and where all up to it begin."""
    lines: list[L] = await _lines(read, counts, 0, number * PAGE_LINES)
    last: int = min(number, max(-(-len(lines) // PAGE_LINES), 1))
    return last, (*NEWEST, *(lines[at * PAGE_LINES - 1].seq for at in range(1, last)))


async def _lines(read: Read[L], counts: Callable[[L], bool], before_seq: int, wanted: int) -> list[L]:
    """So many lines that count, or all that there are."""
    found: list[L] = []
    while True:
        limit = wanted * READ_AHEAD
        piece = await read(before_seq or None, limit)
        found += [line for line in piece if counts(line)]
        if len(found) >= wanted or len(piece) < limit:
            return found[:wanted]
        before_seq = piece[-1].seq
