"""The windows around the input line: above it unread conversations, unsent messages and open questions; the toolbar.

They are added to the layout that prompt_toolkit makes for a session, which it does not promise to keep as it is: see
:mod:`chatcli.client.tui.terminal.reflow`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from prompt_toolkit import PromptSession
from prompt_toolkit.filters import is_done
from prompt_toolkit.layout import ConditionalContainer, FormattedTextControl, HSplit, Window
from prompt_toolkit.layout.dimension import Dimension

from chatcli.client.chat.chat import Chat
from chatcli.client.interactive.listing import summary
from chatcli.client.interactive.render import Fragments
from chatcli.client.interactive.session import InteractiveSession
from chatcli.client.tui.input.input_line import InputLine
from chatcli.client.tui.input.pending import Pending, pending_lines
from chatcli.client.tui.question_bar import question_lines
from chatcli.client.tui.terminal.clusters import CLUSTERS
from chatcli.client.tui.toolbar import State, Unread, changes_in, toolbar
from chatcli.protocol.frames import Send
from chatcli.protocol.values.address import Address
from chatcli.protocol.values.names import fold, is_room

_LONGEST: Final = 3600.0  # seconds until the next drawing, if something is to change by itself
_UNREAD: Final = 3  # lines of unread conversations, at most
_UNREAD_SHARE: Final = 6  # and no more than this part of the window
_MARGIN: Final = 0.005  # seconds after such a change until it is drawn


class Layout:
    """The windows around the input line, drawn again when their content changes.

    Args:
        server: the address of the server.
        chat: the unsent messages, the open questions and the conversations.
        conversation: the state of the connection.
        input_line: the text between the windows.
        session: prompt_toolkit's session, to whose layout the windows are added.
    """

    def __init__(
        self,
        server: Address,
        chat: Chat,
        conversation: InteractiveSession,
        input_line: InputLine,
        session: PromptSession[str],
    ) -> None:
        self._server = server
        self._chat = chat
        self._conversation = conversation
        self._input_line = input_line
        self._app = session.app
        self._loop = asyncio.get_running_loop()
        self._pending = Pending()
        self._drawn: tuple[Fragments, Fragments] = ([], [])
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        # Not the session's own toolbar: that waits until the terminal reports the cursor's position, which is not asked
        # here because it takes a round trip on slow lines.
        root = session.layout.container
        assert isinstance(root, HSplit)  # noqa: S101 (the layout that prompt_toolkit makes for a session)
        root.children.insert(0, _window(self._above, ""))
        root.children.append(_window(self._below, "class:toolbar"))

    def refresh(self) -> None:
        """Draw again if something has changed, and once more as soon as something changes by itself."""
        if self._closed:
            return
        now = self._loop.time()
        self._input_line.quick_answer.update(self._input_line.buffer.text)
        self._pending.update(self._unsent(), now)
        before = self._drawn
        if (self._above(), self._below()) != before:
            self._app.invalidate()
        self._cancel_timer()
        changes = (
            changes_in(self._conversation.state, now),
            self._pending.changes_in(now),
            self._chat.questions.changes_in(),
        )
        waits = [min(wait, _LONGEST) for wait in changes if wait is not None]
        if waits:
            self._timer = self._loop.call_later(min(waits) + _MARGIN, self.refresh)

    def close(self) -> None:
        """Draw no more."""
        self._closed = True
        self._cancel_timer()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _above(self) -> Fragments:
        size = self._app.output.get_size()
        columns, most = size.columns, size.rows // 3
        lines = pending_lines(self._pending.visible(self._unsent(), self._loop.time()), columns, most)
        answer = self._input_line.quick_answer
        questions = self._chat.questions.open()
        doubt = ""
        if questions and answer.choice is None:
            doubt = self._chat.addressing.describe_enter(self._input_line.buffer.text)
        asked = question_lines(
            questions, answer.choice, columns, most, confirms_itself=answer.confirms_itself, doubt=doubt
        )
        unread = summary(self._chat.at_start.rows(), columns, min(_UNREAD, size.rows // _UNREAD_SHARE))
        above = [part for part in (*unread, lines, asked) if part]
        lines = [piece for number, part in enumerate(above) for piece in [("", "\n" if number else ""), *part]]
        self._drawn = (lines, self._drawn[1])
        return lines

    def _below(self) -> Fragments:
        line = [] if self._closed else toolbar(self._state(), self._app.output.get_size().columns)
        self._drawn = (self._drawn[0], line)
        return line

    def _state(self) -> State:
        conversations = self._chat.conversations
        current = conversations.current
        now = self._loop.time()
        unread = [
            Unread(conversations.number(name), name, count, conversations.counts.mentions(name))
            for name, count in conversations.unread.items()
            if name != current and not conversations.is_muted(name) and fold(name) not in conversations.closed
        ]
        return State(
            server=str(self._server),
            user=self._chat.contacts.user,
            current=current,
            number=conversations.number(current),
            company=self._presence(current),
            unread_here=conversations.counts.unread(current),  # nobody has looked at it since
            mentions_here=conversations.counts.mentions(current),
            unread=tuple(sorted(unread, key=lambda one: (one.number == 0, one.number))),
            link=self._conversation.state,
            now=now,
            trust=self._conversation.trust_reason,
            waiting=len(self._pending.visible(self._unsent(), now)),
            is_quiet=conversations.is_muted(current),
            quiet=tuple(name for name in conversations.numbered() if conversations.is_muted(name) and name != current),
            is_away=self._chat.contacts.is_away,
            is_undisturbed=conversations.undisturbed,
        )

    def _unsent(self) -> dict[str, Send]:
        return {message.id: message for message in self._chat.outgoing.unanswered()}

    def _presence(self, name: str) -> str:
        if is_room(name):
            here = self._chat.contacts.count_here(name)
            members = self._chat.contacts.count_members(name)
            return f"{here:,} here" if here is not None else f"{members:,} people" if members is not None else ""
        if not name or not self._chat.live or self._conversation.state.kind != "connected":
            return ""
        where = self._chat.contacts.presence.where(name) or ""
        # No receipt proves nothing: they may have receipts switched off. And what is not stored was not seen.
        seen = self._chat.delivery.has_seen(name) and not any(
            fold(message.to) == fold(name) for message in self._chat.outgoing.unanswered()
        )
        return ", ".join(filter(None, (where, "seen" if seen else "")))


def _window(content: Callable[[], Fragments], style: str) -> ConditionalContainer:
    def height() -> Dimension:
        text = "".join(text for _, text in content())
        lines = text.count("\n") + 1 if text else 0
        return Dimension(min=0, preferred=lines, max=lines)

    # In a low window these lines make room for the text, not the other way round.
    return ConditionalContainer(
        Window(
            FormattedTextControl(lambda: [*CLUSTERS.mapped(content())]),
            height=height,
            style=style,
            dont_extend_height=True,
        ),
        filter=~is_done,
    )
