"""Overwrites unused bytes in the pages of the log's file.

``secure_delete`` overwrites what is deleted, but not the copies that remain in a page when SQLite moves rows about in
it or to the page beside it. What was deleted before ``secure_delete`` was on is in the file as well. SQLite has no
statement that overwrites these bytes but ``VACUUM``, which writes the whole file anew while nobody else may write.

The format is that of https://www.sqlite.org/fileformat2.html; SQLite promises to keep it. A page is written to only if
everything in it is accounted for as SQLite itself does in ``PRAGMA integrity_check``: damaged pages stay as they are.

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
from typing import Final, NamedTuple

_LEAF: Final = 13  # first byte of a page with rows of a table
_INNER: Final = 5  # first byte of a page that points to others
_DEEPEST: Final = 20  # levels of a tree
_FILE_HEADER: Final = 100  # bytes, before the first page's own header
_LEAF_HEADER: Final = 8
_INNER_HEADER: Final = 12
#: The file's header: magic, page size, versions, bytes at the end of each page that are reserved for others.
_FORMAT: Final = Struct(">16sH2sB")
_SQLITE: Final = b"SQLite format 3\0"
_SIZES: Final = frozenset(2**power for power in range(9, 17))  # of a page
_MAX_RESERVED: Final = 32  # bytes; SQLite accepts more, but no log has any
_WITH_WAL: Final = b"\2\2"
_FREE: Final = Struct(">32xII")  # first page of the list of free pages, and the number of these
#: Kind, first free block, number of cells, where their contents begin, bytes in gaps too small for a free block.
_PAGE_HEADER: Final = Struct(">BHHHB")
_SMALLEST_CELL: Final = 4
_MAX_ROW: Final = 64 * 1024 * 1024  # bytes; no text is so long
_PAIR: Final = Struct(">HH")  # the next free block, the size of this one
_NUMBER: Final = Struct(">I")  # of a page
_LAST_KEY: Final = 2**63 - 1

#: The number of a page, and its contents.
Page = tuple[int, bytes]


class Damaged(Exception):
    """The file is not what SQLite would have written."""


class _Cell(NamedTuple):
    """A row, or a pointer to another page.

    Attributes:
        offset: its start in the page.
        end: its end in the page.
        key: the number of the row.
        left: number of its bytes that are in other pages.
        overflow: the first of these pages.
    """

    offset: int
    end: int
    key: int
    left: int = 0
    overflow: int = 0


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
        self._size = self._usable = 0
        self.damaged: set[int] = set()

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def read_header(self) -> None:
        """Read the properties that all pages share.

        Raises:
            Damaged: the file is not a database with a WAL.
        """
        magic, size, versions, reserved = _FORMAT.unpack_from(self._read(0, _FILE_HEADER))
        self._size = 65536 if size == 1 else size
        self._usable = self._size - reserved
        if magic != _SQLITE or self._size not in _SIZES or versions != _WITH_WAL or reserved > _MAX_RESERVED:
            raise Damaged("its header is not that of a log")

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
            page = self._page(number)
            children = self._children(number, page)
        except Damaged:
            self.damaged.add(number)
            return
        if depth > _DEEPEST:
            self.damaged.add(number)  # it points to itself
            return
        yield number, page
        bounds = pairwise([-1, *(bound for _, bound in children)])
        ranges = [(child, low, high) for (child, _), (low, high) in zip(children, bounds, strict=True)]
        for child, low, high in reversed(ranges) if back else ranges:
            if low < key if back else high >= key:
                yield from self._below(child, key, back, depth + 1)

    def _children(self, number: int, page: bytes) -> list[tuple[int, int]]:
        """Return the pages to which a page points, and the highest number of a row in each."""
        start = _start(number)
        kind, _, cells, *_ = _PAGE_HEADER.unpack_from(page, start)
        if kind == _LEAF:
            return []
        if kind != _INNER or start + _INNER_HEADER + 2 * cells > len(page):
            raise Damaged
        children = []
        for position in range(start + _INNER_HEADER, start + _INNER_HEADER + 2 * cells, 2):
            offset = int.from_bytes(page[position : position + 2])
            children.append((int.from_bytes(page[offset : offset + 4]), _varint(page, offset + 4)[0]))
        (rightmost,) = _NUMBER.unpack_from(page, start + _LEAF_HEADER)
        return [*children, (rightmost, _LAST_KEY)]

    def overwrite_unused(self, number: int, page: bytes) -> None:
        """Overwrite the bytes of a page that belong to no row, unless it is damaged."""
        try:
            self._overwrite_unused(number, page)
        except Damaged:
            self.damaged.add(number)

    def _overwrite_unused(self, number: int, page: bytes) -> None:
        free = self._free_blocks(number, page)
        found = [(begin, end) for begin, end in free if page.count(0, begin, end) < end - begin]
        if found:
            self._check(number, page)
        for begin, end in found:
            self._write((number - 1) * self._size + begin, bytes(end - begin))

    def _free_blocks(self, number: int, page: bytes) -> list[tuple[int, int]]:
        """Return the bounds of unused bytes of a page: between its pointers and its cells, and in its free blocks."""
        start = _start(number)
        kind, block, cells, contents, _ = _PAGE_HEADER.unpack_from(page, start)
        contents = contents or 65536
        unused = [(start + (_LEAF_HEADER if kind == _LEAF else _INNER_HEADER) + 2 * cells, contents)]
        if not unused[0][0] <= contents <= self._usable:
            raise Damaged
        end = contents
        while block:
            following, size = _PAIR.unpack_from(page, block) if block + 4 <= self._usable else (0, 0)
            if block < end or size < _PAIR.size or block + size > self._usable:
                raise Damaged
            unused.append((block + _PAIR.size, block + size))
            end, block = block + size, following
        return unused

    def _check(self, number: int, page: bytes) -> None:
        """Account for all bytes of a page: cells and free blocks must not overlap, and gaps must have the right size.

        Raises:
            Damaged: SQLite would have written something else.
        """
        (_, end), *blocks = self._free_blocks(number, page)
        taken = [(begin - _PAIR.size, end) for begin, end in blocks]
        taken += [(cell.offset, cell.end) for cell in self._cells(number, page)]
        gaps = 0
        for begin, following in sorted(taken):
            if begin < end:
                raise Damaged
            gaps += begin - end
            end = following
        if end > self._usable or gaps + self._usable - end != page[_start(number) + _LEAF_HEADER - 1]:
            raise Damaged

    def _cells(self, number: int, page: bytes) -> Iterator[_Cell]:
        start = _start(number)
        kind, _, count, *_ = _PAGE_HEADER.unpack_from(page, start)
        first = start + (_LEAF_HEADER if kind == _LEAF else _INNER_HEADER)
        for position in range(first, first + 2 * count, 2):
            offset = int.from_bytes(page[position : position + 2])
            if kind == _LEAF:
                yield self._leaf_cell(page, offset)
            else:
                key, end = _varint(page, offset + _NUMBER.size)
                yield _Cell(offset, max(end, offset + _SMALLEST_CELL), key)

    def _leaf_cell(self, page: bytes, offset: int) -> _Cell:
        length, position = _varint(page, offset)
        key, position = _varint(page, position)
        within = self._within(length)
        end = position + within
        if length > _MAX_ROW:
            raise Damaged
        if within == length:
            return _Cell(offset, max(end, offset + _SMALLEST_CELL), key)
        if end + _NUMBER.size > self._usable:
            raise Damaged
        (number,) = _NUMBER.unpack_from(page, end)
        return _Cell(offset, end + _NUMBER.size, key, left=length - within, overflow=number)

    def overwrite_tails(self, number: int, page: bytes) -> int:
        """Overwrite what follows the ends of a page's long rows; return the highest number of a row, or 0."""
        start = _start(number)
        if page[start] != _LEAF or number in self.damaged:
            return 0
        try:
            cells = list(self._cells(number, page))
            if any(cell.left for cell in cells):
                self._check(number, page)
            for cell in cells:
                if cell.left:
                    self._overwrite_tail(cell)
        except Damaged:
            self.damaged.add(number)
            return 0
        return cells[-1].key if cells else 0

    def _overwrite_tail(self, cell: _Cell) -> None:
        left, share, number = cell.left, self._usable - _NUMBER.size, cell.overflow
        while left > share:
            (number,) = _NUMBER.unpack_from(self._page(number))
            left -= share
        if any(self._page(number)[: _NUMBER.size]):  # it points to another: it is not the last one of a row
            raise Damaged
        self.overwrite_from(number, _NUMBER.size + left)

    def _within(self, length: int) -> int:
        """Return the number of bytes of a row that are in the page itself."""
        most = self._usable - 35
        if length <= most:
            return length
        least = (self._usable - 12) * 32 // 255 - 23
        fitting = least + (length - least) % (self._usable - 4)
        return fitting if fitting <= most else least

    def free(self) -> list[tuple[int, int]]:
        """Return the unused pages in ascending order, each with the offset from which its bytes are unused.

        Raises:
            Damaged: the list of them is wrong.
        """
        trunk, total = _FREE.unpack_from(self._read(0, _FILE_HEADER))
        free: dict[int, int] = {}
        found = 0
        while trunk and found < total:
            page = self._page(trunk)
            following, count = int.from_bytes(page[:4]), int.from_bytes(page[4:8])
            if count > (self._usable - 8) // 4:
                break
            free |= dict.fromkeys(Struct(f">{count}I").unpack_from(page, 8), 0)
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
        page = self._page(number)
        if page.count(0, begin, self._usable) < self._usable - begin:
            self._write((number - 1) * self._size + begin, bytes(self._usable - begin))

    def _page(self, number: int) -> bytes:
        if number < 1:
            raise Damaged("a page has no number")
        return self._read((number - 1) * self._size, self._size)

    def _read(self, offset: int, length: int) -> bytes:
        read = os.pread(self._file, length, offset)
        if len(read) < length:
            raise Damaged("the file ends too early")
        return read

    def _write(self, offset: int, content: bytes) -> None:
        while content:
            written = os.pwrite(self._file, content, offset)
            offset, content = offset + written, content[written:]


def _start(number: int) -> int:
    return _FILE_HEADER if number == 1 else 0


def _varint(page: bytes, offset: int) -> tuple[int, int]:
    """Return a number of SQLite's variable length, and the offset after it."""
    value = 0
    for length, byte in enumerate(page[offset : offset + 9], 1):
        if length == 9:
            return value << 8 | byte, offset + 9
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, offset + length
    raise Damaged("a number is cut short")
