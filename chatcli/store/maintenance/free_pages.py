"""Overwrites unused bytes in the pages of the log's file.

``secure_delete`` overwrites what is deleted, but not the copies that remain in a page when SQLite moves rows about in
it or to the page beside it. What was deleted before ``secure_delete`` was on is in the file as well. SQLite has no
statement that overwrites these bytes but ``VACUUM``, which writes the whole file anew while nobody else may write.

A page is written to only if everything in it is accounted for as SQLite itself does in ``PRAGMA integrity_check``:
damaged pages stay as they are.

Only unused bytes are written, all of them zero. So a reader may see them before or after, in the file or in a page that
it has in memory; and the process or the machine may die in between, as long as a disk changes no bytes beside those
that are written. SQLite relies on that as well, see https://www.sqlite.org/psow.html.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from struct import Struct
from typing import Final

from chatcli.store.maintenance.page_format import FILE_HEADER, NUMBER, Cell, Damaged, Page, Sizes, parse_header

_DEEPEST: Final = 20  # levels of a tree
_FREE: Final = Struct(">32xII")  # first page of the list of free pages, and the number of these


class Pages:
    """Reads and overwrites the file beside SQLite.

    Valid only while SQLite's WAL is empty and nobody writes to the database: all of it is in the one file then.

    The file must be opened before SQLite opens it and closed after: closing it drops all locks that this process has
    on the file, SQLite's too.

    Args:
        path: the database.

    Attributes:
        damaged: pages that were passed over, since they are not what SQLite would have written.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        self._sizes = Sizes(0, 0)
        self.damaged: set[int] = set()

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def read_header(self) -> None:
        """Read the properties that all pages share.

        Raises:
            Damaged: the file is not a database with a WAL.
        """
        self._sizes = parse_header(self._read(0, FILE_HEADER))

    def sync(self) -> None:
        """Wait until everything is on disk."""
        os.fsync(self._file)

    def pages(self, root: int, key: int, *, back: bool = False) -> Iterator[Page]:
        """Yield the pages of a table, each before those to which it points; damaged ones are left out.

        Args:
            root: the first page of the table.
            key: start with the page where a row of this number would be.
            back: go on to lower numbers instead of higher ones.
        """
        yield from self._below(root, key, back, 0)

    def _below(self, number: int, key: int, back: bool, depth: int) -> Iterator[Page]:
        try:
            page = Page(number, self._content(number), self._sizes.usable)
            children = page.children()
        except Damaged:
            self.damaged.add(number)
            return
        if depth > _DEEPEST:
            self.damaged.add(number)  # it points to itself
            return
        yield page
        bounds = pairwise([-1, *(bound for _, bound in children)])
        ranges = [(child, low, high) for (child, _), (low, high) in zip(children, bounds, strict=True)]
        for child, low, high in reversed(ranges) if back else ranges:
            if low < key if back else high >= key:
                yield from self._below(child, key, back, depth + 1)

    def overwrite_unused(self, page: Page) -> None:
        """Overwrite the bytes of a page that belong to no row, unless it is damaged."""
        try:
            found = page.not_zero()
            if found:
                page.check()
        except Damaged:
            self.damaged.add(page.number)
            return
        for begin, end in found:
            self._write((page.number - 1) * self._sizes.page + begin, bytes(end - begin))

    def overwrite_tails(self, page: Page) -> int:
        """Overwrite what follows the ends of a page's long rows; return the highest number of a row, or 0."""
        if not page.is_leaf or page.number in self.damaged:
            return 0
        try:
            cells = list(page.cells())
            if any(cell.left for cell in cells):
                page.check()
            for cell in cells:
                if cell.left:
                    self._overwrite_tail(cell)
        except Damaged:
            self.damaged.add(page.number)
            return 0
        return cells[-1].key if cells else 0

    def _overwrite_tail(self, cell: Cell) -> None:
        left, share, number = cell.left, self._sizes.usable - NUMBER.size, cell.overflow
        while left > share:
            (number,) = NUMBER.unpack_from(self._content(number))
            left -= share
        if any(self._content(number)[: NUMBER.size]):  # it points to another: it is not the last one of a row
            raise Damaged
        self.overwrite_from(number, NUMBER.size + left)

    def free(self) -> list[tuple[int, int]]:
        """Return the unused pages in ascending order, each with the offset from which its bytes are unused.

        Raises:
            Damaged: the list of them is wrong.
        """
        trunk, total = _FREE.unpack_from(self._read(0, FILE_HEADER))
        free: dict[int, int] = {}
        found = 0
        while trunk and found < total:
            content = self._content(trunk)
            following, count = int.from_bytes(content[:4]), int.from_bytes(content[4:8])
            if count > (self._sizes.usable - 8) // 4:
                break
            free |= dict.fromkeys(Struct(f">{count}I").unpack_from(content, 8), 0)
            free[trunk] = 8 + 4 * count
            found += 1 + count
            trunk = following
        if trunk or found != total or len(free) != total or min(free, default=2) < 2:
            raise Damaged("the list of its free pages is wrong")
        return sorted(free.items())

    def overwrite_from(self, number: int, begin: int) -> None:
        """Overwrite the end of a page.

        Raises:
            Damaged: there is no such page.
        """
        content, usable = self._content(number), self._sizes.usable
        if content.count(0, begin, usable) < usable - begin:
            self._write((number - 1) * self._sizes.page + begin, bytes(usable - begin))

    def _content(self, number: int) -> bytes:
        if number < 1:
            raise Damaged("a page has no number")
        return self._read((number - 1) * self._sizes.page, self._sizes.page)

    def _read(self, offset: int, length: int) -> bytes:
        read = os.pread(self._file, length, offset)
        if len(read) < length:
            raise Damaged("the file ends too early")
        return read

    def _write(self, offset: int, content: bytes) -> None:
        while content:
            written = os.pwrite(self._file, content, offset)
            offset, content = offset + written, content[written:]
