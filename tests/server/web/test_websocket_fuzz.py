"""Random bytes over WebSockets and tunnels at a live server, while two people talk."""

from __future__ import annotations

import random
import socket
import ssl
from contextlib import suppress
from typing import Final

import pytest

from tests.gateway.frames import frame
from tests.server.web.websockets import QUERY, Tunnel, request
from tests.support import ThreadServer, eventually, trusting

_ROUNDS: Final = 150


def some_frames(chance: random.Random) -> bytes:
    """Return frames of a client, some of them against the rules, cut or changed."""
    parts = [request()] if chance.random() < 0.95 else []
    for _ in range(chance.randrange(30)):
        opcode = chance.choice((0, 1, 1, 1, 2, 2, 8, 9, 10, chance.randrange(16)))
        content = chance.choice((b"", QUERY.encode(), b'{"t":"ping","n":1}', b"\n" * 50, chance.randbytes(200)))
        masked, fin = chance.random() < 0.98, chance.random() < 0.8
        parts.append(frame(opcode, content, fin=fin, reserved=int(chance.random() < 0.02), masked=masked))
    data = bytearray(b"".join(parts))
    for _ in range(chance.choice((0, 0, 1, 5))):
        if data:
            data[chance.randrange(len(data))] = chance.randrange(256)
    return bytes(data[: chance.randrange(len(data) + 1)] if chance.random() < 0.3 else data)


def attack(server: ThreadServer, chance: random.Random, *, tls: bool) -> None:
    """Send something in random pieces, and leave in a random way."""
    with socket.create_connection(server.address[:2], 20) as plain, suppress(OSError):
        peer = trusting(server.certificate).wrap_socket(plain, server_hostname="127.0.0.1") if tls else plain
        data = some_frames(chance)
        while data:
            size = chance.choice((1, 10, 1000, len(data)))
            peer.sendall(data[:size])
            data = data[size:]
        if chance.random() < 0.5:
            peer.settimeout(0.05)
            with suppress(TimeoutError):
                peer.recv(65536)
        if tls:
            peer.close()


def attack_within(server: ThreadServer, chance: random.Random) -> None:
    """Do the same within the TLS of a tunnel, or with its records."""
    with Tunnel(server) as tunnel, suppress(OSError, ssl.SSLError):
        if chance.random() < 0.5:
            tunnel.says_raw(some_frames(chance))
        else:
            tunnel.inner.write(QUERY.encode() + b"\n")
            record = bytearray(tunnel._out.read())
            record[chance.randrange(len(record))] ^= 1 << chance.randrange(8)
            tunnel.peer.send(bytes(record[: chance.randrange(1, len(record) + 1)]))


@pytest.mark.parametrize("kind", ["plain", "tls", "tunnel"])
def test_fuzz(server: ThreadServer, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    """Two people talk on as if nothing was; afterwards no connection is left, and nothing was logged as an error."""
    chance = random.Random(kind)
    rounds = _ROUNDS // 3 if kind == "tunnel" else _ROUNDS
    with server.joined("al", tls=True) as al, server.joined("bob") as bob:
        for number in range(rounds):
            if kind == "tunnel":
                attack_within(server, chance)
            else:
                attack(server, chance, tls=kind == "tls")
            al.sends("bob", str(number))
            al.hears("sent")
        assert bob.texts(rounds) == [str(number) for number in range(rounds)]
        eventually(lambda: server.run(lambda: len(server.hub.connections)) == 2)
    assert not [record for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")]
