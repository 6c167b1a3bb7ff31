"""Addresses of servers and their spellings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcli.errors import InputError
from chatcli.protocol.values.address import (
    DEFAULT_HOST,
    DEFAULT_PORT,
    Address,
    canonical,
    is_loopback,
    other_spellings,
    parse_address,
)


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:9000", "127.0.0.1", 9000),
        ("chat.example.org", "chat.example.org", DEFAULT_PORT),
        ("localhost:1", "localhost", 1),
        ("localhost:65535", "localhost", 65535),
        ("localhost:0080", "localhost", 80),
        ("localhost:", "localhost", DEFAULT_PORT),
        ("  localhost:80\n", "localhost", 80),
        ("::1", "::1", DEFAULT_PORT),
        ("fe80::1%eth0", "fe80::1%eth0", DEFAULT_PORT),
        ("[::1]", "::1", DEFAULT_PORT),
        ("[::1]:", "::1", DEFAULT_PORT),
        ("[::1]:9000", "::1", 9000),
    ],
)
def test_host_and_port(text: str, host: str, port: int) -> None:
    """Names, IPv4 and IPv6 are read, with the default port where none is given."""
    assert parse_address(text) == Address(host, port)


@pytest.mark.parametrize(
    ("spellings", "host"),
    [
        (["chat.test", "chat.test.", "CHAT.Test", "Chat.TEST."], "chat.test"),
        (
            [
                "münchen.example",
                "MÜNCHEN.Example",
                "xn--mnchen-3ya.example",
                "XN--MNCHEN-3YA.EXAMPLE.",
                "münchen。example",
            ],
            "xn--mnchen-3ya.example",
        ),
        (["::1", "0:0:0:0:0:0:0:1", "[0000:0::0001]", "::0.0.0.1", "::1%lo"], "::1"),
        (["2001:DB8::A", "2001:0db8:0:0::000a"], "2001:db8::a"),
        (["fe80::1%eth0", "FE80:0::1%eth0"], "fe80::1%eth0"),
        (["10.0.0.7", "10.0.0.7.", "10.7", "0xa.0.0.7", "167772167", "012.0.0.007", "::ffff:10.0.0.7"], "10.0.0.7"),
        (["localhost", "LocalHost", "localhost."], "localhost"),
        (["300.1.1.1"], "300.1.1.1"),
        (["1.2.3.4.5"], "1.2.3.4.5"),
        (["09.1.1.1"], "09.1.1.1"),
        (["4chan.example"], "4chan.example"),
        (["fe80::1%Eth0"], "fe80::1%Eth0"),
    ],
)
def test_one_spelling_per_host(spellings: list[str], host: str) -> None:
    """All spellings of a host become one; each network interface is a host of its own."""
    assert {parse_address(spelling) for spelling in spellings} == {Address(host, DEFAULT_PORT)}
    bracketed = f"[{host}]" if ":" in host else host
    assert parse_address(f"{bracketed}:{DEFAULT_PORT}") == parse_address(spellings[-1])


@pytest.mark.parametrize(
    ("host", "others"),
    [
        ("chat.test", {"chat.test."}),
        ("xn--mnchen-3ya.example", {"münchen.example", "münchen.example.", "xn--mnchen-3ya.example."}),
        ("::1", {"0:0:0:0:0:0:0:1", "0000:0000:0000:0000:0000:0000:0000:0001"}),
        ("fe80::1%eth0", {"fe80:0:0:0:0:0:0:1%eth0", "fe80:0000:0000:0000:0000:0000:0000:0001%eth0"}),
        ("10.0.0.7", {"::ffff:10.0.0.7"}),
    ],
)
def test_other_spellings(host: str, others: set[str]) -> None:
    """The other spellings of a host are known, so that entries under them are found."""
    spelled = other_spellings(Address(host, 7))
    assert {address.host for address in spelled} == others
    assert all(canonical(address) == Address(host, 7) for address in spelled)


@pytest.mark.parametrize("host", ["a..b", "chat..", ".", "..", "x" * 64, "a." * 127 + "a", "\u3002"])
def test_impossible_hosts_are_refused(host: str) -> None:
    """An impossible host is refused before a lookup."""
    with pytest.raises(InputError, match="is not an address"):
        parse_address(host)
    assert canonical(Address(host, 1)) == Address(host, 1)


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=40))
def test_spelling_is_stable(text: str) -> None:
    """Normalising a host again changes nothing, and no other exception is raised."""
    try:
        address = parse_address(text)
    except InputError:
        return
    assert canonical(address) == address
    assert parse_address(str(address)) == address


def test_default_port() -> None:
    """The caller may give another default port."""
    assert parse_address(DEFAULT_HOST, default_port=7) == Address(DEFAULT_HOST, 7)
    assert parse_address("[::1]", default_port=7) == Address("::1", 7)


@pytest.mark.parametrize(
    "text",
    ["", "  ", ":80", "[]", "[]:80", "a b", "a b:80", "[a b]:80", "[::1", "[::1]80", "[%:a]", "a:b:c", "h%a", "h?a"],
)
def test_refused_with_an_example(text: str) -> None:
    """The sentence repeats the input and shows how an address is written."""
    with pytest.raises(InputError, match=r"is not an address(; | \(it ).*:8080") as caught:
        parse_address(text)
    assert f'"{text.strip()}"' in str(caught.value)


@pytest.mark.parametrize(
    "port",
    [
        "0",
        "65536",
        "99999999",
        "9" * 5000,
        "0000070000",
        "000001" + "0" * 5000,
        "-1",
        "+1",
        "8o",
        "8.0",
        " 80",
        "1_0",
        "٨٠",
        "²",
    ],
)
@pytest.mark.parametrize("host", ["localhost", "[::1]"])
def test_port_range(host: str, port: str) -> None:
    """A port outside 1 to 65535 is refused with the range."""
    with pytest.raises(InputError, match="is not a port; a port is a number from 1 to 65535"):
        parse_address(f"{host}:{port}")


@pytest.mark.parametrize(
    ("spellings", "canonical_one"),
    [
        (["https://chat.test", "HTTPS://Chat.Test.:443/", "https://chat.test//"], "https://chat.test"),
        (["http://10.7", "http://10.0.0.7:80/"], "http://10.0.0.7"),
        (["https://[::1]:8443/a/B/", " https://[0::1]:8443/a/B "], "https://[::1]:8443/a/B"),
        (
            ["https://münchen.example/ü", "https://xn--mnchen-3ya.example/%c3%bc"],
            "https://xn--mnchen-3ya.example/%C3%BC",
        ),
        (["https://h/~al/x:1@2"], "https://h/~al/x:1@2"),
    ],
)
def test_addresses_with_a_scheme(spellings: list[str], canonical_one: str) -> None:
    """All spellings become one; letters of a path keep their case."""
    for spelling in spellings:
        address = parse_address(spelling, 7)
        assert str(address) == canonical_one
        assert canonical(address) == parse_address(str(address)) == address
        assert address.key == canonical_one


def test_addresses_with_and_without_a_scheme_differ() -> None:
    """A tunnel is another address than the server's own port, and so is each path."""
    texts = ["h:443", "https://h", "https://h:80", "http://h", "https://h/a", "https://h/A"]
    assert len({parse_address(text) for text in texts}) == len({parse_address(text).key for text in texts}) == 6
    assert other_spellings(parse_address("https://h/a")) == [Address("h.", 443, "https", "/a")]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("ftp://h", "write HOST:PORT, or https://HOST"),
        ("wss://h", "write HOST:PORT, or https://HOST"),
        ("https://al@h", "An address has no user name: write https://h, and who you are with --user"),
        ("https://al:secret@h:1/x", "An address has no user name: write https://h:1,"),
        ("https://al:secret@h?a=b", "write https://h, and who"),
        ("https://al:secret@h#b", "write https://h, and who"),
        ("https://al:secret/secret@h/x", "write https://h, and who"),
        ("ftp://al:secret@h", "write h, and who"),
        ("al:secret@h:1", "write h:1, and who"),
        ("https://https://h", "write https://HOST"),
        ("https://h/-/ws", "adds /-/ws itself: write https://h\\."),
        ("https://h/a/-/ws/", "adds /-/ws itself: write https://h/a\\."),
        ("https://h/a/%2e%2E/b", 'has "." or ".." for a part'),
        ("https://h?a=b", 'leave out what begins with "?"'),
        ("https://h/a#b", 'leave out what begins with "\\?" or "#"'),
        ("https://", "write https://HOST"),
        ("http:///a", "write http://HOST"),
        ("https://h:0", "is not a port"),
        ("https://a..b", "is not an address"),
        ("https://h/a b", "a character that must be written"),
        ("https://h/%zz", "a character that must be written"),
        ("https://h/a\\b", "a character that must be written"),
        ("https://h/a/../b", 'has "." or ".." for a part'),
        ("https://h/" + "a" * 2000, "too long"),
    ],
)
def test_other_urls_are_refused(text: str, sentence: str) -> None:
    """The sentence says what an address has no room for, and repeats no password."""
    with pytest.raises(InputError, match=sentence) as caught:
        parse_address(text)
    assert "secret" not in str(caught.value)


@given(st.sampled_from(["https://", "http://"]), st.text(st.characters(codec="utf-8"), max_size=40))
def test_urls_are_stable(scheme: str, rest: str) -> None:
    """Whatever is read is canonical, fits on one word of a line, and reads back as itself."""
    try:
        address = parse_address(scheme + rest)
    except InputError:
        return
    assert parse_address(str(address)) == canonical(address) == address
    assert str(address).split() == [str(address)]


@given(
    st.sampled_from(["localhost", "10.0.0.7", "::1", "2001:db8::7", "chat.example.org"]),
    st.integers(1, 65535),
)
def test_round_trip(host: str, port: int) -> None:
    """``str()`` of an address reads back as that address."""
    address = Address(host, port)
    assert parse_address(str(address)) == address


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("127.0.0.1", True),
        ("127.255.255.254", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("::ffff:127.9.9.9", True),
        ("128.0.0.1", False),
        ("126.255.255.255", False),
        ("0.0.0.0", False),
        ("::", False),
        ("::2", False),
        ("::ffff:192.0.2.1", False),
        ("::127.0.0.1", False),
        ("fe80::1%eth0", False),
        ("192.168.127.1", False),
        ("127.0.0.1.example.org", False),
        ("localhost", False),
        ("", False),
    ],
)
def test_loopback(host: str, own: bool) -> None:
    """Only 127.0.0.0/8 and ::1 are loopback, in any spelling; no name is, whatever it resolves to."""
    assert is_loopback(host) is own
