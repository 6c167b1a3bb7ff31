"""What a listener listens for: from whom, where, and whether only what is for the user."""

from __future__ import annotations

from collections.abc import Sequence

from chatcli.client.chat.recent import Memory, conversation
from chatcli.protocol.frames import Message
from chatcli.protocol.names import fold, is_room


class Wanted:
    """Decides about messages.

    Args:
        sources: people and rooms: anything that one of these people says, or that is said in one of these rooms.
        senders: only what one of these people says.
        places: only what is said in one of these rooms, or by one of these people to the user alone.
        mentions: only what is for the user: said to them alone, an answer to them, or something with their name in it.

    Attributes:
        user: whose feed it is, as owned.
    """

    def __init__(
        self, sources: Sequence[str], senders: Sequence[str], places: Sequence[str], *, mentions: bool
    ) -> None:
        self.user = ""
        self._people = frozenset(fold(name) for name in sources if not is_room(name))
        self._rooms = frozenset(fold(name) for name in sources if is_room(name))
        self._senders = frozenset(map(fold, senders))
        self._places = frozenset(map(fold, places))
        self._memory = Memory() if mentions else None
        self._everything = not (sources or senders or places or mentions)
        self.people = list(dict.fromkeys(name for name in [*sources, *senders, *places] if not is_room(name)))
        self.rooms = list(dict.fromkeys(name for name in [*sources, *places] if is_room(name)))

    def __call__(self, message: Message) -> bool:
        """Return whether a message is wanted; it is remembered, so that answers to it are known for such."""
        if self._everything:
            return True
        sender, place = fold(message.sender), fold(conversation(message, self.user))
        if self._memory is not None:
            self._memory.note(message, place)
        return (
            (not (self._people or self._rooms) or sender in self._people or place in self._rooms)
            and (not self._senders or sender in self._senders)
            and (not self._places or place in self._places)
            and (self._memory is None or self._memory.is_for(message, self.user))
        )

    def words(self) -> tuple[str, ...]:
        """Return the same for all ways to say the same."""
        groups = {"of": self._people | self._rooms, "from": self._senders, "in": self._places}
        words = tuple(f"{group} {name}" for group, names in groups.items() for name in sorted(names))
        return words if self._memory is None else (*words, "mentions")
