"""Marks conversations as read or unread, on a blocking socket."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from chatcli.client.errors import as_exception
from chatcli.client.oneshot.pages import check_messages, require_conversations
from chatcli.errors import InputError
from chatcli.protocol.frames import MAX_PAGE, Bye, Error, History, HistoryPage, MarkRead, Unread, UnreadList
from chatcli.protocol.values.names import fold
from chatcli.protocol.values.text import printable_line

if TYPE_CHECKING:
    from chatcli.client.transport.blocking import Connection
    from chatcli.errors import ChatError

_ANSWERS: Final[tuple[type[UnreadList | HistoryPage], ...]] = (UnreadList, HistoryPage)


def marking(of: Sequence[str], *, back: bool) -> Callable[[Connection], UnreadList]:
    """Return a function that marks conversations, and returns what is unread then.

    Args:
        of: people and rooms; none of them for all conversations.
        back: mark the last message from others as unread; otherwise mark everything as read.
    """

    def run(connection: Connection) -> UnreadList:
        head = require_conversations(connection).head
        if back:
            positions = [MarkRead(_last_of_others(connection, name) - 1, name, back=True) for name in of]
        else:
            positions = [MarkRead(head, name, n=n) for n, name in enumerate(of or [""], 1)]
        connection.send(*positions, Unread(n=len(positions) + 1), Bye())
        failure: ChatError | None = None
        while True:
            answer = connection.receive_answer(*_ANSWERS)
            if isinstance(answer, Error):
                failure = failure or as_exception(answer)
            elif isinstance(answer, UnreadList):
                break
        if failure is not None:
            raise failure
        return answer

    return run


def _last_of_others(connection: Connection, name: str) -> int:
    """Return the place of the last message from others in a conversation, without questions and answers.

    Raises:
        InputError: there is none.
    """
    own = connection.welcome.user if connection.welcome else ""
    before = None
    while True:
        question = History(name, before, limit=MAX_PAGE, n=1)
        connection.send(question)
        page = connection.receive(HistoryPage)
        check_messages(question, page)
        for message in reversed(page.messages):
            is_counted = message.answer is None and not message.choices  # answers, and questions that may be closed
            if is_counted and (message.sender != own or fold(name) == fold(own)):
                return message.seq
        if not (page.more and page.messages):
            raise InputError(f"{printable_line(name)}: there is no message from others to mark as unread.")
        before = page.messages[0].seq
