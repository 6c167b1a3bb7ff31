"""The client's end of a connection, with bytes alone."""

from __future__ import annotations

from typing import Final

import pytest

from chatcli.errors import ProtocolError, ServerNotTrusted
from chatcli.protocol import frames as f
from chatcli.protocol.client_connection import MAX_LINE, ClientConnection
from chatcli.protocol.codec import client_frames, encode, encode_all
from chatcli.protocol.frames import ClientFrame, ServerFrame
from chatcli.protocol.keys import PLAIN, Channel, Claim, key_text, signed_bytes
from chatcli.protocol.states import FROM_CLIENT, FROM_SERVER, State
from tests.protocol.strategies import SERVER_FRAMES

NONCE = bytes(range(32))
HELLO = f.Hello(1, "alice", "send", "key")
CHALLENGE = f.Challenge(key_text(NONCE), "box", "SHA256:server")
WELCOME = f.Welcome("Alice", 9, 7, "box", f.Limits(100, 300, 30))
MESSAGE = f.Message(10, "id", "bob", "Alice", "hi", 1)
LIVE = f.Live(9)
BYE = f.ServerBye("stopping", "The server stops.")

#: One frame of each kind that the server may send.
EXAMPLES: Final[dict[type, ServerFrame]] = {
    type(frame): frame
    for frame in (
        CHALLENGE, WELCOME, MESSAGE, LIVE, BYE,
        f.Sent("id", 1, 2, "delivered"), f.Skipped("#a", 1, 5), f.Read(1), f.Receipt("bob", 1), f.People([]),
        f.Presence(["bob"]), f.Room(f.RoomInfo("#a", "open", 1), 0), f.RoomList([]), f.Happened("#a", "joined"),
        f.HistoryPage("bob", [], more=False), f.Found([], more=False), f.ReceiptList("bob", []), f.Answered(1),
        f.UnreadList(0, []), f.ConversationList([]), f.NameChange("bob", "key", 1, 1),
        f.LinkCode("c", 60), f.KeyList([]), f.Token("cct_", "0"), f.TokenList([]), f.Done(), f.Pong(),
        f.Error("invalid", "No."),
    )
}  # fmt: skip


class Key:
    """A key whose signatures show what was signed."""

    def __init__(self) -> None:
        self.signed: list[bytes] = []

    def sign(self, data: bytes) -> bytes:
        """Record the data; return bytes in place of a signature."""
        self.signed.append(data)
        return bytes(64)


def connection(key: Key | None = None, channel: Channel = PLAIN) -> ClientConnection:
    """Return a connection that has sent its hello."""
    made = ClientConnection("box:7777", key or Key(), channel)
    assert made.send(HELLO) == encode(HELLO)
    return made


def in_state(state: State) -> ClientConnection:
    """Return a connection in a state of the table of frames from the server."""
    made = connection()
    leads_there: dict[State, ServerFrame] = {State.PROVING: CHALLENGE, State.READY: WELCOME, State.CLOSED: BYE}
    if state in leads_there:
        made.receive(encode(leads_there[state]))
    assert made.state is state
    return made


def sent(data: bytes) -> list[ClientFrame]:
    """Return the frames that a server reads."""
    return list(client_frames().decode_lines(data))


def test_examples_have_every_frame() -> None:
    """The examples have each kind of frame that a server sends."""
    assert set(EXAMPLES) == set(SERVER_FRAMES)


def test_logging_in() -> None:
    """A challenge is answered with the proof of the claim; the welcome brings the limits."""
    key = Key()
    made = connection(key)
    assert made.receive(encode(CHALLENGE)) == [CHALLENGE]
    assert (made.state, made.server_key, made.pending) == (State.PROVING, "SHA256:server", True)
    assert key.signed == [
        signed_bytes(
            Claim(version=1, server_key="SHA256:server", nonce=NONCE, user="alice", purpose="send", channel=b"")
        )
    ]
    assert sent(made.send()) == [f.Prove(key_text(bytes(64)))]
    assert not made.pending
    assert made.receive(encode(WELCOME)) == [WELCOME]
    assert (made.state, made.welcome, made.limits.frame) == (State.READY, WELCOME, 300)


def test_request_with_the_proof() -> None:
    """The first request goes out with the proof, before the welcome."""
    made = connection()
    made.receive(encode(CHALLENGE))
    assert sent(made.send(f.Who(n=1), f.Bye())) == [f.Prove(key_text(bytes(64))), f.Who(n=1), f.Bye()]


def test_no_key_without_a_name() -> None:
    """A query without a name is welcomed at once, without a key."""
    made = ClientConnection("box:7777", None)
    made.send(f.Hello(1, purpose="query"))
    made.receive(encode(WELCOME))
    assert sent(made.send(f.Who(n=1))) == [f.Who(n=1)]


def test_proof_is_bound_to_the_channel() -> None:
    """Over TLS the claim contains the certificate's digest."""
    key = Key()
    connection(key, Channel("SHA256:server", b"digest")).receive(encode(CHALLENGE))
    assert key.signed == [
        signed_bytes(
            Claim(version=1, server_key="SHA256:server", nonce=NONCE, user="alice", purpose="send", channel=b"digest")
        )
    ]


def test_server_claims_another_key() -> None:
    """Nothing is signed for a server that claims another key than its certificate has."""
    key = Key()
    made = connection(key, Channel("SHA256:shown", b"digest"))
    with pytest.raises(ServerNotTrusted, match="another key than it shows"):
        made.receive(encode(CHALLENGE))
    assert not key.signed
    assert made.send() == b""


@pytest.mark.parametrize("nonce", ["", "AAAA", "no base64 at all"])
def test_a_malformed_challenge(nonce: str) -> None:
    """A malformed nonce is not signed."""
    with pytest.raises(ProtocolError, match="challenge of box:7777"):
        connection().receive(encode(f.Challenge(nonce, "box", "SHA256:server")))


def test_challenge_without_a_key() -> None:
    """A challenge raises an error if the client has no key."""
    made = ClientConnection("box:7777", None)
    made.send(f.Hello(1, purpose="query"))
    with pytest.raises(ProtocolError, match="though none was announced"):
        made.receive(encode(CHALLENGE))


def test_second_login() -> None:
    """After an error the server waits for another hello, and the proof is for that one."""
    key = Key()
    made = connection(key)
    made.receive(encode(CHALLENGE))
    made.send()
    made.receive(encode(f.Error("name_taken", "Taken.")))
    assert made.state is State.GREETING
    second = f.Hello(1, "alice2", "send", "key")
    assert made.send(second) == encode(second)
    made.receive(encode(CHALLENGE))
    assert key.signed[-1] == signed_bytes(
        Claim(version=1, server_key="SHA256:server", nonce=NONCE, user="alice2", purpose="send", channel=b"")
    )


def test_every_split_of_the_bytes() -> None:
    """However the stream is cut, the same frames come out and the same bytes are to be sent."""
    stream = encode_all([CHALLENGE, WELCOME, MESSAGE, LIVE, BYE])
    for cut in range(len(stream) + 1):
        made = connection()
        frames = [*made.receive(stream[:cut]), *made.receive(stream[cut:])]
        assert frames == [CHALLENGE, WELCOME, MESSAGE, LIVE, BYE], cut
        assert made.state is State.CLOSED
    made = connection()
    assert [frame for byte in stream for frame in made.receive(bytes([byte]))] == frames


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("kind", SERVER_FRAMES)
def test_every_frame_in_every_state(state: State, kind: type) -> None:
    """A frame in the table leads to its state; any other frame is out of turn."""
    made = in_state(state)
    data = encode(EXAMPLES[kind])
    following = FROM_SERVER[state].get(kind)
    if following is None:
        with pytest.raises(ProtocolError, match="out of turn"):
            made.receive(data)
        assert made.state is state
    else:
        assert made.receive(data) == [EXAMPLES[kind]]
        assert made.state is following


@pytest.mark.parametrize("data", [b"HTTP/1.1 400 Bad Request\r\n", b"[]\n", b'{"t":"nonsense"}\n', b"\xff\n"])
def test_not_a_chatcli_server(data: bytes) -> None:
    """The sentence names the address and what to check."""
    with pytest.raises(ProtocolError, match="What answers at box:7777 is not a chatcli server"):
        connection().receive(data)


def test_endless_line() -> None:
    """The buffer never exceeds the longest line."""
    with pytest.raises(ProtocolError, match="not a chatcli server"):
        connection().receive(b"{" * MAX_LINE)


def test_frames_before_an_invalid_one() -> None:
    """The error comes with the next call, and with every one after that."""
    made = in_state(State.READY)
    assert made.receive(encode(MESSAGE) + b"nonsense\n" + encode(MESSAGE)) == [MESSAGE]
    for _ in range(2):
        with pytest.raises(ProtocolError, match="not a chatcli server"):
            made.check()
        with pytest.raises(ProtocolError, match="not a chatcli server"):
            made.receive(encode(MESSAGE))


@pytest.mark.parametrize(
    "frame", [HELLO, f.Prove("x"), f.Who(), f.Ack(1), f.Send("id", "bob", "hi"), f.Ping(), f.Bye()]
)
def test_sending_before_the_welcome(frame: ClientFrame) -> None:
    """The client's table holds before the hello, and between the hello and the challenge."""
    for made, state in ((ClientConnection("box", Key()), State.GREETING), (connection(), State.PROVING)):
        if type(frame) in FROM_CLIENT[state]:
            assert sent(made.send(frame)) == [frame]
        else:
            with pytest.raises(ValueError, match=f"{type(frame).__name__} may not be sent"):
                made.send(frame)


def test_second_hello_after_welcome() -> None:
    """A second hello after the welcome is an error of the program, not of the server."""
    with pytest.raises(ValueError, match="Hello may not be sent while ready"):
        in_state(State.READY).send(HELLO)


def test_nothing_after_a_goodbye() -> None:
    """Nothing is sent after a goodbye of either side."""
    made = in_state(State.READY)
    assert sent(made.send(f.Who(), f.Bye())) == [f.Who(), f.Bye()]
    assert made.send(f.Who()) == b""
    assert in_state(State.CLOSED).send(f.Who()) == b""


def test_keeping_alive() -> None:
    """A ping is due after a third of the server's timeout, while the client is logged in."""
    made = connection()
    assert not made.needs_ping(1000)
    made.receive(encode(CHALLENGE))
    assert not made.needs_ping(1000)
    made.receive(encode(WELCOME))
    assert made.ping_interval == 10
    assert not made.needs_ping(9.9)
    assert made.needs_ping(10)
    made.send(f.Bye())
    assert not made.needs_ping(1000)


def test_the_longest_frame() -> None:
    """The protocol's own limit holds until the server announces its own."""
    made = connection()
    text = f.Send("id", "bob", "x" * 500)
    assert made.fits(text)
    made.receive(encode(WELCOME))
    assert not made.fits(text)
    assert made.fits(f.Send("id", "bob", "x"))
