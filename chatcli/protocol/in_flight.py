"""The window of messages in flight: sent, and not yet acknowledged by the server."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from chatcli.protocol.frames import Send

#: Limits of a window: the memory that it may need, and the work that a broken connection may have to repeat.
MAX_MESSAGES: Final = 200
MAX_BYTES: Final = 256 * 1024  # of text


class InFlight:
    """Messages without an answer, in order, over as many connections as it takes.

    A message is *unsent* until :meth:`next_batch` returns it, and *in flight* until it is answered. When a connection
    breaks, everything in flight becomes unsent, to be sent again with the same ids.

    Args:
        messages: the first messages to send.
    """

    def __init__(self, messages: Iterable[Send] = ()) -> None:
        self._messages: dict[str, Send] = {}
        self._sizes: dict[str, int] = {}  # bytes, of every message without an answer
        self._size = 0  # their sum
        self._unsent: dict[str, None] = {}  # ids, in order
        self._unsent_size = 0
        self._ever_sent: set[str] = set()
        for message in messages:
            self.add(message)

    def __len__(self) -> int:
        """Return the number of messages without an answer."""
        return len(self._messages)

    def __contains__(self, identity: object) -> bool:
        """Return whether a message is without an answer."""
        return identity in self._messages

    @property
    def has_room(self) -> bool:
        """Whether the unanswered messages leave room for another in the window."""
        return len(self._messages) < MAX_MESSAGES and self._size < MAX_BYTES

    def unanswered(self) -> list[Send]:
        """Return the messages without an answer, in order."""
        return list(self._messages.values())

    def was_sent(self, identity: str) -> bool:
        """Return whether the server may have an unanswered message, as it was sent on some connection."""
        return identity in self._ever_sent

    def add(self, message: Send) -> None:
        """Append a message, to be sent after those before it; one that is known already keeps its place."""
        if message.id in self._messages:
            return
        size = len(message.text.encode())
        self._messages[message.id] = message
        self._sizes[message.id] = size
        self._unsent[message.id] = None
        self._size += size
        self._unsent_size += size

    def is_unsent(self, identity: str) -> bool:
        """Return whether a message is yet to be sent on the present connection."""
        return identity in self._unsent

    def next_batch(self, most: int = MAX_MESSAGES, is_held: Callable[[Send], bool] = lambda _: False) -> list[Send]:
        """Return the messages to send now; from then on they are in flight.

        The window is refilled once half of it is answered: the server is never idle, and a write carries many messages.

        Args:
            most: the number of messages in flight; 1 sends each after the answer to the one before.
            is_held: returns whether a message stays unsent for now, while those after it are sent.
        """
        count, size = len(self._messages) - len(self._unsent), self._size - self._unsent_size
        if count > most // 2 or size > MAX_BYTES // 2:
            return []
        batch: list[Send] = []
        for identity in self._unsent:
            if is_held(self._messages[identity]):
                continue
            size += self._sizes[identity]
            # A message that is larger than the window goes alone.
            if count == most or (count and size > MAX_BYTES):
                break
            batch.append(self._messages[identity])
            count += 1
        for message in batch:
            del self._unsent[message.id]
            self._unsent_size -= self._sizes[message.id]
            self._ever_sent.add(message.id)
        return batch

    def resolve(self, identity: str | None) -> Send | None:
        """Remove a message, as it was answered or given up, and return it; None if it is not here (any more)."""
        message = self._messages.pop(identity or "", None)
        if message is not None:
            size = self._sizes.pop(message.id)
            self._size -= size
            if message.id in self._unsent:
                del self._unsent[message.id]
                self._unsent_size -= size
            self._ever_sent.discard(message.id)
        return message

    def put_back(self, messages: Sequence[Send]) -> None:
        """Put messages that were answered before all others, as the server has lost them; nothing is in flight then."""
        for message in messages:
            self.add(message)
        order = dict.fromkeys([*(message.id for message in messages), *self._messages])
        self._messages = {identity: self._messages[identity] for identity in order}
        self.disconnected()

    def exchange(self, message: Send) -> None:
        """Exchange a message for one with the same id and the same text; it keeps its place."""
        self._messages[message.id] = message

    def postpone(self, identity: str) -> None:
        """Make a message unsent that the server did not store, as its disk was full."""
        self._ever_sent.discard(identity)
        self._set_unsent(one for one in self._messages if one in self._unsent or one == identity)

    def disconnected(self) -> None:
        """Make all messages unsent: the connection is gone, and with it the answers."""
        self._set_unsent(self._messages)

    def _set_unsent(self, identities: Iterable[str]) -> None:
        self._unsent = dict.fromkeys(identities)
        self._unsent_size = sum(self._sizes[identity] for identity in self._unsent)
