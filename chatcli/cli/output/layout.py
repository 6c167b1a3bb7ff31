"""Text in the columns of a terminal: its width, cut, and broken into rows.

Text that is not ASCII imports what counts columns; that would be felt in every command that lists.
"""

from __future__ import annotations

from typing import Final

CONTINUED: Final = 4  # columns by which the rows after the first are indented


def width(text: str) -> int:
    """Return the width of a text on a terminal, in columns."""
    if text.isascii():
        return len(text)
    from chatcli.client.interactive.widths import columns

    return columns(text)


def shortened(text: str, space: int) -> str:
    """Return a line cut to ``space`` columns."""
    if len(text) <= space and text.isascii():
        return text
    from chatcli.client.interactive.widths import cut

    return cut(text, space)


def in_rows(line: str, indent: int = CONTINUED) -> str:
    """Return lines broken into rows that fit on the terminal; continued rows are indented."""
    import shutil

    space = shutil.get_terminal_size().columns
    if len(line.encode()) <= space:
        return line
    from chatcli.client.interactive.wrap import indentation, wrapped

    fitting = indentation(indent, space)
    return "\n".join(row for part in line.split("\n") for row in wrapped(part, space, fitting))


def expand_tabs(text: str) -> str:
    """Return a text with spaces in place of tabs."""
    if "\t" not in text:
        return text
    from chatcli.client.interactive.widths import expanded

    return expanded(text)
