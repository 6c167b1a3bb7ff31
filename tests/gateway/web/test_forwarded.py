"""The address of a caller behind proxies: what is believed, and what is not."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcli.gateway.web.forwarded import caller_address

PROXIES = tuple(map(ipaddress.ip_network, ("10.0.0.0/8", "127.0.0.1/32", "2001:db8:1::/64")))


def by_list(header: str, peer: str = "10.0.0.1") -> str:
    """Return the caller of a request with ``X-Forwarded-For``."""
    return caller_address(peer, {"x-forwarded-for": header}, PROXIES)


def by_rfc(header: str, peer: str = "10.0.0.1") -> str:
    """Return the caller of a request with ``Forwarded``."""
    return caller_address(peer, {"forwarded": header}, PROXIES)


def test_proxy_on_a_socket_of_both_kinds() -> None:
    """It has its address of IPv4, written as one of IPv6."""
    assert by_list("198.51.100.7", "::ffff:10.0.0.1") == "198.51.100.7"
    assert by_list("198.51.100.7", "::ffff:192.0.2.1") == "::ffff:192.0.2.1"


@pytest.mark.parametrize("peer", ["192.0.2.1", "::1", "2001:db8:2::1", "127.0.0.2", "?", ""])
def test_only_proxies_are_believed(peer: str) -> None:
    """Anyone else may write what they like."""
    assert by_list("198.51.100.7", peer) == peer
    assert by_rfc("for=198.51.100.7", peer) == peer
    assert caller_address("127.0.0.1", {"x-forwarded-for": "198.51.100.7"}, ()) == "127.0.0.1"


@pytest.mark.parametrize("peer", ["10.0.0.1", "127.0.0.1", "::ffff:10.0.0.1", "2001:db8:1::9", "2001:db8:1::9%eth0"])
def test_spellings_of_a_proxy(peer: str) -> None:
    """A proxy is one by its address, however the system writes that."""
    assert by_list("198.51.100.7", peer) == "198.51.100.7"


@pytest.mark.parametrize(
    ("header", "caller"),
    [
        ("198.51.100.7", "198.51.100.7"),
        (" 198.51.100.7:4711 ", "198.51.100.7"),
        ("2001:DB8::7", "2001:db8::7"),
        ("[2001:db8::7]:4711", "2001:db8::7"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("127.0.0.1", "127.0.0.1"),
        # written by the caller, at the left
        ("203.0.113.1, 198.51.100.7", "198.51.100.7"),
        ("127.0.0.1, 198.51.100.7", "198.51.100.7"),
        ("nonsense, 198.51.100.7", "198.51.100.7"),
        # proxies one after the other
        ("203.0.113.1, 198.51.100.7, 10.0.0.2", "198.51.100.7"),
        ("198.51.100.7, 2001:db8:1::2,10.0.0.2", "198.51.100.7"),
        ("10.0.0.3, 10.0.0.2", "10.0.0.3"),
    ],
)
def test_lists(header: str, caller: str) -> None:
    """The last address counts that is not of a proxy."""
    assert by_list(header) == caller


@pytest.mark.parametrize(
    ("header", "caller"),
    [
        ("for=198.51.100.7", "198.51.100.7"),
        ("For=198.51.100.7;proto=https;by=10.0.0.1", "198.51.100.7"),
        ('proto=https;for="[2001:db8::7]:4711"', "2001:db8::7"),
        ('for="198.51.100.7:4711"', "198.51.100.7"),
        ("for=203.0.113.1, for=198.51.100.7;host=chat.example, for=10.0.0.2", "198.51.100.7"),
        ('for="unclosed, for=198.51.100.7', "198.51.100.7"),
    ],
)
def test_forwarded(header: str, caller: str) -> None:
    """As RFC 7239 writes it."""
    assert by_rfc(header) == caller


@pytest.mark.parametrize(
    "header",
    [
        "", ",", "unknown", "_hidden", "chat.example", "198.51.100", "198.51.100.7:0", "198.51.100.7 203.0.113.1",
        "[::1",
        "198.51.100.7,", "198.51.100.7, unknown", "198.51.100.7, unknown, 10.0.0.2", "2001:db8::7%eth0",
        # as of RFC 7239
        "for=unknown", "for=_hidden", "proto=https", "for=", 'for=""', "for=198.51.100.7;for=203.0.113.1",
        'for=198.51.100.7"', "for=198.51.100.7;", "for = 198.51.100.7", 'for=198.51.100.7;host="a, for=203.0.113.1"',
    ],
)  # fmt: skip
def test_nobody_is_named(header: str) -> None:
    """Then it is the proxy who counts."""
    assert by_list(header) == "10.0.0.1"
    assert by_rfc(header) == "10.0.0.1"


def test_two_headers() -> None:
    """A proxy that writes one of them passes on what its caller has written into the other."""
    both = {"forwarded": "for=198.51.100.7", "x-forwarded-for": "203.0.113.1"}
    assert caller_address("10.0.0.1", both, PROXIES) == "10.0.0.1"
    both["x-forwarded-for"] = "203.0.113.1, 198.51.100.7"
    assert caller_address("10.0.0.1", both, PROXIES) == "198.51.100.7"


def test_a_long_way() -> None:
    """Proxies without end are not followed."""
    assert by_list("198.51.100.7, " + ", ".join(["10.0.0.2"] * 1000)) == "10.0.0.2"


@given(st.text(alphabet='for="[]:;,.%_ 0123456789abcdef', max_size=60))
def test_any_header_gives_an_address(header: str) -> None:
    """Whatever is in it, what counts is an address."""
    for caller in (by_list(header), by_rfc(header)):
        assert ipaddress.ip_address(caller)
