"""The connection on a blocking socket."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from chatcli.client.identity.credentials import Login, Server
from chatcli.client.transport.blocking import Connection, Opened
from chatcli.errors import ProtocolError, UnknownAsker
from chatcli.protocol.codec import encode
from chatcli.protocol.frames import Done, Error, Limits, Ping, Presence, Welcome, Who
from chatcli.protocol.keys import PLAIN
from chatcli.protocol.values.address import Address
from tests.support import DEADLINE

LOGIN = Login(server=Server.at(Address("127.0.0.1", 1)))
WELCOME = Welcome("", 0, 0, "box", Limits(100, 1000, 1))


@pytest.fixture(name="ends")
def both_ends() -> Iterator[tuple[Connection, socket.socket]]:
    """Yield a connection that has sent its hello, and the server's end of it."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        opened = Opened(ours, PLAIN, hello_sent=True)
        yield Connection(opened, LOGIN, time.monotonic() + DEADLINE), theirs


def log_in(connection: Connection) -> None:
    """Receive the first answer."""
    connection.log_in(LOGIN.hello("query"), hello_sent=True)


def test_ping_during_a_stream(ends: tuple[Connection, socket.socket]) -> None:
    """Pings depend on what the client sends, however much it receives."""
    connection, theirs = ends
    theirs.sendall(encode(WELCOME))
    log_in(connection)

    def serve() -> None:
        for _ in range(20):
            theirs.sendall(encode(Presence(["bob"])))
            time.sleep(0.05)
        theirs.sendall(encode(Done(1)))

    serving = threading.Thread(target=serve)
    serving.start()
    connection.receive(Done)
    serving.join()
    assert theirs.recv(1000).count(encode(Ping())) >= 2


def test_ping_during_silence(ends: tuple[Connection, socket.socket]) -> None:
    """A ping is sent after a third of the server's timeout."""
    connection, theirs = ends
    theirs.sendall(encode(WELCOME))
    log_in(connection)
    connection.deadline = time.monotonic() + 1.5
    with pytest.raises(TimeoutError):
        connection.receive(Done)
    assert 2 <= theirs.recv(1000).count(encode(Ping())) <= 4


def test_answer_before_an_invalid_frame(ends: tuple[Connection, socket.socket]) -> None:
    """Frames of one read are judged one by one."""
    connection, theirs = ends
    theirs.sendall(encode(WELCOME) + encode(Done(1)) + b"nonsense\n")
    log_in(connection)
    assert connection.receive(Done) == Done(1)
    with pytest.raises(ProtocolError, match=r"What answers at 127\.0\.0\.1:1 is not a chatcli server"):
        connection.receive(Done)


def test_error_of_a_request(ends: tuple[Connection, socket.socket]) -> None:
    """With several requests it is an answer; with a single one it is raised."""
    connection, theirs = ends
    refusal = Error("not_allowed", "No.", n=1)
    theirs.sendall(encode(WELCOME) + 2 * encode(refusal))
    log_in(connection)
    connection.send(Who(n=1))
    assert connection.receive_answer(Done) == refusal
    with pytest.raises(Exception, match=r"No\."):
        connection.receive(Done)


def test_unknown_user(ends: tuple[Connection, socket.socket]) -> None:
    """The same code has another meaning before the login than after it."""
    connection, theirs = ends
    theirs.sendall(encode(Error("unknown_user", "Nobody.")))
    with pytest.raises(UnknownAsker, match="one must have joined"):
        log_in(connection)
