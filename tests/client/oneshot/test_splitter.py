"""Splitting a stream of bytes into lines."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcli.client.oneshot.splitter import Line, LineSplitter


def lines(*chunks: bytes, text: int = 100, frame: int = 2000) -> list[Line]:
    """Return the lines of some bytes up to the end of the input."""
    splitter = LineSplitter()
    splitter.set_limits(text, frame)
    found = []
    for chunk in (*chunks, b""):
        splitter.feed(chunk)
        if not chunk:
            splitter.end()
        while (one := splitter.next_line()) is not None:
            found.append(one)
    return found


def test_lines() -> None:
    """However the bytes come, each line is a text; the last needs no newline, and blank ones are only counted."""
    found = lines(b"one\n\n  \n two ", b"and a ha", b"lf\r\nthr\xc3", b"\xa9e")
    assert [(line.number, line.text) for line in found] == [(1, "one"), (4, " two and a half"), (5, "thrée")]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""])
def test_overlong_line(end: bytes) -> None:
    """The first byte too many makes it overlong; the next line is a normal one."""
    assert lines(b"x" * 100 + end) == [Line(1, "x" * 100, 100)]
    assert lines(b"x" * 101 + end) == [Line(1, None, 101)]
    if end:
        assert lines(b"x" * 101 + end + b"next") == [Line(1, None, 101), Line(2, "next", 4)]


def test_line_without_end() -> None:
    """Only its length is kept."""
    splitter = LineSplitter()
    splitter.set_limits(100, 2000)
    for _ in range(1000):
        splitter.feed(b"x" * 1000)
        assert splitter.next_line() is None
        assert len(splitter) <= 101
    splitter.feed(b"x\nshort\n")
    assert [splitter.next_line() for _ in range(3)] == [
        Line(1, None, 1_000_001),
        Line(2, "short", 5),
        None,
    ]


def test_blanks() -> None:
    """A line of blanks is skipped, unless it is too long."""
    assert lines(b" " * 90 + b"\n\t\r\n\x0b\n") == []
    assert lines(*[b" " * 90] * 3) == [Line(1, None, 270)]


def test_json_escapes() -> None:
    """A line whose escapes make its frame too long is overlong."""
    fits, not_any_more = lines(b"\x1b" * 150 + b"\n" + b"\x1b" * 170, text=1000, frame=2000)
    assert (fits.text, not_any_more.text) == ("\x1b" * 150, None)


def test_control_characters() -> None:
    """NUL and others are sent unchanged; they are made harmless on display."""
    assert [line.text for line in lines(b"a\0b\n\x1b[31m\n\0\n")] == ["a\0b", "\x1b[31m", "\0"]


def test_invalid_utf_8() -> None:
    """It is replaced, and the replacement reported."""
    splitter = LineSplitter()
    splitter.feed(b"fine\nb\xffd\n")
    assert splitter.next_line() == Line(1, "fine", 4)
    assert not splitter.has_replaced
    assert splitter.next_line() == Line(2, "b\ufffdd", 3)
    assert splitter.has_replaced


@given(st.binary(max_size=600), st.integers(1, 600))
def test_every_line_is_accounted_for(data: bytes, at: int) -> None:
    """For any bytes and any cut, each line is a text or overlong."""
    found = lines(*filter(None, (data[:at], data[at:])))
    wanted = {number: raw.removesuffix(b"\r") for number, raw in enumerate(data.split(b"\n"), 1)}
    for line in found:
        raw = wanted.pop(line.number)
        assert line.size == len(raw)
        text = raw.decode(errors="replace")
        assert line.text in (text, None)
        assert (line.text is None) == (
            len(text.encode()) > 100 or len(raw) > 100 or len(msgspec.json.encode(text)) > 976
        )
    assert all(not raw.decode(errors="replace").strip() for raw in wanted.values())
