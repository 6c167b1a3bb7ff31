"""What the generator has to know of a protocol: how to come in, how to say much at once, what to count in answers."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import NamedTuple, Protocol

#: Returns so many messages of one speaker to one recipient, as they go out; each has an id of its own.
Maker = Callable[[int], bytes]


class Caller(NamedTuple):
    """Who comes in on a connection.

    Attributes:
        name: under which.
        purpose: ``listen`` to hear what is said, ``send`` to say something only.
        since: behind what to begin, in the protocol's own count; None for what is usual.
    """

    name: str
    purpose: str
    since: int | None = None


class Step(enum.Enum):
    """How far a line has brought a connection."""

    NONE = enum.auto()
    WELCOME = enum.auto()  # in
    LIVE = enum.auto()  # in, and told everything from now on
    ENTERED = enum.auto()  # in the room


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
    """A protocol of lines, as the generator speaks it.

    Attributes:
        message: stands once in each message that a listener is told.
        sent: stands once in each acknowledgement; empty if there are none.
        ready: the step from which on a listener is told everything.
        fresh_names: a name cannot be used again at once.
        ping: what keeps a silent connection open.
    """

    message: bytes
    sent: bytes
    ready: Step
    fresh_names: bool
    ping: bytes

    def converse(self, caller: Caller) -> Conversation:
        """Return the client's end of a new connection."""

    def enter(self, room: str) -> bytes:
        """Return what enters a room."""

    def maker(self, speaker: str, to: str, text: int) -> Maker:
        """Return what makes a speaker's messages, each with so many bytes of text."""

    def said_by(self, speaker: str) -> bytes:
        """Return what stands once in each message of a speaker."""
