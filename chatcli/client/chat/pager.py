"""Pages of older messages, of a conversation or of a search: their headings, and which one comes next."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from typing import Final

from msgspec.structs import replace

from chatcli.client.chat import phrases
from chatcli.client.chat.events import Answer, Event, Notice, Separator, Shown, when
from chatcli.client.chat.recent import RecentMessages, conversation
from chatcli.client.names.sentences import sentence
from chatcli.client.reading.screen import Tail
from chatcli.protocol import frames as f
from chatcli.protocol.values.names import fold, is_room
from chatcli.protocol.values.text import printable_line

#: Unread messages that are shown when a conversation is opened; /history shows those before.
UNREAD: Final = 50

Page = f.History | f.Search


class HistoryPager:
    """Pages through the history and through what was found.

    Args:
        recent: where the messages that are shown are recorded.
        today: returns the user's day.
    """

    def __init__(self, recent: RecentMessages, today: Callable[[], datetime.date]) -> None:
        self._recent = recent
        self._today = today
        self._skipped: dict[str, int] = {}  # the end of the messages left out of a room, by folded name
        self._next: Page | None = None  # what the same command asks for if it follows at once
        self._queued: dict[type[Page], int] = {}  # further pages of a kind that the user has asked for

    def left_out(self, frame: f.Skipped) -> list[Event]:
        """Record that the server has left messages of a room out; return the events."""
        self._skipped[fold(frame.to)] = frame.before
        room = printable_line(frame.to)
        return [Notice(f"{frame.count:,} earlier in {room}: /history {room}")]

    def drop_after(self, seq: int) -> None:
        """Forget the pages that begin after a place: others have these numbers now."""
        self._skipped = {room: before for room, before in self._skipped.items() if before <= seq}
        if self._next is not None and self._next.before is not None and self._next.before > seq:
            self._next = None

    def start(self, asked: f.History) -> None:
        """Make the first history of a room begin with the messages that were left out of it."""
        asked.before = self._skipped.pop(fold(asked.of), None)

    def pop_next(self) -> Page | None:
        """Return the page after the one shown last; the next call returns None."""
        page, self._next = self._next, None
        return page

    def queue(self, kind: type[Page]) -> None:
        """Record that the user wants one more page than those that were asked for."""
        self._queued[kind] = self._queued.get(kind, 0) + 1

    def cancel(self, kind: type[Page]) -> None:
        """Record that the page which was asked for does not come, so that none follows it."""
        self._queued.pop(kind, None)

    def next_queued(self, kind: type[Page]) -> Page | None:
        """Return the page to ask for now, as the user wanted it before the one before it had come."""
        count = self._queued.pop(kind, 0)
        if not count or not isinstance(self._next, kind):
            return None
        self._queued[kind] = count - 1
        return self.pop_next()

    def history(self, asked: f.History, frame: f.HistoryPage, user: str) -> list[Event]:
        """Return the events of a page of history."""
        head = f"History {'of' if is_room(frame.of) else 'with'} {printable_line(frame.of)}"
        changes = frame.changes or []
        if not frame.messages:
            head = f"{head}: nothing was said {'yet' if asked.before is None else 'before that'}"
            return [Answer(head), *self._changes(changes, 0, f.MAX_SEQ)]
        head = f"{head}, {phrases.messages(len(frame.messages))}:"
        hint = "There is more: /history alone shows older messages"
        shown = self._events(asked, frame.messages, user, head, hint if frame.more else "")
        return self._with_changes(shown, changes) if changes else shown

    def _with_changes(self, events: list[Event], changes: Sequence[f.NameChange]) -> list[Event]:
        """Return the events of a page with the changes of the name in their places."""
        merged: list[Event] = []
        after = 0
        for event in events:
            if isinstance(event, Shown):
                merged += self._changes(changes, after, event.message.seq)
                after = event.message.seq
            elif after and isinstance(event, Answer):  # the hint after the last message
                merged += self._changes(changes, after, f.MAX_SEQ)
                after = f.MAX_SEQ
            merged.append(event)
        return [*merged, *self._changes(changes, after, f.MAX_SEQ)]

    def _changes(self, changes: Sequence[f.NameChange], after: int, before: int) -> list[Event]:
        """Return the events of the changes between two places in the log."""
        return [
            Notice(sentence(change, when(change.at, self._today())))
            for change in changes
            if after < change.seq <= before
        ]

    def tail(self, frame: f.HistoryPage, tail: Tail, user: str) -> list[Event]:
        """Return the events of the end of a conversation that the user has opened, with a line where they stopped."""
        messages = [message for message in frame.messages if tail.upto is None or message.seq <= tail.upto]
        if not messages:
            return []
        name = printable_line(frame.of)
        events = [self._recent.as_event(message, user, past=True) for message in messages]
        unread = [place for place, one in enumerate(events) if not one.mine and one.message.seq > tail.read]
        if len(unread) > UNREAD:
            events = events[unread[-UNREAD] :]
            unread = [place - unread[-UNREAD] for place in unread[-UNREAD:]]
        first = unread[0] if unread and tail.unread else len(events)  # one's own messages before it are not new
        read = events[:first]
        new = [replace(one, notable=not one.mine and self._recent.is_for(one.message, user)) for one in events[first:]]
        if isinstance(self._next, f.History):  # /history continues before what is shown now
            self._next = None
        shown: list[Event] = []
        earlier = (tail.unread or 0) - len(unread)
        if earlier > 0 and events[0].message.seq > tail.read:
            self._skipped[fold(frame.of)] = events[0].message.seq  # where /history continues
            shown.append(Notice(f"{earlier:,} earlier unread in {name}: /history {name}"))
        if read:
            shown.append(Separator(name))
        shown += read
        if new:
            shown.append(Separator(f"new in {name}"))
        shown += new
        return self._with_changes(shown, frame.changes) if frame.changes else shown

    def found(self, asked: f.Search, frame: f.Found, user: str) -> list[Event]:
        """Return the events of a page of what was found: the newest last, next to the input line."""
        messages = frame.messages[::-1]
        for message in messages:
            self._recent.add(message, conversation(message, user))
        text = printable_line(asked.text)
        quoted = text if '"' in text else f'"{text}"'
        quoted += f" from {printable_line(asked.sender)}" if asked.sender else ""
        quoted += f" in {printable_line(asked.where)}" if is_room(asked.where) else ""
        quoted += f" with {printable_line(asked.where)}" if asked.where and not is_room(asked.where) else ""
        head = f"{len(messages) or 'Nothing'}{'' if asked.before is None else ' more'} found for {quoted}"
        if not messages:
            return [Answer(head)]
        return self._events(
            asked, messages, user, f"{head}:", "There is more: /search alone shows older ones" * frame.more
        )

    def _events(self, asked: Page, messages: Sequence[f.Message], user: str, head: str, hint: str) -> list[Event]:
        self._next = replace(asked, before=messages[0].seq)
        shown = (self._recent.as_event(message, user, past=True) for message in messages)
        return [Answer(head), *shown, *([Answer(hint)] if hint else [])]
