"""The filter of a listener: by sender, by conversation, and by whether a message is for the user."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from chatcli.protocol.frames import Message
from chatcli.protocol.values.mentions import mentions
from chatcli.protocol.values.names import fold, is_room

_REMEMBERED: Final = 2000  # messages of the user's to which an answer is recognized


class MessageFilter:
    """Decides which messages a listener gets.

    Args:
        sources: people and rooms: everything that one of these people says, or that is said in one of these rooms.
        senders: only messages from these people.
        places: only messages in these rooms, or from these people to the user alone.
        mentions: only messages for the user: to them alone, in answer to them, or with their name.

    Attributes:
        people: the people in it, as written.
        rooms: the rooms in it, as written.
    """

    def __init__(
        self, sources: Sequence[str], senders: Sequence[str], places: Sequence[str], *, mentions: bool
    ) -> None:
        self._people = frozenset(fold(name) for name in sources if not is_room(name))
        self._rooms = frozenset(fold(name) for name in sources if is_room(name))
        self._senders = frozenset(map(fold, senders))
        self._places = frozenset(map(fold, places))
        self._only_mentions = mentions
        self._accepts_all = not (sources or senders or places or mentions)
        self._own: dict[int, None] = {}  # seqs of the user's own messages, the oldest first
        self.people = list(dict.fromkeys(name for name in [*sources, *senders, *places] if not is_room(name)))
        self.rooms = list(dict.fromkeys(name for name in [*sources, *places] if is_room(name)))

    def accepts(self, message: Message, user: str) -> bool:
        """Return whether the listener gets a message. Messages from the user matter, too: others answer them.

        Args:
            message: the next message of the feed.
            user: the owner of the feed, by the name as owned.
        """
        if self._accepts_all:
            return True
        if self._only_mentions and message.sender == user:
            self._remember(message.seq)
        sender = fold(message.sender)
        place = fold(message.to if is_room(message.to) or message.sender == user else message.sender)
        return (
            (not (self._people or self._rooms) or sender in self._people or place in self._rooms)
            and (not self._senders or sender in self._senders)
            and (not self._places or place in self._places)
            and self._is_for(message, user)
        )

    def covers(self, of: str) -> bool:
        """Return whether the listener gets every message that others write in a conversation."""
        name, in_room = fold(of), is_room(of)
        return (
            (not (self._people or self._rooms) or name in (self._rooms if in_room else self._people))
            and (not self._senders or (not in_room and name in self._senders))
            and (not self._places or name in self._places)
            and not (in_room and self._only_mentions)
        )

    def accepts_change(self, name: str) -> bool:
        """Return whether the listener gets the changes of a name: whether it gets what its owner writes to the user."""
        name = fold(name)
        return (
            (not (self._people or self._rooms) or name in self._people)
            and (not self._senders or name in self._senders)
            and (not self._places or name in self._places)
        )

    def _remember(self, seq: int) -> None:
        self._own[seq] = None
        if len(self._own) > _REMEMBERED:
            del self._own[next(iter(self._own))]

    def _is_for(self, message: Message, user: str) -> bool:
        """Return whether a message passes the condition of mentions."""
        if not self._only_mentions:
            return True
        return not is_room(message.to) or message.re in self._own or mentions(message.text, user)

    def key(self) -> tuple[str, ...]:
        """Return words that are the same for all filters with the same effect."""
        groups = {"of": self._people | self._rooms, "from": self._senders, "in": self._places}
        words = tuple(f"{group} {name}" for group, names in groups.items() for name in sorted(names))
        return (*words, "mentions") if self._only_mentions else words
