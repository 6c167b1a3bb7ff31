"""Where a server is: the ways to write it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcli.errors import InputError
from chatcli.protocol.address import DEFAULT_HOST, DEFAULT_PORT, Address, is_loopback, parse_address


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
