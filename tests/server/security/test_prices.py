"""Prices: each frame costs something, and only the client that has overdrawn its purse has to wait."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, get_args

import pytest

from chatcli.protocol import frames as f
from chatcli.protocol.codec import BadFrame
from chatcli.server.limits import Limits
from chatcli.server.purse import Purse, Terms
from chatcli.server.security import prices
from chatcli.server.security.prices import PRICES
from chatcli.server.security.rate_limits import RateLimits
from tests.support import DEADLINE, Caller, ThreadServer, eventually, feed, known, new_id, session_of, sessions_of

#: A line of each kind from alice, who owns #ops and talks with bob; a new kind of frame needs one here.
SAID: Final[dict[type, dict[str, Any]]] = {
    f.Hello: {"t": "hello", "version": 1, "user": "alice"},
    f.Prove: {"t": "prove", "signature": "x"},
    f.Send: {"t": "send", "id": "", "to": "bob", "text": "hi"},
    f.Check: {"t": "check", "to": "bob"},
    f.Ack: {"t": "ack", "seq": 1},
    f.MarkRead: {"t": "read", "of": "bob", "seq": 1},
    f.Who: {"t": "who"},
    f.Away: {"t": "away", "back": True},
    f.Idle: {"t": "idle"},
    f.Join: {"t": "join", "room": "#ops"},
    f.Leave: {"t": "leave", "room": "#other"},
    f.Topic: {"t": "topic", "room": "#ops", "text": "what runs"},
    f.Rooms: {"t": "rooms"},
    f.History: {"t": "history", "of": "#ops"},
    f.Search: {"t": "search", "text": "hi"},
    f.Receipts: {"t": "receipts", "to": "#ops"},
    f.Answers: {"t": "answers", "re": 1},
    f.Unread: {"t": "unread"},
    f.Conversations: {"t": "conversations"},
    f.Link: {"t": "link"},
    f.Keys: {"t": "keys"},
    f.Revoke: {"t": "revoke", "key": "x"},
    f.MakeToken: {"t": "token"},
    f.Tokens: {"t": "tokens"},
    f.RevokeToken: {"t": "untoken", "token": "x"},
    f.Operate: {"t": "operate", "do": "mute", "to": "bob", "room": "#ops"},
    f.Ping: {"t": "ping", "n": 1},
    f.Bye: {"t": "bye"},
}
KINDS: Final = get_args(f.ClientFrame)


def test_every_price_is_documented() -> None:
    """The protocol's page has the price of each kind of frame."""
    page = (Path(__file__).parents[3] / "docs" / "protocol.md").read_text()
    prices_of = page.partition("### What it costs to say something")[2].partition("\n### ")[0]
    assert [kind for kind in KINDS if kind is not f.Send and f"`{kind.__struct_config__.tag}`" not in prices_of] == []


def paid(server: ThreadServer, name: str, *lines: bytes) -> tuple[float, float]:
    """Process lines from a user's only connection, and return the paid messages and points."""

    def take() -> tuple[float, float]:
        purse = server.hub.rate_limits.personal_purse(known(server, name))
        before = purse._messages, purse._points
        feed(session_of(server, name), b"".join(lines))
        return before[0] - purse._messages, before[1] - purse._points

    return server.run(take)


@pytest.fixture
def people(server: ThreadServer) -> Iterator[tuple[Caller, Caller]]:
    """Enter a room as two users."""
    with server.joined("alice") as alice, server.joined("bob") as bob:
        for caller in (alice, bob):
            caller.enters("#ops")
        yield alice, bob


def test_every_frame_has_a_price() -> None:
    """Only a message costs no points: it counts as one."""
    assert set(KINDS) == set(PRICES) - {BadFrame} == set(SAID)
    assert [kind for kind, points in PRICES.items() if points <= 0] == [f.Send]


@pytest.mark.parametrize("kind", KINDS, ids=[kind.__name__ for kind in KINDS])
def test_frame_is_paid_for_at_once(server: ThreadServer, people: tuple[Caller, Caller], kind: type) -> None:
    """The sender pays the price, whatever the answer."""
    fields = SAID[kind] | ({"id": new_id()} if kind is f.Send else {})
    messages, points = paid(server, "alice", json.dumps(fields).encode() + b"\n")
    assert (messages, points >= PRICES[kind]) == (1 if kind is f.Send else 0, True)


@pytest.mark.parametrize(
    ("line", "points"),
    [
        (b"\n" * 1000, 1000 * prices.BLANK),
        (b"  \r\n" * 1000, 1000 * prices.BLANK),
        (b" " * 10_240, 10),
        (b"nonsense\n", prices.BAD),
        (b'{"t":"future"}\n', prices.BAD),
        (b'{"t":"ping"', prices.READ),
        (b'{"t":"ping"' + b" " * 10_240 + b"}\n", 10),
        (b'{"t":"ping","n":1}\n' * 30, 30),
        (b'{"t":"send","id":"","to":"nobody","text":"x"}\n', prices.REFUSED),
        (b'{"t":"history","of":"alcie"}\n', prices.HINTS),
        (b'{"t":"history","of":"alice","limit":500}\n', 100),
        (b'{"t":"search","text":"word","limit":500}\n', 100),
    ],
)
def test_prices_of_lines_and_work(
    server: ThreadServer, people: tuple[Caller, Caller], line: bytes, points: float
) -> None:
    """Blank lines, bytes, reads and mistakes have a price, and large requests cost more."""
    assert paid(server, "alice", line)[1] >= points


@pytest.mark.parametrize("line", [b'{"t":"read","seq":1}\n', b'{"t":"ack","seq":1}\n'])
def test_price_of_many_positions(server: ThreadServer, people: tuple[Caller, Caller], line: bytes) -> None:
    """Reading everything moves all single positions, and so does an older client's acknowledgement."""

    def read_much() -> None:
        known(server, "alice").reads = dict.fromkeys(range(1000), (10**9, 10**9))

    assert paid(server, "alice", line)[1] < 10
    server.run(read_much)
    assert paid(server, "alice", line)[1] >= 1000 * prices.LISTED


def test_price_of_one_position_too_many(server: ThreadServer, people: tuple[Caller, Caller]) -> None:
    """Another one ends for it, even if the general position stays."""

    def read_much() -> None:
        user = known(server, "alice")
        user.read, user.reads = 10**9, dict.fromkeys(range(10**6, 10**6 + 2000), (1, 1))

    server.run(read_much)
    assert paid(server, "alice", b'{"t":"read","seq":0,"of":"bob","back":true}\n')[1] >= 2000 * prices.LISTED


def test_price_of_reading(server: ThreadServer, people: tuple[Caller, Caller]) -> None:
    """A reader pays for each of their devices, and for each connection that gets a receipt."""
    line = b'{"t":"read","seq":9,"of":"#ops"}\n'
    with contextlib.ExitStack() as stack:
        for _ in range(5):
            stack.enter_context(server.joined("bob", "listen")).asks("receipts", to="#ops", watch=True)
        people[1].sends("#ops", "hi")
        people[1].hears("sent")
        assert paid(server, "alice", line)[1] >= 2 + 5 * prices.NOTIFIED
        assert paid(server, "alice", line)[1] == 2  # nothing has changed
    with server.joined("bob", "listen"), server.joined("bob", "listen"):

        def read() -> float:
            session = next(one for one in sessions_of(server, "bob") if one.purpose == "join")
            purse = server.hub.rate_limits.personal_purse(known(server, "bob"))
            before = purse._points
            feed(session, b'{"t":"read","seq":9}\n')
            return before - purse._points

        assert server.run(read) >= 2 + 2 * prices.NOTIFIED


def test_price_of_being_away(server: ThreadServer) -> None:
    """All open joins of the user get a notice of it."""
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(server.joined("bob", present="attach"))

        def away() -> float:
            purse = server.hub.rate_limits.personal_purse(known(server, "bob"))
            before = purse._points
            feed(sessions_of(server, "bob")[0], b'{"t":"away","text":"lunch"}\n')
            return before - purse._points

        assert server.run(away) >= PRICES[f.Away] + 20 * prices.NOTIFIED


@pytest.mark.parametrize("purpose", ["join", "listen", "send"])
def test_price_of_a_visit(server: ThreadServer, purpose: str) -> None:
    """A user pays once for each connection that has ended, and more with many rooms."""
    with server.joined("eve", purpose) as eve:
        for number in range(20):
            eve.enters(f"#r{number}")

        def leave() -> list[float]:
            user = known(server, "eve")
            (session,) = user.sessions
            points = [server.hub.rate_limits.personal_purse(user)._points]
            for _ in range(2):
                server.hub.forget(session)
                points.append(server.hub.rate_limits.personal_purse(user)._points)
            return [before - after for before, after in itertools.pairwise(points)]

        assert server.run(leave) == [prices.VISIT + 20 * prices.LISTED, 0]


def test_too_many_visits(server: ThreadServer) -> None:
    """All connections pay for visits from one purse, and the next frame waits until it is not overdrawn."""

    def visit_often() -> float:
        user = known(server, "eve")
        for _ in range(1000):
            server.hub.rate_limits.charge_visit(user)
        return server.hub.rate_limits.personal_purse(user)._points

    with server.joined("eve", "send") as eve, server.joined("bob") as bob:
        assert server.run(visit_often) < 0
        eve.says("ping", n=1)
        eventually(lambda: server.run(lambda: any(one.account.overdrawn for one in sessions_of(server, "eve"))))
        assert bob.asks_who() == ["bob"]
        assert eve.hears("pong")["n"] == 1


def test_full_purses_are_dropped(server: ThreadServer, people: tuple[Caller, Caller]) -> None:
    """Purses of all visitors are checked together, and those that are not full again later."""
    clock = [0.0]
    planned: list[Callable[[], object]] = []
    allowances = RateLimits(Limits(), lambda: clock[0], lambda _seconds, function: planned.append(function))
    user = known(server, "alice")
    user.purse = None
    for _ in range(3):
        allowances.charge_visit(user)
    assert len(planned) == 1
    planned.pop()()
    assert len(planned) == 1
    clock[0] = 100.0
    planned.pop()()
    assert (user.purse, planned) == (None, [])


def test_price_of_a_long_message(server: ThreadServer, people: tuple[Caller, Caller]) -> None:
    """A message pays for a KiB of its line, and for each further one as for another message."""
    lines = [
        json.dumps({"t": "send", "id": new_id(), "to": "bob", "text": "x" * length}).encode() + b"\n"
        for length in (900, 10_000)
    ]
    assert paid(server, "alice", lines[0])[0] == 1
    assert 9 < paid(server, "alice", lines[1])[0] < 11


def test_price_of_a_reply(server: ThreadServer, people: tuple[Caller, Caller]) -> None:
    """Reading from the log costs points in addition to the message."""
    line = json.dumps({"t": "send", "id": new_id(), "to": "bob", "text": "hi", "re": 1}).encode()
    assert paid(server, "alice", line + b"\n")[1] >= 5


def test_price_of_a_question(server: ThreadServer, people: tuple[Caller, Caller]) -> None:
    """It is stored and delivered alone, while other messages are processed together."""
    fields = {"t": "send", "id": new_id(), "to": "bob", "text": "now?", "choices": ["yes", "no"]}
    assert paid(server, "alice", json.dumps(fields).encode() + b"\n") == (1, 10)


def flood(caller: Caller, unit: bytes, size: int) -> None:
    """Send as much as the server accepts at once."""
    caller.socket.setblocking(False)
    sent = 0
    data = unit * (65_536 // len(unit))
    while sent < size:
        try:
            sent += caller.socket.send(data)
        except BlockingIOError:
            break
    caller.socket.settimeout(DEADLINE)


@pytest.mark.parametrize(
    ("unit", "welcome"),
    [(b"\n", False), (b" ", False), (b"\n", True), (b" ", True), (b"\t\r\n", True), (b'{"t":"ack","seq":0}\n', True)],
)
def test_flood(server: ThreadServer, unit: bytes, welcome: bool) -> None:
    """A client that sends too much is not read for a while, before and after the welcome, and others do not wait."""
    with server.joined("bob") as bob, server.connect() as eve:
        if welcome:
            eve.greets("eve", purpose="send")
            eve.hears("welcome")
        flood(eve, unit, 16 << 20)
        eventually(lambda: server.run(lambda: any(session.account.overdrawn for session in sessions_of(server))))
        assert bob.asks_who() == ["bob"]


@pytest.mark.usefixtures("brisk")
def test_overdrawn_client_is_not_silent(tmp_path: Path) -> None:
    """Nothing is dropped, and the connection stays: frames from before the pause are answered after it."""
    with ThreadServer(tmp_path, Limits(silence=0.4)) as server, server.joined("eve", "send") as eve:
        eve.says_raw(b'{"t":"rooms"}\n' * 40 + b'{"t":"ping","n":7}\n')
        while (frame := eve.next()) is not None and frame["t"] != "pong":
            assert frame["t"] == "rooms"
        assert frame == {"t": "pong", "n": 7}


def test_one_purse_for_all_connections(server: ThreadServer) -> None:
    """All connections of a user pay from one purse, and others do not wait."""
    crowd = [server.joined("eve", "send") for _ in range(12)]
    with server.joined("bob") as bob:
        for member in crowd:
            member.says_raw(b'{"t":"rooms"}\n' * 40)
        eventually(lambda: server.run(lambda: all(one.account.overdrawn for one in sessions_of(server, "eve"))))
        points = server.run(lambda: server.hub.rate_limits.personal_purse(known(server, "eve"))._points)
        assert points < 0
        assert bob.asks_who() == ["bob"]
    for member in crowd:
        member.hang_up()


def test_message_rate_zero(tmp_path: Path) -> None:
    """``--message-rate 0`` allows any number of messages; other prices stay."""
    with ThreadServer(tmp_path, Limits(message_rate=0, message_burst=1)) as server, server.joined("bob") as bob:
        with server.joined("alice") as alice:
            line = [json.dumps({"t": "send", "id": new_id(), "to": "bob", "text": "x"}).encode() for _ in range(100)]
            assert paid(server, "alice", b"\n".join(line) + b"\n") == (0, 0)
            assert len(bob.texts(100)) == 100
            assert paid(server, "alice", b'{"t":"ping"}\n')[1] == PRICES[f.Ping]
            alice.hears("sent")


@pytest.mark.parametrize(
    "fields",
    [
        {"t": "rooms", "after": "\u0390" * 30_000},
        {"t": "rooms", "room": "#" + "x" * 300},
        {"t": "leave", "room": "#" + "x" * 300},
        {"t": "join", "room": "#" + "x" * 300},
        {"t": "topic", "room": "#" + "x" * 300},
        {"t": "who", "to": "#" + "x" * 300},
        {"t": "history", "of": "x" * 300},
        {"t": "receipts", "to": "x" * 300},
        {"t": "search", "text": "x", "in": "x" * 300},
        {"t": "search", "text": "x", "from": "x" * 300},
        {"t": "search", "text": "a " * 20_000},
        {"t": "send", "id": "", "to": "x" * 300, "text": "hi"},
        {"t": "operate", "do": "kick", "to": "x" * 300},
        {"t": "operate", "do": "kick", "to": "bob", "room": "#" + "x" * 300},
        {"t": "revoke", "key": "x" * 300},
        {"t": "hello", "version": 1, "user": "x" * 300},
        {"t": "prove", "signature": "x" * 9000},
    ],
)
def test_length_of_names(server: ThreadServer, alice: Caller, fields: dict[str, Any]) -> None:
    """A frame with a name too long to fold and compare quickly is invalid; the error has the limit."""
    alice.says(**{"tag": fields["t"], **{key: value for key, value in fields.items() if key != "t"}})
    answer = alice.hears("error", code="invalid")
    assert "length <=" in answer["text"]


def test_purse() -> None:
    """A debt takes time to recover, and a purse never holds more than its size."""
    purse = Purse(Terms(10, 100, 5, 50), now=0)
    assert not purse.pay(100, 50)
    assert purse.pay(10, 25)
    assert purse.wait(0) == 5
    assert purse.wait(4) == 1
    assert purse.wait(6) == 0
    assert not purse.full(10)
    assert purse.full(1000)
    assert not purse.pay(100, 50)
