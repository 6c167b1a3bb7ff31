"""The pages of the log's file, where SQLite uses nothing: overwrites what was left there.

``secure_delete`` overwrites what is deleted, but not the copies that remain in a page when SQLite moves rows about in
it or to the page beside it. What was deleted before ``secure_delete`` was on is in the file as well. SQLite has no
statement that overwrites these bytes but ``VACUUM``, which writes the whole file anew while nobody else may write.

The format is that of https://www.sqlite.org/fileformat2.html; SQLite promises to keep it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from struct import Struct
from typing import Final

_LEAF: Final = 13  # the first byte of a page with rows of a table
_INNER: Final = 5  # and of one that leads to others
_DEEPEST: Final = 20  # levels of a tree
_FILE_HEADER: Final = 100  # bytes, before the first page's own header
_LEAF_HEADER: Final = 8
_INNER_HEADER: Final = 12
_PAGE_SIZE: Final = Struct(">16xH2xB")  # of the file's header: the size of a page, bytes at its end that are not used
_FREE: Final = Struct(">32xI")  # the first page of the list of free pages
_PAGE_HEADER: Final = Struct(">BHHH")  # kind, first free block, number of cells, where their contents begin
_PAIR: Final = Struct(">HH")  # the next free block, the size of this one
_NUMBER: Final = Struct(">I")  # of a page
_LAST_KEY: Final = 2**63 - 1

#: A number of a page, and what is in it.
Page = tuple[int, bytes]


class Damaged(Exception):
    """The file is not what SQLite would have written."""


class Pages:
    """Reads and overwrites the file beside SQLite.

    Valid only while SQLite's WAL is empty and nobody writes to the database: all of it is in the one file then.

    The file must be opened before SQLite opens it and closed after: closing it drops all locks that this process has
    on the file, SQLite's too.

    Args:
        path: the database.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        self._size = self._usable = 0

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)

    def read_header(self) -> None:
        """Look up what holds for all pages."""
        size, reserved = _PAGE_SIZE.unpack_from(self._read(0, _FILE_HEADER))
        self._size = 65536 if size == 1 else size
        self._usable = self._size - reserved

    def sync(self) -> None:
        """Wait until everything is on disk."""
        os.fsync(self._file)

    def pages(self, root: int, key: int, *, back: bool = False) -> Iterator[Page]:
        """Yield the pages of a table, each of those that lead to others before these.

        Args:
            root: where the table begins.
            key: begin with the page where a row of this number would be.
            back: go on to lower numbers instead of higher ones.

        Raises:
            Damaged: they cannot be found.
        """
        yield from self._below(root, key, back, 0)

    def _below(self, number: int, key: int, back: bool, depth: int) -> Iterator[Page]:
        page = self._page(number)
        kind, _, cells, _ = _PAGE_HEADER.unpack_from(page, _start(number))
        if kind not in (_LEAF, _INNER) or depth > _DEEPEST:
            raise Damaged(f"page {number} is not one of a table")
        yield number, page
        if kind == _LEAF:
            return
        children = list(self._children(page, _start(number), cells))
        bounds = pairwise([-1, *(bound for _, bound in children)])
        ranges = [(child, low, high) for (child, _), (low, high) in zip(children, bounds, strict=True)]
        for child, low, high in reversed(ranges) if back else ranges:
            if low < key if back else high >= key:
                yield from self._below(child, key, back, depth + 1)

    def _children(self, page: bytes, start: int, cells: int) -> Iterator[tuple[int, int]]:
        """Yield the pages to which one leads, and the highest number of a row in each."""
        if start + _INNER_HEADER + 2 * cells > len(page):
            raise Damaged("a page leads to more pages than it has room for")
        for position in range(start + _INNER_HEADER, start + _INNER_HEADER + 2 * cells, 2):
            offset = int.from_bytes(page[position : position + 2])
            yield int.from_bytes(page[offset : offset + 4]), _varint(page, offset + 4)[0]
        (rightmost,) = _NUMBER.unpack_from(page, start + _LEAF_HEADER)
        yield rightmost, _LAST_KEY

    def overwrite_unused(self, number: int, page: bytes) -> bool:
        """Overwrite what belongs to no row of a page; return whether there was anything.

        Raises:
            Damaged: it is not to be known; nothing was overwritten.
        """
        found = [(begin, end) for begin, end in self._unused(number, page) if page.count(0, begin, end) < end - begin]
        for begin, end in found:
            self._write((number - 1) * self._size + begin, bytes(end - begin))
        return bool(found)

    def _unused(self, number: int, page: bytes) -> list[tuple[int, int]]:
        start = _start(number)
        kind, block, cells, contents = _PAGE_HEADER.unpack_from(page, start)
        contents = contents or 65536
        unused = [(start + (_LEAF_HEADER if kind == _LEAF else _INNER_HEADER) + 2 * cells, contents)]
        if not unused[0][0] <= contents <= self._usable:
            raise Damaged(f"page {number} is damaged")
        behind = contents
        while block:
            following, size = _PAIR.unpack_from(page, block) if block + 4 <= self._usable else (0, 0)
            if block < behind or size < _PAIR.size or block + size > self._usable:
                raise Damaged(f"page {number} is damaged")
            unused.append((block + _PAIR.size, block + size))
            behind, block = block + size, following
        return unused

    def overwrite_tails(self, number: int, page: bytes) -> int:
        """Overwrite what stands after the ends of a page's long rows; return the highest number of a row, or 0.

        Raises:
            Damaged: they cannot be found.
        """
        start = _start(number)
        kind, _, cells, _ = _PAGE_HEADER.unpack_from(page, start)
        if kind != _LEAF:
            return 0
        key = 0
        for position in range(start + _LEAF_HEADER, start + _LEAF_HEADER + 2 * cells, 2):
            key = self._overwrite_tail(page, int.from_bytes(page[position : position + 2]))
        return key

    def _overwrite_tail(self, page: bytes, offset: int) -> int:
        length, position = _varint(page, offset)
        key, position = _varint(page, position)
        within = self._within(length)
        if within == length:
            return key
        left, share = length - within, self._usable - _NUMBER.size
        (number,) = _NUMBER.unpack_from(page, position + within)
        while left > share:
            (number,) = _NUMBER.unpack(self._read((number - 1) * self._size, _NUMBER.size))
            left -= share
        self._overwrite_from(number, _NUMBER.size + left)
        return key

    def _within(self, length: int) -> int:
        """Return how many bytes of a row stand in the page itself."""
        most = self._usable - 35
        if length <= most:
            return length
        least = (self._usable - 12) * 32 // 255 - 23
        fitting = least + (length - least) % (self._usable - 4)
        return fitting if fitting <= most else least

    def overwrite_free(self, most: int) -> bool:
        """Overwrite pages that are not used, up to ``most`` of them; return whether there may be more.

        Raises:
            Damaged: they cannot be found.
        """
        (trunk,) = _FREE.unpack_from(self._read(0, _FILE_HEADER))
        seen = set()
        changed = 0
        while trunk:
            page = self._page(trunk)
            following, count = int.from_bytes(page[:4]), int.from_bytes(page[4:8])
            if trunk in seen or count > (self._usable - 8) // 4:
                raise Damaged("the list of free pages is damaged")
            seen.add(trunk)
            for offset in range(8, 8 + 4 * count, 4):
                changed += self._overwrite_from(int.from_bytes(page[offset : offset + 4]), 0)
                if changed >= most:
                    return True
            changed += self._overwrite_from(trunk, 8 + 4 * count)
            trunk = following
        return False

    def _overwrite_from(self, number: int, begin: int) -> bool:
        page = self._page(number)
        if page.count(0, begin) == len(page) - begin:
            return False
        self._write((number - 1) * self._size + begin, bytes(len(page) - begin))
        return True

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
    """Return a number of SQLite's variable length, and where the next thing begins."""
    value = 0
    for length, byte in enumerate(page[offset : offset + 9], 1):
        if length == 9:
            return value << 8 | byte, offset + 9
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, offset + length
    raise Damaged("a number is cut short")
