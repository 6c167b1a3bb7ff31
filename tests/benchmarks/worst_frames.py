"""Measures the worst frame of each kind in the server's loop: ``python -m tests.benchmarks.worst_frames``.

The server runs in a thread of this process, with a log of 20,000 rooms, 20,000 bans, 100,000 users and a user who has
left a room and returned 20,000 times; 2,000 users are connected and belong to one room. Each frame is sent alone, five
times. The medians of two figures are printed: the CPU time of the longest tick of the loop, and the longest time
between two ticks, which includes the threads that read the log and other work of the machine.

Then one connection after the other is flooded with frames of WebSockets that carry next to nothing. The same figures
are printed, and the round trips of another user's pings meanwhile.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext
from pathlib import Path
from typing import Any, Final, NamedTuple

from chatcli.server.limits import Limits
from tests.benchmarks.websocket_floods import FLOODS, Flooder, Target
from tests.support import OWN, Caller, ThreadServer, key_of, new_id, sessions_of

_ROOMS, _USERS, _PERIODS, _ONLINE = 20_000, 100_000, 20_000, 2_000
_ALICE, _BOB, _FIRST = 1, 2, 11  # ids of users; the online ones begin with the last
_MINE, _BIG, _OWN_ROOMS = -1, -2, 498  # ids of rooms; the number of alice's other rooms
_SAID: Final = 600  # messages between alice and bob, and in the room of the 20,000 periods
_ROUNDS: Final = 5
_SWITCH: Final = 0.0002  # as in chatcli serve
_FLOODED: Final = 1.5  # seconds of each flood
_BETWEEN: Final = 0.002  # seconds between two pings

_FILL: Final = f"""
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {_USERS})
INSERT INTO users (id, name, key, created, cursor)
SELECT i, CASE i WHEN 1 THEN 'alice' WHEN 2 THEN 'bob' ELSE printf('user%06d', i) END,
       CASE i WHEN 1 THEN 'alice' WHEN 2 THEN 'bob' ELSE printf('user%06d', i) END, 1, 0 FROM n;
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {_ROOMS})
INSERT INTO conversations (id) SELECT -i FROM n;
INSERT INTO conversations (id, low, high) VALUES (1, 1, 2);
INSERT INTO rooms (id, name, key, kind, topic, created)
SELECT id, name, name, kind, 'what is said here', 1 FROM (
    SELECT id, CASE id WHEN {_MINE} THEN '#mine' WHEN {_BIG} THEN '#big' ELSE printf('#room%05d', -id) END AS name,
           CASE id WHEN {_MINE} THEN 'private' ELSE 'open' END AS kind
    FROM conversations WHERE id < 0 ORDER BY id DESC
);
INSERT INTO members (user, conversation, since, owner)
SELECT CASE WHEN id >= {_BIG} - {_OWN_ROOMS} THEN 1 ELSE 2 - id END, id, 0, 1 FROM rooms WHERE id < {_MINE};
WITH RECURSIVE n (i) AS (SELECT {_FIRST} UNION ALL SELECT i + 1 FROM n WHERE i < {_FIRST} + {_ONLINE} - 1)
INSERT INTO members (user, conversation, since) SELECT i, {_BIG}, 0 FROM n;
INSERT INTO members (user, conversation) VALUES (1, 1), (2, 1);
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {_SAID})
INSERT INTO messages (seq, id, conversation, sender, at, text)
SELECT i, randomblob(16), CASE WHEN i % 2 THEN 1 ELSE {_MINE} END, 1, 1, 'word ' || printf('%.200c', 'x') FROM n;
INSERT INTO messages (seq, id, conversation, sender, at, text)
SELECT {_SAID} - id, randomblob(16), id, 1, 1, 'word ' || printf('%.400c', 'y') FROM rooms WHERE id < {_MINE};
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {_PERIODS})
INSERT INTO members (user, conversation, since, until)
SELECT 1, {_MINE}, {_SAID} + {_ROOMS} + 2 * i, {_SAID} + {_ROOMS} + 2 * i + 1 FROM n;
INSERT INTO members (user, conversation, since, owner) VALUES (1, {_MINE}, {_SAID} + {_ROOMS} + 3 * {_PERIODS}, 1);
INSERT INTO messages (seq, id, conversation, sender, at, text)
VALUES ({_SAID} + {_ROOMS} + 3 * {_PERIODS} + 1, randomblob(16), {_MINE}, 1, 1, 'word');
INSERT INTO rulings (kind, subject, value) VALUES ('operator', 'alice', '{{"at":1}}');
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
INSERT INTO rulings (kind, subject, value) SELECT 'room_ban', (-10 - i) || ':' || (50000 + i), '{{"at":1}}' FROM n;
"""  # noqa: S608 (numbers of ours)


class Pulse:
    """Measures each tick of the event loop."""

    def __init__(self, server: ThreadServer) -> None:
        self._server = server
        self._on = False
        self._cpu = self._wall = 0.0
        self._before = (0.0, 0.0)

    def _beat(self) -> None:
        cpu, wall = time.thread_time(), time.perf_counter()
        self._cpu, self._wall = max(self._cpu, cpu - self._before[0]), max(self._wall, wall - self._before[1])
        self._before = cpu, wall
        if self._on:
            self._server.loop.call_soon(self._beat)

    def start(self) -> None:
        """Start measuring."""

        def begin() -> None:
            self._on, self._cpu, self._wall = True, 0.0, 0.0
            self._before = time.thread_time(), time.perf_counter()
            self._beat()

        self._server.run(begin)

    def stop(self) -> tuple[float, float]:
        """Return the longest tick since the start, in milliseconds of CPU time and of real time."""

        def end() -> tuple[float, float]:
            self._on = False
            return self._cpu * 1000, self._wall * 1000

        return self._server.run(end)


class Said(NamedTuple):
    """A frame, the preparation that it needs each time, and whether its notices are throttled."""

    name: str
    fields: dict[str, Any]
    before: tuple[dict[str, Any], ...] = ()
    paced: bool = False


def kinds() -> Iterator[Said]:
    """Yield the worst frame of each kind."""
    yield Said("send to a person", {"t": "send", "to": "bob", "text": "x" * 30_000})
    yield Said("send to 2,000", {"t": "send", "to": "#big", "text": "hi"})
    yield Said("send, misspelt", {"t": "send", "to": "usre000123", "text": "hi"})
    yield Said("send, a reply", {"t": "send", "to": "bob", "text": "hi", "re": 1})
    yield Said("check", {"t": "check", "to": "usre000123"})
    yield Said("ack", {"t": "ack", "seq": 599})
    yield Said("who", {"t": "who"})
    yield Said("who, limited", {"t": "who", "limit": 100})
    yield Said("who of 2,000", {"t": "who", "to": "#big"})
    yield Said("away", {"t": "away", "text": "lunch"}, paced=True)
    yield Said("join", {"t": "join", "room": "#room19999"}, ({"t": "leave", "room": "#room19999"},))
    yield Said("leave", {"t": "leave", "room": "#mine"}, ({"t": "join", "room": "#mine"},))
    yield Said("topic to 2,000", {"t": "topic", "room": "#big", "text": "t" * 500}, paced=True)
    yield Said("rooms", {"t": "rooms", "after": "#room00300"})
    yield Said("rooms, misspelt", {"t": "rooms", "room": "#romo00300"})
    yield Said("history", {"t": "history", "of": "bob", "limit": 500})
    yield Said("history, 20,000 periods", {"t": "history", "of": "#mine", "limit": 500})
    yield Said("search", {"t": "search", "text": "word", "limit": 500})
    yield Said("receipts of 2,000", {"t": "receipts", "to": "#big", "watch": True})
    yield Said("answers", {"t": "answers", "re": 1})
    yield Said("unread", {"t": "unread"})
    yield Said("link", {"t": "link"})
    yield Said("keys", {"t": "keys"})
    yield Said("revoke", {"t": "revoke", "key": "SHA256:" + "x" * 43})
    yield Said("operate, here", {"t": "operate", "do": "mute", "to": "user000500"})
    yield Said("operate, ban", {"t": "operate", "do": "ban", "to": "user050000"})
    yield Said("operate, in a room", {"t": "operate", "do": "mute", "to": "bob", "room": "#room00003"})
    yield Said("ping", {"t": "ping"})
    yield Said("hello when in", {"t": "hello", "version": 1, "user": "alice"})
    yield Said("prove when in", {"t": "prove", "signature": "x" * 8000})


class House:
    """The server, and the online users."""

    def __init__(self, server: ThreadServer) -> None:
        self.server = server
        self.pulse = Pulse(server)
        self._numbers = iter(range(1, 1 << 30))

    def measured(self, function: Callable[[], object]) -> tuple[float, float]:
        """Return the longest iteration of the loop while a function ran, and shortly after."""
        self.pulse.start()
        function()
        time.sleep(0.05)  # deliveries and collected notices follow
        return self.pulse.stop()

    def ask(self, caller: Caller, fields: dict[str, Any]) -> None:
        """Send a frame, and wait until it and all before it are answered."""
        number = next(self._numbers)
        own = {"id": new_id()} if fields["t"] == "send" else {"n": number}
        caller.says_raw(json.dumps({**fields, **own}).encode() + b'\n{"t":"ping","n":%d}\n' % number)
        while (frame := caller.next()) is not None and (frame["t"], frame.get("n")) != ("pong", number):
            pass
        if fields["t"] == "send" and self.server.run(lambda: not self.server.hub.log.idle):
            self.ask(caller, {"t": "ping"})

    def rest(self, name: str) -> None:
        """Refill a user's allowance, so that no pause is measured."""

        def fill() -> None:
            user = self.server.hub.users.find(name)
            if user is not None:
                user.purse = None
                for session in sessions_of(self.server, name):
                    session.account.open()

        self.server.run(fill)


def medians(found: list[tuple[float, float]]) -> tuple[float, float]:
    """Return the medians of the first and of the second numbers."""
    return statistics.median(one for one, _ in found), statistics.median(two for _, two in found)


def measure(house: House, said: Said) -> tuple[float, float]:
    """Return the medians for one frame."""
    found = []
    with house.server.joined("alice", "join", present="takeover") as caller:
        for _ in range(_ROUNDS):
            for fields in said.before:
                house.ask(caller, fields)
            if said.paced:
                time.sleep(1.1)
            house.rest("alice")
            found.append(house.measured(lambda: house.ask(caller, said.fields)))
    return medians(found)


def connecting(house: House) -> Iterator[tuple[str, tuple[float, float]]]:
    """Yield the cost of a connect, a login and a disconnect of a user in 500 rooms."""

    def come() -> None:
        with house.server.joined("alice", "join", present="takeover") as caller:
            house.ask(caller, {"t": "ping"})
        time.sleep(0.1)

    found = [house.measured(come) for _ in range(_ROUNDS)]
    yield "hello, prove, going", medians(found)

    def new() -> None:
        with house.server.connect() as caller:
            caller.greets(f"new{next(house._numbers)}", key=key_of("new"))
            caller.hears("welcome")

    found = [house.measured(new) for _ in range(_ROUNDS)]
    yield "hello of a new name", medians(found)


def beside(house: House, flooding: AbstractContextManager[None]) -> tuple[float, float, float, float]:
    """Return the same figures during a flood, and the median and the longest of another user's round trips."""
    trips: list[float] = []
    # What a flood has left would be worked off, as fast as its allowance permits, beside the next one.
    online = house.server.run(lambda: set(house.server.hub.connections))
    with house.server.joined("bob", present="takeover") as bob:
        house.pulse.start()
        with flooding:
            end = time.perf_counter() + _FLOODED
            while (begun := time.perf_counter()) < end:
                house.ask(bob, {"t": "ping"})
                trips.append((time.perf_counter() - begun) * 1000)
                time.sleep(_BETWEEN)
        cpu, wall = house.pulse.stop()

    def abort_floods() -> None:
        for connection in house.server.hub.connections - online:
            connection.abort()

    house.server.run(abort_floods)
    return cpu, wall, statistics.median(trips), max(trips)


def floods(house: House) -> Iterator[tuple[str, tuple[float, ...]]]:
    """Yield the medians beside nothing, and beside each flood."""

    def medians_of(flooding: Callable[[], AbstractContextManager[None]]) -> tuple[float, ...]:
        rounds = [beside(house, flooding()) for _ in range(_ROUNDS)]
        return tuple(statistics.median(column) for column in zip(*rounds, strict=True))

    with Flooder(Target(house.server.address, house.server.certificate)) as flooder:
        yield "nothing", medians_of(nullcontext)
        for number, flood in enumerate(FLOODS):
            yield flood.name, medians_of(functools.partial(flooder.flooding, number))


def fill(data: Path) -> None:
    """Create the log."""
    with ThreadServer(data):
        pass
    with closing(sqlite3.connect(data / "chatcli.db")) as connection:
        connection.executescript(f"BEGIN; {_FILL} COMMIT;")
        people = [(user, OWN.public, 1) for user in (_ALICE, _BOB, *range(_FIRST, _FIRST + _ONLINE))]
        connection.executemany("INSERT INTO keys (user, key, since) VALUES (?, ?, ?)", people)
        connection.commit()


def write(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(line)
    sys.stdout.flush()


def main() -> None:
    """Measure, and print a line for each frame."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--online", type=int, default=_ONLINE, help="how many people are connected")
    parser.add_argument("--floods", action="store_true", help="only the floods")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        data = Path(folder) / "data"
        fill(data)
        sys.setswitchinterval(_SWITCH)
        server = stack.enter_context(ThreadServer(data, Limits(message_rate=0)))
        house = House(server)
        for number in range(options.online):
            stack.enter_context(server.joined(f"user{_FIRST + number:06}"))
        if not options.floods:
            write(f"{'frame':<26}{'cpu, ms':>9}{'clock, ms':>11}\n")
            frames = ((said.name, measure(house, said)) for said in kinds())
            for name, (cpu, wall) in itertools.chain(connecting(house), frames):
                write(f"{name:<26}{cpu:>9.2f}{wall:>11.2f}\n")
        write(f"{'flood':<26}{'cpu, ms':>9}{'clock, ms':>11}{'round trip':>12}{'longest':>9}\n")
        for name, figures in floods(house):
            write(
                f"{name:<26}"
                + "".join(f"{one:>{size}.2f}" for one, size in zip(figures, (9, 11, 12, 9), strict=True))
                + "\n"
            )


if __name__ == "__main__":
    main()
