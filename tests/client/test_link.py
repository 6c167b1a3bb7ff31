"""Connecting and connecting again."""

from __future__ import annotations

import asyncio
import itertools
import socket
import threading

import pytest

from chatcli.client.link import backoff, connect
from chatcli.errors import ProtocolError, Refused, ServerUnreachable
from chatcli.protocol.address import Address
from chatcli.protocol.frames import VERSION, Hello
from tests.support import ThreadServer


def test_waits_grow_with_jitter_up_to_eight_seconds() -> None:
    """The first wait is short, later ones longer, none beyond the longest, and no two clients wait alike."""
    waits = list(itertools.islice(backoff(), 200))
    assert waits[0] <= 0.5
    assert max(waits) <= 8
    assert max(waits[20:]) > 4
    assert len(set(waits)) > 190


def greet(address: Address, user: str = "alice") -> str:
    """Connect, and return the name given."""

    async def run() -> str:
        connection, welcome = await connect(address, Hello(VERSION, user, "join"))
        await connection.close()
        return welcome.user

    return asyncio.run(run())


def test_a_server_welcomes(server: ThreadServer) -> None:
    """The greeting ends with the name as owned."""
    assert greet(server.address, "Alice") == "Alice"


def test_a_refused_name_is_an_exception_with_the_code(server: ThreadServer) -> None:
    """Whoever asks for a name that cannot be had learns why."""
    with pytest.raises(Refused) as refusal:
        greet(server.address, "a:b")
    assert refusal.value.code == "bad_name"


def test_nobody_there_is_said_with_a_remedy() -> None:
    """A refused connection names the address and how to start a server."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with pytest.raises(ServerUnreachable, match=rf"127.0.0.1:{port}.*chatcli serve"):
        greet(Address("127.0.0.1", port))
    with pytest.raises(ServerUnreachable, match="no host called"):
        greet(Address("no.such.invalid", port))


def test_something_else_at_that_port_is_recognised() -> None:
    """A server of another protocol is not mistaken for ours."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        answering = threading.Thread(target=lambda: other.accept()[0].sendall(b"SSH-2.0-OpenSSH_9.2\r\n"))
        answering.start()
        with pytest.raises(ProtocolError, match="not a chatcli server"):
            greet(Address("127.0.0.1", other.getsockname()[1]))
        answering.join()
