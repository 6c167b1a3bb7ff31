"""Decoding of bytes into frames, for any bytes and any cuts."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chatcli.protocol import codes
from chatcli.protocol import frames as f
from chatcli.protocol.codec import BadFrame, FrameReader, client_frames, encode, server_frames
from tests.protocol.strategies import client_frame, server_frame

PING = b'{"t":"ping"}'
LIMIT = 64  # small enough for Hypothesis to reach it

Read = list[f.ClientFrame | BadFrame]

GARBAGE = [
    b"hello",
    b"\xff\xfe",
    b"{}",
    b"[]",
    b'{"t":"nope"}',
    b'{"t":"ack","seq":-1}',
    b'{"t":"ping"',
    b'"\xc3"}',
    b"GET / HTTP/1.1\r",
    PING + PING,
    b"x" * 100,
    b"[" * 100,
]
# Not white space alone: blank lines are ignored, and have tests of their own.
_garbage = st.sampled_from(GARBAGE) | st.binary(min_size=1, max_size=80).map(
    lambda data: b"?" + data.replace(b"\n", b"?")
)


def reader(limit: int = f.MAX_FRAME) -> FrameReader[f.ClientFrame]:
    """Return a reader of client frames."""
    return FrameReader(client_frames(), limit)


def read(data: bytes, limit: int = f.MAX_FRAME) -> Read:
    """Read all of the data at once."""
    return reader(limit).feed(data)


def read_in_pieces(data: bytes, cuts: list[int], limit: int = f.MAX_FRAME) -> Read:
    """Read the data cut at these places."""
    whole = reader(limit)
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    return [frame for start, end in pairwise(places) for frame in whole.feed(data[start:end])]


def read_byte_by_byte(data: bytes, limit: int = f.MAX_FRAME) -> Read:
    """Read the data one byte at a time."""
    return read_in_pieces(data, list(range(len(data))), limit)


def code(line: bytes, limit: int = f.MAX_FRAME) -> str:
    """Return the code with which the one line is refused, whole and byte by byte."""
    (bad,) = read(line + b"\n", limit)
    assert isinstance(bad, BadFrame)
    assert read_byte_by_byte(line + b"\n", limit) == [bad]
    return bad.code


@given(st.lists(client_frame), st.lists(st.integers(0, 2000)))
def test_stream_cut_anywhere(frames: list[f.ClientFrame], cuts: list[int]) -> None:
    """The same frames come out in order, wherever the network cuts the stream."""
    data = b"".join(map(encode, frames))
    assert read_in_pieces(data, cuts) == read(data) == frames


@given(st.lists(server_frame), st.lists(st.integers(0, 2000)))
def test_client_stream_cut_anywhere(frames: list[f.ServerFrame], cuts: list[int]) -> None:
    """The server's frames survive any cut, too."""
    data = b"".join(map(encode, frames))
    whole = FrameReader[f.ServerFrame](server_frames())
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    assert [frame for start, end in pairwise(places) for frame in whole.feed(data[start:end])] == frames


@given(st.lists(client_frame.map(lambda frame: encode(frame)[:-1]) | _garbage))
@example([b"[" * 100, PING, b"x" * LIMIT, PING])
def test_byte_by_byte(lines: list[bytes]) -> None:
    """Valid lines and garbage give the same frames and errors, whole or byte by byte."""
    data = b"".join(line + b"\n" for line in lines)
    for limit in (LIMIT, f.MAX_FRAME):
        assert read_byte_by_byte(data, limit) == read(data, limit)
    assert len(read(data)) == len(lines)


@given(st.lists(st.binary(max_size=200)))
def test_any_bytes(chunks: list[bytes]) -> None:
    """No input raises, and no more than one line is buffered."""
    careful = reader(LIMIT)
    for chunk in chunks:
        careful.feed(chunk)
        assert len(careful._partial or b"") < LIMIT
    careful.feed(b"\n")
    assert careful.feed(PING + b"\n") == [f.Ping()]


def test_endless_line() -> None:
    """Of sixteen megabytes without a newline less than 64 KiB stay in memory."""
    careful, chunk = reader(), b"x" * 2**16
    tracemalloc.start()
    try:
        complaints = [bad for _ in range(256) for bad in careful.feed(chunk)]
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(complaints) == 1
    assert kept < 2**16
    assert peak < 2**19


@pytest.mark.parametrize("bad", GARBAGE)
@pytest.mark.parametrize("cuts", [[], [5], list(range(400))])
def test_bad_line_between_good_ones(bad: bytes, cuts: list[int]) -> None:
    """A bad line gives one error in its place, and its neighbours are read."""
    before, complaint, after = read_in_pieces(PING + b"\n" + bad + b'\n{"t":"who"}\n', cuts)
    assert (before, after) == (f.Ping(), f.Who())
    assert isinstance(complaint, BadFrame)


@pytest.mark.parametrize("cuts", [[], [1], [LIMIT - 1], [LIMIT], [LIMIT + 1], [10 * LIMIT], list(range(900))])
def test_long_line_is_reported_once(cuts: list[int]) -> None:
    """A line that is too long gives one error with the limit, however it arrives, and the next line is read."""
    data = b"x" * 10 * LIMIT + b"\n" + PING + b"\n"
    complaint = BadFrame(codes.FRAME_TOO_LONG, f"A frame may be {LIMIT} bytes long; this one is longer.")
    assert read_in_pieces(data, cuts, LIMIT) == [complaint, f.Ping()]


def test_long_line_is_reported_early() -> None:
    """The error comes as soon as the limit is passed, and not again at the end of the line."""
    impatient = reader(LIMIT)
    assert impatient.feed(b"x" * (LIMIT - 1)) == []
    assert [bad.code for bad in impatient.feed(b"x") if isinstance(bad, BadFrame)] == [codes.FRAME_TOO_LONG]
    assert impatient.feed(b"x" * 1000) == []
    assert impatient.feed(b"xx\n" + PING + b"\n") == [f.Ping()]


@pytest.mark.parametrize("limit", [LIMIT, 1000, f.MAX_FRAME])
def test_limit_counts_the_newline(limit: int) -> None:
    """A line of exactly the limit with its newline is a frame; one more byte is too long."""
    fits = PING + b" " * (limit - len(PING) - 1)
    assert read(fits + b"\n", limit) == read_byte_by_byte(fits + b"\n", limit) == [f.Ping()]
    assert code(fits + b" ", limit) == codes.FRAME_TOO_LONG


def test_limit_is_per_line() -> None:
    """Many frames that arrive at once may be longer than the limit of a line."""
    assert read((PING + b"\n") * 100, LIMIT) == [f.Ping()] * 100


@pytest.mark.parametrize(
    "line",
    [
        b"hello",
        b'{"t":"ping"',
        b'{"t":"ping",}',
        b"{'t':'ping'}",
        b'\xef\xbb\xbf{"t":"ping"}',
        b'{"t":"ack","seq":NaN}',
        b'{"t":"ack","seq":01}',
        b'{"t":"who"}x',
        b"null",
        b"7",
        b'"ping"',
        b"[]",
        b'[{"t":"ping"}]',
        b'{"t":"send","id":"1","to":"bob","text":"a\x00b"}',
        b'{"t":"send","id":"1","to":"bob","text":"a\tb"}',
    ],
)
def test_malformed(line: bytes) -> None:
    """Anything but one strict JSON object on a line is malformed."""
    assert code(line) == codes.MALFORMED


@pytest.mark.parametrize(
    "text",
    [b"\xff", b"\xc3", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\\ud800", b"\\udc00\\ud800"],
    ids=["no byte of UTF-8", "cut off", "overlong", "surrogate", "beyond Unicode", "lone escape", "wrong order"],
)
def test_not_utf_8(text: bytes) -> None:
    """Text that cannot be stored and sent on as UTF-8 is malformed."""
    assert code(b'{"t":"send","id":"1","to":"bob","text":"' + text + b'"}') == codes.MALFORMED


@pytest.mark.parametrize(
    "line",
    [b"[" * 60_000, b"{" * 60_000, b'{"a":' * 12_000, b'{"t":"ping","x":' + b"[" * 30_000 + b"]" * 30_000 + b"}"],
    ids=["brackets", "braces", "objects", "an unknown field"],
)
def test_deep_nesting(line: bytes) -> None:
    """A line of nothing but brackets neither raises nor ends the process."""
    (bad,) = read(line + b"\n")
    assert isinstance(bad, BadFrame)
    assert bad.code == codes.MALFORMED


@pytest.mark.parametrize("line", [b"{}", b'{"t":5}', b'{"t":null}', b'{"t":["ping"]}', b'{"n":1}', b'{"T":"ping"}'])
def test_no_tag(line: bytes) -> None:
    """The error for an object without a string as its tag has an example."""
    (bad,) = read(line + b"\n")
    assert isinstance(bad, BadFrame)
    assert bad[:2] == (codes.UNKNOWN_TAG, 'A frame is tagged by a string, as in {"t":"ping"}.')


@pytest.mark.parametrize("tag", ["nope", "PING", "", "welcome", "x" * 1000, "\\u001b[31m"])
def test_unknown_tag(tag: str) -> None:
    """The error repeats an unknown tag, or one of the other direction, shortened and made printable."""
    (bad,) = read(b'{"t":"' + tag.encode() + b'"}\n')
    assert isinstance(bad, BadFrame)
    assert bad.code == codes.UNKNOWN_TAG
    assert tag.replace("\\u001b", "\\x1b")[:40] in bad.text
    assert len(bad.text) < 100
    assert bad.text.isprintable()


@pytest.mark.parametrize(
    ("line", "field"),
    [
        (b'{"t":"ack"}', "seq"),
        (b'{"t":"ack","seq":-1}', "seq"),
        (b'{"t":"ack","seq":9223372036854775808}', "seq"),
        (b'{"t":"ack","seq":18446744073709551616}', "seq"),
        (b'{"t":"ack","seq":1' + b"0" * 400 + b"}", "seq"),
        (b'{"t":"ack","seq":1.5}', "seq"),
        (b'{"t":"ack","seq":"1"}', "seq"),
        (b'{"t":"ack","seq":true}', "seq"),
        (b'{"t":"ack","seq":null}', "seq"),
        (b'{"t":"who","n":-1}', "n"),
        (b'{"t":"ping","n":9007199254740992}', "n"),
        (b'{"t":"send","id":"1","text":"hi"}', "to"),
        (b'{"t":"send","id":"1","to":7,"text":"hi"}', "to"),
        (b'{"t":"send","id":{"t":"ping"},"to":"bob","text":"hi"}', "id"),
        (b'{"t":"hello"}', "version"),
        (b'{"t":"hello","version":1,"purpose":"rule"}', "purpose"),
        (b'{"t":"hello","version":1,"since":-1}', "since"),
    ],
)
def test_missing_or_wrong_field(line: bytes, field: str) -> None:
    """The error for a known frame with a wrong field names the frame and the field."""
    (bad,) = read(line + b"\n")
    assert isinstance(bad, BadFrame)
    assert code(line) == codes.INVALID
    assert field in bad.text
    assert repr(line.split(b'"')[3].decode()) in bad.text


@pytest.mark.parametrize("seq", [0, 1, 2**53 - 1])
def test_seq_has_53_bits(seq: int) -> None:
    """Each possible place in the log is read exactly."""
    assert read(b'{"t":"ack","seq":%d}\n' % seq) == [f.Ack(seq)]


@pytest.mark.parametrize("between", [b"", b" ", b",", b"\t", b"\r"])
def test_two_objects_on_one_line(between: bytes) -> None:
    """Two objects on a line are malformed, alone and among other lines."""
    line = PING + between + PING
    assert code(line) == codes.MALFORMED
    _, bad, _ = read(PING + b"\n" + line + b"\n" + PING + b"\n")
    assert isinstance(bad, BadFrame)


def test_one_object_on_two_lines() -> None:
    """A newline ends a frame even where JSON would allow it."""
    assert [type(frame) for frame in read(b'{"t":\n"ping"}\n')] == [BadFrame, BadFrame]


@pytest.mark.parametrize("blank", [b"\n", b"\r\n", b" \t\n", b"\n\n\n"])
def test_blank_lines(blank: bytes) -> None:
    """Blank lines are ignored, because people who type the protocol press Enter once more."""
    data = blank + PING + b"\n" + blank + PING + b"\n" + blank
    assert read(data) == read_byte_by_byte(data) == [f.Ping(), f.Ping()]


@pytest.mark.parametrize("line", [b'{"t":"ping"}\r\n', b' { "t" : "ping" } \n', b'{"n":0,"t":"ping"}\n'])
def test_lenient_json(line: bytes) -> None:
    """White space, the order of fields and a carriage return at the end do not matter."""
    assert read(line) == [f.Ping()]


def test_unfinished_line() -> None:
    """A line without its newline is not a frame yet."""
    patient = reader()
    assert patient.feed(b"") == patient.feed(PING) == patient.feed(b"") == []
    assert patient.feed(b"\n") == [f.Ping()]


@pytest.mark.parametrize(
    "data",
    [
        PING + PING + b"\n\n",
        PING + b" " + PING + b"\n\n",
        b'{"t":\n"ping"}' + PING + b"\n",
        PING + PING + b'\n{"t":"ping","x":\n{}}\n',
        PING + PING + b'\n{"t":"ping","x":[{},\n{}]}\n',
        b" " * 300 + b"\n",
    ],
)
def test_white_space_is_no_line_end(data: bytes) -> None:
    """White space in place of a missing line end does not change how lines are cut."""
    assert read(data, LIMIT) == read_byte_by_byte(data, LIMIT)
    assert any(isinstance(frame, BadFrame) for frame in read(data, LIMIT))


def test_error_is_short() -> None:
    """The error for a long bad line is short."""
    (frame,) = read(b'{"t":"ping","n":"x","t":"' + b"z" * 60_000 + b'"}\n')
    assert isinstance(frame, BadFrame)
    assert len(frame.text) < 400
