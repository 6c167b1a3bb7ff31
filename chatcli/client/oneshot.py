"""Says one thing and leaves, on a blocking socket."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from typing import Final, NamedTuple

from chatcli.client.files import config_directory
from chatcli.client.identity import Identity, load_identity
from chatcli.client.ids import new_id
from chatcli.client.proof import prove
from chatcli.client.refusals import as_exception
from chatcli.client.trust import CAUTIOUS, PLAIN, Channel, Trust
from chatcli.errors import ChatError, ProtocolError, Refused, ServerUnreachable, UnknownServer
from chatcli.protocol import codes, states
from chatcli.protocol.address import Address
from chatcli.protocol.codec import BadFrame, FrameReader, encode, server_frames
from chatcli.protocol.frames import (
    VERSION,
    Bye,
    Challenge,
    ClientFrame,
    Done,
    Error,
    Hello,
    KeyList,
    LinkCode,
    People,
    Person,
    Purpose,
    Send,
    Sent,
    ServerBye,
    ServerFrame,
    Who,
)
from chatcli.protocol.keys import key_text
from chatcli.protocol.states import State

MAX_LINE: Final = 16 * 1024 * 1024  # bytes: a server may list many people in one
_TIMEOUT: Final = 10.0  # seconds for all of it
_ANSWERS: Final = (Sent, People, LinkCode, KeyList, Done)
_TRIES: Final = 4
_BETWEEN_TRIES: Final = 0.3  # seconds, more each time: a server that is started again is there in a second or two


class Opened(NamedTuple):
    """A connection on which nothing was said yet."""

    socket: socket.socket
    channel: Channel


def send(
    server: Address, user: str, to: str, text: str, trust: Trust = CAUTIOUS, identity: Identity | None = None
) -> Sent:
    """Send one message, and return once the server has it on disk.

    A connection that breaks is tried again with the same id, so that the message arrives once.

    Args:
        server: where to.
        user: who says it.
        to: to whom.
        text: what.
        trust: which servers to speak to.
        identity: the user's key; by default the one in their configuration.

    Raises:
        InputError: the user's key cannot be used.
        ServerNotTrusted: the server is not the one that was meant; nothing was said to it.
        ServerUnreachable: the server does not answer; where it may have got the message, the sentence says so.
        UnknownRecipient: nobody called ``to`` was ever here.
        Refused: the server said no to the name or to the message.
        ProtocolError: what answers is no chatcli server.
    """
    message = Send(new_id(), to, text)
    answer = request(server, user, message, trust, identity)
    if not isinstance(answer, Sent):
        raise ProtocolError(f"{server} answered a message with something else.")
    return answer


def request(
    server: Address,
    user: str,
    frame: ClientFrame,
    trust: Trust = CAUTIOUS,
    identity: Identity | None = None,
    purpose: Purpose = "send",
) -> ServerFrame:
    """Ask one thing under a name, and return the answer.

    Raises:
        As :func:`send`.
    """
    identity = identity or load_identity(config_directory())
    return _ask(server, Hello(VERSION, user, purpose, key_text(identity.public)), frame, trust, identity)


def who(server: Address, trust: Trust = CAUTIOUS, user: str = "") -> list[Person]:
    """Return who is in the chat; under a name only where the server does not answer everyone.

    Raises:
        ServerNotTrusted: the server is not the one that was meant.
        ServerUnreachable: the server does not answer.
        Refused: the server said no.
        ProtocolError: what answers is no chatcli server.
    """
    try:
        answer = _ask(server, Hello(VERSION, purpose="query"), Who(1), trust, None)
    except Refused as refusal:
        if refusal.code != codes.KEY_REQUIRED or not user:
            raise
        answer = request(server, user, Who(1), trust, purpose="query")
    if not isinstance(answer, People):
        raise ProtocolError(f"{server} answered who with something else.")
    return answer.people


def _ask(server: Address, hello: Hello, request: ClientFrame, trust: Trust, identity: Identity | None) -> ServerFrame:
    """Return the answer to the request; where the person must be asked about the server, do that in between."""
    try:
        return _try(server, hello, request, trust, identity)
    except UnknownServer as unknown:
        trust.meet(server, unknown)
        return _try(server, hello, request, trust, identity)


def _try(server: Address, hello: Hello, request: ClientFrame, trust: Trust, identity: Identity | None) -> ServerFrame:
    """Greet, then say the proof, the request and goodbye in one breath; return the answer to the request."""
    deadline = time.monotonic() + _TIMEOUT
    broken = ""
    told = False  # the server may have the message
    for attempt in range(_TRIES):
        time.sleep(attempt * _BETWEEN_TRIES)
        try:
            opened = connect(server, deadline, trust)
        except ServerUnreachable:
            if not broken:
                raise
            continue
        trust = trust.settled()  # the next try is no first contact
        with opened.socket as connection:
            try:
                connection.settimeout(_left(deadline))
                connection.sendall(encode(hello))
                answers = _answers(connection, deadline)
                proof = _proof(next(answers), identity, hello, opened.channel)
                told = isinstance(request, Send)
                connection.sendall(proof + encode(request) + encode(Bye()))
                return next(frame for frame in answers if isinstance(frame, _ANSWERS))
            except OSError as error:
                broken = _broken(server, error, told=told)
    raise ServerUnreachable(broken)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def connect(server: Address, deadline: float, trust: Trust) -> Opened:
    """Open a connection to a server that is trusted.

    Raises:
        ServerUnreachable: with a sentence that says what to look at.
        UnknownServer: someone has to be asked; nobody was.
        ServerNotTrusted: the server shows another key than it must.
        ProtocolError: what answers does not speak TLS.
    """
    if trust.plain(server):
        return Opened(_dial(server, deadline), PLAIN)
    return _connect_in_tls(server, deadline, trust)


def _connect_in_tls(server: Address, deadline: float, trust: Trust) -> Opened:
    from chatcli.client import tls

    for way in tls.ways(server, trust):
        plain = _dial(server, deadline)
        try:
            connection = way.context.wrap_socket(plain, server_hostname=tls.host_name(server))
        except tls.NotVouched:
            continue
        except OSError as error:
            raise tls.failure(server, error) or ServerUnreachable(unreachable(server, error)) from None
        try:
            channel = tls.shown(server, connection)
            trust.check(server, channel, vouched=way.vouched)
        except ChatError:
            connection.close()
            raise
        return Opened(connection, channel)
    raise AssertionError  # the last way needs nobody's word


def _dial(server: Address, deadline: float) -> socket.socket:
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


def _broken(server: Address, error: OSError, *, told: bool) -> str:
    what = "does not answer" if isinstance(error, TimeoutError) else "broke the connection"
    doubt = " Whether it has the message is not known." if told else ""
    return f"{server} {what}: is it a chatcli server? Check the address, or try again.{doubt}"


def _proof(greeting: ServerFrame, identity: Identity | None, hello: Hello, channel: Channel) -> bytes:
    """Return what to say to a challenge; nothing, where the server asks for none."""
    if isinstance(greeting, Challenge) and identity is not None:
        return encode(prove(identity, hello, greeting, channel))
    return b""


def _answers(connection: socket.socket, deadline: float) -> Iterator[ServerFrame]:
    """Yield what the server says, as long as it says yes."""
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
            yield frame
