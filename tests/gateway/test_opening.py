"""Protocols by the first word of a caller."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcli.gateway import opening
from chatcli.gateway.opening import ENOUGH, Dialect, dialect

WORDS = [*opening._HTTP, *opening._IRC, opening._HTTP2, opening._SSH]


@pytest.mark.parametrize(
    ("data", "spoken"),
    [
        (b"\x16\x03\x01", Dialect.TLS),
        (b"{", Dialect.LINES),
        (b" ", Dialect.LINES),
        (b"\t{", Dialect.LINES),
        (b"\r\n", Dialect.LINES),
        (b"GET / HTTP/1.1\r\n", Dialect.HTTP),
        (b"PATCH /x HTTP/1.1\r\n", Dialect.HTTP),
        (b"POST /hook HTTP/1.1\r\n", Dialect.HTTP),
        (b"TRACE / HTTP/1.1\r\n", Dialect.HTTP),
        (b"CONNECT x:80 HTTP/1.1\r\n", Dialect.HTTP),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Dialect.HTTP2),
        (b"PRI * HTTP/3.0\r\n", Dialect.UNKNOWN),
        (b"CAP LS 302\r\n", Dialect.IRC),
        (b"nick alice\r\n", Dialect.IRC),
        (b"Quit\n", Dialect.IRC),
        (b"QUIT\r\n", Dialect.IRC),
        (b"PASS secret\r\n", Dialect.IRC),
        (b"AUTHENTICATE PLAIN\r\n", Dialect.IRC),
        (b":alice NICK bob\r\n", Dialect.IRC),
        (b"@time=x PING\r\n", Dialect.IRC),
        (b"SSH-2.0-OpenSSH_9.2\r\n", Dialect.SSH),
        (b"get / HTTP/1.1\r\n", Dialect.UNKNOWN),
        (b"CAPITAL", Dialect.UNKNOWN),
        (b"trace me\r\n", Dialect.UNKNOWN),
        (b"hello\n", Dialect.UNKNOWN),
        (b"\x00", Dialect.UNKNOWN),
        (b"[]", Dialect.UNKNOWN),
        (b"", None),
        (b"P", None),
        (b"PA", None),
        (b"GET", None),
        (b"quit", None),
        (b"PRI * HTTP/2", None),
        (b"SSH", None),
    ],
)
def test_dialects(data: bytes, spoken: Dialect | None) -> None:
    """A word counts in the case that its protocol allows, and once nothing can follow that changes it."""
    assert dialect(data) == spoken


def test_enough() -> None:
    """No word is longer than what is looked at."""
    assert max(map(len, WORDS)) <= ENOUGH


begun = st.one_of(
    st.binary(),
    st.builds(bytes.__add__, st.sampled_from(WORDS), st.binary()),
    st.sampled_from(WORDS).map(bytes.lower),
    st.sampled_from(WORDS).flatmap(lambda word: st.integers(0, len(word)).map(lambda size: word[:size])),
)


@given(begun)
def test_more_bytes_change_nothing(data: bytes) -> None:
    """However the bytes are cut, the answer is None until it is the final one, and sixteen of them are enough."""
    answers = [dialect(data[:size]) for size in range(len(data) + 1)]
    known = [answer for answer in answers if answer is not None]
    assert set(known) == set(known[-1:])
    assert answers == [None] * (len(answers) - len(known)) + known
    assert dialect(data + b"\x00" * ENOUGH) is not None
    assert dialect(data[:ENOUGH] + b"\x00" * ENOUGH) == dialect(data + b"\x00" * ENOUGH)
