"""What stands around the input line: above it what waits to be sent and to be answered, below it the toolbar."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from prompt_toolkit import PromptSession
from prompt_toolkit.application import Application
from prompt_toolkit.data_structures import Size
from prompt_toolkit.filters import is_done
from prompt_toolkit.layout import ConditionalContainer, FormattedTextControl, HSplit, Window
from prompt_toolkit.layout.dimension import Dimension

from chatcli.client.chat.chat import Chat
from chatcli.client.interactive.render import Fragments
from chatcli.client.interactive.session import Talk
from chatcli.client.tui.input_line import Writing
from chatcli.client.tui.pending import Pending, pending_lines
from chatcli.client.tui.question_bar import question_lines
from chatcli.client.tui.terminal.clusters import CLUSTERS
from chatcli.client.tui.toolbar import State, Unread, changes_in, toolbar
from chatcli.protocol.address import Address
from chatcli.protocol.names import is_room

_LONGEST: Final = 3600.0  # seconds between two drawings while something is to change by itself


class Edges:
    """The two windows, and when they are to be drawn again.

    Args:
        server: as it is addressed.
        chat: what waits, and which conversations there are.
        size: returns the terminal's.
        writing: what is being typed between them.
    """

    def __init__(self, server: Address, chat: Chat, size: Callable[[], Size], writing: Writing) -> None:
        self._server = server
        self._chat = chat
        self._size = size
        self._writing = writing
        self._loop = asyncio.get_running_loop()
        self._pending = Pending()
        self._talk: Talk | None = None
        self._app: Application[str] | None = None
        self._drawn: tuple[Fragments, Fragments] = ([], [])
        self._timer: asyncio.TimerHandle | None = None

    def attach(self, session: PromptSession[str]) -> None:
        """Put the windows around the input line of a session."""
        self._app = session.app
        # Beside the session's own layout: its toolbar waits for the terminal to say where the cursor is, which takes a
        # round trip on slow lines and is not asked here.
        root = session.layout.container
        assert isinstance(root, HSplit)  # noqa: S101 (what prompt_toolkit makes a session of)
        root.children.insert(0, _window(self._above, ""))
        root.children.append(_window(self._below, "class:toolbar"))

    def follow(self, talk: Talk) -> None:
        """Show how this conversation is connected."""
        self._talk = talk
        self.refresh()

    def refresh(self) -> None:
        """Draw again if something has changed, and once more as soon as something changes by itself."""
        if self._talk is None or self._app is None:
            return
        now = self._loop.time()
        self._writing.key.look(self._writing.buffer.text)
        self._pending.note(self._chat.outbox, now)
        before = self._drawn
        if (self._above(), self._below()) != before:
            self._app.invalidate()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        changes = (
            changes_in(self._talk.state, now),
            self._pending.changes_in(now),
            self._chat.questions.changes_in(),
        )
        waits = [min(wait, _LONGEST) for wait in changes if wait is not None]
        if waits:
            self._timer = self._loop.call_later(min(waits) + 0.005, self.refresh)

    def close(self) -> None:
        """Draw no more."""
        if self._timer is not None:
            self._timer.cancel()
        self._talk = None

    def _above(self) -> Fragments:
        columns, rows = self._size().columns, self._size().rows
        waiting = self._pending.visible(self._chat.outbox, self._loop.time())
        lines = pending_lines(waiting, columns, rows // 3)
        key = self._writing.key
        open_now = self._chat.questions.open()
        says = "" if not open_now or key.choice is not None else self._chat.doubts.says(self._writing.buffer.text)
        asked = question_lines(open_now, key.choice, columns, rows // 3, waits=key.waits, says=says)
        if lines and asked:
            lines = [*lines, ("", "\n")]
        lines = [*lines, *asked]
        self._drawn = (lines, self._drawn[1])
        return lines

    def _below(self) -> Fragments:
        line = [] if self._talk is None else toolbar(self._state(self._talk), self._size().columns)
        self._drawn = (self._drawn[0], line)
        return line

    def _state(self, talk: Talk) -> State:
        conversations = self._chat.conversations
        numbers = {name: number for number, name in enumerate(conversations.numbered(), 1)}
        now = self._loop.time()
        unread = [
            Unread(numbers.get(name, 0), name, count)
            for name, count in conversations.unread.items()
            if count and name != conversations.current
        ]
        return State(
            str(self._server),
            self._chat.contacts.user,
            conversations.current,
            numbers.get(conversations.current, 0),
            self._company(talk, conversations.current),
            tuple(sorted(unread, key=lambda one: (one.number == 0, one.number))),
            talk.state,
            now,
            talk.standing,
            len(self._pending.visible(self._chat.outbox, now)),
        )

    def _company(self, talk: Talk, name: str) -> str:
        if is_room(name):
            here = self._chat.contacts.count_here(name)
            members = self._chat.contacts.count_members(name)
            return f"{here:,} here" if here is not None else f"{members:,} people" if members is not None else ""
        if not name or not self._chat.live or talk.state.kind != "connected":
            return ""
        presence = self._chat.contacts.presence
        where = "away" if name in presence.away else "here" if name in presence.here else "gone"
        # Only what is known is said: who gives no receipts may have seen it, too.
        return f"{where}, seen" if self._chat.has_seen(name) else where


def _window(content: Callable[[], Fragments], style: str) -> ConditionalContainer:
    def height() -> Dimension:
        text = "".join(text for _, text in content())
        lines = text.count("\n") + 1 if text else 0
        return Dimension(min=0, preferred=lines, max=lines)

    # Where the window is low it is this that has to make room, not what is being typed.
    return ConditionalContainer(
        Window(
            FormattedTextControl(lambda: [*CLUSTERS.mapped(content())]),
            height=height,
            style=style,
            dont_extend_height=True,
        ),
        filter=~is_done,
    )
