"""The interface of a protocol to the load generator: logging in, making many messages, counting answers."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import NamedTuple, Protocol

#: Returns the bytes of a number of messages of one sender to one recipient, each with its own id.
Maker = Callable[[int], bytes]


class Caller(NamedTuple):
    """The user of a connection.

    Attributes:
        name: the user's name.
        purpose: ``listen`` to receive messages, ``send`` only to send.
        since: the position after which to receive, in the protocol's own count; None for the default.
    """

    name: str
    purpose: str
    since: int | None = None


class Step(enum.Enum):
    """The steps of a login."""

    NONE = enum.auto()
    WELCOME = enum.auto()  # logged in
    LIVE = enum.auto()  # and the backlog was received
    ENTERED = enum.auto()  # a member of the room


class Progress(NamedTuple):
    """The meaning of a line: the step reached, the bytes to answer with, and the newest message of the log."""

    step: Step = Step.NONE
    answer: bytes = b""
    head: int = 0


class Conversation(Protocol):
    """The client's end of one connection."""

    def open(self) -> bytes:
        """Return the bytes to send first."""

    def receive(self, line: bytes) -> Progress:
        """Read a line that is neither a message nor an acknowledgement.

        Raises:
            ChatError: the server refused something.
        """


class Dialect(Protocol):
    """A protocol of lines.

    Attributes:
        message: bytes that occur once in each message to a listener.
        sent: bytes that occur once in each acknowledgement; empty if there are none.
        ready: the step after which a listener receives everything.
        fresh_names: whether a name cannot be used again at once.
        ping: bytes that keep a silent connection open.
    """

    message: bytes
    sent: bytes
    ready: Step
    fresh_names: bool
    ping: bytes

    def converse(self, caller: Caller) -> Conversation:
        """Return the client's end of a new connection."""

    def enter(self, room: str) -> bytes:
        """Return the bytes that enter a room."""

    def maker(self, speaker: str, to: str, text: int) -> Maker:
        """Return the maker of a sender's messages, each with ``text`` bytes of text."""

    def sender_field(self, speaker: str) -> bytes:
        """Return bytes that occur once in each message of a sender."""
