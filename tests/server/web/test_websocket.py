"""WebSockets over real sockets, with the library and with hand-made frames as clients."""

from __future__ import annotations

import asyncio
import gc
import json
import resource
import socket
import ssl
import subprocess
import sys
import weakref
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from chatcli.gateway.web.exchange import Exchange
from chatcli.gateway.websocket import AT_ONCE, WebSocket
from chatcli.protocol.keys import key_text
from chatcli.server.connection.lines import Lines
from chatcli.server.connection.opening import Opening
from chatcli.server.connection.session import Session
from chatcli.server.limits import Limits
from chatcli.server.listeners.tcp import TcpConnection
from chatcli.server.listeners.tls import TlsLayer
from chatcli.server.web.connection import HttpConnection
from chatcli.server.web.websocket import WebSocketLayer
from tests.gateway.frames import BINARY, CLOSE, PING, TEXT, closing, frame, frames_in
from tests.reference import ROOT
from tests.server.connection.wires import FakeWire
from tests.server.listeners.by_hand import Above
from tests.server.web.websockets import KEY, QUERY, Foreign, Raw, Tunnel, joined, request
from tests.support import (
    DEADLINE,
    OWN,
    Caller,
    ThreadServer,
    chatcli,
    environment,
    eventually,
    sessions_of,
)


def gone(server: ThreadServer, left: int = 0) -> None:
    """Wait until the server has no more than a number of connections."""
    eventually(lambda: server.run(lambda: len(server.hub.connections)) == left)


# The opening


def test_offers_are_not_accepted(server: ThreadServer) -> None:
    """Neither an extension nor a subprotocol is: the answer names none, and the library goes on without."""
    with Foreign(server, compression="deflate", subprotocols=["text.ircv3.net"]) as client:
        assert client.peer.subprotocol is None
        assert not {"Sec-WebSocket-Extensions", "Sec-WebSocket-Protocol"} & set(client.peer.response.headers)
        client.peer.send(QUERY)
        client.hears("welcome")


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (request("Sec-WebSocket-Version: 8"), b"426"),
        (request(version="1.0"), b"426"),
        (request(key=None), b"400"),
        (request(f"Sec-WebSocket-Key: {KEY}"), b"400"),
        (request("Content-Length: 3") + b"abc", b"400"),
        (request("Transfer-Encoding: chunked") + b"0\r\n\r\n", b"400"),
        (request(method="POST"), b"405"),
        (request(method="HEAD"), b"405"),
        (b"GET /-/ws HTTP/1.1\r\nHost: localhost\r\n\r\n", b"426"),
    ],
)
def test_refused_opening(server: ThreadServer, data: bytes, status: bytes) -> None:
    """A request that opens no WebSocket is answered by HTTP, and says which version is spoken where that matters."""
    with Raw(server, opened=False) as client:
        client.send(data)
        head = client.head()
        assert head.startswith(b"HTTP/1.1 " + status)
        assert status != b"426" or b"\r\nSec-WebSocket-Version: 13\r\n" in head


def test_next_request_after_a_refusal(server: ThreadServer) -> None:
    """A connection whose request was refused may send another one."""
    with Raw(server, opened=False) as client:
        client.send(request("Sec-WebSocket-Version: 8") + request())
        data = client.head()
        assert data.startswith(b"HTTP/1.1 426")
        while b"101 Switching" not in data:
            data = client.head()


def test_frames_behind_the_request(server: ThreadServer) -> None:
    """Frames that come in the same packet as the request are not lost."""
    with Raw(server, opened=False) as client:
        client.send(request() + frame(TEXT, QUERY.encode()) + frame(TEXT, b'{"t":"bye"}'))
        client.socket.shutdown(socket.SHUT_WR)
        assert client.head().startswith(b"HTTP/1.1 101")
        welcome, bye, end = frames_in(client.rest())
        assert json.loads(bytes(welcome.data).splitlines()[0])["t"] == "welcome"
        assert b'"bye"' in bytes(welcome.data) + bytes(bye.data)
        assert end.opcode == CLOSE


# What may come


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(TEXT, b"x" * 200_000), 1009),
        (frame(BINARY, b"x" * 70_000, fin=False) + frame(0, b"x" * 70_000), 1009),
        (frame(TEXT, QUERY.encode()) + frame(BINARY, b"x"), 1003),
        (frame(TEXT, b"\xff"), 1007),
        (frame(TEXT, QUERY.encode(), masked=False), 1002),
        (frame(PING, b"x" * 126), 1002),
        (frame(TEXT, b"x", reserved=4), 1002),
        (closing(1005), 1002),
    ],
)
def test_broken_rules(server: ThreadServer, data: bytes, code: int) -> None:
    """The client learns its mistake by a close code, although it goes on sending, and is gone once it hangs up."""
    with Raw(server) as client:
        client.send(data)
        client.send(b"more" * 10_000)
        client.socket.shutdown(socket.SHUT_WR)
        assert client.ends_with()[0] == code
    gone(server)


def test_lines_in_messages(server: ThreadServer) -> None:
    """A message may have several lines; a line feed alone is no frame, and a part of a line is a malformed one."""
    with Foreign(server) as client:
        client.peer.send("\n")
        client.peer.send("")
        client.peer.send(QUERY + '\n{"t":"ping","n":1}\n{"t":"ping","n":2}')
        client.hears("welcome")
        assert [client.hears("pong")["n"] for _ in range(2)] == [1, 2]
        client.peer.send(iter(['{"t":"pi', "", 'ng","n":3}']))  # fragments of one message
        assert client.hears("pong")["n"] == 3
        client.peer.send('{"t":"pi')
        assert client.hears("error")["code"] == "malformed"


def test_close_after_messages(server: ThreadServer) -> None:
    """What a client has said before it closes counts, although it does not wait."""
    with server.joined("bob") as bob, Foreign(server, tls=True) as client:
        client.proves("al")
        for number in range(200):
            client.says("send", id=f"00000000-0000-4000-8000-{number:012}", to="bob", text=str(number))
        client.peer.close(1000, "done")
        assert bob.texts(200) == [str(number) for number in range(200)]
        gone(server, 1)


def test_end_without_a_close(server: ThreadServer) -> None:
    """A client that only stops sending still gets its answers, a goodbye, and the end."""
    with Raw(server) as client:
        client.send(frame(TEXT, QUERY.encode()))
        client.socket.shutdown(socket.SHUT_WR)
        assert client.ends_with() == (1000, "Goodbye.")
    gone(server)
    with Raw(server) as client:
        client.send(frame(TEXT, QUERY.encode()))
    gone(server)
    with Raw(server) as client:
        client.socket.shutdown(socket.SHUT_WR)
        assert client.ends_with()[0] == 1000
    gone(server)


# The session above


def test_foreign_client(server: ThreadServer) -> None:
    """With a key over TLS it joins and talks, and its goodbye is answered before the close."""
    with server.joined("bob") as bob, joined(server, "al") as client:
        client.says("send", id="00000000-0000-4000-8000-000000000001", to="bob", text="hi")
        assert client.hears("sent")["outcome"] == "delivered"
        assert bob.texts(1) == ["hi"]
        bob.sends("al", "hi yourself")
        assert client.hears("message")["text"] == "hi yourself"
        client.says("bye")
        assert client.hears("bye")["code"] == "left"
        assert client.closed() == (1000, "Goodbye.")


@contextmanager
def killing(process: subprocess.Popen[str]) -> Iterator[None]:
    """End a process that still runs, so that a failure does not wait for it."""
    try:
        yield
    finally:
        process.kill()


def test_client_of_the_page(server: ThreadServer, tmp_path: Path) -> None:
    """The example in the protocol's page is a client."""
    page = (ROOT / "docs/protocol.md").read_text().split("\n### In a WebSocket\n")[1]
    script = tmp_path / "client.py"
    script.write_text(page.split("```python\n")[1].split("```")[0])
    with server.joined("echo") as echo:
        token = echo.asks("token", scope="all")["token"]
    host, port = server.address[:2]
    env = environment(CHAT=f"ws://{host}:{port}/-/ws", CHATCLI_TOKEN=token)
    running = subprocess.Popen([sys.executable, str(script)], env=env, stdout=subprocess.PIPE, text=True)
    with running, killing(running), server.joined("bob") as bob:
        for number in range(3):
            bob.sends("echo", str(number))
            bob.hears("sent")
            assert bob.texts(1) == [f"You said: {number}"]
        server.run(lambda: sessions_of(server, "echo")[0].close("stopping", "The server is stopping."))
        assert running.communicate(timeout=DEADLINE)[0] == "The server is stopping.\n"
    assert running.returncode == 0


def test_without_tls(server: ThreadServer) -> None:
    """Over plain HTTP no key can be proved, for nothing vouches for the way; a token lets the client in."""
    with server.joined("al") as al:
        token = al.asks("token")["token"]
    with Foreign(server) as client:
        client.says("hello", version=1, user="al", key=key_text(OWN.public))
        assert client.hears("error")["code"] == "tls_required"
        client.says("hello", version=1, purpose="send", token=token)
        assert client.hears("welcome")["user"] == "al"


def test_kick_and_ban(server: ThreadServer) -> None:
    """Who is sent away reads why, and it is no end that invites to come again."""
    for action, code in (("kick", "kicked"), ("ban", "banned")):
        with joined(server, "al") as client:
            assert chatcli("admin", action, "al", "--data", str(server.data)).returncode == 0
            assert client.hears("bye")["code"] in (code, "kicked")
            assert client.closed()[0] == 1008


def test_stop(tmp_path: Path) -> None:
    """A stopping server says so, by our protocol and by that of WebSockets, whatever it carries."""
    with ThreadServer(tmp_path) as server:
        client, tunnel, silent = Foreign(server), Tunnel(server), Raw(server)
        client.peer.send(QUERY)
        client.hears("welcome")
        tunnel.greets("al")
        tunnel.hears("welcome")
        server.stop()
        assert client.hears("bye")["code"] == "stopping"
        assert client.closed() == (1001, "The server is stopping.")
        assert tunnel.hears("bye")["code"] == "stopping"
        assert silent.ends_with()[0] == 1001
        for one in (client, tunnel, silent):
            one.__exit__()


@pytest.mark.usefixtures("brisk")
def test_signs_of_life(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server pings those who say lines; an answer keeps the connection, and without one it is closed."""
    monkeypatch.setattr("chatcli.server.web.websocket._PING", 0.2)
    with ThreadServer(tmp_path, Limits(silence=1.0)) as server, Foreign(server) as answering, Raw(server) as dead:
        answering.peer.send(QUERY)
        dead.send(frame(TEXT, QUERY.encode()))
        got = dead.rest()
        pings = [one for one in frames_in(got) if one.opcode == PING]
        assert len(pings) > 2
        assert frames_in(got)[-1].data[:2] == (1008).to_bytes(2)
        assert b'"timeout"' in got
        answering.says("ping", n=1)  # the library has answered meanwhile
        answering.hears("welcome")
        assert answering.hears("pong")["n"] == 1


MOST: Final = 1000


@pytest.fixture(name="sockets")
def room_for_sockets() -> Iterator[None]:
    """Let this process have both ends of a thousand connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 3 * MOST
    if hard not in (-1, resource.RLIM_INFINITY) and hard < wanted:
        pytest.skip("this machine allows too few open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def talk(one: Caller, other: Caller) -> None:
    """Exchange some messages."""
    for number in range(20):
        one.sends("bob", str(number))
        one.hears("sent", outcome="delivered")
        assert other.texts(1) == [str(number)]


@pytest.mark.usefixtures("sockets")
def test_upgrades_that_say_nothing(tmp_path: Path) -> None:
    """A thousand of them are closed after the deadline of the greeting, leave nothing, and cost others nothing."""
    limits = Limits(handshake=3600.0, silence=1e6, closing=60.0, connections_per_address=MOST)
    with (
        ThreadServer(tmp_path, limits) as server,
        server.joined("al") as al,
        server.joined("bob") as bob,
        ExitStack() as all_,
    ):
        silent = [all_.enter_context(Raw(server)) for _ in range(MOST)]
        with Raw(server, opened=False) as another:
            another.send(request())
            assert another.head().startswith(b"HTTP/1.1 429 ")
        talk(al, bob)
        server.run(lambda: server.hub.tick(3000.0))
        talk(al, bob)
        assert server.run(lambda: len(server.hub.connections)) >= MOST + 2
        server.run(lambda: server.hub.tick(3000.0))
        talk(al, bob)
        for number, one in enumerate(silent):
            if number % 2:  # the others do not even close
                one.send(closing(1000))
                assert one.ends_with() == (1008, "There was no hello within 3600 seconds.")
        server.run(lambda: server.hub.tick(61.0))
        gone(server, 2)
        talk(al, bob)
        assert server.run(lambda: list(server.hub.rate_limits._connections)) == ["127.0.0.1"]


def test_slow_reader(server: ThreadServer) -> None:
    """A client that does not read pauses its feed, and gets everything once it reads."""
    with server.joined("bob") as bob, joined(server, "al") as client:
        client.peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        text = "x" * 20_000
        for _ in range(400):
            bob.sends("al", text)

        def is_stalled() -> bool:
            output = sessions_of(server, "al")[0].output
            return output.full and output.unwritten > 0

        eventually(lambda: server.run(is_stalled))
        for _ in range(400):
            assert client.hears("message")["text"] == text
        client.says("ping", n=1)
        client.hears("pong")


# The tunnel


@pytest.mark.parametrize("outer", [False, True])
def test_tunnel(server: ThreadServer, outer: bool) -> None:
    """A key is proved by the certificate within, whatever the tunnel itself runs in."""
    with server.joined("bob") as bob, Tunnel(server, outer=outer) as al:
        al.greets("al")
        al.hears("welcome")
        al.sends("bob", "x" * 30_000)
        al.hears("sent", outcome="delivered")
        assert bob.texts(1) == ["x" * 30_000]
        for number in range(500):
            bob.sends("al", str(number))
        assert al.texts(500) == [str(number) for number in range(500)]
        al.says("bye")
        al.hears("bye", code="left")
        assert al.next() is None
    gone(server)


def test_plain_tunnel(server: ThreadServer) -> None:
    """Lines of our protocol in binary messages are refused: whoever ends the TLS outside could read them."""
    with Foreign(server, tls=True) as client:
        client.peer.send(QUERY.encode())
        answer = client.peer.recv(DEADLINE)
        assert isinstance(answer, bytes)
        assert json.loads(answer)["code"] == "tls_required"
        assert client.closed()[0] == 1008


@pytest.mark.parametrize("word", [request(), b"\x16\x03\x01\x02\x00", b"NICK al\r\n"])
def test_nothing_else_in_a_tunnel(server: ThreadServer, word: bytes) -> None:
    """Within the TLS of a tunnel there is our own protocol only: no other tunnel, no HTTP, no further TLS."""
    with Tunnel(server) as client:
        client.says_raw(word)
        data = b""
        try:
            while part := client._do(lambda: client.inner.read(65536)):
                data += part
        except (ssl.SSLZeroReturnError, ConnectionClosed):
            pass
        assert b"chatcli" in data
    gone(server)


def test_http_in_a_websocket(server: ThreadServer) -> None:
    """A request within a WebSocket is none."""
    with Foreign(server) as client:
        client.peer.send(request())
        assert client.closed()[0] == 1008
    with Foreign(server) as client:
        client.peer.send(request().decode())
        assert client.hears("error")["code"] == "malformed"


def test_wrong_upgrade_over_the_library(server: ThreadServer) -> None:
    """The library reads the status of a path that is no WebSocket."""
    host, port = server.address[:2]
    with pytest.raises(InvalidStatus), connect(f"ws://{host}:{port}/-/other", proxy=None):
        pass


@pytest.mark.parametrize("outer", [False, True])
def test_slow_reader_in_a_tunnel(server: ThreadServer, outer: bool) -> None:
    """A full socket pauses the feed through all layers, TLS within TLS included, and nothing piles up meanwhile."""
    text = "x" * 20_000
    with server.joined("bob") as bob, Tunnel(server, outer=outer) as client:
        client.peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        client.greets("al")
        client.hears("welcome")
        for number in range(400):
            bob.sends("al", f"{number} {text}")
        eventually(lambda: server.run(lambda: sessions_of(server, "al")[0].output.full))
        for number in range(400, 800):
            bob.sends("al", f"{number} {text}")
        for _ in range(800):
            bob.hears("sent")
        limit = server.hub.limits.unsent
        assert 0 < server.run(lambda: sessions_of(server, "al")[0].output.unwritten) < 4 * limit
        assert server.run(lambda: sessions_of(server, "al")[0].output.size) <= limit
        assert client.texts(800) == [f"{number} {text}" for number in range(800)]
        client.says("ping", n=1)
        client.hears("pong", n=1)


LAYERS: Final = (TlsLayer, WebSocketLayer, WebSocket, HttpConnection, Exchange, Opening, TcpConnection, Session, Lines)


def alive(server: ThreadServer) -> Counter[str]:
    """Return the numbers of objects that connections consist of."""

    def count() -> Counter[str]:
        gc.collect()
        return Counter(type(one).__name__ for one in gc.get_objects() if type(one) in LAYERS)

    return server.run(count)


def tls_objects() -> list[weakref.ref[ssl.SSLObject]]:
    """Return references to the server's sides of TLS that keep none of them."""
    return [weakref.ref(one._tls) for one in gc.get_objects() if type(one) is TlsLayer]


@pytest.mark.parametrize("says_bye", [False, True])
def test_memory_of_connections(server: ThreadServer, says_bye: bool) -> None:
    """Once it is open, a tunnel keeps nothing of the request for it, and once it is closed, nothing of itself."""
    with Tunnel(server, outer=True) as client:
        client.greets("al")
        client.hears("welcome")
        client.says("ping", n=1)
        client.hears("pong")
        layers = {"TcpConnection": 1, "TlsLayer": 2, "WebSocketLayer": 1, "WebSocket": 1, "Lines": 1, "Session": 1}
        assert alive(server) == layers
        both = server.run(tls_objects)
        assert len(both) == 2
        if says_bye:
            client.says("bye")
            client.hears("bye")
            assert client.next() is None
    gone(server)
    eventually(lambda: not alive(server))
    assert [one() for one in both] == [None, None]


# The layer itself


class Layered:
    """A layer between a fake socket and a fake session."""

    def __init__(self) -> None:
        self.below = FakeWire()
        self.got: list[bytes] = []
        self.ended: list[bool] = []
        self.charged: list[int] = []
        self.waiting: list[tuple[float, Any]] = []
        later = lambda seconds, function: self.waiting.append((seconds, function))  # noqa: E731 (short)
        self.layer = WebSocketLayer(
            self.below, WebSocket(1000), later, above=Above(self.got, self.ended), charge=self.charged.append
        )

    def run(self) -> None:
        """Run what waits for the next tick."""
        waiting, self.waiting = self.waiting, []
        for seconds, function in waiting:
            if seconds:
                self.waiting.append((seconds, function))
            else:
                function()

    @property
    def written(self) -> bytes:
        """The bytes that were written."""
        return b"".join(call for call in self.below.calls if isinstance(call, bytes))


def test_many_frames_take_many_ticks() -> None:
    """A tick takes some frames apart, the client pays for all of them, and is not read meanwhile."""
    one = Layered()
    one.layer.received(frame(BINARY, b"x") * 10 * AT_ONCE)
    assert b"".join(one.got) == b"x" * AT_ONCE
    assert one.below.calls == ["pause"]
    ticks = 0
    while one.waiting:
        one.run()
        ticks += 1
    assert ticks == 9
    assert b"".join(one.got) == b"x" * 10 * AT_ONCE
    assert one.below.calls[-1] == "resume"
    assert sum(one.charged) == 10 * AT_ONCE * 32


def test_full_frames_cost_nothing() -> None:
    """Frames that carry their weight in data are paid for by what they carry."""
    one = Layered()
    one.layer.received(frame(BINARY, b"x" * 900) * 10)
    assert one.charged == []


def test_bytes_one_by_one_cost() -> None:
    """So do reads that bring nothing."""
    one = Layered()
    for byte in frame(BINARY, b"x" * 900)[:200]:
        one.layer.received(bytes([byte]))
    assert sum(one.charged) == 200 * 32


def test_pause() -> None:
    """During a pause nothing is passed on; what came meanwhile, and the end, follow it."""
    one = Layered()
    one.layer.pause_reading()
    one.layer.received(frame(BINARY, b"x"))
    one.layer.finished()
    assert (one.got, one.ended) == ([], [])
    one.layer.resume_reading()
    assert one.got == []
    one.run()
    assert (one.got, one.ended) == ([b"x"], [True])
    one.layer.resume_reading()
    one.run()
    assert one.ended == [True]


def test_end_waits_for_frames() -> None:
    """The end of input is passed on after all frames that came before it."""
    one = Layered()
    one.layer.received(frame(BINARY, b"x") * 2 * AT_ONCE + closing(1000))
    one.layer.finished()
    assert one.ended == []
    while one.waiting:
        one.run()
    assert (len(b"".join(one.got)), one.ended) == (2 * AT_ONCE, [True])
    one.layer.close()
    assert one.below.calls[-1] == "close"


def test_close_waits_for_the_client() -> None:
    """The socket is closed once the client has closed, too, or after a while, and nothing more is passed on."""
    one = Layered()
    one.layer.write(b"last\n")
    one.layer.pause_reading()
    one.layer.close()
    assert "close" not in one.below.calls
    one.layer.received(frame(BINARY, b"x"))
    assert one.got == []
    one.layer.received(closing(1000))
    one.run()
    assert one.below.calls[-1] == "close"
    other = Layered()
    other.layer.close()
    ((seconds, hang_up),) = other.waiting
    assert seconds == 1
    hang_up()
    hang_up()
    assert other.below.calls.count("close") == 1
    other.layer.lost()
    assert other.ended == [False]


def test_flood_after_the_close() -> None:
    """A client that goes on without end after a mistake is cut off."""
    one = Layered()
    one.layer.received(frame(TEXT, b"\xff"))
    assert one.ended == [True]
    one.layer.close()
    for _ in range(20):
        one.layer.received(b"x" * 60_000)
    assert one.below.calls[-1] == "close"


def test_nothing_keeps_a_closed_connection() -> None:
    """No timer holds a layer whose connection is gone."""
    one = Layered()
    one.layer.received(frame(TEXT, b"x"))
    one.layer.lost()
    assert one.waiting == []
    one.layer.tick(100.0)
    assert one.written == b""


def test_ping_in_time() -> None:
    """Who says lines is pinged each half minute; a tunnel is not, as what is within does that."""
    lines, tunnel = Layered(), Layered()
    for one, opcode in ((lines, TEXT), (tunnel, BINARY)):
        one.layer.received(frame(opcode, b"x" * 300))
        for _ in range(61):
            one.layer.tick(1.0)
    assert [found.opcode for found in frames_in(lines.written)] == [PING, PING]
    assert tunnel.written == b""
    lines.got.clear()
    lines.layer.received(frame(10))
    assert lines.got == [b""]  # a sign of life


def test_runs_in_a_loop() -> None:
    """A real loop runs what waits."""

    async def run() -> None:
        got: list[bytes] = []
        below = FakeWire()
        later = asyncio.get_running_loop().call_later
        ended = asyncio.Event()

        class Waiting(Above):
            def finished(self) -> None:
                ended.set()

        layer = WebSocketLayer(below, WebSocket(1000), later, above=Waiting(got, []), charge=lambda _: None)
        layer.received(frame(PING) * 1000 + frame(BINARY, b"x") + closing(1000))
        async with asyncio.timeout(DEADLINE):
            await ended.wait()
        assert got == [b"x"]

    asyncio.run(run())
