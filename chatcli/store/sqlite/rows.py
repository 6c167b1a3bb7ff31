"""The columns from which a message is read back, and the size of a page of messages."""

from __future__ import annotations

from typing import Final

from chatcli.store.records import MessageRow
from chatcli.store.sqlite.damage import DamagedRow

#: Characters of text: the message that exceeds it is the last of its page.
PAGE_TEXT: Final = 128 * 1024

#: The columns of a :class:`MessageRow`, in its order; ``conversations`` must be joined.
COLUMNS: Final = """
messages.seq, messages.id, messages.sender,
CASE WHEN messages.conversation < 0 THEN messages.conversation
     WHEN messages.sender = conversations.low THEN conversations.high ELSE conversations.low END,
messages.at, messages.text, messages.re, messages.extra
"""


def size_of(row: MessageRow) -> int:
    """Return the number of characters that a message adds to a page, about.

    Raises:
        DamagedRow: damage has left a number in the place of a text.
    """
    try:
        return len(row.text) if row.extra is None else len(row.text) + len(row.extra)
    except TypeError:
        raise DamagedRow(f"the text of message {row.seq} is not text") from None
