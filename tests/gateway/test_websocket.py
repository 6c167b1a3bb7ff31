"""The server's end of a WebSocket, with frames made by hand, and against the library's own reading of them."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.protocol import SERVER, Protocol, State

from chatcli.gateway.web.answers import Fault
from chatcli.gateway.web.heads import Head
from chatcli.gateway.websocket import AT_ONCE, Kind, WebSocket, accept
from chatcli.protocol.codec import encode
from chatcli.protocol.frames import Pong, ServerBye
from tests.gateway.frames import BINARY, CLOSE, CONT, PING, PONG, TEXT, closing, frame, frames_in

MOST = 1000


def read_all(socket: WebSocket, data: bytes) -> bytes:
    """Return the data in all frames."""
    parts = [socket.receive(data)]
    while socket.behind:
        parts.append(socket.receive(b""))
    return b"".join(parts)


def close_of(socket: WebSocket) -> tuple[int, str]:
    """Return the code and the reason with which the server closes."""
    last = frames_in(socket.to_send())[-1]
    assert last.opcode is Opcode.CLOSE
    data = bytes(last.data)
    return int.from_bytes(data[:2]), data[2:].decode()


@pytest.mark.parametrize("size", [1, 2, 119, 125, 126, 127, 128, 255, 256, MOST - 8, MOST])
def test_one_message_a_read(size: int) -> None:
    """It is the same however its length is written, and wherever it is cut."""
    content = bytes(range(256)) * 4
    mask = b"\x01\x02\x03\x04"
    masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(content[:size]))
    heads = [b"\xff" + size.to_bytes(8), b"\xfe" + size.to_bytes(2)]
    heads += [bytes((0x80 | size,))] if size < 126 else []
    for head in heads:
        message = b"\x82" + head + mask + masked
        for middle in (0, 1, 5, len(message) - 1):
            socket = WebSocket(MOST)
            socket.receive(frame(BINARY, b"first"))
            assert socket.receive(message[:middle]) + socket.receive(message[middle:]) == content[:size]
            assert not socket.closing


def test_bytes() -> None:
    """Binary messages are one stream, however they are cut; what goes back is one frame for each write."""
    socket = WebSocket(MOST)
    assert read_all(socket, frame(BINARY, b"ab") + frame(BINARY) + frame(BINARY, b"c" * MOST)) == b"ab" + b"c" * MOST
    assert socket.kind is Kind.BYTES
    socket.send(b"x" * 300_000)
    socket.send(b"y")
    socket.send(b"")
    assert [(one.opcode, len(one.data)) for one in frames_in(socket.to_send())] == [(BINARY, 300_000), (BINARY, 1)]


@pytest.mark.parametrize(
    ("message", "lines"),
    [
        (b'{"t":"ping"}', b'{"t":"ping"}\n'),
        (b'{"t":"ping"}\n', b'{"t":"ping"}\n'),
        (b"1\n2", b"1\n2\n"),
        (b"1\r\n", b"1\r\n"),
        (b"\n", b"\n"),
        (b"", b""),
        ("é".encode(), "é\n".encode()),
    ],
)
def test_lines(message: bytes, lines: bytes) -> None:
    """A text message is whole lines, of which the last may lack its line feed."""
    socket = WebSocket(MOST)
    assert socket.receive(frame(TEXT, message)) == lines
    assert socket.kind is Kind.LINES


def test_long_output_in_lines() -> None:
    """Much text is several messages of whole lines, so that no client refuses one as too long."""
    socket = WebSocket(MOST)
    line = b"x" * 99_999 + b"\n"
    socket.send(line * 10)
    found = frames_in(socket.to_send())
    assert b"".join(bytes(one.data) for one in found) == line * 10
    assert {bytes(one.data)[-1:] for one in found} == {b"\n"}
    assert max(len(one.data) for one in found) <= 256 * 1024
    socket.send(b"y" * 400_000 + b"\n")
    assert len(frames_in(socket.to_send())) == 1


def test_fragments() -> None:
    """A message may come in fragments, with control frames between them, also within a character."""
    socket = WebSocket(MOST)
    text = "día".encode()
    data = frame(TEXT, text[:2], fin=False) + frame(PING, b"p") + frame(CONT, b"", fin=False) + frame(CONT, text[2:])
    assert read_all(socket, data) == text + b"\n"
    assert [(one.opcode, bytes(one.data)) for one in frames_in(socket.to_send())] == [(PONG, b"p")]
    other = WebSocket(MOST)
    assert other.receive(frame(BINARY, b"a", fin=False)) == b"a"
    assert other.receive(frame(CONT, b"b", fin=False) + frame(CONT, b"c")) == b"bc"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(BINARY, b"x" * (MOST + 1)), 1009),
        (frame(TEXT, b"x" * (MOST + 1)), 1009),
        (frame(BINARY, b"x" * 100_000)[:10], 1009),
        (frame(BINARY, b"x" * 600, fin=False) + frame(CONT, b"x" * 600), 1009),
        (frame(TEXT, b"x") + frame(BINARY, b"x"), 1003),
        (frame(BINARY, b"x") + frame(TEXT, b"x"), 1003),
        (frame(BINARY, b"x") + frame(TEXT, b"x", fin=False), 1003),
        (frame(TEXT, b"\xff"), 1007),
        (frame(TEXT, b"\xc3", fin=False) + frame(CONT, b"x"), 1007),
        (frame(TEXT, b"\xed\xa0\x80"), 1007),  # half of a surrogate pair
        (frame(TEXT, b"x", masked=False), 1002),
        (frame(PING, masked=False), 1002),
        (frame(PING, b"x" * 126), 1002),
        (frame(PING, b"x", fin=False), 1002),
        (frame(CLOSE, b"x" * 126), 1002),
        (frame(TEXT, b"x", reserved=4), 1002),
        (frame(BINARY, b"x", reserved=1), 1002),
        (frame(PING, b"x", reserved=2), 1002),
        (frame(3), 1002),
        (frame(7), 1002),
        (frame(11), 1002),
        (frame(15), 1002),
        (frame(CONT, b"x"), 1002),
        (frame(TEXT, b"x", fin=False) + frame(TEXT, b"y"), 1002),
        (frame(BINARY, b"x", fin=False) + frame(BINARY, b"y"), 1002),
        (frame(CLOSE, b"x"), 1002),
        (closing(1000, b"\xff"), 1007),
        *((closing(code), 1002) for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535)),
        (frame(TEXT, b"x", fin=False) + closing(1000), 1002),
    ],
)
def test_broken_rules(data: bytes, code: int) -> None:
    """Each mistake has its code, after which nothing is read, and nothing is sent."""
    socket = WebSocket(MOST)
    read_all(socket, data)
    assert socket.over
    assert close_of(socket)[0] == code
    assert read_all(socket, frame(BINARY, b"x")) == b""
    socket.send(b"x")
    socket.ping()
    socket.close()
    assert socket.to_send() == b""


@pytest.mark.parametrize("code", [1000, 1001, 1003, 1011, 3000, 4999])
def test_close_of_the_client(code: int) -> None:
    """Its code is repeated; what came before is passed on, and what comes after it is not."""
    socket = WebSocket(MOST)
    assert read_all(socket, frame(BINARY, b"x") + closing(code, b"why") + frame(BINARY, b"y")) == b"x"
    assert (socket.over, socket.confirmed, socket.closing) == (True, True, True)
    assert close_of(socket) == (code, "why")


def test_close_without_a_code() -> None:
    """It is answered alike."""
    socket = WebSocket(MOST)
    socket.receive(frame(CLOSE))
    (answer,) = frames_in(socket.to_send())
    assert (answer.opcode, bytes(answer.data)) == (CLOSE, b"")


def test_close_of_the_server() -> None:
    """What the client sends meanwhile is read on, until it has closed, too."""
    socket = WebSocket(MOST)
    socket.close()
    assert (socket.closing, socket.over) == (True, False)
    assert close_of(socket) == (1000, "")
    assert socket.receive(frame(BINARY, b"x") + frame(PING)) == b"x"
    socket.receive(closing(1000))
    assert (socket.over, socket.confirmed) == (True, True)


@pytest.mark.parametrize(
    ("code", "meant"),
    [
        ("left", 1000), ("stopping", 1001), ("malformed", 1007), ("storage", 1013), ("full", 1013), ("timeout", 1008),
        ("kicked", 1008), ("taken_over", 1008), ("tls_required", 1008), ("banned", 1008),
    ],
)  # fmt: skip
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_goodbye(code: str, meant: int, opcode: int) -> None:
    """A goodbye of our protocol, sent alone or behind others, becomes the reason with which the WebSocket closes."""
    socket = WebSocket(MOST)
    socket.receive(frame(opcode, b"x"))
    socket.send(encode(Pong(1)) + encode(ServerBye(code, "Because.")))
    socket.close()
    assert close_of(socket) == (meant, "Because.")


def test_long_reason() -> None:
    """A reason is cut to what a frame holds, and not within a character."""
    socket = WebSocket(MOST)
    socket.send(encode(ServerBye("kicked", "x" + "é" * 200)))
    socket.close()
    assert close_of(socket) == (1008, "x" + "é" * 61)


def test_signs_of_life() -> None:
    """Pings are answered, and a ping or its answer is a sign of life."""
    socket = WebSocket(MOST)
    socket.receive(frame(TEXT, b"x"))
    signs = [socket.alive]
    socket.ping()
    (ping,) = frames_in(socket.to_send())
    assert ping.opcode is Opcode.PING
    socket.receive(frame(PONG))
    signs.append(socket.alive)
    socket.alive = False
    socket.receive(frame(PING, b"x" * 125))
    assert [*signs, socket.alive] == [False, True, True]
    assert [bytes(one.data) for one in frames_in(socket.to_send())] == [b"x" * 125]


@pytest.mark.parametrize("data", [frame(BINARY), frame(BINARY, b"", fin=False), frame(PING), frame(PONG), frame(TEXT)])
def test_thousands_of_empty_frames(data: bytes) -> None:
    """A call takes a bounded number of frames apart, and says that it is behind."""
    socket = WebSocket(MOST)
    rest = frame(CONT, b"", fin=False) if not data[0] & 0x80 else data
    sent = data + rest * 5000
    assert socket.receive(sent) == b""
    assert socket.frames == AT_ONCE
    calls = 1
    while socket.behind:
        assert socket.receive(b"") == b""
        calls += 1
    assert socket.frames == 5001
    assert calls == 5001 // AT_ONCE + 1
    assert not socket.over


def test_nothing_is_kept_of_empty_fragments() -> None:
    """Fragments of a text cost no memory beyond their bytes."""
    socket = WebSocket(MOST)
    read_all(socket, frame(TEXT, b"x", fin=False) + frame(CONT, b"", fin=False) * 5000)
    assert socket._text is not None
    assert len(socket._text) == 1
    assert socket._buffer == b""


opcodes = st.sampled_from([TEXT, BINARY, CONT, CLOSE, PING, PONG, 3, 11])
contents = st.one_of(
    st.binary(max_size=200),
    st.text(max_size=60).map(str.encode),
    st.integers(990, 1010).map(lambda size: b"x" * size),
    st.sampled_from([b"\x03\xe8", b"\x03\xe8bye", b"\x03"]),
)
common = st.one_of(
    st.builds(frame, st.just(BINARY), contents),
    st.builds(frame, st.just(TEXT), st.text(max_size=60).map(str.encode)),
    st.builds(frame, st.sampled_from([TEXT, BINARY, CONT]), contents, fin=st.booleans()),
    st.builds(frame, st.sampled_from([PING, PONG]), st.binary(max_size=10)),
)
strange = st.one_of(
    st.builds(
        frame, opcodes, contents, fin=st.booleans(), reserved=st.sampled_from([0, 0, 0, 4]), masked=st.booleans()
    ),
    st.binary(max_size=30),
)
conversations = st.lists(st.one_of(common, common, common, strange), max_size=12).map(b"".join)


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    """Return the data in pieces."""
    edges = sorted({place % (len(data) + 1) for place in places} | {0, len(data)})
    return [data[start:end] for start, end in pairwise(edges)]


def outcome(pieces: Iterable[bytes]) -> tuple[bytes, bytes, tuple[object, ...]]:
    """Return the data, what was sent, and the state, when a socket receives pieces."""
    socket = WebSocket(MOST)
    data = b"".join(read_all(socket, piece) for piece in pieces)
    return data, socket.to_send(), (socket.over, socket.closing, socket.kind, socket.alive)


@settings(max_examples=400, deadline=None)
@given(conversations, st.lists(st.integers(0, 5000), max_size=20))
def test_any_cut(data: bytes, places: list[int]) -> None:
    """However the bytes are cut, the same comes out, and nothing is raised."""
    whole = outcome([data])
    assert outcome(cut(data, places)) == whole
    assert outcome(data[at : at + 1] for at in range(len(data))) == whole


@settings(max_examples=400, deadline=None)
@given(st.lists(st.one_of(common, common, strange), max_size=12).map(b"".join), st.integers(1, 3000))
def test_like_the_library(data: bytes, size: int) -> None:
    """What is taken apart here is what the library would have made of it, once all frames have come whole."""
    data += b"\0" * 2 * MOST
    library = Protocol(SERVER, state=State.OPEN, max_size=MOST)
    for at in range(0, len(data), size):
        library.receive_data(data[at : at + size])
    events = [event for event in library.events_received() if isinstance(event, Frame)]
    messages = [event for event in events if event.opcode in (TEXT, BINARY, CONT)]
    if any(one.opcode is Opcode.TEXT for one in messages):
        return  # here text is lines
    ours, sent, (over, closes, *_) = outcome([data])
    assert ours == b"".join(bytes(one.data) for one in messages)
    assert (over, closes) == (library.eof_sent, library.state is not State.OPEN)
    assert sent == b"".join(library.data_to_send())


@given(st.integers(0, 70_000), st.sampled_from([TEXT, BINARY]))
@settings(max_examples=50, deadline=None)
def test_frames_of_the_server(size: int, opcode: int) -> None:
    """They are as the library would write them."""
    socket = WebSocket(MOST)
    socket.receive(frame(opcode, b"x"))
    socket.send(b"x" * size)
    expected = Frame(Opcode(opcode), b"x" * size).serialize(mask=False) if size else b""
    assert socket.to_send() == expected


UPGRADE = {
    "host": "chat.example",
    "connection": "keep-alive, Upgrade",
    "upgrade": "websocket",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    "sec-websocket-version": "13",
}


def head(*, version: str = "1.1", has_body: bool = False, **headers: str | None) -> Head:
    """Return a request for a WebSocket, with some of its headers changed, or left out."""
    changed = {name.replace("_", "-"): value for name, value in headers.items()}
    fields = {name: value for name, value in {**UPGRADE, **changed}.items() if value is not None}
    return Head(method="GET", path="/-/ws", query="", headers=fields, version=version, has_body=has_body)


def test_accepted() -> None:
    """The answer is that of RFC 6455, section 1.3; nothing that is offered is accepted."""
    offered = head(sec_websocket_extensions="permessage-deflate", sec_websocket_protocol="chat, irc")
    assert accept(offered) == [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
    ]


@pytest.mark.parametrize(
    ("request_head", "status"),
    [
        (head(sec_websocket_version="8"), 426),
        (head(sec_websocket_version=None), 426),
        (head(sec_websocket_version="13, 13"), 426),
        (head(version="1.0"), 426),
        (head(upgrade="h2c"), 426),
        (head(upgrade=None), 426),
        (head(connection="keep-alive"), 426),
        (head(connection=None), 426),
        (head(connection="\x00"), 400),
        (head(sec_websocket_key=None), 400),
        (head(sec_websocket_key=f"{UPGRADE['sec-websocket-key']}, {UPGRADE['sec-websocket-key']}"), 400),
        (head(sec_websocket_key="short"), 400),
        (head(sec_websocket_key="ü"), 400),
        (head(has_body=True), 400),
    ],
)
def test_refused(request_head: Head, status: int) -> None:
    """A request that opens none has its status, and learns which version is spoken."""
    with pytest.raises(Fault) as fault:
        accept(request_head)
    assert fault.value.status == status
    if not request_head.has_body:
        assert ("Sec-WebSocket-Version", "13") in fault.value.headers


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(list(UPGRADE)), st.text(st.characters(codec="latin-1"))))
def test_any_headers(headers: dict[str, str]) -> None:
    """Whatever a header says, the request is accepted or refused."""
    with suppress(Fault):
        accept(head()._replace(headers={**UPGRADE, **headers}))
