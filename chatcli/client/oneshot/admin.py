"""Sends a command to the server on this machine, through the socket in its data directory."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import Final

import msgspec

from chatcli.client.errors import as_exception
from chatcli.errors import ProtocolError, Refused, ServerUnreachable
from chatcli.protocol import codes
from chatcli.protocol.admin import SOCKET, Answer, Request, Row
from chatcli.protocol.frames import Error
from chatcli.protocol.values.text import command_line
from chatcli.sockets import socket_address

_TIMEOUT: Final = 15.0  # seconds for the whole command: a disk may be slow
_MAX_ANSWER: Final = 256 * 1024 * 1024  # bytes: a server may know many people
_CHUNK: Final = 1024 * 1024


def ask(directory: Path, request: Request) -> list[Row]:
    """Send one command to the server of a data directory; return the rows of its answer.

    Raises:
        ServerUnreachable: no server uses that directory, or it does not answer.
        UnknownRecipient: no person of the name in the request was ever here.
        Refused: the socket belongs to another user, or the server refuses the command.
        ServerUnavailable: the server cannot write; it has changed nothing.
        ProtocolError: the other end is not a chatcli server.
    """
    deadline = time.monotonic() + _TIMEOUT
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_TIMEOUT)
        _connect(connection, directory)
        try:
            connection.sendall(msgspec.json.encode(request) + b"\n")
            line = _read(connection, deadline)
        except OSError as error:
            raise ServerUnreachable(_broken(directory, error.strerror or str(error))) from None
    return _rows(directory, line)


def _connect(connection: socket.socket, directory: Path) -> None:
    try:
        with socket_address(directory, SOCKET) as address:
            connection.connect(address)
    except PermissionError:
        text = f"Only the owner of the files in {directory} may administer its server: run this as that user."
        raise Refused(codes.NOT_ALLOWED, text) from None
    except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
        raise ServerUnreachable(
            f"No server runs over the data directory {directory}: name its directory with --data, or start it with\n"
            f"{command_line('chatcli', 'serve', '--data', str(directory))}"
        ) from None
    except OSError as error:
        text = f"Cannot reach the server over the data directory {directory}: {error.strerror or error}."
        raise ServerUnreachable(text) from None


def _read(connection: socket.socket, deadline: float) -> bytes:
    """Return everything until the other end closes."""
    answer = bytearray()
    while chunk := connection.recv(_CHUNK):
        answer += chunk
        left = deadline - time.monotonic()
        if left <= 0 or len(answer) > _MAX_ANSWER:
            raise TimeoutError("it does not end")
        connection.settimeout(left)
    return bytes(answer)


def _rows(directory: Path, line: bytes) -> list[Row]:
    if not line.endswith(b"\n"):
        raise ServerUnreachable(_broken(directory, "it was cut short"))
    try:
        answer = msgspec.json.decode(line, type=Answer)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ProtocolError(f"What answers in {directory} is not a chatcli server.") from None
    if answer.code:
        raise as_exception(Error(answer.code, answer.text, names=answer.names))
    return answer.rows


def _broken(directory: Path, why: str) -> str:
    return (
        f"The server over the data directory {directory} gave no answer ({why}); it may have done what was asked: "
        f"see\n{command_line('chatcli', 'admin', 'users', '--data', str(directory))}"
    )
