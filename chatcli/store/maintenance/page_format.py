"""The format of the pages of an SQLite database: where the rows of a table are, and where unused bytes.

The format is that of https://www.sqlite.org/fileformat2.html; SQLite promises to keep it.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import Final, NamedTuple

FILE_HEADER: Final = 100  # bytes, before the first page's own header
LAST_KEY: Final = 2**63 - 1
NUMBER: Final = Struct(">I")  # of a page

_LEAF: Final = 13  # first byte of a page with rows of a table
_INNER: Final = 5  # first byte of a page that points to others
_LEAF_HEADER: Final = 8
_INNER_HEADER: Final = 12
#: The file's header: magic, page size, versions, bytes at the end of each page that are reserved for others.
_FORMAT: Final = Struct(">16sH2sB")
_SQLITE: Final = b"SQLite format 3\0"
_SIZES: Final = frozenset(2**power for power in range(9, 17))  # of a page
_MAX_RESERVED: Final = 32  # bytes; SQLite accepts more, but no log has any
_WITH_WAL: Final = b"\2\2"
#: Kind, first free block, number of cells, where their contents begin, bytes in gaps too small for a free block.
_PAGE_HEADER: Final = Struct(">BHHHB")
_SMALLEST_CELL: Final = 4
_MAX_ROW: Final = 64 * 1024 * 1024  # bytes; no text is so long
_PAIR: Final = Struct(">HH")  # the next free block, the size of this one


class Damaged(Exception):
    """The file is not what SQLite would have written."""


class Sizes(NamedTuple):
    """The sizes of all pages of a file in bytes; those after ``usable`` are reserved for others."""

    page: int
    usable: int


def parse_header(header: bytes) -> Sizes:
    """Return the sizes of the pages of a file.

    Raises:
        Damaged: the file is not a database with a WAL.
    """
    magic, size, versions, reserved = _FORMAT.unpack_from(header)
    size = 65536 if size == 1 else size
    if magic != _SQLITE or size not in _SIZES or versions != _WITH_WAL or reserved > _MAX_RESERVED:
        raise Damaged("its header is not that of a log")
    return Sizes(size, size - reserved)


class Cell(NamedTuple):
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


class Page:
    """A page of a table.

    All methods raise :class:`Damaged` if they meet something that SQLite would not have written.

    Args:
        number: its number; the first page has the file's header before its own.
        content: its bytes.
        usable: the number of them that SQLite uses.
    """

    __slots__ = ("_content", "_usable", "number")

    def __init__(self, number: int, content: bytes, usable: int) -> None:
        self.number = number
        self._content = content
        self._usable = usable

    @property
    def is_leaf(self) -> bool:
        """Whether it has rows of a table."""
        return self._content[self._start] == _LEAF

    @property
    def _start(self) -> int:
        return FILE_HEADER if self.number == 1 else 0

    @property
    def _pointers(self) -> int:
        return self._start + (_LEAF_HEADER if self.is_leaf else _INNER_HEADER)

    def children(self) -> list[tuple[int, int]]:
        """Return the pages to which it points, and the highest number of a row in each."""
        page, start = self._content, self._start
        kind, _, cells, *_ = _PAGE_HEADER.unpack_from(page, start)
        if kind == _LEAF:
            return []
        if kind != _INNER or start + _INNER_HEADER + 2 * cells > len(page):
            raise Damaged
        children = []
        for position in range(start + _INNER_HEADER, start + _INNER_HEADER + 2 * cells, 2):
            offset = int.from_bytes(page[position : position + 2])
            children.append((int.from_bytes(page[offset : offset + 4]), _varint(page, offset + 4)[0]))
        (rightmost,) = NUMBER.unpack_from(page, start + _LEAF_HEADER)
        return [*children, (rightmost, LAST_KEY)]

    def unused(self) -> list[tuple[int, int]]:
        """Return the bounds of its unused bytes: between its pointers and its cells, and in its free blocks."""
        _, block, cells, contents, _ = _PAGE_HEADER.unpack_from(self._content, self._start)
        contents = contents or 65536
        unused = [(self._pointers + 2 * cells, contents)]
        if not unused[0][0] <= contents <= self._usable:
            raise Damaged
        end = contents
        while block:
            following, size = _PAIR.unpack_from(self._content, block) if block + 4 <= self._usable else (0, 0)
            if block < end or size < _PAIR.size or block + size > self._usable:
                raise Damaged
            unused.append((block + _PAIR.size, block + size))
            end, block = block + size, following
        return unused

    def not_zero(self) -> list[tuple[int, int]]:
        """Return the bounds of its unused bytes that are not zero."""
        return [(begin, end) for begin, end in self.unused() if self._content.count(0, begin, end) < end - begin]

    def check(self) -> None:
        """Account for all bytes: cells and free blocks must not overlap, and gaps must have the right size."""
        (_, end), *blocks = self.unused()
        taken = [(begin - _PAIR.size, end) for begin, end in blocks]
        taken += [(cell.offset, cell.end) for cell in self.cells()]
        gaps = 0
        for begin, following in sorted(taken):
            if begin < end:
                raise Damaged
            gaps += begin - end
            end = following
        if end > self._usable or gaps + self._usable - end != self._content[self._start + _LEAF_HEADER - 1]:
            raise Damaged

    def cells(self) -> Iterator[Cell]:
        """Yield its cells, in the order of their keys."""
        page, leaf = self._content, self.is_leaf
        _, _, count, *_ = _PAGE_HEADER.unpack_from(page, self._start)
        for position in range(self._pointers, self._pointers + 2 * count, 2):
            offset = int.from_bytes(page[position : position + 2])
            if leaf:
                yield self._leaf_cell(offset)
            else:
                key, end = _varint(page, offset + NUMBER.size)
                yield Cell(offset, max(end, offset + _SMALLEST_CELL), key)

    def _leaf_cell(self, offset: int) -> Cell:
        page = self._content
        length, position = _varint(page, offset)
        key, position = _varint(page, position)
        within = self._within(length)
        end = position + within
        if length > _MAX_ROW:
            raise Damaged
        if within == length:
            return Cell(offset, max(end, offset + _SMALLEST_CELL), key)
        if end + NUMBER.size > self._usable:
            raise Damaged
        (number,) = NUMBER.unpack_from(page, end)
        return Cell(offset, end + NUMBER.size, key, left=length - within, overflow=number)

    def _within(self, length: int) -> int:
        """Return the number of bytes of a row that are in the page itself."""
        most = self._usable - 35
        if length <= most:
            return length
        least = (self._usable - 12) * 32 // 255 - 23
        fitting = least + (length - least) % (self._usable - 4)
        return fitting if fitting <= most else least


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
