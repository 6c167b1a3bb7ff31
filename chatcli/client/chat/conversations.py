"""The conversations of a user: which one is open, which came last, and what is unread in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import count
from typing import Final

from msgspec.structs import replace

from chatcli.client.chat.events import Row
from chatcli.client.reading.unread_counts import UnreadCounts
from chatcli.protocol.frames import ConversationInfo, Message
from chatcli.protocol.values.names import fold

#: Conversations that Alt and a digit open.
DIGITS: Final = 9

_REMEMBERED: Final = 500  # conversations
_LISTED: Final = 2 * _REMEMBERED  # with those that the server has listed
_WRITERS: Final = 10  # people who have written to the user
_KEPT: Final = 200  # characters of a conversation's last message


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A conversation in the list.

    Attributes:
        name: the person or the room, as written.
        unread: the number of unread messages; 1000 means 1000 or more.
        mentions: the number of those in a room that mention the user.
        last: the newest message, with the start of its text; None if none is known.
        quiet: whether it neither rings nor counts.
        closed: whether the user has closed it, and nothing has come there since.
    """

    name: str
    unread: int
    mentions: int
    last: Message | None
    quiet: bool
    closed: bool


class Conversations:
    """The user's conversations, in the order of their last messages and in that of their first ones.

    Attributes:
        current: the person or the room that plain text goes to; empty if there is none. Until the user has opened one,
            it is the only person who has written to them.
        counts: the unread messages of all conversations, also of the current one.
        drafts: the texts that were typed and not sent, by name as written; the input line keeps them.
        muted: the quiet conversations, folded.
        undisturbed: whether no conversation rings, on this device.
        closed: the newest message of the conversations that the user has closed, by folded name.
        has_chosen: whether the user has opened a conversation; until then, one may open by itself.
        on_open: called with the conversation that the user opens.
    """

    def __init__(self) -> None:
        self.current = ""
        self.counts = UnreadCounts()
        self.drafts: dict[str, str] = {}
        self.muted: set[str] = set()
        self.undisturbed = False
        self.closed: dict[str, int] = {}
        self.has_chosen = False
        self.on_open: Callable[[str], None] = lambda _: None
        self._writers: dict[str, str] = {}  # the people who have written to the user, by folded name
        self._before = ""  # the conversation that was open before the current one
        self._names: dict[str, str] = {}  # as written, by folded name, the most recent last
        self._numbers: dict[str, int] = {}  # the numbers of those that have one, by folded name
        self._last: dict[str, Message] = {}  # the newest messages, by folded name

    @property
    def unread(self) -> dict[str, int]:
        """The numbers of unread messages, by name as written, where there are any."""
        return {name: count for name in self._names.values() if (count := self.counts.unread(name))}

    def listed(self) -> list[Listed]:
        """Return all conversations, the most recent first."""
        return [
            Listed(
                name=name,
                unread=self.counts.unread(name),
                mentions=self.counts.mentions(name),
                last=self._last.get(fold(name)),
                quiet=self.is_muted(name),
                closed=fold(name) in self.closed,
            )
            for name in reversed(self._names.values())
        ]

    def add_listed(self, listed: Iterable[ConversationInfo]) -> None:
        """Add what the server has listed, that with the newest message first."""
        known = self._names
        added: dict[str, ConversationInfo] = {}
        for one in listed:
            if fold(one.of) in known or len(known) + len(added) < _LISTED:
                added.setdefault(fold(one.of), one)
        listed = list(added.values())
        self._names = {fold(one.of): one.of for one in reversed(listed) if fold(one.of) not in known} | known
        for one in listed:
            self.respell(one.of)
            if one.last is not None:
                self.set_last(one.of, one.last)
                self.counts.counted(one.of, unread=one.unread, mentions=one.mentions, read=one.read, upto=one.last.seq)
            if one.unread and fold(one.of) not in self.closed:
                self._number(one.of)

    def set_last(self, name: str, message: Message) -> None:
        """Record a message of a conversation, which may be its newest."""
        key = fold(name)
        before = self._last.get(key)
        if before is not None and before.seq > message.seq:
            return
        self._last[key] = replace(message, text=message.text[:_KEPT]) if len(message.text) > _KEPT else message
        if message.seq > self.closed.get(key, message.seq):
            del self.closed[key]

    def last(self, name: str) -> Message | None:
        """Return the newest message of a conversation, with the start of its text; None if none is known."""
        return self._last.get(fold(name))

    def ordered(self) -> list[str]:
        """Return the conversations that are not closed, the most recent first."""
        return [name for key, name in reversed(self._names.items()) if key not in self.closed]

    def numbered(self) -> list[str]:
        """Return the conversations that have a number, in the order of these."""
        return [self._names[key] for key in sorted(self._numbers, key=self._numbers.__getitem__)]

    def number(self, name: str) -> int:
        """Return the number of a conversation; 0 if it has none.

        Neither messages nor the end of another conversation change it: what the user is about to press stays the same.
        """
        return self._numbers.get(fold(name), 0)

    def numbered_as(self, number: int) -> str:
        """Return the conversation with a number; empty if there is none."""
        return next((self._names[key] for key, one in self._numbers.items() if one == number), "")

    def _number(self, name: str) -> None:
        """Give a conversation the first free number, unless it has one."""
        key = fold(name)
        if key not in self._numbers:
            taken = set(self._numbers.values())
            self._numbers[key] = next(number for number in count(1) if number not in taken)

    def number_first(self, names: Iterable[str]) -> None:
        """Give the first numbers to these conversations."""
        keys = dict.fromkeys([*map(fold, names), *sorted(self._numbers, key=self._numbers.__getitem__)])
        self._numbers = {key: number for number, key in enumerate(keys, 1)}

    def row(self, name: str, user: str) -> Row:
        """Return the row of a conversation in a list for the user; as they see it there, it gets a number."""
        key = fold(name)
        if key not in self.closed and len(self._numbers) < DIGITS:
            self._names = self._names if key in self._names else {key: name} | self._names
            self._number(name)
        last = self._last.get(key)
        return Row(
            name=name,
            number=self.number(name),
            unread=self.counts.unread(name),
            mentions=self.counts.mentions(name),
            last=last,
            mine=last is not None and last.sender == user,
            quiet=self.is_muted(name),
        )

    def switch(self, name: str) -> None:
        """Open a conversation."""
        name = self.touch(name)
        if self.has_chosen and self.current and self.current != name:
            self._before = self.current
        self.has_chosen = True
        self.current = name
        self.closed.pop(fold(name), None)
        self.on_open(name)

    def add_writer(self, name: str) -> None:
        """Record that a person has written to the user alone."""
        if len(self._writers) < _WRITERS:
            self._writers.setdefault(fold(name), name)

    def writers(self) -> list[str]:
        """Return the first people who have written to the user."""
        return list(self._writers.values())

    def only_writer(self) -> str:
        """Return the only person who has written, if the user has opened no conversation; else an empty string."""
        return next(iter(self._writers.values())) if len(self._writers) == 1 and not self.has_chosen else ""

    def suggest(self) -> bool:
        """Open the conversation of the only person who has written; return whether that changes which one is open.

        To be called only while nothing is being typed: a text goes to the conversation in which it was started. Once
        the user has opened a conversation, none opens by itself.
        """
        if self.has_chosen:
            return False
        name = self.only_writer()
        if name != self.current and self.drafts.get(name):  # an old draft would come up under the user's fingers
            name = ""
        changed = self.current != name
        self.current = name
        return changed

    def back(self) -> bool:
        """Open the conversation that was open before; return False if there was none."""
        if not self._before:
            return False
        self.switch(self._before)
        return True

    def touch(self, name: str) -> str:
        """Make a conversation the most recent one; return its name as written."""
        key = fold(name)
        name = self._names.pop(key, name)
        self._names[key] = name
        self._number(name)
        if len(self._names) > _REMEMBERED:
            self.forget(next(other for other in self._names.values() if other not in (self.current, name)))
        return name

    def respell(self, name: str) -> None:
        """Record how the owner of a conversation's name spells it."""
        key = fold(name)
        before = self._names.get(key, name)
        if before == name:
            return
        self._names[key] = name
        self.current, self._before = (name if one == before else one for one in (self.current, self._before))
        if before in self.drafts:
            self.drafts[name] = self.drafts.pop(before)

    def forget(self, name: str) -> None:
        """Remove a conversation; if it is open, none is open then.

        The one before it is not opened in its place: the user's next line would go there unseen.
        """
        key = fold(name)
        self.counts.forget([name])
        self._last.pop(key, None)
        self.closed.pop(key, None)
        self._names.pop(key, None)
        self._writers.pop(key, None)
        self._numbers.pop(key, None)
        if fold(self.current) == key:
            self.current = ""
        if fold(self._before) == key:
            self._before = ""

    def close(self, name: str) -> None:
        """Hide a conversation until something new comes there; if it is open, none is open then.

        What is unread there stays unread.
        """
        key = fold(name)
        last = self._last.get(key)
        self.leave(name)
        self._before = "" if fold(self._before) == key else self._before
        self._numbers.pop(key, None)
        self.closed[key] = max(self.counts.newest(name), 0 if last is None else last.seq)

    def leave(self, name: str) -> None:
        """Open none in place of a conversation, if it is open; none opens by itself."""
        self.has_chosen = True
        if self.is_current(name):
            self.current, self._before = "", self.current

    def is_current(self, name: str) -> bool:
        """Return whether a conversation is open, however its name is written."""
        return bool(self.current) and fold(self.current) == fold(name)

    def is_muted(self, name: str) -> bool:
        """Return whether a conversation is quiet."""
        return fold(name) in self.muted

    def add_unread(self, name: str, seq: int, *, mention: bool = False) -> None:
        """Record that someone else's message came in a conversation, at that place in the log."""
        self.counts.add(self.touch(name), seq, mention=mention)
