"""Anything by HTTP at a live server: a conversation goes on, nothing is left, and nothing secret is in the log."""

from __future__ import annotations

import contextlib
import logging
import random
import socket

import pytest

from tests.gateway.web.requests import REQUESTS
from tests.server.web.callers import makes_token
from tests.server.web.raw import RawCaller
from tests.support import ThreadServer, eventually

PIECES = [request.replace(b"Host: here", b"Host: localhost") for request in REQUESTS]

_UPGRADE = (
    "Upgrade: websocket\r\nConnection: upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)


def requests_with(token: str) -> list[bytes]:
    """Return requests that show a token, or have it in their path, right ones and wrong ones."""
    bearer = f"Host: localhost\r\nAuthorization: Bearer {token}\r\n"
    lines = [
        f"POST /@bob HTTP/1.1\r\n{bearer}Content-Length: 2\r\n\r\nhi",
        f"POST /@bob HTTP/1.1\r\n{bearer}Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        f"POST /@nobody HTTP/1.1\r\n{bearer}Content-Length: 2\r\n\r\nhi",
        f"POST /-/hook/{token} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi",
        f"POST /-/hook/{token} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 13\r\n\r\n" + '{"text": "hi"}'[:13],
        f"GET /-/hook/{token} HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        f"GET /@bob/events HTTP/1.1\r\n{bearer}\r\n",
        f"GET /-/lines?since=0 HTTP/1.1\r\n{bearer}\r\n",
        f"GET /metrics HTTP/1.1\r\n{bearer}\r\n",
        f"GET /?token={token} HTTP/1.1\r\n{bearer}Bad header {token}\r\n\r\n",
        f"GET /-/ws HTTP/1.1\r\n{bearer}{_UPGRADE}\r\n\x01\x02",
    ]
    return [line.encode() for line in lines]


def mutated(chance: random.Random, data: bytes) -> bytes:
    """Return bytes of which some have changed."""
    changed = bytearray(data)
    for _ in range(chance.choice((0, 0, 1, 3))):
        at = chance.randrange(len(changed) + 1)
        changed[at : at + chance.randrange(4)] = chance.choice([b"", b"\r\n", b"\n", b"\0", b" ", b"%", b"\xff", b"9"])
    return bytes(changed)


@pytest.mark.parametrize("seed", range(2))
def test_anything(server: ThreadServer, caplog: pytest.LogCaptureFixture, seed: int) -> None:
    """Requests of all kinds, whole, cut and changed, plain and within TLS, from callers who hang up when they like."""
    caplog.set_level(logging.DEBUG)
    chance = random.Random(seed)
    answers = b""
    with server.joined("alice") as alice, server.joined("bob") as bob:
        tokens = [makes_token(alice, scope="all", seconds=3600), "cct_" + "x" * 33]
        pieces = PIECES + 5 * [piece for token in tokens for piece in requests_with(token)]
        for round_ in range(100):
            with RawCaller.of(server, tls=chance.random() < 0.3) as caller, contextlib.suppress(OSError):
                for _ in range(chance.randrange(1, 6)):
                    data = mutated(chance, chance.choice(pieces))
                    caller.sends(data[: chance.randrange(len(data) + 1)] if chance.random() < 0.2 else data)
                if chance.random() < 0.5:
                    caller.socket.settimeout(0.05)
                    caller.socket.shutdown(socket.SHUT_WR)
                    answers += caller.socket.recv(65536)
            said = alice.sends("bob", f"round {round_}")
            while (frame := alice.next()) is not None and not (frame["t"] == "sent" and frame.get("id") == said):
                pass
            while (heard := bob.hears("message"))["text"] != f"round {round_}":
                assert heard["from"] == "alice"
        eventually(lambda: server.run(lambda: len(server.hub.connections)) == 2)
        assert server.run(lambda: len(server.hub.sessions)) == 2
        assert len(server.hub.rate_limits._connections) == 1
    told = [record.getMessage() + str(record.exc_info or "") for record in caplog.records]
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR or record.exc_info]
    for token in tokens:
        assert token.encode() not in answers
        assert not [line for line in told if token in line]
        assert not [line for line in told if token[4:12] in line]
