"""Accepts operators' commands on a Unix socket in the data directory; its permissions decide who may send them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import stat
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final, cast

import msgspec

from chatcli.errors import Refused, UnknownRecipient
from chatcli.protocol import codes
from chatcli.protocol.admin import SOCKET, Answer, Request, Row
from chatcli.server.handlers.operators import Operators
from chatcli.sockets import socket_address

_MAX_COMMAND: Final = 64 * 1024  # bytes
_PATIENCE: Final = 10.0  # seconds to wait for a command

_decode: Final = msgspec.json.Decoder(Request).decode


class AdminConnection(asyncio.Protocol):
    """One command and one answer, each a line; then the connection is closed."""

    def __init__(self, operators: Operators, connections: set[AdminConnection]) -> None:
        self._operators = operators
        self._connections = connections
        self._command = bytearray()
        self._received = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the command, but not for ever."""
        self._transport = cast("asyncio.Transport", transport)
        self._connections.add(self)
        self._deadline = asyncio.get_running_loop().call_later(_PATIENCE, self.abort)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (asyncio's signature)
        """Stop waiting."""
        self._deadline.cancel()
        self._connections.discard(self)

    def data_received(self, data: bytes) -> None:
        """Carry out the command as soon as its line has ended; ignore what follows it."""
        if self._received:
            return
        self._command += data
        line, newline, _ = self._command.partition(b"\n")
        if len(line) > _MAX_COMMAND:
            self._carry_out(None)
        elif newline:
            self._carry_out(bytes(line))

    def eof_received(self) -> bool:
        """Carry out what has come as if the line had ended; stay open for the answer."""
        if not self._received:
            self._carry_out(bytes(self._command))
        return True

    def _carry_out(self, line: bytes | None) -> None:
        self._received = True
        self._deadline.cancel()
        self._command.clear()
        if line is None:
            self._answer(Refused(codes.FRAME_TOO_LONG, f"A command has {_MAX_COMMAND} bytes at most."))
            return
        try:
            request = _decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            self._answer(Refused(codes.MALFORMED, f"That is not a command: {error}."))
        else:
            self._operators.execute(self._peer_name(), request, self._answer)

    def _peer_name(self) -> str:
        """Return a name for the other end in the audit log; unlike a user's name it has spaces in it."""
        connection = self._transport.get_extra_info("socket")
        option = getattr(socket, "SO_PEERCRED", None)  # Linux
        if connection is None or option is None:
            return "chatcli admin"
        _, user, _ = struct.unpack("iII", connection.getsockopt(socket.SOL_SOCKET, option, 12))
        return f"chatcli admin (uid {user})"

    def _answer(self, outcome: list[Row] | Refused) -> None:
        if self._transport.is_closing():
            return
        if isinstance(outcome, Refused):
            names = outcome.names if isinstance(outcome, UnknownRecipient) else []
            answer = Answer(code=outcome.code, text=str(outcome), names=names)
        else:
            answer = Answer(outcome)
        self._transport.write(msgspec.json.encode(answer) + b"\n")
        self._transport.close()

    def abort(self) -> None:
        """Close now."""
        self._transport.abort()


class AdminListener:
    """The socket and the connections to it.

    Args:
        data: the server's data directory, whose lock this process holds.
        operators: execute the commands.
    """

    def __init__(self, data: Path, operators: Operators) -> None:
        self._path = data / SOCKET
        self._operators = operators
        self._server: asyncio.Server | None = None
        self._connections: set[AdminConnection] = set()
        self._open = contextlib.ExitStack()  # the address of the socket, which asyncio uses when it closes it

    async def start(self) -> None:
        """Accept commands, from the owner of the files only.

        Raises:
            OSError: the socket cannot be made there.
        """
        self._remove()  # left by a server that was killed: the lock proves that it is gone
        bound = self._open.enter_context(_bound(self._path))
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(
            lambda: AdminConnection(self._operators, self._connections), sock=bound
        )

    def close(self) -> None:
        """Accept no more commands; those that came are still answered."""
        if self._server is not None:
            self._server.close()
            self._server = None
            self._open.close()
            with contextlib.suppress(OSError):
                self._remove()

    def abort(self) -> None:
        """Close every connection."""
        for connection in tuple(self._connections):
            connection.abort()

    def _remove(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            if stat.S_ISSOCK(self._path.lstat().st_mode):  # bind() reports anything else that is there
                self._path.unlink()


@contextlib.contextmanager
def _bound(path: Path) -> Iterator[socket.socket]:
    """Yield the socket, which the listener closes; its address is valid as long as the block lasts."""
    with socket_address(path.parent, path.name) as address:
        bound = socket.socket(socket.AF_UNIX)
        mask = os.umask(0o177)  # no moment in which others could open it
        try:
            bound.bind(address)
        except BaseException:
            bound.close()
            raise
        finally:
            os.umask(mask)
        yield bound
