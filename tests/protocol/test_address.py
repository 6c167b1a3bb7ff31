"""Where a server is: the ways to write it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcli.errors import InputError
from chatcli.protocol.address import (
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
def test_an_address_is_a_host_and_perhaps_a_port(text: str, host: str, port: int) -> None:
    """Names, IPv4 and IPv6 are read, with the usual port where none is given."""
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
def test_a_host_has_one_spelling(spellings: list[str], host: str) -> None:
    """However it is written, it is the same server; a network interface is a name of its own."""
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
def test_the_other_spellings_of_a_host_are_known(host: str, others: set[str]) -> None:
    """So that what was kept under one of them is found."""
    spelled = other_spellings(Address(host, 7))
    assert {address.host for address in spelled} == others
    assert all(canonical(address) == Address(host, 7) for address in spelled)


@pytest.mark.parametrize("host", ["a..b", "chat..", ".", "..", "x" * 64, "a." * 127 + "a", "\u3002"])
def test_what_no_host_is_called_is_refused(host: str) -> None:
    """Before anything is looked up."""
    with pytest.raises(InputError, match="is not an address"):
        parse_address(host)
    assert canonical(Address(host, 1)) == Address(host, 1)


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=40))
def test_the_one_spelling_is_its_own(text: str) -> None:
    """Whatever was written, what comes of it is read as itself; nothing but the exception is raised."""
    try:
        address = parse_address(text)
    except InputError:
        return
    assert canonical(address) == address
    assert parse_address(str(address)) == address


def test_the_port_that_is_meant_may_be_another_one() -> None:
    """The caller says which port is meant where none is written."""
    assert parse_address(DEFAULT_HOST, default_port=7) == Address(DEFAULT_HOST, 7)
    assert parse_address("[::1]", default_port=7) == Address("::1", 7)


@pytest.mark.parametrize("text", ["", "  ", ":80", "[]", "[]:80", "a b", "a b:80", "[a b]:80", "[::1", "[::1]80"])
def test_what_is_no_address_is_refused_with_an_example(text: str) -> None:
    """The sentence repeats what was given and shows how an address is written."""
    with pytest.raises(InputError, match=r"is not an address; .*:8080") as caught:
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
def test_a_port_is_a_number_from_1_to_65535(host: str, port: str) -> None:
    """Anything else behind the colon is refused with the range."""
    with pytest.raises(InputError, match="is not a port; a port is a number from 1 to 65535"):
        parse_address(f"{host}:{port}")


@given(
    st.sampled_from(["localhost", "10.0.0.7", "::1", "2001:db8::7", "chat.example.org"]),
    st.integers(1, 65535),
)
def test_an_address_reads_back_as_it_is_shown(host: str, port: int) -> None:
    """What ``str()`` makes of an address is that address again."""
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
def test_only_loopback_addresses_are_the_machines_own(host: str, own: bool) -> None:
    """127.0.0.0/8 and ::1, however they are written; no name is, whoever answers for it."""
    assert is_loopback(host) is own
