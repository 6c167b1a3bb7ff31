"""Conversations through TLS, and faulty callers."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import logging
import socket
import ssl
from pathlib import Path

import pytest

from chatcli.server.connection.opening import Opening
from chatcli.server.counts import Counts
from chatcli.server.limits import Limits
from chatcli.server.listeners.tcp import TcpConnection
from chatcli.server.listeners.tls import HandshakeQueue, TlsLayer
from chatcli.server.security.certificates import Certificates
from chatcli.server.security.prices import GREETING, HANDSHAKE
from tests.server.listeners.by_hand import VERSIONS, Above, ByHand, client_hello
from tests.support import Caller, Frame, ThreadServer, eventually, new_id, trusting

_QUERY: Frame = {"t": "hello", "version": 1, "purpose": "query"}


@pytest.mark.parametrize("version", VERSIONS)
def test_conversation(server: ThreadServer, version: ssl.TLSVersion) -> None:
    """Users with TLS 1.2 and 1.3 talk with each other and with plain ones on the same port."""
    context = trusting(server.certificate, version)
    with Caller(server.address, context=context) as alice, server.joined("bob") as bob:
        alice.greets("alice")
        alice.hears("welcome", user="alice")
        alice.sends("bob", "hi")
        alice.hears("sent", outcome="delivered")
        bob.hears("message", text="hi")
        bob.sends("alice", "hello")
        alice.hears("message", text="hello")
        assert alice.asks_who() == ["alice", "bob"]
        alice.says("bye")
        alice.hears("bye", code="left")
        alice.hears_end()


@pytest.mark.parametrize("version", VERSIONS)
def test_modern_ciphers_only(server: ThreadServer, version: ssl.TLSVersion) -> None:
    """TLS 1.2 and 1.3 have forward secrecy and authentication, without compression and session tickets."""
    with Caller(server.address, context=trusting(server.certificate, version)) as alice:
        assert isinstance(alice.socket, ssl.SSLSocket)
        alice.greets("alice")
        alice.hears("welcome")
        name, _, bits = alice.socket.cipher() or ("", "", 0)
        assert "GCM" in name or "POLY1305" in name
        assert version is ssl.TLSVersion.TLSv1_3 or name.startswith("ECDHE-")
        assert bits >= 128
        assert alice.socket.compression() is None
        session = alice.socket.session
        assert version is ssl.TLSVersion.TLSv1_2 or session is None or not session.has_ticket


def test_long_and_many_messages(server: ThreadServer) -> None:
    """The longest texts and thousands in one burst arrive whole and in order."""
    with server.joined("alice", tls=True) as alice, server.joined("bob", tls=True) as bob:
        longest = ["ä" * (16 * 1024), "x" * (32 * 1024), "🙂" * (8 * 1024)]
        for sender, recipient, name in ((alice, bob, "bob"), (bob, alice, "alice")):
            for text in longest:
                sender.sends(name, text)
            assert recipient.texts(3) == longest
            for _ in longest:
                sender.hears("sent", outcome="delivered")
        count = 3000
        lines = [json.dumps({"t": "send", "id": new_id(), "to": "bob", "text": f"{n}"}) + "\n" for n in range(count)]
        alice.says_raw("".join(lines).encode())
        assert bob.texts(count) == [f"{n}" for n in range(count)]
        for _ in range(count):
            alice.hears("sent")


def test_paused_sender(tmp_path: Path) -> None:
    """With reading paused again and again, every message is processed once and answered."""
    with ThreadServer(tmp_path, Limits(in_flight=2000)) as server:
        with server.joined("alice", "send", tls=True) as alice, server.joined("bob", tls=True) as bob:
            texts = [f"{n} " + "x" * 300 for n in range(1000)]
            lines = [json.dumps({"t": "send", "id": new_id(), "to": "bob", "text": text}) + "\n" for text in texts]
            alice.says_raw("".join(lines).encode())
            alice.says("bye")
            for _ in texts:
                alice.hears("sent")
            alice.hears("bye", code="left")
            assert bob.texts(1000) == texts


def test_slow_reader(server: ThreadServer) -> None:
    """A client that does not read for a while gets everything later, and others do not wait."""
    with server.joined("alice", tls=True) as alice:
        slow = server.connect(tls=True, receive_buffer=64 * 1024)
        slow.greets("slow")
        slow.hears("welcome")
        texts = [f"{n} " + "x" * 30_000 for n in range(300)]
        outcomes = []
        for text in texts:
            alice.sends("slow", text)
            outcomes.append(alice.hears("sent")["outcome"])
        assert outcomes[-1] == "stored"
        assert slow.texts(300) == texts
        slow.hang_up()


def test_half_closed_socket(server: ThreadServer) -> None:
    """A client that closes its side after the last line gets every answer first, and a close_notify."""
    context = trusting(server.certificate)
    with server.joined("bob"), socket.create_connection(server.address[:2], 20) as connection:
        alice = context.wrap_socket(connection, server_hostname="127.0.0.1", suppress_ragged_eofs=False)
        said = [_QUERY, *({"t": "ping", "n": n} for n in range(1, 51))]
        alice.sendall(b"".join(json.dumps(frame).encode() + b"\n" for frame in said))
        socket.socket.shutdown(alice, socket.SHUT_WR)
        with alice.makefile("rb") as answers:
            tags = [json.loads(line)["t"] for line in answers]
        assert tags == ["welcome", *["pong"] * 50, "bye"]
        alice.close()


@pytest.mark.parametrize("version", VERSIONS)
def test_close_notify(server: ThreadServer, version: ssl.TLSVersion) -> None:
    """A client that closes its side of TLS, but not of the socket, gets every answer first."""
    with server.joined("bob"), socket.create_connection(server.address[:2], 20) as connection:
        alice = ByHand(trusting(server.certificate, version))
        alice.connect(connection)
        said = alice.encrypted(_QUERY, *({"t": "ping", "n": n} for n in range(1, 51)))
        with contextlib.suppress(ssl.SSLWantReadError):
            alice.tls.unwrap()
        connection.sendall(said + alice.outgoing.read())
        while data := connection.recv(65536):
            alice.incoming.write(data)
        tags = [json.loads(line)["t"] for line in alice.read().splitlines()]
        assert tags == ["welcome", *["pong"] * 50, "bye"]


@pytest.mark.parametrize("version", VERSIONS)
def test_handshake_byte_by_byte(server: ThreadServer, version: ssl.TLSVersion) -> None:
    """A handshake may come in the smallest pieces."""
    with socket.create_connection(server.address[:2], 20) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        alice = ByHand(trusting(server.certificate, version))
        while alice.unfinished():
            for byte in alice.outgoing.read():
                connection.sendall(bytes([byte]))
            alice.incoming.write(connection.recv(65536))
        # The last of the handshake, and the frames after it.
        for byte in alice.outgoing.read() + alice.encrypted(_QUERY):
            connection.sendall(bytes([byte]))
        while not (answer := alice.read()):
            alice.incoming.write(connection.recv(65536))
        assert json.loads(answer.splitlines()[0])["t"] == "welcome"


def test_old_versions(server: ThreadServer) -> None:
    """TLS 1.1 gets the protocol_version alert."""
    ciphers = bytes.fromhex("c009c013002f")
    hello = b"\x03\x02" + bytes(32) + b"\x00" + len(ciphers).to_bytes(2) + ciphers + b"\x01\x00"
    handshake = b"\x01" + len(hello).to_bytes(3) + hello
    with server.connect() as caller:
        caller.says_raw(b"\x16\x03\x01" + len(handshake).to_bytes(2) + handshake)
        alert = b"".join(iter(lambda: caller.socket.recv(65536), b""))
    assert (alert[0], alert[-2:]) == (21, bytes([2, 70]))  # fatal: protocol_version


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16",
        b"\x16" * 5000,
        b"\x16\x03\x01\x00\x05hello",
        b"\x16\x03\x01\xff\xff" + b"x" * 70_000,
        b"\x16GET / HTTP/1.1\n",
    ],
)
def test_garbage_after_the_first_byte(server: ThreadServer, garbage: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """It ends the connection, and nothing else."""
    caplog.set_level(logging.INFO)
    with server.joined("bob", tls=True) as bob:
        caplog.clear()
        with server.connect() as caller:
            with contextlib.suppress(OSError):
                caller.says_raw(garbage)
                caller.socket.shutdown(socket.SHUT_WR)
            with contextlib.suppress(ConnectionError):
                while caller.socket.recv(65536):
                    pass
        eventually(lambda: server.run(lambda: len(server.hub.connections) == 1))
        assert bob.asks_who() == ["bob"]
    assert not [record for record in caplog.records if record.levelno > logging.INFO]


def test_forged_record(server: ThreadServer) -> None:
    """The connection ends, and nothing after the forged record is read."""
    with server.joined("bob", tls=True) as bob, socket.create_connection(server.address[:2], 20) as connection:
        alice = ByHand(trusting(server.certificate))
        alice.connect(connection)
        connection.sendall(alice.encrypted(_QUERY))
        while not (answer := alice.read()):
            alice.incoming.write(connection.recv(65536))
        assert json.loads(answer.splitlines()[0])["t"] == "welcome"
        forged = bytearray(alice.encrypted({"t": "ping", "n": 1}))
        forged[-20] ^= 1
        connection.sendall(forged + alice.encrypted({"t": "ping", "n": 2}))
        eventually(lambda: server.run(lambda: len(server.hub.connections) == 1))
        while data := connection.recv(65536):
            alice.incoming.write(data)
        with pytest.raises(ssl.SSLError, match="BAD_RECORD_MAC"):
            alice.read()
        assert bob.asks_who() == ["bob"]


@pytest.mark.parametrize("greeting", [b"nonsense\n", b"\x16\x03\x01\x00\xa5"])
def test_other_protocols_within_tls(server: ThreadServer, greeting: bytes) -> None:
    """They are recognised by their first word within TLS, and TLS within TLS is one of them."""
    with server.connect(tls=True) as caller:
        caller.says_raw(greeting)
        caller.hears("bye", code="malformed")
        caller.hears_end()


@pytest.mark.usefixtures("brisk")
def test_half_open_handshakes(tmp_path: Path) -> None:
    """A thousand unfinished handshakes cost the others nothing, and are closed in time."""
    with ThreadServer(tmp_path, Limits(handshake=1)) as server:
        hello = client_hello(server)
        with server.joined("alice", tls=True) as alice, server.joined("bob", tls=True) as bob:
            half_open: list[Caller] = []
            for number in range(1000):
                half_open.append(server.connect())
                half_open[-1].says_raw(hello[: 1 + number % len(hello)] if number % 2 else hello)
            for number in range(100):
                alice.sends("bob", f"{number}")
                alice.hears("sent", outcome="delivered")
            assert len(bob.texts(100)) == 100
            for caller in half_open:
                while caller.socket.recv(65536):  # the server's side of the handshake, then the end
                    pass
                caller.hang_up()
            eventually(lambda: server.run(lambda: len(server.hub.connections) == 2))
            assert alice.asks_who() == ["alice", "bob"]


def test_abandoned_handshake(server: ThreadServer) -> None:
    """A caller who closes in the middle is gone at once, with or without an alert."""
    hello = client_hello(server)
    for polite in (True, False):
        with server.connect() as caller:
            caller.says_raw(hello)
            if polite:
                caller.socket.shutdown(socket.SHUT_WR)
                while caller.socket.recv(65536):
                    pass
    eventually(lambda: server.run(lambda: not server.hub.connections))


def test_channel_of_a_session(server: ThreadServer) -> None:
    """Over TLS it is the hash of the certificate, on a plain connection it is empty."""
    with server.joined("alice", tls=True) as alice, server.joined("bob"):
        assert isinstance(alice.socket, ssl.SSLSocket)
        seen = alice.socket.getpeercert(binary_form=True)
        assert seen is not None
        channels = server.run(lambda: {str(s.user.name): s.channel for s in server.hub.sessions if s.user})
        assert channels == {"alice": hashlib.sha256(seen).digest(), "bob": b""}


def test_stop(tmp_path: Path) -> None:
    """A stopping server sends its goodbye through TLS, and closes with a close_notify."""
    with ThreadServer(tmp_path) as server:
        context = trusting(server.certificate)
        connection = socket.create_connection(server.address[:2], 20)
        alice = context.wrap_socket(connection, server_hostname="127.0.0.1", suppress_ragged_eofs=False)
        alice.sendall(json.dumps(_QUERY).encode() + b"\n")
        assert b"welcome" in alice.recv(65536)
    with alice.makefile("rb") as answers:
        assert json.loads(answers.readlines()[-1])["code"] == "stopping"
    alice.close()


class Below:
    """The socket's end of a TLS layer, which records writes."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.reading = True
        self.closed = False

    def write(self, data: bytes) -> None:
        """Keep it."""
        self.written.append(data)

    def pause_reading(self) -> None:
        """Note it."""
        self.reading = False

    def resume_reading(self) -> None:
        """Note it."""
        self.reading = True

    def get_write_buffer_size(self) -> int:
        """Report an empty buffer."""
        return 0

    def close(self) -> None:
        """Note it."""
        self.closed = True

    abort = close


async def opened(
    data: Path, received: list[bytes], ended: list[bool], waste: list[int] | None = None
) -> tuple[TlsLayer, Below, ByHand]:
    """Return a layer after its handshake, the socket below it, and its client."""
    below = Below()
    layer = TlsLayer(
        below,
        Certificates(data).identity.context,
        HandshakeQueue(Counts()),
        "test",
        above=Above(received, ended),
        charge=([] if waste is None else waste).append,
    )
    client = ByHand(trusting(data / "server.crt"))
    while client.unfinished():
        layer.received(client.outgoing.read())
        await asyncio.sleep(0)  # the tick of its handshake
        client.incoming.write(b"".join(below.written))
        below.written.clear()
    layer.received(client.outgoing.read())
    await asyncio.sleep(0)
    return layer, below, client


def test_pause_after_reading(tmp_path: Path) -> None:
    """During a pause nothing is passed on; afterwards all is, in order, before the end."""

    async def run() -> None:
        received: list[bytes] = []
        ended: list[bool] = []
        layer, below, client = await opened(tmp_path, received, ended)
        layer.pause_reading()
        assert not below.reading
        client.tls.write(b"x" * 200_000)
        layer.received(client.outgoing.read())
        layer.finished()
        assert (received, ended) == ([], [])
        layer.resume_reading()
        assert (received, ended) == ([], [])  # not within the call that resumed
        await asyncio.sleep(0)
        assert b"".join(received) == b"x" * 200_000
        assert max(map(len, received)) < 100_000
        assert ended == [True]
        layer.lost()
        assert ended == [True, False]

    asyncio.run(run())


def test_pause_at_the_first_piece(tmp_path: Path) -> None:
    """A reader that pauses on the first piece of many gets no more than that."""

    async def run() -> None:
        received: list[bytes] = []
        layer, _, client = await opened(tmp_path, received, [])

        class PausesOnTheFirst(Above):
            def received(self, data: bytes) -> None:
                super().received(data)
                layer.pause_reading()

        layer.above = PausesOnTheFirst(received, [])
        client.tls.write(b"x" * 300_000)
        layer.received(client.outgoing.read())
        assert len(received) == 1
        assert len(received[0]) < 100_000

    asyncio.run(run())


def test_one_write_per_output(tmp_path: Path) -> None:
    """Output of any length is one write to the socket, and after the end there is none."""

    async def run() -> None:
        layer, below, client = await opened(tmp_path, [], [])
        layer.write(b"x" * 100_000)
        assert len(below.written) == 1
        client.incoming.write(below.written[0])
        assert client.read() == b"x" * 100_000
        layer.close()
        assert below.closed
        client.incoming.write(below.written[1])
        assert client.tls.read() == b""  # a close_notify
        layer.write(b"x")
        assert len(below.written) == 2

    asyncio.run(run())


@pytest.mark.parametrize("sizes", [[1], [1, 2]], ids=["one byte", "one or two"])
def test_nearly_empty_records(tmp_path: Path, sizes: list[int]) -> None:
    """Thousands at once are decrypted over many ticks, in which nothing more is read."""

    async def run() -> None:
        received: list[bytes] = []
        waste: list[int] = []
        layer, below, client = await opened(tmp_path, received, [], waste)
        for number in range(10_000):
            client.tls.write(b"x" * sizes[number % len(sizes)])
        layer.received(client.outgoing.read())
        assert len(b"".join(received)) < 3000
        pauses = [below.reading]
        while len(pauses) < 100:
            await asyncio.sleep(0)
            pauses.append(below.reading)
        assert (pauses.count(False) > 10, pauses[-1]) == (True, True)
        assert b"".join(received) == b"x" * sum(sizes[number % len(sizes)] for number in range(10_000))
        assert sum(waste) > 150_000

    asyncio.run(run())


@pytest.mark.parametrize("size", [30, 300, 30_000])
def test_records_with_frames(tmp_path: Path, size: int) -> None:
    """They cost nothing besides their frames, however many there are."""

    async def run() -> None:
        received: list[bytes] = []
        waste: list[int] = []
        layer, _, client = await opened(tmp_path, received, [], waste)
        for _ in range(200):
            client.tls.write(b"x" * size)
        layer.received(client.outgoing.read())
        assert b"".join(received) == b"x" * 200 * size
        assert waste == []

    asyncio.run(run())


@pytest.mark.parametrize("size", [1, 12, 100])
def test_many_records(tmp_path: Path, size: int) -> None:
    """A tick decrypts some of them, whatever they carry, and the end follows the last one."""

    async def run() -> None:
        received: list[bytes] = []
        ended: list[bool] = []
        layer, below, client = await opened(tmp_path, received, ended)
        for _ in range(1000):
            client.tls.write(b"x" * size)
        layer.received(client.outgoing.read())
        layer.finished()
        assert not below.reading
        for _ in range(10):
            await asyncio.sleep(0)
        assert ended == [True]
        assert b"".join(received) == b"x" * 1000 * size
        assert max(len(data) for data in received) <= 256 * size
        assert len(received) >= 4
        assert below.reading

    asyncio.run(run())


def test_layers_stack(tmp_path: Path) -> None:
    """A layer carries another as it carries a session: TLS within TLS is read, written, paused and ended."""

    async def run() -> None:
        outer, below, client = await opened(tmp_path, [], [])
        received: list[bytes] = []
        ended: list[bool] = []
        context = Certificates(tmp_path).identity.context
        inner = TlsLayer(
            outer, context, HandshakeQueue(Counts()), "test", above=Above(received, ended), charge=lambda _: None
        )
        outer.above = inner
        inside = ByHand(trusting(tmp_path / "server.crt"))

        async def exchange() -> None:
            if data := inside.outgoing.read():
                client.tls.write(data)
            outer.received(client.outgoing.read())
            await asyncio.sleep(0)  # the tick of the handshake
            client.incoming.write(b"".join(below.written))
            below.written.clear()
            inside.incoming.write(client.read())

        while inside.unfinished():
            await exchange()
        inside.tls.write(b"hello")
        await exchange()
        await exchange()
        assert received == [b"hello"]
        inner.write(b"hi")
        await exchange()
        assert inside.read() == b"hi"
        inner.pause_reading()
        reading = [below.reading]
        inner.resume_reading()
        reading.append(below.reading)
        assert reading == [False, True]
        outer.finished()
        outer.lost()
        assert ended == [True, False]

    asyncio.run(run())


def test_hundreds_of_handshakes(tmp_path: Path) -> None:
    """One handshake is processed in each tick of the loop, however many are waiting."""

    async def run() -> None:
        context, handshakes = Certificates(tmp_path).identity.context, HandshakeQueue(Counts())
        everybody = []
        for _ in range(50):
            below = Below()
            layer = TlsLayer(below, context, handshakes, "test", above=Above([], []), charge=lambda _: None)
            layer.received(ByHand(trusting(tmp_path / "server.crt")).step())
            everybody.append(below)
        for answered in range(50):
            assert sum(bool(below.written) for below in everybody) == answered
            await asyncio.sleep(0)
        assert all(below.written for below in everybody)

    asyncio.run(run())


def test_price_of_a_handshake(server: ThreadServer) -> None:
    """It is paid in advance, from the allowance before the welcome."""
    with socket.create_connection(server.address[:2]) as eve:
        eve.sendall(client_hello(server))
        assert eve.recv(1)

        def points() -> float:
            (connection,) = server.hub.connections
            assert isinstance(connection, TcpConnection)
            assert isinstance(connection._end, Opening)
            purse = connection._end.account._purse
            assert purse is not None
            return purse._points

        assert server.run(points) == GREETING.points_at_once - HANDSHAKE
