"""An output that erases, prints and draws again in one piece, for one size of the window.

prompt_toolkit flushes after each of these. In a stream of messages the reader then sees the input line vanish and come
back (its issues 680, 681 and 1172), so here the output is held until the drawing is complete.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Final

from prompt_toolkit.data_structures import Size
from prompt_toolkit.output.vt100 import Vt100_Output

from chatcli.client.tui.terminal.clusters import CLUSTERS

# Synchronized output: a terminal that supports it shows everything in between at once, others ignore it.
# https://gist.github.com/christianparpart/d8a62cc1ab659194337d73e399004036
_BEGIN: Final = "\x1b[?2026h"
_END: Final = "\x1b[?2026l"


class WholeOutput(Vt100_Output):
    """An output that can be held."""

    _holding = False
    _held_size: Size | None = None

    @classmethod
    def of_terminal(cls) -> WholeOutput:
        """Return an output for the terminal of standard output."""

        def size() -> Size:
            try:
                columns, rows = os.get_terminal_size(sys.stdout.fileno())
            except OSError:  # the terminal is gone
                columns, rows = 0, 0
            return Size(rows=rows or 24, columns=columns or 80)

        # prompt_toolkit does not request the cursor's position: reports come late on slow lines, and it needs none.
        return cls(sys.stdout, size, term=os.environ.get("TERM"), enable_cpr=False)

    def get_size(self) -> Size:
        """Return the size of the window; while the output is held, the size when that began.

        A drawing asks several times. If the window became narrower in between, it would be drawn for the new size, but
        erased by the rows that it had before.
        """
        return self._held_size or super().get_size()

    def erase_down(self) -> None:
        """Erase from the cursor on, which prompt_toolkit has put into the first column.

        tmux treats erasing from the first row on as clearing the screen, and keeps a copy in the scrollback (its option
        scroll-on-clear). So the first cell is erased by itself.
        """
        self.write_raw("\x1b[K\x1b[C\x1b[J\x1b[D")

    def write(self, data: str) -> None:
        """Write text, or the content of one cell."""
        cluster = CLUSTERS.drawn(data) if not data.isascii() else None
        if cluster is None:
            super().write(data)
        else:
            self.write_raw(cluster)

    def flush(self) -> None:
        """Write to the terminal, unless the output is held."""
        if not self._holding:
            super().flush()

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the output within the context, then write it in one piece."""
        if self._holding:
            yield
            return
        self._holding = True
        self._held_size = super().get_size()
        self.write_raw(_BEGIN)
        try:
            yield
        finally:
            self._holding = False
            self._held_size = None
            self.write_raw(_END)
            self.flush()
