"""Connections whose callers have yet to say a first word."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path

import pytest

from chatcli.server.connection.opening import Opening
from chatcli.server.limits import Limits
from chatcli.server.listeners.tcp import TcpConnection
from tests.support import ThreadServer, eventually, sessions_of


def counts(server: ThreadServer) -> tuple[int, int]:
    """Return the numbers of connections and of sessions."""
    return server.run(lambda: (len(server.hub.connections), len(server.hub.sessions)))


def tick(server: ThreadServer, seconds: float) -> None:
    """Let seconds pass for every connection."""

    def let_pass() -> None:
        for connection in tuple(server.hub.connections):
            connection.tick(seconds)

    server.run(let_pass)


def wait_for_words(server: ThreadServer, words: bytes) -> None:
    """Wait until the only caller has begun to say this, and it is not clear yet in which protocol."""

    def begun() -> list[bytes]:
        ends = [connection._end for connection in server.hub.connections if isinstance(connection, TcpConnection)]
        return [end.begun for end in ends if isinstance(end, Opening)]

    eventually(lambda: server.run(begun) == [words])


@pytest.mark.parametrize("tls", [False, True])
def test_session_begins_with_the_first_word(server: ThreadServer, tls: bool) -> None:
    """A handshake of TLS is no word yet."""
    with server.connect(tls=tls) as caller:
        eventually(lambda: counts(server) == (1, 0))
        caller.says_raw(b" ")
        eventually(lambda: counts(server) == (1, 1))
    eventually(lambda: counts(server) == (0, 0))


def test_silent_callers_count(tmp_path: Path) -> None:
    """Each takes one of the places for connections."""
    with ThreadServer(tmp_path, Limits(connections=2)) as server, contextlib.ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(server.connect())
        eventually(lambda: counts(server) == (2, 0))
        with server.connect() as third:
            third.says("hello", version=1, purpose="query")
            third.hears("bye", code="full")


@pytest.mark.parametrize("tls", [False, True])
def test_session_inherits_the_age(server: ThreadServer, tls: bool) -> None:
    """The ten seconds until the welcome begin with the connection, not with the first word."""
    with server.connect(tls=tls) as caller:
        eventually(lambda: counts(server) == (1, 0))
        tick(server, 6)
        caller.says_raw(b'{"t":"hel')
        eventually(lambda: counts(server) == (1, 1))
        tick(server, 5)
        assert "10 seconds" in caller.hears("bye", code="timeout")["text"]
        caller.hears_end()


def test_silence_within_tls(server: ThreadServer) -> None:
    """A caller who has shaken hands and says nothing hears the reason."""
    with server.connect(tls=True) as caller:
        eventually(lambda: counts(server) == (1, 0))
        tick(server, 11)
        caller.hears("bye", code="timeout")
        caller.hears_end()


@pytest.mark.parametrize("tls", [False, True])
def test_caller_who_hangs_up_at_once(server: ThreadServer, tls: bool) -> None:
    """They get a goodbye all the same."""
    with server.connect(tls=tls) as caller:
        eventually(lambda: counts(server) == (1, 0))
        socket.socket.shutdown(caller.socket, socket.SHUT_WR)
        caller.hears("bye", code="left")
        caller.hears_end()
    eventually(lambda: counts(server) == (0, 0))


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize(
    ("pieces", "answer"),
    [
        ([b"G", b"E", b"T", b" / HTTP/1.1\r\n\r\n"], b"HTTP/1.1 400 Bad Request\r\n"),
        ([b"P", b"A", b"SS", b" x\r\n"], b"ERROR :This is a chatcli server"),
        ([b"P", b"rivate"], b'{"t":"bye","code":"malformed"'),
    ],
)
def test_word_in_pieces(server: ThreadServer, pieces: list[bytes], answer: bytes, tls: bool) -> None:
    """The server waits until it is clear what the caller speaks."""
    with server.connect(tls=tls) as caller:
        *first, last = pieces
        for number, piece in enumerate(first, 1):
            caller.says_raw(piece)
            wait_for_words(server, b"".join(first[:number]))
        caller.says_raw(last)
        assert caller.socket.recv(65536).startswith(answer)


@pytest.mark.parametrize("tls", [False, True])
def test_word_that_never_ends(server: ThreadServer, tls: bool) -> None:
    """The caller gets the reason, at the end of input or of the time."""
    for hangs_up, code in ((True, "malformed"), (False, "timeout")):
        with server.connect(tls=tls) as caller:
            caller.says_raw(b"QUIT")
            wait_for_words(server, b"QUIT")
            if hangs_up:
                socket.socket.shutdown(caller.socket, socket.SHUT_WR)
            else:
                tick(server, 11)
            caller.hears("bye", code=code)
            caller.hears_end()
        eventually(lambda: counts(server) == (0, 0))


@pytest.mark.parametrize("tls", [False, True])
def test_stop_before_the_first_word(tmp_path: Path, tls: bool) -> None:
    """Silent callers hear that the server stops."""
    with ThreadServer(tmp_path) as server:
        caller = server.connect(tls=tls)
        eventually(lambda: counts(server) == (1, 0))
    with caller:
        caller.hears("bye", code="stopping")
        caller.hears_end()


def test_handshake_takes_its_price_to_the_session(server: ThreadServer) -> None:
    """The cost of TLS is paid from the purse of the session."""
    with server.connect(tls=True) as caller:
        caller.says_raw(b" ")
        eventually(lambda: counts(server) == (1, 1))

        def payers() -> list[bool]:
            return [session.account.payer is session for session in sessions_of(server)]

        assert server.run(payers) == [True]
