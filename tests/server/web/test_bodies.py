"""Bodies of requests: nobody sends one before the token is known to be right, and all together they have a bound."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chatcli.server.limits import Limits
from chatcli.server.listeners.tcp import TcpConnection
from chatcli.server.web.connection import HttpConnection
from tests.server.web.callers import makes_token
from tests.server.web.raw import RawCaller
from tests.support import ThreadServer, eventually, known, set_failures_clock

MEGABYTE = 1024 * 1024
HERE = "127.0.0.1 by HTTP"


@pytest.fixture(name="still")
def server_that_stands_still(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadServer]:
    """Yield a server for which time passes only where a test says so, and nothing comes back to a purse."""
    monkeypatch.setattr("chatcli.server.app._TICK", 3600.0)
    with ThreadServer(tmp_path / "data", Limits(bodies=100_000)) as running:
        running.hub.rate_limits.clock = lambda: 0.0
        yield running


def token_for(server: ThreadServer, **fields: object) -> str:
    """Make a token of alice, limited to herself unless the test says otherwise."""
    with server.joined("alice") as alice:
        return makes_token(alice, seconds=3600, **{"scope": "send", "to": ["alice"], **fields})


def empty_purse(server: ThreadServer) -> None:
    """Use up what the callers by HTTP from this machine have together."""

    def pay() -> None:
        purse = server.hub.rate_limits.shared_purse(HERE, greeting=False)
        assert purse is not None
        purse.pay(0, 1e6)

    server.run(pay)


def by_http(server: ThreadServer) -> list[HttpConnection]:
    """Return the connections of HTTP. Call it in the server's thread."""
    ends = [connection._end for connection in server.hub.connections if isinstance(connection, TcpConnection)]
    return [end for end in ends if isinstance(end, HttpConnection)]


def held(server: ThreadServer) -> int:
    """Return the bytes of all bodies that the server holds, as a connection knows them, if there is one."""

    def count() -> int:
        ends = by_http(server)
        return ends[0]._site.held if ends else 0

    return server.run(count)


def pass_ticks(server: ThreadServer, seconds: float) -> None:
    """Let time pass for all connections, in ticks of half a second."""

    def tick() -> None:
        for _ in range(int(seconds * 2)):
            for connection in tuple(server.hub.connections):
                connection.tick(0.5)

    server.run(tick)


# Before the body


@pytest.mark.parametrize("long", [{"content_length": str(MEGABYTE)}, {"transfer_encoding": "chunked"}])
@pytest.mark.parametrize("expect", [{}, {"expect": "100-continue"}])
@pytest.mark.parametrize("target", ["/ops", "/@alice", "/-/hook", "/-/hook/cct_x", "/-/ask"])
def test_wrong_token(server: ThreadServer, target: str, expect: dict[str, Any], long: dict[str, Any]) -> None:
    """It is refused although nothing of the body has come."""
    with RawCaller.of(server) as caller:
        caller.sends(caller.request("POST", target, authorization="Bearer cct_x", **expect, **long))
        assert caller.hears().status == 401


def test_too_many_wrong_tokens(server: ThreadServer) -> None:
    """Where there were too many, nobody's body is wanted."""
    set_failures_clock(server, 0)
    token = token_for(server)
    for number in range(20):
        with RawCaller.of(server) as caller:
            caller.sends(caller.request("POST", f"/-/hook/cct_{number:033}", content_length=str(MEGABYTE)))
            assert caller.hears().status == 401
    with RawCaller.of(server) as caller:
        caller.sends(caller.request("POST", f"/-/hook/{token}", content_length=str(MEGABYTE)))
        assert caller.hears().status == 429


def test_no_rights(server: ThreadServer) -> None:
    """A webhook whose token is for more than one place, and one that is too long need not come."""
    with RawCaller.of(server) as caller:
        caller.sends(caller.request("POST", f"/-/hook/{token_for(server, to=[])}", content_length=str(MEGABYTE)))
        assert caller.hears().status == 422
    token = token_for(server)
    with RawCaller.of(server) as caller:
        caller.sends(caller.request("POST", f"/-/hook/{token}", content_length=str(MEGABYTE + 1)))
        assert caller.hears().status == 413


def test_no_allowance(still: ThreadServer) -> None:
    """Where the user's purse is empty, the body is not wanted."""
    token = token_for(still)
    still.run(lambda: still.hub.rate_limits.personal_purse(known(still, "alice")).pay(0, 1e6))
    with RawCaller.of(still) as caller:
        caller.sends(caller.request("POST", "/@alice", authorization=f"Bearer {token}", content_length="9"))
        answer = caller.hears()
        assert (answer.status, "retry-after" in answer.headers) == (429, True)


def test_expected(server: ThreadServer) -> None:
    """A right token has the body asked for, and the message is sent."""
    token = token_for(server)
    with server.joined("alice") as alice, RawCaller.of(server) as caller:
        caller.sends(
            caller.request(
                "POST", "/@alice", authorization=f"Bearer {token}", content_length="2", expect="100-continue"
            )
        )
        assert caller.hears().status == 100
        caller.sends(b"hi")
        assert caller.hears().status == 200
        assert alice.texts(1) == ["hi"]


def test_revoked_meanwhile(server: ThreadServer) -> None:
    """A token that is revoked while the body comes is refused at once."""
    with server.joined("alice") as alice, RawCaller.of(server) as caller:
        token = makes_token(alice, scope="send", to=["alice"], seconds=3600)
        caller.sends(caller.request("POST", "/@alice", authorization=f"Bearer {token}", content_length="9"))
        caller.sends(b"a")
        eventually(lambda: held(server) == 1)
        alice.says("tokens", n=1)
        (made,) = alice.hears("tokens")["tokens"]
        alice.says("untoken", token=made["id"], n=2)
        assert caller.hears().status in (401, 403)
        assert held(server) == 0


# All together


def test_bound(still: ThreadServer) -> None:
    """Beyond it a body is not asked for; one that grows beyond it is refused; those before it come whole."""
    token = token_for(still)
    with RawCaller.of(still) as first, RawCaller.of(still) as second, RawCaller.of(still) as third:
        length = 60_000
        head = first.request("POST", f"/-/hook/{token}", content_length=str(length))
        first.sends(head + b" " * (length - 1))
        eventually(lambda: held(still) == length - 1)
        second.sends(second.request("POST", f"/-/hook/{token}", content_length=str(length), expect="100-continue"))
        answer = second.hears()
        assert (answer.status, answer.headers["retry-after"], answer.headers["connection"]) == (503, "10", "close")
        third.sends(third.request("POST", f"/-/hook/{token}", transfer_encoding="chunked"))
        third.sends(b"c000\r\n" + b"x" * 0xC000)
        assert third.hears().status == 503
        assert held(still) == length - 1
        first.sends(b"x")
        assert first.hears().status == 200
        assert held(still) == 0


def test_forgotten(still: ThreadServer) -> None:
    """Bodies that are cut short are not counted any more."""
    token = token_for(still)
    with RawCaller.of(still) as stays:
        assert stays.asks("GET", "/healthz").status == 200
        with RawCaller.of(still) as caller:
            caller.sends(caller.request("POST", f"/-/hook/{token}", content_length="9000") + b"x" * 1000)
            eventually(lambda: held(still) == 1000)
        eventually(lambda: held(still) == 0)
        with RawCaller.of(still) as caller:
            caller.sends(caller.request("POST", f"/-/hook/{token}", content_length="9000") + b"x" * 1000)
            eventually(lambda: held(still) == 1000)
            pass_ticks(still, 11)
            assert caller.hears().status == 408
            assert held(still) == 0


# Callers whose address can pay no more


def test_held_body(still: ThreadServer) -> None:
    """A body that is not read for want of an allowance has its thirty seconds, too."""
    token = token_for(still)
    with RawCaller.of(still) as caller:
        caller.sends(caller.request("POST", f"/-/hook/{token}", content_length="9000") + b"x")
        eventually(lambda: held(still) == 1)
        empty_purse(still)
        caller.sends(b"x")
        eventually(lambda: still.run(lambda: all(end.account.overdrawn for end in by_http(still))))
        pass_ticks(still, 29)
        assert not still.run(lambda: by_http(still)[0].closed)
        pass_ticks(still, 2)
        answer = caller.hears()
        assert (answer.status, int(answer.headers["retry-after"]) > 1) == (429, True)
        pass_ticks(still, 2)
        assert caller.hears_end()


def test_held_head(still: ThreadServer) -> None:
    """A request that is not read has the ten seconds of a head; more than a little of a body is not kept so long."""
    token = token_for(still)
    empty_purse(still)
    with RawCaller.of(still) as patient, RawCaller.of(still) as pushing:
        patient.sends(patient.request("GET", "/"))
        eventually(lambda: still.run(lambda: any(end.account.overdrawn for end in by_http(still))))
        pushing.sends(pushing.request("POST", f"/-/hook/{token}", b"x" * 100_000))
        assert pushing.hears().status == 429
        pass_ticks(still, 11)
        assert patient.hears().status == 429


def test_health_of_a_poor_address(still: ThreadServer) -> None:
    """Probes are answered, up to fifty a second for all such addresses together; everything else waits."""
    empty_purse(still)
    with RawCaller.of(still) as caller, RawCaller.of(still) as other:
        for _ in range(49):
            assert caller.asks("GET", "/healthz").status == 200
        assert other.asks("HEAD", "/healthz").status == 200
        other.sends(other.request("GET", "/healthz"))
        caller.sends(caller.request("GET", "/"))
        eventually(lambda: still.run(lambda: all(end.flow.blocked for end in by_http(still))))
        assert still.run(lambda: still.hub.counts.requests["health", 200]) == 50
        still.hub.rate_limits.clock = lambda: 1000.0
        for end in still.run(lambda: by_http(still)):
            still.run(end.account._check_again)
        assert other.hears().status == 200
        assert caller.hears().status == 200
