"""Seats: which joins a new one displaces, and connections that wait for the answer."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest

from chatcli.errors import Refused
from chatcli.protocol.frames import VERSION, Hello
from chatcli.server.arrival.seats import Seat, Seats
from chatcli.server.model import Connection, User
from tests.support import OWN, TestKey, ThreadServer, eventually, key_of, known, sessions_of


class SlowSeats(Seats):
    """Seats about which somebody else has to be asked first; the test says when the answers have come."""

    def __init__(self, server: ThreadServer) -> None:
        super().__init__(server.hub.presence)
        self._server = server
        self._asked: list[Callable[[], None]] = []

    def ask(self, session: Connection, user: User, hello: Hello, on_answer: Callable[[Seat | Refused], None]) -> None:
        """Have the connection wait."""
        self._asked.append(lambda: super(SlowSeats, self).ask(session, user, hello, on_answer))

    def wait_for(self, count: int) -> None:
        """Wait until connections wait for an answer."""
        eventually(lambda: self._server.run(lambda: len(self._asked) == count))

    def answer(self) -> None:
        """Answer the connection that has waited longest."""
        self._server.run(self._asked.pop(0))


@pytest.fixture
def slow(server: ThreadServer) -> SlowSeats:
    """The seats of a server, which are slow."""
    seats = SlowSeats(server)
    server.hub.seats = seats
    return seats


def hello_of(**fields: object) -> Hello:
    """Return the greeting of a join of Alice's."""
    hello = Hello(VERSION, "alice", "join")
    for name, value in fields.items():
        setattr(hello, name, value)
    return hello


@pytest.mark.parametrize(
    ("fields", "is_free"),
    [
        ({}, False),
        ({"client": "another start"}, False),
        ({"since": 0}, False),
        ({"client": "one start"}, True),
        ({"present": "takeover"}, True),
        ({"present": "attach"}, True),
    ],
)
def test_check(server: ThreadServer, fields: dict[str, object], is_free: bool) -> None:
    """Nobody is displaced by a check."""

    def check() -> bool:
        with contextlib.suppress(Refused):
            server.hub.seats.check(known(server, "alice"), hello_of(**fields))
            return True
        return False

    with server.joined("alice", client="one start") as alice:
        assert server.run(check) == is_free
        assert alice.asks_who() == ["alice"]


def test_seat_that_is_not_occupied(server: ThreadServer) -> None:
    """Nobody is displaced before the seat is occupied."""
    answers: list[Seat | Refused] = []

    def ask() -> None:
        (session,) = sessions_of(server, "alice")
        server.hub.seats.ask(session, known(server, "alice"), hello_of(present="takeover"), answers.append)

    with server.joined("alice") as alice, server.joined("bob", "send") as bob:
        server.run(ask)
        assert isinstance(answers[0], Seat)
        assert alice.asks_who() == ["alice"]
        assert server.run(lambda: [server.hub.seats.has(one) for one in sessions_of(server)].count(True)) == 1
        assert bob.asks_who() == ["alice"]


@pytest.mark.parametrize("key", [OWN, key_of("a newcomer")])
def test_waiting_for_a_seat(server: ThreadServer, slow: SlowSeats, key: TestKey) -> None:
    """A connection that waits is not in the chat, and what its client says meanwhile is answered after the welcome."""
    with server.joined("bob", "send") as bob, server.connect() as alice:
        alice.greets("alice", key=key)
        slow.wait_for(1)
        alice.says("who", n=1)
        assert bob.asks_who() == []
        slow.answer()
        alice.hears("welcome", user="alice")
        assert [person["user"] for person in alice.hears("who", n=1)["people"]] == ["alice"]
        assert bob.asks_who() == ["alice"]


def test_refusal_after_waiting(server: ThreadServer, slow: SlowSeats) -> None:
    """Of two that wait, one has the seat; the other may try again on the same connection."""
    with server.connect() as first, server.connect() as second:
        for number, caller in enumerate((first, second), 1):
            caller.greets("alice", client=str(number))
            slow.wait_for(number)
        slow.answer()
        first.hears("welcome")
        slow.answer()
        second.hears("error", code="already_here")
        second.greets("alice", client="2", present="attach")
        slow.wait_for(1)
        slow.answer()
        second.hears("welcome")
        assert first.asks_who() == ["alice"]


def test_connection_that_is_closed_while_it_waits(server: ThreadServer, slow: SlowSeats) -> None:
    """It takes no seat."""
    with server.connect() as alice:
        alice.greets("alice")
        slow.wait_for(1)
        (session,) = server.run(lambda: sessions_of(server))
        server.run(session.abort)
        alice.hears_end()
    eventually(lambda: server.run(lambda: not server.hub.connections))
    slow.answer()
    assert server.run(lambda: server.hub.presence.count == 0 and not known(server, "alice").joined)


def test_goodbye_while_it_waits(server: ThreadServer, slow: SlowSeats) -> None:
    """The client is let in, but takes no seat."""
    with server.joined("bob", "send") as bob, server.connect() as alice:
        alice.greets("alice")
        slow.wait_for(1)
        alice.says("ping", n=1)
        server.run(lambda: next(one for one in sessions_of(server) if one.purpose == "join").finished())
        slow.answer()
        alice.hears("welcome")
        alice.hears("bye", code="left")
        assert bob.asks_who() == []


def test_key_that_is_revoked_while_it_waits(server: ThreadServer, slow: SlowSeats) -> None:
    """The connection is closed as others with that key."""
    with server.joined("alice", "send") as device, server.connect() as laptop:
        code = device.asks("link")["code"]
        laptop.greets("alice", key=key_of("laptop"), link=code)
        slow.wait_for(1)
        assert device.asks("revoke", key=key_of("laptop").fingerprint)["t"] == "done"
        slow.answer()
        laptop.hears("bye", code="kicked")
        laptop.hears_end()
        assert device.asks_who() == []
