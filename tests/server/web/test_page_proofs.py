"""Proofs of keys by pages in a browser, which are bound to their origin, over real sockets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Final

import pytest
from websockets.sync.client import connect

from chatcli.protocol.keys import Claim, key_bytes, key_text, origin_channel, signed_bytes
from tests.server.web.callers import makes_token
from tests.server.web.websockets import Foreign, Tunnel
from tests.support import DEADLINE, OWN, Caller, ThreadServer

NAMED: Final = "https://chat.example"


@pytest.fixture(name="named")
def named_server(tmp_path: Path) -> Iterator[ThreadServer]:
    """Yield a server that goes by a name."""
    with ThreadServer(tmp_path / "data", web_names=["chat.example", "other.example:8443"]) as running:
        yield running


def own_origin(server: ThreadServer, scheme: str = "http") -> str:
    """Return the origin of a page at the server's address."""
    return f"{scheme}://{server.address.host}:{server.address.port}"


@pytest.mark.parametrize("tls", [False, True])
def test_login(server: ThreadServer, tls: bool) -> None:
    """A page logs in by its origin, with TLS and without, and again; its name belongs to its key."""
    origin = own_origin(server, "https" if tls else "http")
    for _ in range(2):
        with Foreign(server, tls=tls, origin=origin) as page:
            welcome = page.shows("al", origin)
            assert (welcome["t"], welcome["user"]) == ("welcome", "al")
            page.says("keys", n=1)
            assert page.hears("keys")["keys"][0]["fingerprint"] == OWN.fingerprint


def test_origin_that_a_forwarder_changed(named: ThreadServer) -> None:
    """The header says ``localhost``, as in a codespace; the page knows where it is, and so does the server."""
    port = named.address.port
    for origin in (NAMED, f"https://chat.example:{port}", "https://other.example:8443"):
        with Foreign(named, origin=f"http://127.0.0.1:{port}") as page:
            assert page.shows("al", origin)["t"] == "welcome"


FOREIGN: Final = [
    "https://evil.example",
    "null",
    "*",
    "https://chat.example/",
    "https://chat.example:443",
    "https://chat.example.",
    "https://CHAT.example",
    "HTTPS://chat.example",
    "https://chat.example:08443",
    "https://other.example:08443",
    "https://chat.example ",
    " https://chat.example",
    "https://chat.example\x00",
    "https://chat.example@evil.example",
    "https://evil.example#https://chat.example",
    "http://chat.example",
    "wss://chat.example",
    "https://chat.example:9000",
    "https://xn--.example",
    "origin https://chat.example",
    "https://chat.example, https://evil.example",
]


@pytest.mark.parametrize("origin", FOREIGN)
def test_foreign_origin(named: ThreadServer, origin: str) -> None:
    """Other origins, and other spellings of the own one, get no challenge; the remedy is named; one may try again."""
    with Foreign(named, origin=own_origin(named)) as page:
        refused = page.shows("al", origin)
        assert (refused["t"], refused["code"]) == ("error", "bad_origin")
        assert "--web-name" in refused["text"]
        assert page.shows("al", NAMED)["t"] == "welcome"


def test_usual_port_of_the_address(server: ThreadServer) -> None:
    """The Host of a page behind a proxy has no port, and neither has its origin: only in that spelling."""
    with Foreign(server, host="192.0.2.7", origin="https://192.0.2.7") as page:
        for origin in ("https://192.0.2.7:443", "https://192.0.2.8", own_origin(server)):
            assert page.shows("al", origin)["code"] == "bad_origin"
        assert page.shows("al", "https://192.0.2.7")["t"] == "welcome"


def test_another_origin_is_signed(named: ThreadServer) -> None:
    """A signature for the page of another server, or for no page, is no proof."""
    for signed in ("https://evil.example", NAMED.upper(), f"{NAMED}:443", ""):
        with Foreign(named, origin=own_origin(named)) as page:
            refused = page.shows("al", NAMED, signed=signed)
            assert (refused["t"], refused["code"]) == ("bye", "bad_proof")


def test_channel_of_another_kind(named: ThreadServer) -> None:
    """A proof for a plain connection is none for an origin, and that for an origin none within TLS without one."""
    with Foreign(named, origin=own_origin(named)) as page:
        assert proves_with(page, b"", origin=NAMED)["code"] == "bad_proof"
    with Foreign(named, tls=True, origin=own_origin(named, "https")) as page:
        assert proves_with(page, origin_channel(NAMED))["code"] == "bad_proof"
    with Caller(named.address) as caller:
        assert proves_with(caller, origin_channel(NAMED))["code"] == "bad_proof"


def proves_with(client: Any, channel: bytes, **hello: str) -> dict[str, Any]:  # noqa: ANN401 (any kind of client)
    """Log in with the own key and a channel; return the answer to the proof."""
    client.says("hello", version=1, user="al", key=key_text(OWN.public), **hello)
    signature = key_text(OWN.sign(signed_bytes(claim_of(client.hears("challenge"), channel))))
    client.says("prove", signature=signature)
    return dict(client.next())


def claim_of(challenge: dict[str, Any], channel: bytes) -> Claim:
    """Return the claim that answers a challenge."""
    return Claim(
        version=1,
        server_key=challenge["key"],
        nonce=key_bytes(challenge["nonce"], 32),
        user="al",
        purpose="join",
        channel=channel,
    )


def test_replay(named: ThreadServer) -> None:
    """A proof is good once: not for another connection, and not for a second challenge on its own."""
    hello = {"version": 1, "user": "al", "key": key_text(OWN.public), "origin": NAMED}
    with Foreign(named, origin=own_origin(named)) as one, Foreign(named, origin=own_origin(named)) as other:
        one.says("hello", **hello)
        claim = claim_of(one.hears("challenge"), origin_channel(NAMED))
        signature = key_text(OWN.sign(signed_bytes(claim)))
        other.says("hello", **hello)
        assert other.hears("challenge")["nonce"] != key_text(claim.nonce)
        other.says("prove", signature=signature)
        assert other.hears("bye")["code"] == "bad_proof"
        one.says("hello", **hello)  # in the place of the proof
        assert one.hears("error")["code"] == "unexpected"
        one.says("prove", signature=signature)
        assert one.hears("welcome")["user"] == "al"


def test_last_hello_counts(named: ThreadServer) -> None:
    """An origin of a hello that was refused is forgotten: the next hello has its own, or none."""
    with Foreign(named, tls=True, origin=own_origin(named, "https")) as page:
        assert page.shows("b:d", NAMED)["code"] == "bad_name"
        assert page.shows("al", f"{NAMED}/")["code"] == "bad_origin"
        page.proves("al")  # by the certificate, as before


def test_no_page(server: ThreadServer) -> None:
    """Only pages in a browser have an origin: lines, TLS, WebSockets of programs and tunnels have none."""
    for client in (
        Caller(server.address),
        server.connect(),
        Foreign(server),
        Foreign(server, tls=True),
        Tunnel(server),
    ):
        with client:
            client.says("hello", version=1, user="al", key=key_text(OWN.public), origin=own_origin(server))
            assert client.hears("error")["code"] == "bad_origin"


def test_tunnel_of_a_page(server: ThreadServer) -> None:
    """Within a tunnel there is no page, although its opening had an origin: its TLS is to be proved."""
    with Tunnel(server, origin=own_origin(server)) as tunnel:
        tunnel.says("hello", version=1, user="al", key=key_text(OWN.public), origin=own_origin(server))
        assert "browser" in tunnel.hears("error", code="bad_origin")["text"]
        tunnel.greets("al")
        tunnel.hears("welcome")


def test_without_an_origin(server: ThreadServer) -> None:
    """A page that states none is as any WebSocket was: bound to the certificate, and without TLS refused."""
    with Foreign(server, origin=own_origin(server)) as page:
        page.says("hello", version=1, user="al", key=key_text(OWN.public))
        assert page.hears("error")["code"] == "tls_required"
    with Foreign(server, tls=True, origin=own_origin(server, "https")) as page:
        page.proves("al")


def test_token_and_query(named: ThreadServer) -> None:
    """With a token and without a name nothing is signed; a foreign page is refused all the same."""
    with named.joined("al") as al:
        token = makes_token(al)
    for rest in ({"token": token}, {}):
        with Foreign(named, origin=own_origin(named)) as page:
            page.says("hello", version=1, purpose="query", origin="https://evil.example", **rest)
            assert page.hears("error")["code"] == "bad_origin"
            page.says("hello", version=1, purpose="query", origin=NAMED, **rest)
            page.hears("welcome")


def test_long_origin(named: ThreadServer) -> None:
    """It is bounded, as everything that is compared."""
    with Foreign(named, origin=own_origin(named)) as page:
        refused = page.shows("al", "https://" + "a" * 250)
        assert (refused["code"], "256" in refused["text"]) == ("invalid", True)


def test_foreign_page_gets_no_websocket(named: ThreadServer) -> None:
    """A foreign page's claim is refused before anything is read."""
    with pytest.raises(Exception, match="HTTP 403"):
        Foreign(named, origin="https://evil.example")


def test_from_elsewhere(tmp_path: Path, far: str) -> None:
    """From another machine a page needs TLS, or a proxy that is believed, or a server that asks for neither."""
    cases: tuple[tuple[str, dict[str, Any], str], ...] = (
        ("plain", {}, "tls_required"),
        ("proxied", {"proxies": (ip_network(far),)}, "challenge"),
        ("insecure", {"insecure": True}, "challenge"),
    )
    for folder, options, wanted in cases:
        with ThreadServer(tmp_path / folder, host="0.0.0.0", **options) as server:
            origin = f"http://{far}:{server.address.port}"
            url = f"ws://{far}:{server.address.port}/-/ws"
            with connect(url, additional_headers={"Origin": origin}, proxy=None) as page:
                page.send(
                    json.dumps(
                        {"t": "hello", "version": 1, "user": "al", "key": key_text(OWN.public), "origin": origin}
                    )
                )
                answer = json.loads(page.recv(DEADLINE))
                assert answer.get("code", answer["t"]) == wanted
