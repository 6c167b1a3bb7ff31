"""Says one thing and leaves, on a plain blocking socket."""

from __future__ import annotations

import socket
import time
from typing import Final

from chatcli.client.ids import new_id
from chatcli.client.refusals import as_exception
from chatcli.errors import ProtocolError, ServerUnreachable
from chatcli.protocol import states
from chatcli.protocol.address import Address
from chatcli.protocol.codec import BadFrame, FrameReader, encode, server_frames
from chatcli.protocol.frames import (
    VERSION,
    Bye,
    ClientFrame,
    Error,
    Hello,
    People,
    Person,
    Send,
    Sent,
    ServerBye,
    ServerFrame,
    Who,
)
from chatcli.protocol.states import State

MAX_LINE: Final = 16 * 1024 * 1024  # bytes: a server may list many people in one
_TIMEOUT: Final = 10.0  # seconds for all of it
_TRIES: Final = 4
_BETWEEN_TRIES: Final = 0.3  # seconds, more each time: a server that is started again is there in a second or two


def send(server: Address, user: str, to: str, text: str) -> Sent:
    """Send one message, and return once the server has it on disk.

    A connection that breaks is tried again with the same id, so that the message arrives once.

    Raises:
        ServerUnreachable: the server does not answer; where it may have got the message, the sentence says so.
        UnknownRecipient: nobody called ``to`` was ever here.
        Refused: the server said no to the name or to the message.
        ProtocolError: what answers is no chatcli server.
    """
    message = Send(new_id(), to, text)
    answer = _ask(server, Hello(VERSION, user, "send"), message)
    if not isinstance(answer, Sent):
        raise ProtocolError(f"{server} answered a message with something else.")
    return answer


def who(server: Address) -> list[Person]:
    """Return who is in the chat.

    Raises:
        ServerUnreachable: the server does not answer.
        Refused: the server said no.
        ProtocolError: what answers is no chatcli server.
    """
    answer = _ask(server, Hello(VERSION, purpose="query"), Who(1))
    if not isinstance(answer, People):
        raise ProtocolError(f"{server} answered who with something else.")
    return answer.people


def _ask(server: Address, hello: Hello, request: ClientFrame) -> ServerFrame:
    """Say hello and the request in one breath; return the answer to the request."""
    deadline = time.monotonic() + _TIMEOUT
    broken = ""
    for attempt in range(_TRIES):
        time.sleep(attempt * _BETWEEN_TRIES)
        try:
            connection = connect(server, deadline)
        except ServerUnreachable:
            if not broken:
                raise
            continue
        with connection:
            try:
                connection.settimeout(_left(deadline))
                connection.sendall(encode(hello) + encode(request) + encode(Bye()))
                return _answer(connection, deadline)
            except OSError as error:
                broken = _broken(server, request, error)
    raise ServerUnreachable(broken)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def connect(server: Address, deadline: float) -> socket.socket:
    """Open a connection.

    Raises:
        ServerUnreachable: with a sentence that says what to look at.
    """
    try:
        return socket.create_connection(server, timeout=max(0.1, deadline - time.monotonic()))
    except (OSError, UnicodeError) as error:
        raise ServerUnreachable(unreachable(server, error)) from None


def unreachable(server: Address, error: Exception) -> str:
    """Say why there is no connection to the server, and what to do about it."""
    if isinstance(error, (socket.gaierror, UnicodeError)):
        return f'There is no host called "{server.host}": check the spelling, or give its IP address with --server.'
    if isinstance(error, ConnectionRefusedError):
        return f'No server answers at {server}: start one with "chatcli serve", or say where it is with --server.'
    if isinstance(error, TimeoutError):
        return f"{server} does not answer: check the address, the network, and that no firewall is in between."
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return f"Cannot connect to {server} ({reason}): check the address and the network."


def _broken(server: Address, request: ClientFrame, error: OSError) -> str:
    what = "does not answer" if isinstance(error, TimeoutError) else "broke the connection"
    doubt = " Whether it has the message is not known." if isinstance(request, Send) else ""
    return f"{server} {what}: is it a chatcli server? Check the address, or try again.{doubt}"


def _answer(connection: socket.socket, deadline: float) -> ServerFrame:
    reader = FrameReader[ServerFrame](server_frames, MAX_LINE)
    state = State.GREETING
    while True:
        connection.settimeout(_left(deadline))
        data = connection.recv(65536)
        if not data:
            raise ConnectionResetError
        for frame in reader.feed(data):
            if isinstance(frame, BadFrame):
                raise ProtocolError("What answers there is not a chatcli server: check the port.")
            following = states.after(states.FROM_SERVER, state, type(frame))
            if following is None:
                raise ProtocolError("The server said something out of turn.")
            state = following
            if isinstance(frame, (Error, ServerBye)):
                raise as_exception(frame)
            if isinstance(frame, (Sent, People)):
                return frame
