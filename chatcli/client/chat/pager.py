"""Looking back: pages of what was said before, each with its heading and how to see the next one."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from chatcli.client.chat import phrases
from chatcli.client.chat.events import Answer, Event, Notice
from chatcli.client.chat.recent import Memory, conversation
from chatcli.protocol import frames as f
from chatcli.protocol.names import fold, is_room
from chatcli.protocol.text import printable_line

Page = f.History | f.Search


class Lookback:
    """Knows which page comes next.

    Args:
        memory: what is shown is remembered there.
    """

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._skipped: dict[str, int] = {}  # where what was left out of a room ends, by folded name
        self._next: Page | None = None  # what the same command once more asks for
        self._wanted: dict[type[Page], int] = {}  # pages of a kind, as soon as the one that was asked for has come

    def left_out(self, frame: f.Skipped) -> list[Event]:
        """Take what the server has left out of a room; return what to show."""
        self._skipped[fold(frame.to)] = frame.before
        room = printable_line(frame.to)
        return [Notice(f"{frame.count:,} earlier in {room}: /history {room}")]

    def begin(self, asked: f.History) -> None:
        """Have the first history of a room, after something was left out of it, show that."""
        asked.before = self._skipped.pop(fold(asked.of), None)

    def turn(self) -> Page | None:
        """Return what comes behind the page that was shown last; the next call returns nothing."""
        page, self._next = self._next, None
        return page

    def want(self, kind: type[Page]) -> None:
        """Note that one more page of a kind is wanted than those that are on their way."""
        self._wanted[kind] = self._wanted.get(kind, 0) + 1

    def give_up(self, kind: type[Page]) -> None:
        """Note that the page of that kind which was asked for does not come."""
        self._wanted.pop(kind, None)

    def wanted(self, kind: type[Page]) -> Page | None:
        """Return what to ask now, because it was wanted before the page in front of it had come."""
        wanted = self._wanted.pop(kind, 0)
        if not wanted or not isinstance(self._next, kind):
            return None
        self._wanted[kind] = wanted - 1
        return self.turn()

    def history(self, asked: f.History, frame: f.HistoryPage, user: str) -> list[Event]:
        """Return a page of history as the user is to see it."""
        head = f"History {'of' if is_room(frame.of) else 'with'} {printable_line(frame.of)}"
        if not frame.messages:
            return [Answer(f"{head}: nothing was said {'yet' if asked.before is None else 'before that'}")]
        head = f"{head}, {phrases.messages(len(frame.messages))}:"
        hint = "There is more: /history alone shows what was said before"
        return self._shown(asked, frame.messages, user, head, hint if frame.more else "")

    def found(self, asked: f.Search, frame: f.Found, user: str) -> list[Event]:
        """Return what was found as the user is to see it: the newest last, next to the input line."""
        messages = frame.messages[::-1]
        for message in messages:
            self._memory.note(message, conversation(message, user))
        text = printable_line(asked.text)
        quoted = text if '"' in text else f'"{text}"'
        quoted += f" from {printable_line(asked.sender)}" if asked.sender else ""
        quoted += f" in {printable_line(asked.where)}" if is_room(asked.where) else ""
        quoted += f" with {printable_line(asked.where)}" if asked.where and not is_room(asked.where) else ""
        head = f"{len(messages) or 'Nothing'}{'' if asked.before is None else ' more'} found for {quoted}"
        if not messages:
            return [Answer(head)]
        return self._shown(
            asked, messages, user, f"{head}:", "There is more: /search alone shows older ones" * frame.more
        )

    def _shown(self, asked: Page, messages: Sequence[f.Message], user: str, head: str, hint: str) -> list[Event]:
        self._next = replace(asked, before=messages[0].seq)
        shown = (self._memory.said(message, user, past=True) for message in messages)
        return [Answer(head), *shown, *([Answer(hint)] if hint else [])]
