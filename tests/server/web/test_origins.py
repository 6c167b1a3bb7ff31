"""Hosts, origins and proxies: who a request is for, who has sent it, and on whose behalf."""

from __future__ import annotations

import json
import re
import shutil
import socket
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect

from chatcli.client.identity.credentials import Login, Server
from chatcli.client.identity.key import Identity
from chatcli.client.identity.trust import Trust
from chatcli.client.oneshot.client import Client
from chatcli.errors import ServerUnavailable
from chatcli.protocol.values.address import Address
from chatcli.server.limits import Limits
from chatcli.server.listeners.tcp import TcpConnection
from tests.certificates import make
from tests.forwarder import Forwarder
from tests.server.web.callers import makes_token
from tests.server.web.raw import RawCaller
from tests.server.web.tunnels import Tunnels
from tests.support import (
    DEADLINE,
    OWN,
    Caller,
    TestKey,
    ThreadServer,
    eventually,
    key_of,
    set_failures_clock,
    trusting,
)

NAMES = ("chat.example", "other.example:8443")


@pytest.fixture(name="named")
def server_with_names(tmp_path: Path) -> Any:  # noqa: ANN401 (a fixture)
    """Yield a server that is reached by names."""
    with ThreadServer(tmp_path / "data", web_names=NAMES) as running:
        yield running


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST.:1234", 200),
        ("127.0.0.1:80", 200),
        ("[::1]:8080", 200),
        ("192.0.2.1", 200),
        ("chat.example", 200),
        ("chat.example:443", 200),
        ("other.example", 200),
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("chat.example.evil.example", 421),
        ("chat.example@evil.example", 421),
        ("evil.example:8080", 421),
        ("localhost, evil.example", 421),
        ("localhost/evil", 421),
        ("", 421),
    ],
)
def test_host(named: ThreadServer, host: str, status: int) -> None:
    """A request is for this server, or it is refused, whatever its path: so no other name can be made to lead here."""
    with RawCaller.of(named) as caller:
        assert caller.asks("GET", "/healthz", host=host).status == status
        if re.fullmatch(r"[\w.:\[\]@]+", host):
            assert caller.asks("GET", f"http://{host}/", host="localhost").status == status
        if status != 200:
            assert caller.asks("GET", "/-/nothing", host=host).status == status


@pytest.mark.parametrize(("origin", "status"), [("", 101), ("http://evil.example", 421)])
def test_host_of_a_websocket(named: ThreadServer, origin: str, status: int) -> None:
    """Programs may use any name, as on a connection; a page says where it is from, and then its name counts."""
    words: dict[str, Any] = {"upgrade": "websocket", "connection": "Upgrade", "sec_websocket_version": "13"}
    words["sec_websocket_key"] = "AAAAAAAAAAAAAAAAAAAAAA=="
    with RawCaller.of(named) as caller:
        if origin:
            words["origin"] = origin
        for path in ("/", "/ops", "/-/nothing", "/-/ws/", "/ops/events"):
            assert caller.asks("GET", path, None, host="evil.example", **words).status == 421
        assert caller.asks("GET", "/-/ws", None, host="evil.example", **words).status == status


def test_no_host(named: ThreadServer) -> None:
    """HTTP/1.0 has none."""
    with RawCaller.of(named) as caller:
        caller.sends(b"GET /healthz HTTP/1.0\r\n\r\n")
        assert caller.hears().status == 200


@pytest.mark.parametrize(
    ("headers", "own"),
    [
        ({}, True),
        ({"origin": "https://chat.example"}, True),
        ({"origin": "https://chat.example", "sec_fetch_site": "same-origin"}, True),
        ({"sec_fetch_site": "none"}, True),
        ({"host": "localhost:8080", "origin": "http://localhost:8080"}, True),  # as the forwarder of GitHub has them
        ({"origin": "https://evil.example"}, False),
        ({"origin": "https://chat.example.evil.example"}, False),
        ({"origin": "null"}, False),
        ({"origin": ""}, False),
        ({"origin": "http://localhost:1"}, False),
        ({"sec_fetch_site": "cross-site"}, False),
        ({"origin": "https://chat.example", "sec_fetch_site": "cross-site"}, False),
    ],
)
def test_origin(named: ThreadServer, headers: dict[str, Any], own: bool) -> None:
    """Pages of others may look at the page, and may do nothing; nothing tells their browsers otherwise."""
    upgrade: dict[str, Any] = {
        "upgrade": "websocket",
        "connection": "upgrade",
        "sec_websocket_version": "13",
        "sec_websocket_key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }
    expected = {"/healthz": 200, "/": 200, "/metrics": 401 if own else 403, "/ops/events": 401 if own else 403}
    with RawCaller.of(named) as caller:
        for path, status in expected.items():
            for method in ("GET", "HEAD"):
                answer = caller.asks(method, path, **headers)
                assert answer.status == status, path
                assert not any(name.startswith("access-control") for name in answer.headers)
        assert caller.asks("POST", "/ops", b"hi", **headers).status == (401 if own else 403)
        assert caller.asks("OPTIONS", "/ops", access_control_request_method="POST", **headers).status == 405
        assert caller.asks("GET", "/-/ws", **upgrade, **headers).status == (101 if own else 403)


def test_names_of_the_certificate(tmp_path: Path) -> None:
    """They are the server's own, also when the certificate is read again."""
    files = make(tmp_path, "served", names=("first.example",))
    with ThreadServer(tmp_path / "data", files=files) as server, RawCaller.of(server) as caller:
        assert caller.asks("GET", "/healthz", host="first.example").status == 200
        assert caller.asks("GET", "/healthz", host="second.example").status == 421
        for old, new in zip(files, make(tmp_path, "renewed", names=("second.example",)), strict=True):
            shutil.copy(new, old)
        read: list[bool] = []
        server.run(lambda: server.app.certificates.reload(lambda: read.append(True)))
        eventually(lambda: read)
        assert caller.asks("GET", "/healthz", host="second.example").status == 200
        assert caller.asks("GET", "/healthz", host="first.example").status == 421


# From other machines


def test_plain_from_elsewhere(tmp_path: Path, far: str) -> None:
    """A page leads to where it is encrypted, everything else is refused; only the health is told to everyone."""
    with ThreadServer(tmp_path, host="0.0.0.0", web_names=NAMES) as server:
        with RawCaller(Address(far, server.address.port)) as caller:
            assert caller.asks("GET", "/healthz").status == 200
            answer = caller.asks("GET", "/?a=b", host="chat.example:8080")
            assert (answer.status, answer.headers["location"]) == (308, "https://chat.example:8080/?a=b")
            for path in ("/ops", "/@bob", "/%23ops?at=4711"):
                for method in ("GET", "HEAD"):
                    answer = caller.asks(method, path, host="chat.example:8080", accept="text/html")
                    assert (answer.status, answer.headers["location"]) == (308, f"https://chat.example:8080{path}")
            assert caller.asks("GET", "/ops", accept="*/*").status == 405
            assert caller.asks("GET", "/-/app/0123456789abcdef/main.js", accept="*/*").status == 403
            assert caller.asks("GET", "/", host="evil.example").status == 421
            assert caller.asks("GET", "//evil.example/").status == 404
            refused = caller.asks("POST", "/ops", b"hi", authorization="Bearer cct_secret")
            assert (refused.status, "revoke" in refused.text) == (403, True)
            assert caller.asks("GET", "/metrics").status == 403
            claim: dict[str, Any] = {
                "x_forwarded_for": "127.0.0.1",
                "x_forwarded_proto": "https",
                "forwarded": "for=127.0.0.1",
            }
            assert caller.asks("POST", "/ops", b"hi", **claim).status == 403
            caller.sends(b"GET / HTTP/1.0\r\n\r\n")
            assert caller.hears().status == 403
        context = trusting(server.certificate)
        context.check_hostname = False
        with RawCaller(Address(far, server.address.port), context) as caller:
            assert caller.asks("GET", "/").status == 200
            assert caller.asks("POST", "/ops", b"hi").status == 401


def test_insecure(tmp_path: Path, far: str) -> None:
    """The operator may do without; a page in a browser cannot, unless a proxy in front of the server has TLS."""
    with ThreadServer(tmp_path, host="0.0.0.0", insecure=True) as server:
        with RawCaller(Address(far, server.address.port)) as caller:
            assert caller.asks("GET", "/").status == 200
            assert caller.asks("POST", "/ops", b"hi").status == 401
            page = caller.asks("GET", "/ops", accept="text/html")
            assert (page.status, page.headers["location"]) == (308, f"https://{far}:{server.address.port}/ops")
            through_a_proxy = caller.asks("GET", "/ops", accept="text/html", x_forwarded_proto="https")
            assert through_a_proxy.status == 200


def test_plain_from_a_proxy(tmp_path: Path, far: str) -> None:
    """A believed proxy on another machine has ended TLS already."""
    with ThreadServer(tmp_path, host="0.0.0.0", proxies=(ip_network(far),)) as server:
        with RawCaller(Address(far, server.address.port)) as caller:
            assert caller.asks("GET", "/").status == 200
            assert caller.asks("POST", "/ops", b"hi", x_forwarded_proto="https").status == 401


# On whose behalf

LOOPBACK = (ip_network("127.0.0.0/8"),)


def wrong_tokens(caller: RawCaller, count: int, **headers: Any) -> list[int]:  # noqa: ANN401 (as they are passed on)
    """Return the statuses of so many requests with tokens that nobody has."""
    return [
        caller.asks("POST", "/ops", b"hi", authorization=f"Bearer cct_{number:033}", **headers).status
        for number in range(count)
    ]


def test_wrong_tokens(server: ThreadServer) -> None:
    """Twenty of them stop everybody who calls by HTTP from here, but nobody who speaks lines."""
    set_failures_clock(server, 0)
    with RawCaller.of(server) as caller, RawCaller.of(server, tls=True) as other:
        assert wrong_tokens(caller, 21, x_forwarded_for="203.0.113.7") == [401] * 20 + [429]
        assert wrong_tokens(other, 1, x_forwarded_for="203.0.113.8") == [429]
    with server.joined("alice"):
        pass


def test_wrong_tokens_through_a_proxy(tmp_path: Path) -> None:
    """A believed proxy's callers are stopped one by one, whatever they say themselves."""
    with ThreadServer(tmp_path, proxies=LOOPBACK) as server, RawCaller.of(server) as caller:
        set_failures_clock(server, 0)
        claims = [f"198.51.100.{number}, 203.0.113.7" for number in range(21)]
        statuses = [wrong_tokens(caller, 1, x_forwarded_for=claim)[0] for claim in claims]
        assert statuses == [401] * 20 + [429]
        assert wrong_tokens(caller, 1, x_forwarded_for="203.0.113.8") == [401]
        assert wrong_tokens(caller, 1, forwarded="for=203.0.113.7") == [429]
        assert wrong_tokens(caller, 1, x_forwarded_for="127.0.0.1") == [401]


def test_visits_through_a_proxy(tmp_path: Path) -> None:
    """Two who say something with one token, on one connection of a proxy, each log in from their own address."""
    with ThreadServer(tmp_path, proxies=LOOPBACK) as server, server.joined("alice") as alice:
        token = makes_token(alice, scope="send", to=["alice"], seconds=3600)
        with RawCaller.of(server) as caller:

            def says(address: str) -> tuple[object, str]:
                headers: dict[str, Any] = {"authorization": f"Bearer {token}", "x_forwarded_for": address}
                assert caller.asks("POST", "/@alice", b"hi", **headers).status == 200
                return server.run(the_session)

            def the_session() -> tuple[object, str]:
                sessions = [connection.session for connection in server.hub.connections if is_by_http(connection)]
                (session,) = sessions
                assert session is not None
                return session, session.caller

            first, again, other = says("203.0.113.7"), says("203.0.113.7"), says("203.0.113.8")
        assert first == again
        assert first[1] == "203.0.113.7"
        assert other[1] == "203.0.113.8"


def is_by_http(connection: object) -> bool:
    """Return whether a connection speaks HTTP."""
    return isinstance(connection, TcpConnection) and connection.speaks == "http"


def test_connections_through_a_proxy(tmp_path: Path) -> None:
    """A believed proxy has any number of connections, each of its callers a few."""
    limits = Limits(connections_per_address=2)
    with ThreadServer(tmp_path, limits, proxies=LOOPBACK) as server:
        callers = [RawCaller.of(server) for _ in range(6)]
        one: dict[str, Any] = {"x_forwarded_for": "203.0.113.7"}
        other: dict[str, Any] = {"x_forwarded_for": "2001:db8::1"}
        asked = [one, one, one, other, other, other]
        statuses = [caller.asks("GET", "/", **headers).status for caller, headers in zip(callers, asked, strict=True)]
        assert statuses == [200, 200, 429, 200, 200, 429]
        assert callers[0].asks("GET", "/", **other).status == 429
        callers[3].hang_up()
        eventually(lambda: server.run(lambda: len(server.hub.connections)) == 5)
        assert callers[0].asks("GET", "/", **other).status == 200
        for caller in callers:
            caller.hang_up()
        eventually(lambda: server.run(lambda: not server.hub.rate_limits._connections))


def test_neighbours_of_a_proxy(tmp_path: Path) -> None:
    """Its own connections count for nobody: neither when they come nor when they go, whatever they have said."""
    proxy, neighbour = "::1", "::2"
    with ThreadServer(tmp_path, host=proxy, proxies=(ip_network(proxy),)) as server:
        limits = server.hub.rate_limits
        assert server.run(lambda: all(limits.add_connection(neighbour) for _ in range(3)))
        before = server.run(lambda: dict(limits._connections))

        def is_idle() -> bool:
            return server.run(lambda: not server.hub.connections)

        with socket.create_connection(server.address[:2]):
            eventually(lambda: not is_idle())
        eventually(is_idle)
        for line in (b"nonsense\r\n", b'{"t":"hello","v":1}\n', b"GET /healthz HTTP/1.1\r\nhost: ::\r\n\r\n"):
            with RawCaller(server.address) as caller:
                caller.sends(line)
                assert caller.socket.recv(1)
            eventually(is_idle)
        with RawCaller(server.address) as caller:
            host = f"[{proxy}]:{server.address.port}"
            for forwarded in ("203.0.113.7", "2001:db8::1", "::3", "203.0.113.7"):
                assert caller.asks("GET", "/healthz", host=host, x_forwarded_for=forwarded).status == 200
            counted = server.run(lambda: dict(limits._connections))
            assert counted == before | {"203.0.113.7": 1}
        eventually(is_idle)
        assert server.run(lambda: dict(limits._connections)) == before


def wrong_proofs(
    address: Address, server: ThreadServer, count: int, key: TestKey | Identity | None = None
) -> list[str]:
    """Return the answers to so many proofs that are bound to another connection."""
    codes = []
    for _ in range(count):
        with Caller(address, context=trusting(server.certificate)) as thief:
            thief.channel = b"x" * 32
            thief.greets("alice", key=key or key_of("thief"), purpose="send")
            frame = thief.next_but_presence()
            codes.append("" if frame is None else str(frame.get("code")))
    return codes


def test_wrong_proofs_through_tunnels(tmp_path: Path) -> None:
    """Twenty of them stop tunnels from this machine, and through a proxy those for whom it calls."""
    with ThreadServer(tmp_path / "plain") as server, Tunnels(server.address) as tunnels:
        set_failures_clock(server, 0)
        assert wrong_proofs(tunnels.address, server, 21) == ["bad_proof"] * 20 + ["too_many"]
    behind = {"X-Forwarded-For": "203.0.113.7"}
    with ThreadServer(tmp_path / "proxied", proxies=LOOPBACK) as server:
        set_failures_clock(server, 0)
        with Tunnels(server.address, behind) as tunnels, Tunnels(server.address, {"X-Forwarded-For": "::2"}) as others:
            assert wrong_proofs(tunnels.address, server, 21) == ["bad_proof"] * 20 + ["too_many"]
            assert wrong_proofs(others.address, server, 1) == ["bad_proof"]


def test_wrong_proofs_through_a_forwarder(tmp_path: Path) -> None:
    """Twenty of them stop all who come through it, with the right key, too, until a minute's share has passed."""
    with ThreadServer(tmp_path / "data") as server, Forwarder(server.address) as forwarder:
        set_failures_clock(server, 0)
        trust = Trust(server.hub.server_key)
        alice = Client(Login(server=Server.at(forwarder.address), user="alice", trust=trust, identity=OWN))
        with server.joined("alice") as reader, Tunnels(forwarder.address) as tunnels:
            alice.send("alice", "before")
            assert wrong_proofs(tunnels.address, server, 21, OWN) == ["bad_proof"] * 20 + ["too_many"]
            for seconds in (0.0, 2.9):  # of twenty, one more is let in every three seconds
                set_failures_clock(server, seconds)
                with pytest.raises(ServerUnavailable, match="from your address were wrong: wait a minute"):
                    alice.send("alice", "too early")
                with server.joined("bob"):
                    pass  # lines from this machine are not counted
            set_failures_clock(server, 3.1)
            alice.send("alice", "after")
            assert reader.texts(2) == ["before", "after"]
            assert wrong_proofs(tunnels.address, server, 2, OWN) == ["bad_proof", "too_many"]
            set_failures_clock(server, 100)
            assert wrong_proofs(tunnels.address, server, 21, OWN) == ["bad_proof"] * 20 + ["too_many"]


def test_new_names_through_tunnels(tmp_path: Path) -> None:
    """Names are counted, too."""
    with ThreadServer(tmp_path, Limits(names=2)) as server, Tunnels(server.address) as tunnels:
        answers = []
        for name in ("one", "two", "three"):
            with Caller(tunnels.address, context=trusting(server.certificate)) as caller:
                caller.greets(name)
                answers.append((caller.next_but_presence() or {}).get("code", "welcome"))
        assert answers == ["welcome", "welcome", "too_many"]
        with server.joined("four"):
            pass


def test_greetings_through_tunnels(server: ThreadServer) -> None:
    """Greetings are paid from the purse of the address, which those of lines from this machine do not have."""
    with Tunnels(server.address) as tunnels, Caller(tunnels.address, context=trusting(server.certificate)) as caller:
        caller.greets("alice")
        caller.hears("welcome")
        assert server.run(lambda: ("127.0.0.1 by HTTP", True) in server.hub.rate_limits._purses)
        assert server.run(lambda: ("127.0.0.1", True) not in server.hub.rate_limits._purses)


def test_shown_address(tmp_path: Path) -> None:
    """Others are told where somebody really is, not where the proxy is."""
    with ThreadServer(tmp_path, proxies=LOOPBACK) as server:
        with Tunnels(server.address, {"X-Forwarded-For": "203.0.113.7"}) as tunnels:
            with Caller(tunnels.address, context=trusting(server.certificate)) as alice, server.connect() as again:
                alice.greets("alice")
                alice.hears("welcome")
                again.greets("alice")
                assert "203.0.113.7" in again.hears("error", code="already_here")["text"]


def test_token_works_through_a_proxy(tmp_path: Path) -> None:
    """What is right is let in."""
    with ThreadServer(tmp_path, proxies=LOOPBACK) as server, server.joined("alice") as alice:
        token = makes_token(alice, scope="send", to=["alice"], seconds=3600)
        with RawCaller.of(server) as caller:
            headers: dict[str, Any] = {"authorization": f"Bearer {token}", "x_forwarded_for": "203.0.113.7"}
            assert caller.asks("POST", "/@alice", b"hi", **headers).status == 200


def test_wrong_tokens_in_websockets(tmp_path: Path) -> None:
    """Lines in WebSockets are counted in the same way, also those through a proxy."""

    def says_hello(server: ThreadServer, number: int, address: str) -> str:
        url = f"ws://{server.address.host}:{server.address.port}/-/ws"
        with connect(url, additional_headers={"X-Forwarded-For": address}, proxy=None) as websocket:
            hello = {"t": "hello", "version": 1, "purpose": "send", "token": f"cct_{number:033}"}
            websocket.send(json.dumps(hello))
            return str(json.loads(websocket.recv(DEADLINE))["code"])

    for folder, proxies in (("direct", ()), ("proxied", LOOPBACK)):
        with ThreadServer(tmp_path / folder, proxies=proxies) as server:
            set_failures_clock(server, 0)
            answers = [says_hello(server, number, "203.0.113.7") for number in range(21)]
            assert answers == ["bad_token"] * 20 + ["too_many"]
            assert says_hello(server, 0, "203.0.113.8") == ("bad_token" if proxies else "too_many")


def hears_of_lines(address: Address, token: str, **headers: str) -> dict[str, Any]:
    """Return the answer to a token that is shown in lines in a WebSocket without TLS."""
    with connect(f"ws://{address.host}:{address.port}/-/ws", additional_headers=headers, proxy=None) as websocket:
        websocket.send(json.dumps({"t": "hello", "version": 1, "purpose": "send", "token": token}))
        return dict(json.loads(websocket.recv(DEADLINE)))


def test_lines_in_websockets_through_a_proxy(tmp_path: Path) -> None:
    """A believed proxy has ended TLS for callers from other machines: a token lets them in."""
    with ThreadServer(tmp_path, proxies=LOOPBACK) as server, server.joined("alice") as alice:
        token = makes_token(alice, scope="send", to=["alice"], seconds=3600)
        for headers in ({"X-Forwarded-For": "203.0.113.7"}, {"Forwarded": 'for="[2001:db8::7]"'}):
            assert hears_of_lines(server.address, token, **headers)["t"] == "welcome"


def test_lines_in_websockets_from_elsewhere(tmp_path: Path, far: str) -> None:
    """Whom nobody vouches for needs TLS, whatever the headers claim; a proxy on another machine vouches."""
    address = far
    for folder, proxies, wanted in (
        ("direct", (), {"t": "bye", "code": "tls_required"}),
        ("other", LOOPBACK, {"t": "bye", "code": "tls_required"}),
        ("proxied", (ip_network(far),), {"t": "welcome"}),
    ):
        with ThreadServer(tmp_path / folder, host="0.0.0.0", proxies=proxies) as server:
            with Caller(Address("127.0.0.1", server.address.port)) as alice:
                alice.greets("alice")
                alice.hears("welcome")
                token = makes_token(alice, scope="send", to=["alice"], seconds=3600)
            for headers in ({}, {"X-Forwarded-For": "127.0.0.1"}, {"X-Forwarded-For": "203.0.113.7"}):
                heard = hears_of_lines(Address(address, server.address.port), token, **headers)
                assert {name: heard.get(name) for name in wanted} == wanted
