"""Seats: the open joins of users, which have one at a time unless they ask for more."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import TYPE_CHECKING

from chatcli import zone
from chatcli.errors import Refused
from chatcli.protocol import codes
from chatcli.server.facts import key_ended

if TYPE_CHECKING:
    from chatcli.protocol.frames import Hello
    from chatcli.server.model import Connection, User
    from chatcli.server.state.presence import Presence


class Seat:
    """A seat that a connection may occupy, once.

    Args:
        session: the connection.
        user: its user.
        hello: its greeting.
        displaced: the open joins that lose their seats to it.
    """

    __slots__ = ("_displaced", "_hello", "_session", "_user")

    def __init__(self, session: Connection, user: User, hello: Hello, displaced: list[Connection]) -> None:
        self._session = session
        self._user = user
        self._hello = hello
        self._displaced = displaced

    def occupy(self) -> None:
        """Make the connection an open join of its user, and close those that it displaces."""
        session, user, hello = self._session, self._user, self._hello
        user.joined.append(session)
        session.client, session.attached = hello.client, hello.present == "attach"
        for other in self._displaced:
            if user.has(other.key):
                other.close(codes.TAKEN_OVER, f"{user.name} has joined from {session.peer.host} and taken this place.")
            else:
                other.close(codes.KICKED, key_ended(user, replaced=True))


class Seats:
    """Gives seats to connections.

    Args:
        presence: learns when the last open join of a user ends.
    """

    def __init__(self, presence: Presence) -> None:
        self._presence = presence

    def check(self, user: User, hello: Hello) -> None:
        """Raise if a seat would be refused now.

        Raises:
            Refused: another join is open, and the client neither takes it over nor attaches to it.
        """
        _displaced(user, hello)

    def ask(self, session: Connection, user: User, hello: Hello, on_answer: Callable[[Seat | Refused], None]) -> None:
        """Ask for a seat.

        Args:
            session: the connection that asks.
            user: its user.
            hello: its greeting.
            on_answer: called with the seat, which has to be occupied at once or not at all, or with the refusal. The
                connection may have been closed meanwhile.
        """
        try:
            answer: Seat | Refused = Seat(session, user, hello, _displaced(user, hello))
        except Refused as refusal:
            answer = refusal
        on_answer(answer)

    def has(self, session: Connection) -> bool:
        """Return whether a connection has a seat."""
        return session.user is not None and session in session.user.joined

    def vacate(self, session: Connection, user: User) -> None:
        """End the open join of a connection, if it is one; a user is gone with the last one."""
        if session not in user.joined:
            return
        user.joined.remove(session)
        if user.idle:
            self._presence.set_idle(session, idle=False)
        if not user.joined:
            self._presence.leave(user)


def _displaced(user: User, hello: Hello) -> list[Connection]:
    """Return the open joins of a user that a new one displaces.

    Raises:
        Refused: there is another one, and the client neither takes it over nor attaches to it.
    """
    others = list(user.joined)
    if hello.present == "takeover":
        return others
    # A client that reconnects displaces its former connection, and any that is silent and so probably dead.
    own = [other for other in others if other.silent or (hello.client and other.client == hello.client)]
    # Nobody loses their place to a join that was attached to it: one that comes back is attached to that in turn.
    returns = hello.since is not None
    holders = [other for other in others if other not in own and not (returns and other.attached)]
    if hello.present == "refuse" and holders:
        zone.current()
        since = datetime.datetime.fromtimestamp(user.since / 1000, datetime.UTC).astimezone()
        text = (
            f"{user.name} is already in the chat from {holders[0].peer.host} since {since:%H:%M}: "
            "join with --takeover to end that, or with --attach to be here twice."
        )
        raise Refused(codes.ALREADY_HERE, text)
    return own
