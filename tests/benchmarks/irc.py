"""The IRC dialect of ``chatcli bench``'s generator, for other servers in ``tests.benchmarks.peers``."""

from __future__ import annotations

from typing import Final

from chatcli.bench.dialect import Caller, Maker, Progress, Step
from chatcli.bench.plan import Order
from chatcli.errors import Refused

_STEPS: Final = {b"376": Step.WELCOME, b"422": Step.WELCOME, b"366": Step.ENTERED}


class IrcConversation:
    """The client's end of one named connection."""

    def __init__(self, name: str) -> None:
        self._name = name

    def open(self) -> bytes:
        """Return the registration."""
        return b"NICK %s\r\nUSER u 0 * :bench\r\n" % _nick(self._name)

    def receive(self, line: bytes) -> Progress:
        """Read a numeric, or answer a ping.

        Raises:
            Refused: the server refused something.
        """
        words = line.split()
        if words[0] == b"PING":
            return Progress(answer=b"PONG " + b" ".join(words[1:]) + b"\r\n")
        number = words[1] if len(words) > 1 else b""
        if words[0] == b"ERROR" or (number[:1] in b"45" and number.isdigit() and number != b"422"):
            raise Refused("irc", line.decode(errors="replace").strip())
        return Progress(_STEPS.get(number, Step.NONE))


class Irc:
    """The protocol of RFC 1459, without acknowledgements: arrivals are counted."""

    message = b" PRIVMSG "
    sent = b""
    ready = Step.WELCOME
    fresh_names = True
    ping = b"PING :x\r\n"

    def converse(self, caller: Caller) -> IrcConversation:
        """Return the client's end of a new connection."""
        return IrcConversation(caller.name)

    def enter(self, room: str) -> bytes:
        """Return the command to join a channel."""
        return b"JOIN %s\r\n" % room.encode()

    def maker(self, speaker: str, to: str, text: int) -> Maker:  # noqa: ARG002 (the server knows who speaks)
        """Return the command that sends a line."""
        line = b"PRIVMSG %s :%s\r\n" % (to.encode() if to.startswith("#") else _nick(to), b"x" * text)
        return lambda count: line * count

    def sender_field(self, speaker: str) -> bytes:
        """Return the prefix of a speaker's lines."""
        return b":%s!" % _nick(speaker)


def _nick(name: str) -> bytes:
    """Return a name without the run's common prefix, because nicknames have a short limit."""
    return name.removeprefix("bench-").replace("-", "").encode()


def dialect(order: Order) -> Irc:
    """Return the speaker."""
    return Irc()
