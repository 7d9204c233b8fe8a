from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.storage.books import SqliteBooks, open_books
from bot.storage.views import SqliteViews, open_views


@pytest.fixture
async def books(tmp_path: Path) -> AsyncIterator[SqliteBooks]:
    async with open_books(tmp_path) as opened:
        yield opened


@pytest.fixture
async def views(books: SqliteBooks, tmp_path: Path) -> AsyncIterator[SqliteViews]:
    await books.write(lambda _: None)  # there is a database to look at
    async with open_views(tmp_path) as opened:
        yield opened
