"""Greetings: how the user comes in, the first time and on each later connection."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from chatcli.protocol import frames as f

_NEWEST: Final = 100  # messages of each room that the server sends after a long absence
_LONG: Final = 3600.0  # seconds without a connection, after which much may have been missed


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """How a user comes in, besides their name.

    Attributes:
        key: the public key, as it is written in a frame.
        client: the identity of this start of the client: a later connection of the same start replaces the last one.
        present: what to do if the user is here already.
        link: a code from another device of the user's.
        invite: a code from the operator.
        receipts: whether others are told what the user has seen.
        rooms: the rooms to enter at once.
        whole: whether to get everything that was missed in rooms, however much it is.
        alerts: words that notify the user as their name does.
        scripted: whether a program writes the lines: a word before a colon is a recipient, known or not, and nobody
            reads separators.
    """

    key: str = ""
    client: str = ""
    present: f.Present = "refuse"
    link: str = ""
    invite: str = ""
    receipts: bool = True
    rooms: tuple[str, ...] = ()
    whole: bool = False
    alerts: tuple[str, ...] = ()
    scripted: bool = False


class Greeting:
    """Says hello, and knows where in the log the next connection continues.

    Args:
        arrival: how the user comes in.
        elapsed: returns the seconds since a fixed moment.

    Attributes:
        position: the place in the log of the newest message that came; None before the first welcome.
        was_reset: whether the log was reset to an earlier state. From then on the server's record of what the user has
            read is what counts, as places in the log are given out anew.
    """

    def __init__(self, arrival: Arrival, elapsed: Callable[[], float]) -> None:
        self.position: int | None = None
        self.was_reset = False
        self._arrival = arrival
        self._elapsed = elapsed
        self._last_received = elapsed()

    def hello(self, user: str) -> f.Hello:
        """Return the frame that greets the server."""
        # A machine that has slept notices it only on waking: so the moment that counts is when something last came.
        long_away = self.position is None or self._elapsed() - self._last_received > _LONG
        return f.Hello(
            version=f.VERSION,
            user=user,
            purpose="join",
            key=self._arrival.key,
            since=None if self.was_reset else self.position,
            present=self._arrival.present,
            client=self._arrival.client,
            link=self._arrival.link,
            invite=self._arrival.invite,
            newest=_NEWEST if long_away and not self._arrival.whole else None,
            receipts=self._arrival.receipts,
        )

    def set_present(self, present: f.Present) -> None:
        """Set what the next hello asks for if the user is here already."""
        self._arrival = replace(self._arrival, present=present)

    def find_reset(self, welcome: f.Welcome) -> bool:
        """Return whether this welcome shows that the log was reset, so that the server is to be greeted once more."""
        if self.was_reset or self.position is None or welcome.cursor >= self.position:
            return False
        self.was_reset = True
        return True

    def welcomed(self, welcome: f.Welcome) -> None:
        """Record that the server has let the user in."""
        self.received()
        if self.position is None or self.was_reset:
            self.position = welcome.cursor
        # Codes are valid once; and a client that has taken the place meanwhile keeps it.
        present: f.Present = "attach" if self._arrival.present == "attach" else "refuse"
        self._arrival = replace(self._arrival, present=present, link="", invite="")

    def received(self) -> None:
        """Record that the server has sent something."""
        self._last_received = self._elapsed()
