"""The unread messages of each conversation: the server's counts, and the messages that have come since."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable, Mapping
from typing import Final

from chatcli.protocol.frames import MAX_COUNT
from chatcli.protocol.values.names import fold

_CONVERSATIONS: Final = 10_000  # whose positions are kept; a server of ours has 2,000 of a user
_PLACES: Final = 1000  # messages of one conversation whose places in the log are kept


class _Conversation:
    """One conversation.

    The server has counted the unread messages up to ``upto``; the places of those after it are known here. Where all
    places after ``whole`` are known, a position in between needs no count of the server's.
    """

    __slots__ = ("counted", "mentioned", "mentions", "places", "read", "shown", "upto", "whole")

    def __init__(self, read: int, whole: int) -> None:
        self.read = read
        self.whole = whole
        self.upto = self.counted = self.mentioned = 0
        self.places: list[int] = []  # of the messages that may be unread, sorted
        self.mentions: list[int] = []  # of those among them that mention the user
        self.shown = 0  # up to here, the user was told of the messages that they have not been shown

    def unread(self) -> int:
        return min(MAX_COUNT, self._count(self.counted, self.places))

    def unread_mentions(self) -> int:
        return min(MAX_COUNT, self._count(self.mentioned, self.mentions))

    def _count(self, counted: int, places: list[int]) -> int:
        if self.read >= self.upto:
            return len(places) - bisect_right(places, self.read)
        return counted + len(places) - bisect_right(places, self.upto)

    def add(self, seq: int, *, mention: bool) -> None:
        at = bisect_right(self.places, seq)
        if at and self.places[at - 1] == seq:
            return
        insort(self.places, seq)
        if mention:
            insort(self.mentions, seq)
        if len(self.places) > _PLACES:
            self._forget(self.places[0])

    def _forget(self, seq: int) -> None:
        """Forget the oldest place, and count the message in its stead."""
        self.whole = max(self.whole, seq)
        mention = self._drop(seq)
        if seq > max(self.upto, self.read):
            before = self.read < self.upto
            self.counted = (self.counted if before else 0) + 1
            self.mentioned = (self.mentioned if before else 0) + mention
            self.upto = seq

    def _drop(self, seq: int) -> bool:
        """Drop a place; return whether the message mentions the user."""
        self.places.remove(seq)
        mention = seq in self.mentions
        if mention:
            self.mentions.remove(seq)
        return mention

    def settle(self, seq: int) -> bool:
        """Record that a message needs no reading; return whether its place was known."""
        at = bisect_right(self.places, seq)
        if not at or self.places[at - 1] != seq:
            return False
        mention = self._drop(seq)
        if self.read < seq <= self.upto:
            self.counted = max(0, self.counted - 1)
            self.mentioned = max(0, self.mentioned - mention)
        return True

    def move(self, seq: int, *, live: bool) -> bool:
        """Move the position; return whether the count is known."""
        before, self.read = self.read, seq
        if seq < before:
            self.shown = min(self.shown, seq)
        if seq == before or (seq > before and seq >= self.upto == 0):
            return True
        if (self.upto and seq >= self.upto) or (live and seq >= self.whole):
            self.upto, self.counted, self.mentioned = seq, 0, 0  # what is unread comes after it, and is known
            return True
        if seq < before and before >= self.upto:
            self.upto, self.counted, self.mentioned = before, 0, 0
        sign, low, high = (1, seq, before) if seq < before else (-1, before, seq)
        # An estimate, until the server has counted.
        self.counted = max(0, self.counted + sign * self._between(self.places, low, high))
        self.mentioned = max(0, self.mentioned + sign * self._between(self.mentions, low, high))
        return False

    @staticmethod
    def _between(places: list[int], after: int, upto: int) -> int:
        return max(0, bisect_right(places, upto) - bisect_right(places, after))

    def unshown(self) -> int:
        """Return the number of unread messages of which the user was shown nothing here."""
        if self.read >= self.upto or self.shown >= min(self.upto, self.whole):  # those after `whole` have come here
            return 0
        return max(0, self.counted - self._between(self.places, self.read, self.upto))


class UnreadCounts:
    """The read positions and the unread counts of all conversations, as the server has them.

    Attributes:
        is_outdated: whether the server has to be asked, as a position has moved to where the messages are not known.
        live: whether everything that was missed has come.
    """

    def __init__(self) -> None:
        self.is_outdated = False
        self.live = False
        self._read = 0  # the position of conversations that have none of their own
        self._whole: int | None = None  # all messages after it come here, unless the server says that some are left out
        self._conversations: dict[str, _Conversation] = {}  # by folded name
        self._moved: set[str] = set()  # those whose position has moved since the server was asked, folded
        self._unsent: set[str] = set()  # those whose position the server has not been told, folded

    @property
    def size(self) -> int:
        """The number of conversations whose positions are kept."""
        return len(self._conversations)

    def connected(self, cursor: int) -> None:
        """Start on a new connection, on which the messages after this place in the log come."""
        self.live = False
        if self._whole is None:
            self._whole = cursor

    def welcomed(self, read: int, reads: Mapping[str, int]) -> None:
        """Record the positions that the server has at the start of a connection.

        Args:
            read: the position of conversations that have none of their own.
            reads: those of the others, by name.
        """
        self._read = read
        own = {fold(name): seq for name, seq in reads.items()}
        for key, seq in own.items():
            self._find(key).move(seq, live=False)
        for key, one in self._conversations.items():
            if key not in own:
                one.move(read, live=False)

    def asked(self) -> None:
        """Record that the server is asked for its counts now."""
        self.is_outdated = False
        self._moved.clear()

    def counted(self, name: str, *, unread: int, mentions: int, read: int, upto: int) -> None:
        """Record the server's count of a conversation.

        Args:
            name: the conversation.
            unread: the number of unread messages.
            mentions: the number of those that mention the user.
            read: the position that they are counted from.
            upto: the place in the log of its newest message then.
        """
        key = fold(name)
        one = self._find(key)
        if key in self._moved | self._unsent:  # the count may be from before that
            self.is_outdated = self.is_outdated or one.read < upto
            return
        if read < one.read:
            one.shown = min(one.shown, read)
        one.read, one.counted, one.mentioned, one.upto = read, unread, mentions, upto

    def add(self, name: str, seq: int, *, mention: bool = False) -> None:
        """Record a message that may be unread, in a conversation."""
        self._find(fold(name)).add(seq, mention=mention)

    def left_out(self, name: str, before: int) -> None:
        """Record that messages of a room before this place do not come, and that the user is told so."""
        one = self._find(fold(name))
        one.whole, one.shown = max(one.whole, before), max(one.shown, before)

    def settle(self, seq: int) -> None:
        """Record that a message needs no reading: a question that is answered or over."""
        if any(one.settle(seq) for one in self._conversations.values()):
            return
        self.is_outdated = self.is_outdated or any(one.unshown() for one in self._conversations.values())

    def move(self, name: str, seq: int) -> None:
        """Record that the user has read a conversation up to this place, and nothing after it."""
        key = fold(name)
        self._moved.add(key)
        if not self._find(key).move(seq, live=self.live):
            self.is_outdated = True

    def wait(self, name: str) -> None:
        """Record that the position of a conversation is yet to be sent to the server."""
        self._unsent.add(fold(name))

    def sent(self, name: str) -> None:
        """Record that the position of a conversation was sent to the server, or needs not be sent."""
        self._unsent.discard(fold(name))
        self._moved.add(fold(name))

    def move_all(self, seq: int) -> None:
        """Record that the user has read all conversations up to this place at least."""
        self._read = max(self._read, seq)
        for key, one in self._conversations.items():
            if seq > one.read:
                self.move(key, seq)

    def position(self, name: str) -> int:
        """Return the place in the log up to which the user has read a conversation."""
        one = self._conversations.get(fold(name))
        return self._read if one is None else one.read

    def unread(self, name: str) -> int:
        """Return the number of unread messages of a conversation."""
        one = self._conversations.get(fold(name))
        return 0 if one is None else one.unread()

    def mentions(self, name: str) -> int:
        """Return the number of those that mention the user."""
        one = self._conversations.get(fold(name))
        return 0 if one is None else one.unread_mentions()

    def unshown(self, name: str) -> int:
        """Return the number of unread messages of a conversation of which the user was shown nothing here."""
        one = self._conversations.get(fold(name))
        return 0 if one is None else one.unshown()

    def first_unread(self, name: str, after: int) -> int:
        """Return the place of the first unread message after a place, of those that came here; 0 if there is none."""
        one = self._conversations.get(fold(name))
        if one is None:
            return 0
        at = bisect_right(one.places, max(one.read, after))
        return one.places[at] if at < len(one.places) else 0

    def newest(self, name: str) -> int:
        """Return the place of the newest message that may be unread; 0 if none is known."""
        one = self._conversations.get(fold(name))
        return 0 if one is None or not one.places else one.places[-1]

    def showed(self, name: str) -> None:
        """Record that the user was shown, or told of, all messages that the server has counted."""
        one = self._find(fold(name))
        one.shown = max(one.shown, one.upto)

    def forget(self, names: Iterable[str]) -> None:
        """Forget conversations."""
        for name in names:
            key = fold(name)
            self._conversations.pop(key, None)
            self._moved.discard(key)
            self._unsent.discard(key)

    def reset(self) -> None:
        """Start anew: the log was reset, and gives out places anew."""
        self._conversations.clear()
        self._moved.clear()
        self._unsent.clear()
        self._read, self._whole, self.is_outdated = 0, None, False

    def _find(self, key: str) -> _Conversation:
        if key not in self._conversations:
            self._conversations[key] = _Conversation(self._read, self._whole or 0)
            if len(self._conversations) > _CONVERSATIONS:
                self.forget([next(iter(self._conversations))])
        return self._conversations[key]
