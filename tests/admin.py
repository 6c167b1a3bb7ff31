"""Users with keys of their own, and the admin socket used by hand, with none of our code."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

from tests.support import DEADLINE, Caller, ThreadServer, key_of


def joined(server: ThreadServer, user: str, purpose: str = "join") -> Caller:
    """Open a connection and log in with a key that no other name has."""
    return server.joined(user, purpose, key=key_of(user))


def answers_raw(data: Path, command: bytes, *, end: bool = False) -> bytes:
    """Write bytes to the socket of a data directory, and return the whole answer."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(DEADLINE)
        connection.connect(str(data / "admin.sock"))
        connection.sendall(command)
        if end:
            connection.shutdown(socket.SHUT_WR)
        answer = bytearray()
        while chunk := connection.recv(65536):
            answer += chunk
        return bytes(answer)


def answers(data: Path, do: str, **fields: object) -> dict[str, Any]:
    """Send a command and return its answer."""
    answer: dict[str, Any] = json.loads(answers_raw(data, json.dumps({"do": do, **fields}).encode() + b"\n"))
    return answer


def does(data: Path, do: str, **fields: object) -> dict[str, Any]:
    """Send a command that must succeed, and return the only row of its answer."""
    answer = answers(data, do, **fields)
    assert "code" not in answer, answer
    (row,) = answer["rows"]
    assert isinstance(row, dict)
    return row


def noted(data: Path) -> list[dict[str, Any]]:
    """Return the lines of the audit log."""
    return [json.loads(line) for line in (data / "audit.log").read_text().splitlines()]
