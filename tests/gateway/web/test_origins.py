"""The server's own names: each ``Host`` and ``Origin`` that is accepted, and those that are not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcli.gateway.web.origins import Origins

OWN = Origins(["lab", "lab.local", "chat.example:443", "Chat.Example.ORG", "[2001:db8::7]:443", "bad name", ""], 8080)


@pytest.mark.parametrize(
    "host",
    [
        "lab", "lab:8080", "lab:1", "lab:65535", "LAB", "lab.", "lab.:8080", "lab.local", "chat.example",
        "chat.example:443", "chat.example:9000", "chat.example.org", "CHAT.example.org.:80",
        "localhost", "localhost:8080", "LocalHost", "localhost.", "me.localhost", "a.b.localhost:8080", "x_y.localhost",
        "127.0.0.1", "127.0.0.1:8080", "0.0.0.0:8080", "192.0.2.7", "127.0.0.1.", "10.1.2.3:80",
        "[::1]", "[::1]:8080", "[2001:DB8::1]", "[::ffff:127.0.0.1]:80", "[0:0:0:0:0:0:0:1]",
    ],
)  # fmt: skip
def test_own_hosts(host: str) -> None:
    """A name of the list, one for this machine, or an address; at any port, in any spelling."""
    assert OWN.host_is_own(host)


@pytest.mark.parametrize(
    "host",
    [
        # other names, also those that begin or end like an own one
        "evil.example", "lab.evil.example", "notlab", "chat.example.evil", "xchat.example", "localhost.evil.example",
        "notlocalhost", "evil-localhost", "127.0.0.1.evil.example", "127.0.0.1.nip.io", "local", "bad name", "bad",
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
        ".", "..", ".lab", "lab..", ".localhost", "..localhost", "a..localhost", "-.localhost", "-a.localhost",
        "a-.localhost", f"{'a' * 64}.localhost", f"{'a.' * 130}localhost", "*", "*.localhost", "%6cab", "l%61b",
        "ﬂab", "LAB\u0301", "localho\u017ft", "\u212aocal.localhost", "ｌａｂ",
        # addresses that are none, or written as only some read them
        "127.1", "2130706433", "0x7f.0.0.1", "0177.0.0.1", "127.0.0.256", "127.0.0.01", "1.2.3.4.5", "127.0.0.1..",
        "::1", "::1:8080", "[::1", "::1]", "[]", "[]:80", "[::1]x", "[::1].", "[::1]:", "[127.0.0.1]", "[lab]", "[::g]",
        "[::1%lo]", "[fe80::1%25eth0]", "[v1.x]", "[:::1]", "[::1]]", "[[::1]]",
    ],
)  # fmt: skip
def test_foreign_hosts(host: str) -> None:
    """Everything else, what cannot be a host included."""
    assert not OWN.host_is_own(host)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        # as the page was fetched
        ("http://lab:8080", "lab:8080"),
        ("https://lab:8080", "lab:8080"),
        ("https://lab:9000", "lab:9000"),
        ("http://lab", "lab"),
        ("https://lab", "lab"),
        ("http://lab", "lab:80"),
        ("https://lab", "lab:443"),
        ("http://lab:80", "lab"),
        ("https://lab:443", "lab"),
        ("http://LAB:8080", "lab.:8080"),
        ("http://localhost:8080", "localhost:8080"),
        ("http://localhost:9000", "localhost:9000"),
        ("http://me.localhost:8080", "me.localhost:8080"),
        ("http://127.0.0.1:8080", "127.0.0.1:8080"),
        ("https://192.0.2.7", "192.0.2.7"),
        ("http://[::1]:8080", "[::1]:8080"),
        ("http://[::1]:8080", "[0:0::1]:8080"),
        # through a proxy that has changed the Host
        ("http://lab:8080", "127.0.0.1:8080"),
        ("https://chat.example", "localhost:8080"),
        ("https://chat.example:443", "localhost:8080"),
        ("https://chat.example:8080", "localhost:8080"),
        ("https://chat.example.org:8080", "localhost"),
        ("https://[2001:db8::7]", "localhost:8080"),
    ],
)
def test_own_origins(origin: str, host: str) -> None:
    """A page of the host that is called, or of a name in the list."""
    assert OWN.origin_is_own(origin, host)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        # nobody's
        ("null", "lab:8080"),
        ("", "lab:8080"),
        ("", ""),
        ("null", "null"),
        # someone else's
        ("https://evil.example", "lab:8080"),
        ("https://evil.example:8080", "lab:8080"),
        ("https://evil.example:8080", "evil.example:8080"),  # rebound
        ("https://lab.evil.example:8080", "lab:8080"),
        # another server of the same machine, or of that of the browser
        ("http://lab:3000", "lab:8080"),
        ("http://lab", "lab:8080"),
        ("https://lab", "lab:8080"),
        ("https://lab", "lab:80"),
        ("http://lab", "lab:443"),
        ("http://localhost:8080", "lab:8080"),
        ("http://localhost:3000", "localhost:8080"),
        ("http://127.0.0.1:8080", "lab:8080"),
        ("http://127.0.0.1:8080", "localhost:8080"),
        ("http://192.0.2.7:8080", "192.0.2.8:8080"),
        ("http://me.localhost:8080", "localhost:8080"),
        ("https://chat.example.org", "localhost:8080"),  # without a port in the list, it has that of the server
        ("https://chat.example:9000", "localhost:8080"),
        # a page without TLS at the port of https: not what the name stands for
        ("http://chat.example:443", "localhost:8080"),
        ("http://chat.example", "localhost:8080"),
        # no origins, or not only one
        ("lab:8080", "lab:8080"),
        ("//lab:8080", "lab:8080"),
        ("ws://lab:8080", "lab:8080"),
        ("file://", "lab:8080"),
        ("chrome-extension://lab:8080", "lab:8080"),
        ("HTTP://lab:8080", "lab:8080"),
        ("http:/lab:8080", "lab:8080"),
        ("http://", "lab:8080"),
        ("http://lab:8080/", "lab:8080"),
        ("http://lab:8080/page", "lab:8080"),
        ("http://lab:8080?", "lab:8080"),
        ("http://user@lab:8080", "lab:8080"),
        ("http://lab:8080 http://lab:8080", "lab:8080"),
        ("http://lab:8080, http://lab:8080", "lab:8080"),
        (" http://lab:8080", "lab:8080"),
        ("http://lab:8080\n", "lab:8080"),
        ("http://lab:", "lab"),
        ("http://lab:0", "lab:8080"),
        # the Host is none
        ("http://localhost:8080", ""),
        ("http://localhost:8080", "localhost:8080, localhost:8080"),
        ("http://localhost:8080", "user@localhost:8080"),
    ],
)
def test_foreign_origins(origin: str, host: str) -> None:
    """Every other page, and what is not exactly one origin."""
    assert not OWN.origin_is_own(origin, host)


@pytest.mark.parametrize(
    ("origin", "usual"),
    [
        ("https://lab", True),
        ("https://lab:443", False),
        ("http://lab", True),
        ("http://lab:80", False),
        ("https://LAB", False),
        ("https://lab.", False),
        ("https://lab/", False),
        ("Https://lab", False),
    ],
)
def test_spelling(origin: str, usual: bool) -> None:
    """A page states its origin as its browser spells it, and in no other way."""
    assert OWN.page_is_own(origin, "lab") is usual


@pytest.mark.parametrize("host", ["[::1]:8080", "127.0.0.1:8080", "localhost:8080", "[2001:db8::7]"])
def test_spelling_of_addresses(host: str) -> None:
    """Addresses have one spelling, too."""
    assert OWN.page_is_own(f"http://{host}", host)
    assert not OWN.page_is_own(f"http://{host.replace('::', ':0:0::').replace('.0.0.', '.')}/", host)
    assert not OWN.page_is_own("http://[0::1]:8080", "[::1]:8080")


def test_names_of_the_own_machine_in_the_list() -> None:
    """A certificate may name them; a page there may be one of another server all the same."""
    origins = Origins(["localhost", "127.0.0.1", "[::1]"], 8080)
    assert origins.origin_is_own("http://localhost:8080", "localhost:8080")
    assert not origins.origin_is_own("http://localhost:8080", "192.0.2.7:8080")
    assert not origins.origin_is_own("http://127.0.0.1:8080", "192.0.2.7:8080")
    assert not origins.origin_is_own("http://[::1]:8080", "192.0.2.7:8080")


def test_without_names() -> None:
    """A server without a name has its addresses, and those who come from its own machine."""
    bare = Origins([], 80)
    assert bare.host_is_own("192.0.2.7")
    assert bare.origin_is_own("http://localhost", "localhost:80")
    assert not bare.host_is_own("lab")


@given(st.text(), st.text())
def test_any_text_is_answered(one: str, other: str) -> None:
    """Whatever comes, it is answered; and an origin is only ever own if it is one of a page."""
    assert OWN.host_is_own(one) in (True, False)
    assert not OWN.origin_is_own(one, other) or one.startswith(("http://", "https://"))
