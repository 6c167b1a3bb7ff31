"""Streams by HTTP over real sockets."""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import shutil
import socket
import sqlite3
import subprocess
import threading
from contextlib import closing
from pathlib import Path
from typing import Self

import pytest

from chatcli.protocol.values.address import Address
from tests.admin import does
from tests.server.web.raw import RawCaller
from tests.server.web.streams import EventReader, LineReader, Reader
from tests.support import DEADLINE, Caller, TestKey, ThreadServer, chatcli, eventually, known, sessions_of


def reading(caller: Caller, **fields: object) -> str:
    """Return a new token for reading."""
    made = caller.asks("token", **{"scope": "read", **fields})
    assert made["t"] == "token", made
    return str(made["token"])


def says(caller: Caller, to: str, *texts: str) -> None:
    """Send messages, and wait until they are on disk."""
    for text in texts:
        caller.sends(to, text)
    for _ in texts:
        caller.hears("sent")


@pytest.fixture
def alice(server: ThreadServer) -> Caller:
    """A user in #ops, without a feed of her own."""
    caller = server.joined("alice", "send")
    caller.enters("#ops")
    return caller


@pytest.fixture
def bob(server: ThreadServer, alice: Caller) -> Caller:
    """Another one."""
    caller = server.joined("bob", "send")
    caller.enters("#ops")
    return caller


def test_events_as_they_come(server: ThreadServer, alice: Caller, bob: Caller) -> None:
    """What is said in the room from now on; nothing else."""
    says(bob, "#ops", "before")
    with EventReader(server.address, "/ops/events", reading(alice)) as reader:
        assert reader.status == 200
        assert reader.headers["Content-Type"] == "text/event-stream"
        assert reader.headers["Cache-Control"] == "no-store"
        assert reader.headers["X-Accel-Buffering"] == "no"
        says(bob, "alice", "to you alone")
        says(bob, "#ops", "one\ntwo", "three")
        assert reader.texts(2) == ["one\ntwo", "three"]
        assert reader.parser.last_id == f"4-{server.hub.log.epoch}"


def test_a_broken_stream_goes_on(server: ThreadServer, alice: Caller, bob: Caller) -> None:
    """Exactly after the last event, and where there was none, after the beginning."""
    token = reading(alice)
    with EventReader(server.address, "/ops/events", token) as reader:
        last_id = reader.until_ready().parser.last_id
    says(bob, "#ops", "one", "two")
    with EventReader(server.address, "/ops/events", token, last_id) as reader:
        assert reader.texts(1) == ["one"]
        last_id = reader.parser.last_id.partition("-")[0]
    says(bob, "#ops", "three")
    with EventReader(server.address, "/ops/events?since=0", token, "1") as reader:
        assert reader.texts(2) == ["two", "three"]
    with EventReader(server.address, "/ops/events?since=0", token) as reader:
        assert reader.texts(3) == ["one", "two", "three"]
    with EventReader(server.address, "/ops/events?newest=2", token) as reader:
        assert reader.texts(2) == ["two", "three"]


def test_everything(server: ThreadServer, alice: Caller, bob: Caller) -> None:
    """All that the token may read, without what its user has said."""
    says(bob, "alice", "to you")
    says(bob, "#ops", "to all")
    says(alice, "bob", "to bob")
    says(alice, "alice", "a note")
    token = reading(alice)
    with EventReader(server.address, "/-/events?since=0", token) as reader:
        assert reader.texts(3) == ["to you", "to all", "a note"]
    with LineReader(server.address, "/-/lines?own=1", token) as lines:
        assert [record["text"] for record in lines.records()] == ["to you", "to all", "to bob", "a note"]
    with LineReader(server.address, "/@bob/lines?own", token) as lines:
        assert [record["text"] for record in lines.records()] == ["to you", "to bob"]
    with LineReader(server.address, "/-/lines", reading(alice, to=["bob"])) as lines:
        assert [record["text"] for record in lines.records()] == ["to you"]


def test_lines_are_those_of_listen(server: ThreadServer, alice: Caller, bob: Caller) -> None:
    """And so is the data of events."""
    said = ["plain", "two\nlines", "ünïcode ✓", "\x1b[31mred", "\u202edrow"]
    says(bob, "#ops", *said)
    bob.sends("#ops", "which?", choices=["this", "that"], seconds=600)
    bob.hears("sent")
    token = reading(alice)
    where = ("--server", str(server.address), "--user", "alice")
    printed = chatcli("listen", "#ops", "--json", "--since", "0", "--count", "6", "--as", "other", *where).stdout
    with LineReader(server.address, "/ops/lines", token) as lines:
        assert lines.headers["Content-Type"] == "application/x-ndjson"
        assert lines.rest() == printed
    with EventReader(server.address, "/ops/events?since=0", token) as reader:
        assert [reader.next().data for _ in range(6)] == printed.splitlines()
    assert [json.loads(line)["text"] for line in printed.splitlines()] == [*said, "which?"]


def test_lines_end_or_follow(server: ThreadServer, alice: Caller, bob: Caller) -> None:
    """Without ``follow`` they end with what there is."""
    token = reading(alice)
    says(bob, "#ops", *map(str, range(1200)))
    with LineReader(server.address, "/ops/lines", token) as lines:
        assert [record["text"] for record in lines.records()] == list(map(str, range(1200)))
    with LineReader(server.address, "/ops/lines?newest=3", token) as lines:
        assert [record["text"] for record in lines.records()] == ["1197", "1198", "1199"]
    with LineReader(server.address, "/ops/lines?since=1199&follow=1", token) as lines:
        assert lines.next()["text"] == "1199"
        says(bob, "#ops", "and on")
        assert lines.next()["text"] == "and on"


def test_one_connection_for_several_answers(server: ThreadServer, alice: Caller, bob: Caller) -> None:
    """Lines that end leave the connection open."""
    token = reading(alice)
    says(bob, "#ops", "hi")
    ask = f"GET /ops/lines HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    with socket.create_connection(server.address[:2], DEADLINE) as connection, connection.makefile("rb") as file:
        connection.sendall(ask + ask)
        for _ in range(2):
            while file.readline() != b"\r\n":
                pass
            chunk = file.read(int(file.readline(), 16))
            assert json.loads(chunk)["text"] == "hi"
            assert file.read(7) == b"\r\n0\r\n\r\n"


def test_older_callers(server: ThreadServer, alice: Caller, bob: Caller) -> None:
    """HTTP/1.0 knows no chunks: the end of the connection is that of the answer."""
    token = reading(alice)
    says(bob, "#ops", "hi")
    with socket.create_connection(server.address[:2], DEADLINE) as connection, connection.makefile("rb") as file:
        connection.sendall(f"GET /ops/lines HTTP/1.0\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
        connection.shutdown(socket.SHUT_WR)
        head, _, body = file.read().partition(b"\r\n\r\n")
    assert b"chunked" not in head
    assert json.loads(body)["text"] == "hi"


def test_heads(server: ThreadServer, alice: Caller) -> None:
    """They say what there would be, and open no session."""
    for path, kind in (("/ops/events", "text/event-stream"), ("/ops/lines", "application/x-ndjson")):
        with Reader(server.address, path, reading(alice), "HEAD") as reader:
            assert (reader.status, reader.headers["Content-Type"], reader.rest()) == (200, kind, "")
            assert reader.headers["Chatcli-Position"].endswith(f"-{server.hub.log.epoch}")
    assert server.run(lambda: len(sessions_of(server, "alice"))) == 1
    with Reader(server.address, "/nowhere/events", reading(alice), "HEAD") as reader:
        assert reader.status == 404


@pytest.mark.parametrize("query", ["", "?since=0", "?newest=1", "?newest=1&own=1"])
def test_heads_end(server: ThreadServer, alice: Caller, bob: Caller, query: str) -> None:
    """The next request is answered, or the connection closed."""
    says(bob, "#ops", "hi")
    token, fixed = f"Bearer {reading(alice)}", ("/", "/healthz", "/metrics") if not query else ()
    for path in (*fixed, "/ops/events", "/@bob/events", "/-/events", "/ops/lines", "/@bob/lines", "/-/lines"):
        with RawCaller.of(server) as caller:
            answer = caller.asks("HEAD", f"{path}{query}", authorization=token)
            assert answer.status in ((200, 422) if path.startswith("/-/") else (200, 403)), path
            if answer.headers.get("connection") == "close":
                assert caller.hears_end()
            else:
                assert caller.asks("GET", "/healthz").text == "ok\n"
    eventually(lambda: server.run(lambda: len(sessions_of(server, "alice"))) == 1)


@pytest.mark.parametrize("path", ["/ops/events", "/ops/lines", "/ops/lines?follow=1", "/@bob/events"])
def test_who_may_not(server: ThreadServer, alice: Caller, bob: Caller, path: str) -> None:
    """They are told so before a stream begins."""
    for token, status in (
        ("cct_nonsense", 401),
        (reading(alice, scope="send"), 403),
        (reading(alice, to=["alice"]), 403),
    ):
        with Reader(server.address, path, token) as reader:
            assert reader.status == status, reader.rest()
    assert server.run(lambda: len(sessions_of(server, "alice"))) == 1
    zoe = server.joined("zoe")
    with Reader(server.address, "/ops/events", reading(zoe)) as reader:
        assert reader.status == 403
        assert "enter it first" in reader.rest()
    bob.enters("#den", kind="private")
    for unknown in ("/den/events", "/@nobody/lines", "/nowhere/lines"):
        with Reader(server.address, unknown, reading(zoe)) as reader:
            assert reader.status == 404


def test_positions_that_mean_nothing(server: ThreadServer, alice: Caller) -> None:
    """They are refused before the stream begins."""
    token = reading(alice)
    with Reader(server.address, "/ops/events?since=7-0123456789abcdef", token) as reader:
        assert reader.status == 410
        assert "another log" in reader.rest()
    for query in ("since=x", "sinse=1", "since=1&since=2", "token=x"):
        with Reader(server.address, f"/ops/events?{query}", token) as reader:
            assert reader.status == 422
    with Reader(server.address, "/-/lines?newest=1", token) as reader:
        assert reader.status == 422


def test_nothing_is_read_or_received(server: ThreadServer, alice: Caller, bob: Caller) -> None:
    """Who reads by HTTP does not read for the person, and is not in the chat."""
    token = reading(alice)
    alice.hang_up()
    eventually(lambda: not server.run(lambda: sessions_of(server, "alice")))
    with EventReader(server.address, "/-/events", token) as reader:
        says(bob, "alice", "hello?")
        says(bob, "#ops", "all?")
        assert reader.texts(2) == ["hello?", "all?"]
        assert bob.asks("who", to="alice")["people"][0]["state"] == "gone"
        assert "alice" not in bob.asks_who()
        assert known(server, "alice").received == 0
        with server.joined("alice") as back:
            assert [back.hears("message")["text"] for _ in range(2)] == ["hello?", "all?"]
            unread = back.asks("unread")["conversations"]
            assert [(one["of"], one["count"]) for one in unread] == [("#ops", 1), ("bob", 1)]


def test_hanging_up(server: ThreadServer, alice: Caller) -> None:
    """The session is gone at once; so it is if only the caller's half is closed."""
    token = reading(alice)
    reader = EventReader(server.address, "/ops/events", token).until_ready()
    other = EventReader(server.address, "/-/events", token).until_ready()
    assert server.run(lambda: len(sessions_of(server, "alice"))) == 3
    reader.close()
    eventually(lambda: server.run(lambda: len(sessions_of(server, "alice"))) == 2)
    other.close_half()
    eventually(lambda: server.run(lambda: len(sessions_of(server, "alice"))) == 1)
    assert server.run(lambda: len(known(server, "alice").limited_feeds)) == 0


def test_a_revoked_token(server: ThreadServer, alice: Caller) -> None:
    """Its streams end with the reason."""
    made = alice.asks("token", scope="read")
    with (
        EventReader(server.address, "/ops/events", made["token"]) as reader,
        LineReader(server.address, "/ops/lines?follow=1", made["token"]) as lines,
    ):
        reader.until_ready()
        alice.asks("untoken", token=made["id"])
        event = reader.next()
        assert (event.name, event.record["code"]) == ("bye", "kicked")
        assert reader.ends()
        with pytest.raises(Exception, match="IncompleteRead"):
            lines.rest()


def test_a_token_that_ends(server: ThreadServer, alice: Caller) -> None:
    """Its streams end with it."""
    token = reading(alice, seconds=1)
    with EventReader(server.address, "/ops/events", token) as reader:
        assert reader.next().name == "bye"


def test_leaving_the_room(server: ThreadServer, alice: Caller, bob: Caller) -> None:
    """The stream of the room ends; that of everything goes on."""
    token = reading(bob)
    with (
        EventReader(server.address, "/ops/events", token) as reader,
        EventReader(server.address, "/-/events", token) as everything,
    ):
        alice.asks("operate", do="kick", to="bob", room="#ops")
        event = reader.next()
        assert (event.name, event.record["code"]) == ("bye", "not_allowed")
        assert reader.ends()
        says(alice, "#ops", "without bob")
        says(alice, "bob", "sorry")
        assert everything.texts(1) == ["sorry"]


def test_the_server_stops(server: ThreadServer, alice: Caller) -> None:
    """The stream says so, and ends."""
    with EventReader(server.address, "/ops/events", reading(alice)) as reader:
        reader.until_ready()
        server.stop()
        event = reader.next()
        assert (event.name, event.record["code"]) == ("bye", "stopping")
        assert reader.ends()


def test_signs_of_life(server: ThreadServer, alice: Caller, bob: Caller) -> None:
    """A comment, or an empty line, where nothing was said for a while; the silence of the reader is none."""
    token = reading(alice)
    with (
        EventReader(server.address, "/ops/events", token) as reader,
        LineReader(server.address, "/ops/lines?follow=1", token) as lines,
    ):
        reader.until_ready()
        for _ in range(3):
            server.run(lambda: server.hub.tick(25))
            reader.until_comment()
            assert lines.answer.readline() == b"\n"
        says(bob, "#ops", "still here?")
        assert reader.texts(1) == ["still here?"]
        assert lines.next()["text"] == "still here?"


def test_a_name_changes_hands(server: ThreadServer, alice: Caller, bob: Caller) -> None:
    """Who follows a person learns it; who has a token for them alone does not."""
    says(bob, "alice", "hi")
    token = reading(alice)
    code = bob.asks("link")["code"]
    with (
        EventReader(server.address, "/@bob/events", token) as reader,
        EventReader(server.address, "/ops/events", token) as room,
    ):
        reader.until_ready()
        with server.connect() as other:
            other.greets("bob", key=TestKey("bob's laptop"), purpose="send", link=code)
            other.hears("welcome")
        event = reader.next()
        assert (event.name, event.record["name"], event.record["what"]) == ("name-change", "bob", "key")
        says(bob, "#ops", "hello")
        assert room.next().name == "message"
    with LineReader(server.address, "/@bob/lines", token) as lines:
        assert [record.get("what", record.get("text")) for record in lines.records()] == ["hi", "key"]


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_curl(server: ThreadServer, alice: Caller, bob: Caller) -> None:
    """It reads events as they come, and lines with a password; what breaks off is status 18."""
    token = reading(alice)
    says(bob, "#ops", "hi")
    base = ["curl", "--silent", "--noproxy", "*", "--max-time", str(DEADLINE)]
    url = f"http://{server.address}/ops"
    printed = subprocess.run([*base, "-u", f":{token}", f"{url}/lines"], capture_output=True, text=True, check=True)
    assert json.loads(printed.stdout)["text"] == "hi"
    following = subprocess.Popen(
        [*base, "-N", "-H", f"Authorization: Bearer {token}", f"{url}/lines?follow=1&since=0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert following.stdout is not None
    assert json.loads(following.stdout.readline())["text"] == "hi"
    says(bob, "#ops", "there")
    assert json.loads(following.stdout.readline())["text"] == "there"
    server.stop()
    assert following.wait(DEADLINE) == 18
    following.stdout.close()


def test_slow_readers_read_from_the_log(server: ThreadServer, alice: Caller, bob: Caller) -> None:
    """What does not fit into the socket is not kept in memory."""
    token = reading(alice)
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(server.address[:2])
    connection.settimeout(DEADLINE)
    connection.sendall(f"GET /ops/lines?follow=1 HTTP/1.0\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
    with connection, connection.makefile("rb") as file:
        while file.readline() != b"\r\n":
            pass
        count = 600
        for start in range(0, count, 100):
            says(bob, "#ops", *(f"{number} {'x' * 8000}" for number in range(start, start + 100)))
        (session,) = server.run(lambda: [one for one in sessions_of(server, "alice") if one.purpose == "listen"])
        assert server.run(lambda: session.output.full)
        assert server.run(lambda: session.output.unwritten) < 4 * 1024 * 1024
        found = [json.loads(file.readline())["text"].split()[0] for _ in range(count)]
        assert found == list(map(str, range(count)))


def test_stalled_readers(server: ThreadServer, alice: Caller, bob: Caller) -> None:
    """Who takes nothing for long is closed."""
    token = reading(alice)
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(server.address[:2])
    with connection:
        connection.sendall(
            f"GET /ops/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
        )
        eventually(lambda: server.run(lambda: len(sessions_of(server, "alice"))) == 2)
        for start in range(0, 300, 100):
            says(bob, "#ops", *(f"{number} {'x' * 8000}" for number in range(start, start + 100)))
        (session,) = server.run(lambda: [one for one in sessions_of(server, "alice") if one.purpose == "listen"])
        (http,) = server.run(lambda: [one for one in server.hub.connections if one.session is session])
        for _ in range(5):
            server.run(lambda: http.tick(100))
        assert server.run(lambda: len(sessions_of(server, "alice"))) == 1
        server.run(lambda: http.tick(100))
        eventually(lambda: server.run(lambda: http not in server.hub.connections))


def says_each(caller: Caller, to: str, count: int) -> None:
    """Send numbers, some at a time."""
    for start in range(0, count, 20):
        says(caller, to, *map(str, range(start, start + 20)))


class Cutter:
    """A proxy in front of a server that drops each connection after a random number of bytes of its answer."""

    def __init__(self, server: ThreadServer, seed: int) -> None:
        self._server = server
        self._random = random.Random(seed)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = Address("127.0.0.1", self._listening.getsockname()[1])
        self.cuts = 0
        self._open: socket.socket | None = None
        self._thread = threading.Thread(target=self._serve, name="cutter")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        if self._open is not None:
            with contextlib.suppress(OSError):  # closed meanwhile
                self._open.shutdown(socket.SHUT_RDWR)
        self._thread.join(DEADLINE)
        self._listening.close()

    def _serve(self) -> None:
        while True:
            try:
                caller, _ = self._listening.accept()
            except OSError:
                return
            with caller, socket.create_connection(self._server.address[:2], DEADLINE) as server:
                with contextlib.suppress(OSError):  # the reader has all it wanted
                    self._carry(caller, server)

    def _carry(self, caller: socket.socket, server: socket.socket) -> None:
        self._open = server
        caller.settimeout(DEADLINE)
        server.sendall(caller.recv(65536).replace(b"keep-alive", b"close"))
        left = self._random.randrange(400, 20_000)
        while left > 0 and (data := server.recv(min(left, 4096))):
            left -= len(data)
            caller.sendall(data)
        self.cuts += 1


@pytest.mark.parametrize("seed", [1, 2])
def test_connections_that_break(server: ThreadServer, alice: Caller, bob: Caller, seed: int) -> None:
    """A reader that comes back gets every message once, wherever the stream was cut."""
    token = reading(alice)
    count = 1000
    with Cutter(server, seed) as cutter:
        first = EventReader(server.address, "/ops/events", token).until_ready()
        last_id, found = first.parser.last_id, list[str]()
        first.close()
        speaking = threading.Thread(target=lambda: says_each(bob, "#ops", count))
        speaking.start()
        while len(found) < count:
            with EventReader(cutter.address, "/ops/events", token, last_id) as reader:
                with contextlib.suppress(http.client.IncompleteRead, ConnectionResetError, StopIteration):
                    while len(found) < count:
                        found.append(reader.next().record["text"])
                        last_id = reader.parser.last_id
        speaking.join(DEADLINE)
    assert found == list(map(str, range(count)))
    assert cutter.cuts > 5


def test_a_restored_log(tmp_path: Path) -> None:
    """The numbers of an earlier epoch count up to its end: nothing that was said since is left out."""
    data = tmp_path / "data"
    with ThreadServer(data) as server, server.joined("bob", "send") as bob, server.joined("alice", "send") as alice:
        says(alice, "bob", "one", "two", "three")
        token = reading(bob)
        with EventReader(server.address, "/@alice/events?since=0", token) as reader:
            assert reader.texts(3) == ["one", "two", "three"]
            last_id = reader.parser.last_id
    with closing(sqlite3.connect(data / "chatcli.db")) as connection, connection:
        connection.execute("INSERT INTO epochs VALUES (2, 'later', 1)")
    with ThreadServer(data) as server:
        with EventReader(server.address, "/@alice/events", token, last_id) as reader:
            assert reader.headers["Chatcli-Position"] == "1-later"
            assert reader.texts(2) == ["two", "three"]
            assert reader.parser.last_id == "3-later"
        with EventReader(server.address, "/@alice/events?since=2", token) as reader:
            assert reader.texts(1) == ["three"]


def test_bans_and_released_names(tmp_path: Path) -> None:
    """Who is banned is sent away, and not let in again; a person whose name is freed says nothing more."""
    data = tmp_path / "data"
    with ThreadServer(data) as server, server.joined("bob", "send") as bob, server.joined("alice", "send") as alice:
        token = reading(alice)
        with EventReader(server.address, "/@bob/events", token) as of_bob:
            of_bob.until_ready()
            bob.hang_up()
            does(data, "release", to="bob")
            event = of_bob.next()
            while event.name == "name-change":
                event = of_bob.next()
            assert (event.name, event.record["code"]) == ("bye", "not_allowed")
            assert of_bob.ends()
        with EventReader(server.address, "/-/events", token) as everything:
            everything.until_ready()
            does(data, "ban", to="alice")
            event = everything.next()
            while event.name == "name-change":
                event = everything.next()
            assert event.name == "bye"
            assert everything.ends()
        with Reader(server.address, "/-/events", token) as reader:
            assert reader.status in (401, 403)


def test_what_follows_a_stream_is_ignored(server: ThreadServer, alice: Caller) -> None:
    """Whoever says more, and then hangs up, is gone at once: their connection is read all the time."""
    token = reading(alice)
    ask = f"GET /ops/events HTTP/1.1\r\nHost: {server.address}\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    with socket.create_connection(server.address[:2], DEADLINE) as connection:
        connection.sendall(ask)
        eventually(lambda: server.run(lambda: len(sessions_of(server, "alice"))) == 2)
        connection.sendall(b"x" * 100_000)
        connection.shutdown(socket.SHUT_WR)
        eventually(lambda: server.run(lambda: len(sessions_of(server, "alice"))) == 1)


def test_within_tls(tmp_path: Path) -> None:
    """Streams are the same there."""
    with ThreadServer(tmp_path / "data") as server, server.joined("alice", "send") as alice:
        token = reading(alice)
        with server.connect(tls=True) as caller:
            caller.says_raw(
                f"GET /@alice/lines?follow=1 HTTP/1.0\r\nHost: {server.address}\r\n"
                f"Authorization: Bearer {token}\r\n\r\n".encode()
            )
            with caller.socket.makefile("rb") as file:
                while file.readline() != b"\r\n":
                    pass
                says(alice, "alice", "a note")
                assert json.loads(file.readline())["text"] == "a note"
