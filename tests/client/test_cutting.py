"""Lines out of a stream of bytes."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcli.client.cutting import Cutter


def texts(*chunks: bytes, text: int = 100, frame: int = 2000) -> list[str]:
    """Return what becomes of some bytes, the last of which are the end."""
    cutter = Cutter()
    cutter.limit(text, frame)
    found = []
    for chunk in (*chunks, b""):
        cutter.feed(chunk)
        if not chunk:
            cutter.end()
        while (one := cutter.take()) is not None:
            found.append(one)
    return found


def test_each_line_is_a_text() -> None:
    """However the bytes come; the last one needs no newline, and what shows nothing is passed over."""
    assert texts(b"one\n\n  \n two ", b"and a ha", b"lf\r\nthr\xc3", b"\xa9e") == ["one", " two and a half", "thrée"]


def test_a_line_that_is_too_long_comes_in_parts() -> None:
    """They end behind a space where one is near, else between two characters; together they are the line."""
    line = "word " * 50 + "é" * 120
    parts = texts(line.encode() + b"\nnext\n")
    assert "".join(parts[:-1]) == line
    assert parts[-1] == "next"
    assert all(len(part.encode()) <= 100 for part in parts)
    assert all(part.endswith(" ") for part in parts[:2])


def test_a_line_without_end_is_not_kept() -> None:
    """Parts of it come out as soon as they are long enough."""
    cutter = Cutter()
    cutter.limit(100, 2000)
    cutter.feed(b"x" * 101)
    assert cutter.take() == "x" * 100
    assert cutter.take() is None


def test_what_json_makes_longer_still_fits_into_a_frame() -> None:
    """A line of escape sequences takes six times as much there."""
    parts = texts(b"\x1b" * 900, text=1000, frame=2000)
    assert "".join(parts) == "\x1b" * 900
    assert all(len(msgspec.json.encode(part)) <= 1000 for part in parts)


def test_what_is_no_text_is_replaced() -> None:
    """And it is known that it was."""
    cutter = Cutter()
    cutter.feed(b"fine\nb\xffd\n")
    assert cutter.take() == "fine"
    assert not cutter.replaced
    assert cutter.take() == "b\ufffdd"
    assert cutter.replaced


@given(st.binary(max_size=600), st.integers(1, 600))
def test_nothing_is_lost_and_nothing_is_too_long(data: bytes, at: int) -> None:
    """Of whatever bytes, cut wherever they are."""
    parts = texts(*filter(None, (data[:at], data[at:])))
    seen = "".join("".join(parts).split())
    assert all(len(part.encode()) <= 100 and not part.isspace() for part in parts)
    if data.isascii():
        assert seen == "".join(data.decode().split())


@given(st.text(st.sampled_from("a €😀\x1b"), max_size=40), st.integers(1, 12), st.integers(1, 1100))
def test_a_limit_that_no_character_keeps_is_for_the_server_to_tell(line: str, text: int, frame: int) -> None:
    """It comes to an end; what does not fit is one character alone."""
    parts = texts(line.encode(), text=text, frame=frame)
    assert "".join("".join(parts).split()) == "".join(line.split())
    assert all(len(part) == 1 or len(part.encode()) <= text for part in parts)


@pytest.mark.parametrize("byte", [b"\x80", b"\xff", b"\xf0"])
def test_bytes_that_are_no_characters_come_to_an_end(byte: bytes) -> None:
    """However many there are."""
    assert "".join(texts(byte * 500)).strip("\ufffd") == ""
