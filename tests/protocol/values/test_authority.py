"""Hosts and ports of headers, and as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcli.errors import InputError
from chatcli.protocol.values.authority import Authority, is_ip, parse_authority, parse_web_name


@pytest.mark.parametrize(
    ("text", "authority"),
    [
        ("lab", Authority("lab", None)),
        ("Lab.", Authority("lab", None)),
        ("lab:80", Authority("lab", 80)),
        ("x_y.lab:65535", Authority("x_y.lab", 65535)),
        ("192.0.2.7", Authority("192.0.2.7", None)),
        ("192.0.2.7.:1", Authority("192.0.2.7", 1)),
        ("[0:0::1]:80", Authority("::1", 80)),
        ("[2001:DB8::1]", Authority("2001:db8::1", None)),
        ("[::ffff:192.0.2.7]", Authority("192.0.2.7", None)),
    ],
)
def test_authorities(text: str, authority: Authority) -> None:
    """Each host has one spelling, whatever the case, and with a dot at the end, or as an IPv4 address in IPv6."""
    assert parse_authority(text) == authority


@pytest.mark.parametrize(
    "text",
    [
        # none, or several
        "", " ", "lab lab", "lab,lab", "lab, evil.example", "lab;evil", "lab\tlab", "lab\r\nHost: x", "lab\n", "lab\0",
        " lab", "lab ",
        # more than a host and a port
        "user@lab", "user:secret@lab", "@lab", "lab@evil.example", "lab/", "lab/path", "lab?x", "lab#x", "//lab",
        "http://lab", "lab\\evil",
        # ports that are none
        "lab:", "lab:0", "lab:65536", "lab:99999", "lab:123456", "lab:http", "lab:-1", "lab:+80", "lab: 80",
        "lab:80:80", "lab:８０", "127.0.0.1:", ":8080", ":",
        # names that are none
        ".", "..", ".lab", "lab..", "a..lab", "-", "-a", "a-.lab", "a" * 64, "a." * 128, "*", "*.lab", "%6cab", "l%61b",
        "ﬂab", "LAB\u0301", "localho\u017ft", "\u212aocal", "ｌａｂ", "bücher.example",
        # addresses that are none, or not of a header
        "127.0.0.1..", "::1", "::1:8080", "[::1", "::1]", "[]", "[]:80", "[::1]x", "[::1].", "[::1]:", "[127.0.0.1]",
        "[lab]", "[::g]", "[::1%lo]", "[fe80::1%25eth0]", "[v1.x]", "[:::1]", "[::1]]", "[[::1]]",
    ],
)  # fmt: skip
def test_no_authorities(text: str) -> None:
    """What is not exactly one host, and one port at most, is none."""
    assert parse_authority(text) is None


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::1", "2001:db8::1"])
def test_addresses(host: str) -> None:
    """The usual spellings."""
    assert is_ip(host)


@pytest.mark.parametrize(
    "host", ["127.1", "2130706433", "0x7f.0.0.1", "127.0.0.256", "127.0.0.01", "1.2.3.4.5", "fe80::1%eth0", "lab", ""]
)
def test_no_addresses(host: str) -> None:
    """Spellings that only some read as an address."""
    assert not is_ip(host)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("chat.example", "chat.example"),
        (" Chat.Example. ", "chat.example"),
        ("chat.example:443", "chat.example:443"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("[2001:DB8::1]:80", "[2001:db8::1]:80"),
        ("192.0.2.7", "192.0.2.7"),
        ("web_1", "web_1"),
    ],
)
def test_written_names(text: str, name: str) -> None:
    """A name that a person writes has one spelling, in ASCII."""
    assert str(parse_web_name(text)) == name


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "https://chat.example", "chat.example/", "me@chat.example", "*.example", "chat.example:", "chat:0",
        "chat:65536", "chat:http", "::1", "[::1", "[x]", "a b", "a,b", "-", "chat.example:80:80", "\x1b[31m",
        "[::1%lo]",
    ],
)  # fmt: skip
def test_written_names_that_are_none(text: str) -> None:
    """The sentence says how to write one, and repeats no escape sequences."""
    with pytest.raises(InputError, match="write NAME or NAME:PORT") as raised:
        parse_web_name(text)
    assert str(raised.value).isprintable()


@given(st.text() | st.from_regex(r"[a-zA-Z_.:\[\]0-9-]{0,20}(\.localhost|lab|:8080)?", fullmatch=True))
def test_canonical_spelling_is_stable(text: str) -> None:
    """An accepted host, written as it was understood, is understood alike."""
    authority = parse_authority(text)
    assert authority is None or parse_authority(str(authority)) == authority
