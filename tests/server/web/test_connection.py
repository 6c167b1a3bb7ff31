"""Connections of HTTP: bad requests, deadlines, prices, and what happens where something fails."""

from __future__ import annotations

import functools
import itertools
import logging
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from chatcli.server.connection.flow_control import Pause
from chatcli.server.limits import Limits
from chatcli.server.listeners.tcp import TcpConnection
from chatcli.server.web.connection import HttpConnection
from chatcli.server.web.responders import Health
from tests.server.web.callers import makes_token
from tests.server.web.raw import RawCaller
from tests.support import ThreadServer, eventually

LOCAL = b"Host: localhost\r\n"
GET = b"GET /healthz HTTP/1.1\r\n" + LOCAL + b"\r\n"

POST = b"POST /ops HTTP/1.1\r\n" + LOCAL
BEARER = b"Authorization: Bearer cct_wrong\r\n"
TOKEN = b"cct_right"  # in its place there is one that is good
RIGHT = b"Authorization: Bearer " + TOKEN + b"\r\n"

#: The rows of the table of statuses in the documentation, and requests for each.
BAD_REQUESTS = {
    "two lengths, also equal ones": [
        POST + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\na",
        POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\na",
    ],
    "a length and chunks": [
        POST + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n",
    ],
    "a line that ends with LF or CR alone, or goes on in the next one": [
        b"GET / HTTP/1.1\r\nHost: localhost\nX: y\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\rX: y\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + LOCAL + b"X: y\r\n z\r\n\r\n",
    ],
    "a control character in a header": [
        b"GET / HTTP/1.1\r\n" + LOCAL + b"X: \0\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + LOCAL + b"X: \x1b[2J\r\n\r\n",
    ],
    "chunks that are not right": [
        POST + RIGHT + b"Transfer-Encoding: chunked\r\n\r\nx\r\n",
        POST + RIGHT + b"Transfer-Encoding: chunked\r\n\r\n1\r\naa\r\n",
    ],
    "no `Host` in HTTP/1.1, or two": [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + LOCAL * 2 + b"\r\n",
    ],
    "a target of a proxy": [b"CONNECT localhost:22 HTTP/1.1\r\n" + LOCAL + b"\r\n"],
    "no token, or none that is good": [
        POST + b"Content-Length: 1\r\n\r\na",
        POST + BEARER + b"Content-Length: 1\r\n\r\na",
        POST + b"Authorization: Digest a\r\nContent-Length: 1\r\n\r\na",
        b"GET /metrics HTTP/1.1\r\n" + LOCAL + b"\r\n",
    ],
    "the page of another server": [
        POST + b"Origin: https://evil.example\r\n\r\n",
        POST + b"Origin: null\r\n\r\n",
        POST + b"Sec-Fetch-Site: cross-site\r\n\r\n",
    ],
    "an unknown path": [
        b"GET /-/nothing HTTP/1.1\r\n" + LOCAL + b"\r\n",
        b"GET /ops/nothing HTTP/1.1\r\n" + LOCAL + b"\r\n",
        b"GET /ops/events/more HTTP/1.1\r\n" + LOCAL + b"\r\n",
    ],
    "another method": [
        b"OPTIONS / HTTP/1.1\r\n" + LOCAL + b"\r\n",
        b"GET /ops HTTP/1.1\r\n" + LOCAL + b"\r\n",
        b"POST /healthz HTTP/1.1\r\n" + LOCAL + b"\r\n",
    ],
    "a body that is too long": [
        POST + RIGHT + b"Content-Length: 9999999\r\n\r\n",
        b"POST /-/ask?to=bob HTTP/1.1\r\n" + LOCAL + RIGHT + b"Content-Length: 65537\r\n\r\n",
        b"POST /-/hook?to=bob HTTP/1.1\r\n" + LOCAL + RIGHT + b"Content-Length: 1048577\r\n\r\n",
    ],
    "a compressed body": [
        POST + b"Content-Encoding: br\r\n\r\n",
        POST + b"Content-Encoding: gzip, identity\r\n\r\n",
    ],
    "an `Expect` other than `100-continue`": [b"GET / HTTP/1.1\r\n" + LOCAL + b"Expect: x\r\n\r\n"],
    "another host": [
        b"GET http://evil.example/ HTTP/1.1\r\n" + LOCAL + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    ],
    "a WebSocket that is asked for in another way": [
        b"GET /-/ws HTTP/1.1\r\n" + LOCAL + b"\r\n",
        b"GET /-/ws HTTP/1.1\r\n" + LOCAL + b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    ],
    "more than 16 KiB of headers, or more than 100 of them": [
        b"GET / HTTP/1.1\r\n" + LOCAL + b"X: y\r\n" * 101 + b"\r\n",
        b"GET / HTTP/1.1\r\n" + LOCAL + b"X: " + b"y" * 17_000 + b"\r\n\r\n",
    ],
    "another `Transfer-Encoding`": [
        POST + b"Transfer-Encoding: gzip\r\n\r\n",
        POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n",
    ],
    "another version of HTTP": [
        b"GET / HTTP/2.0\r\n" + LOCAL + b"\r\n",
        b"GET / HTTP/0.9\r\n" + LOCAL + b"\r\n",
    ],
}
TABLE = Path(__file__, "../../../../docs/http.md").resolve()


def token_of(server: ThreadServer) -> str:
    """Make a token that sends."""
    with server.joined("alice") as alice:
        return makes_token(alice, scope="send", seconds=3600)


def documented() -> dict[str, int]:
    """Return the rows of the table of statuses in the documentation."""
    section = TABLE.read_text().partition("## Bad requests")[2].partition("\n## ")[0]
    return {what: int(status) for status, what in re.findall(r"^\| (\d{3}) \| (.*?) \|", section, re.MULTILINE)}


def test_documented() -> None:
    """Each row of the table has requests here, but for what is a matter of time and of load."""
    rows = documented()
    assert set(BAD_REQUESTS) == {row for row, status in rows.items() if status not in (408, 429, 500, 503)}


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize(
    ("what", "number"), [(what, at) for what in BAD_REQUESTS for at in range(len(BAD_REQUESTS[what]))]
)
def test_bad_request(server: ThreadServer, what: str, number: int, tls: bool) -> None:
    """It gets its status, and the connection is closed or goes on, as the answer says."""
    request = BAD_REQUESTS[what][number]
    if TOKEN in request:  # what is wrong with the body is seen once the token is known to be right
        request = request.replace(TOKEN, token_of(server).encode())
    with RawCaller.of(server, tls=tls) as caller:
        caller.sends(request)
        answer = caller.hears()
        assert answer.status == documented()[what]
        assert "access-control-allow-origin" not in answer.headers
        if answer.headers.get("connection") == "close":
            assert caller.hears_end()
        else:
            assert caller.asks("GET", "/healthz").text == "ok\n"


@pytest.mark.parametrize("tls", [False, True])
def test_answer_survives(server: ThreadServer, tls: bool) -> None:
    """A caller that is still sending a body which nobody wants can read the answer."""
    with RawCaller.of(server, tls=tls) as caller:
        caller.sends(caller.request("POST", "/ops", b"x" * 2_000_000))
        answer = caller.hears()
        assert (answer.status, answer.headers["connection"]) == (401, "close")
        assert caller.hears_end()


def test_small_rest(server: ThreadServer) -> None:
    """After the short body of a refused request, the connection goes on."""
    with RawCaller.of(server) as caller:
        for size in (1, 1000, 60_000):
            answer = caller.asks("POST", "/ops", b"GET / HTTP/1.1\r\n\r\n"[:size] + b"x" * max(0, size - 18))
            assert (answer.status, "connection" in answer.headers) == (401, False)
        assert caller.asks("GET", "/healthz").status == 200


def send_for_ever(caller: RawCaller, data: bytes) -> None:
    """Send the same again and again."""
    while True:
        caller.sends(data)


def test_endless_body(server: ThreadServer) -> None:
    """Whoever goes on sending to a connection that is closed is cut off."""
    with RawCaller.of(server) as caller:
        caller.sends(caller.request("POST", "/ops", content_length="999999999"))
        with pytest.raises(ConnectionError):
            send_for_ever(caller, b"x" * 65536)


def test_order(server: ThreadServer) -> None:
    """Requests that come together are answered in their order, slow ones and errors among them."""
    with server.joined("alice") as alice, RawCaller.of(server) as caller:
        token = makes_token(alice, scope="send", to=["alice"], seconds=3600)
        post = caller.request("POST", "/@alice", b"hi", authorization=f"Bearer {token}")
        head = caller.request("HEAD", "/healthz")
        caller.sends(post + GET + head + caller.request("GET", "/-/no") + post + GET)
        statuses = [caller.hears(bodiless=place == 2) for place in range(6)]
        assert [answer.status for answer in statuses] == [200, 200, 200, 404, 200, 200]
        assert statuses[2].headers["content-length"] == "3"
        assert [message["text"] for message in (alice.hears("message"), alice.hears("message"))] == ["hi", "hi"]


def test_date(still: ThreadServer) -> None:
    """Each answer, errors among them, says when it was given, by the server's clock."""
    with RawCaller.of(still) as caller:
        for moment, date in (
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784111777000, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (784111777999, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (784111778000, "Sun, 06 Nov 1994 08:49:38 GMT"),
        ):
            still.hub.clock = functools.partial(int, moment)
            for path in ("/healthz", "/-/nothing"):
                assert caller.asks("GET", path).headers["date"] == date


def test_half_closed(server: ThreadServer) -> None:
    """Whoever sends nothing more gets all answers, and the end; a request that is cut short gets 400."""
    with RawCaller.of(server) as caller:
        caller.sends(GET * 20)
        caller.socket.shutdown(socket.SHUT_WR)
        assert [caller.hears().status for _ in range(20)] == [200] * 20
        assert caller.hears_end()
    token = token_of(server)
    for cut in (
        GET[:-3],
        f"POST /ops HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Length: 9\r\n\r\n".encode(),
    ):
        with RawCaller.of(server) as caller:
            caller.sends(GET + cut)
            caller.socket.shutdown(socket.SHUT_WR)
            assert [caller.hears().status, caller.hears().status] == [200, 400]
            assert caller.hears_end()
    eventually(lambda: server.run(lambda: not server.hub.connections))


# Deadlines, in ticks


def http_of(server: ThreadServer) -> HttpConnection | None:
    """Return the only connection of HTTP. Call it in the server's thread."""
    for connection in server.hub.connections:
        assert isinstance(connection, TcpConnection)
        if isinstance(connection._end, HttpConnection):
            return connection._end
    return None


def wait_until(server: ThreadServer, *, reading: bool) -> HttpConnection:
    """Wait until the server is in the middle of a request, or between two, and return the connection."""

    def is_so() -> bool:
        connection = http_of(server)
        return connection is not None and connection._exchange.reading is reading and not connection._scheduled

    eventually(lambda: server.run(is_so))
    connection = server.run(lambda: http_of(server))
    assert connection is not None
    return connection


def pass_ticks(server: ThreadServer, seconds: float) -> None:
    """Let time pass for the only connection, in ticks of half a second."""

    def tick() -> None:
        for _ in range(int(seconds * 2)):
            for connection in tuple(server.hub.connections):
                connection.tick(0.5)

    server.run(tick)


@pytest.fixture(name="still")
def server_that_stands_still(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadServer]:
    """Yield a server for which time passes only where a test says so."""
    monkeypatch.setattr("chatcli.server.app._TICK", 3600.0)
    with ThreadServer(tmp_path / "data") as running:
        yield running


def test_slow_head(still: ThreadServer) -> None:
    """A head has ten seconds, however it dribbles in."""
    with RawCaller.of(still) as caller:
        caller.sends(GET[:10])
        wait_until(still, reading=True)
        pass_ticks(still, 9)
        caller.sends(GET[10:12])
        pass_ticks(still, 0.5)
        assert still.run(lambda: http_of(still)) is not None
        pass_ticks(still, 1)
        answer = caller.hears()
        assert (answer.status, answer.headers["connection"]) == (408, "close")
        pass_ticks(still, 2)
        assert caller.hears_end()


@pytest.mark.parametrize("gaps", [(11,), (9, 9, 9, 4)])
def test_slow_body(still: ThreadServer, gaps: tuple[int, ...]) -> None:
    """A body may take its time, but not ten seconds for a byte, nor thirty in all."""
    token = token_of(still)
    with RawCaller.of(still) as caller:
        caller.sends(caller.request("POST", "/ops", authorization=f"Bearer {token}", content_length="9"))
        connection = wait_until(still, reading=True)
        for number, gap in enumerate(gaps[:-1], 1):
            pass_ticks(still, gap)
            caller.sends(b"a")
            wanted = b"a" * number
            eventually(functools.partial(connection._exchange._body.__eq__, wanted))
        assert not connection.closed
        pass_ticks(still, gaps[-1])
        assert caller.hears().status == 408


def test_idle(still: ThreadServer) -> None:
    """Between two requests there is a minute; the next one has its own ten seconds; nothing is said at the end."""
    with RawCaller.of(still) as caller:
        assert caller.asks("GET", "/healthz").status == 200
        wait_until(still, reading=False)
        pass_ticks(still, 50)
        caller.sends(GET[:10])
        wait_until(still, reading=True)
        pass_ticks(still, 9)
        caller.sends(GET[10:])
        assert caller.hears().status == 200
        wait_until(still, reading=False)
        pass_ticks(still, 61)
        assert caller.hears_end()


def test_idle_after_a_page(still: ThreadServer) -> None:
    """Connections on which a browser has loaded the page are not kept for long: it has opened several."""
    with RawCaller.of(still) as caller:
        for path, status in (("/healthz", 200), ("/ops", 200), ("/-/app/0123456789abcdef/main.js", 404)):
            assert caller.asks("GET", path, accept="text/html").status == status
            wait_until(still, reading=False)
            pass_ticks(still, 9)
            assert still.run(lambda: http_of(still)) is not None
        pass_ticks(still, 2)
        assert caller.hears_end()


def test_no_reader(still: ThreadServer) -> None:
    """A caller that takes none of its answers is read no more, and cut off after a while."""
    still.hub.rate_limits.clock = itertools.count(0, 1000).__next__  # no allowance is used up
    with RawCaller(still.address, receive_buffer=4096) as caller:
        caller.sends(GET)
        connection = wait_until(still, reading=False)
        while not still.run(lambda: connection.flow.paused):
            caller.sends(GET * 100)
            wait_until(still, reading=False)
        assert connection.unsent
        pass_ticks(still, 290)
        assert still.hub.connections
        pass_ticks(still, 20)
        eventually(lambda: still.run(lambda: not still.hub.connections))


# Prices


def test_flood(server: ThreadServer) -> None:
    """Tiny requests without end are read as fast as they are paid for, and a conversation goes on.

    The clock of the allowances stands still: nothing comes back.
    """
    callers = [RawCaller.of(server) for _ in range(5)]
    with server.joined("alice") as alice, server.joined("bob") as bob:
        now = server.hub.rate_limits.clock()
        server.hub.rate_limits.clock = lambda: now
        for caller in callers:
            caller.sends(GET * 1500)

        def held() -> int:
            ends = [connection._end for connection in server.hub.connections if isinstance(connection, TcpConnection)]
            return sum(isinstance(end, HttpConnection) and Pause.ALLOWANCE in end.flow for end in ends)

        eventually(lambda: server.run(held) == len(callers))
        for number in range(50):
            alice.sends("bob", f"{number}")
            alice.hears("sent", outcome="delivered")
        assert len(bob.texts(50)) == 50
        for caller in callers:
            caller.hang_up()


def test_small_chunks(server: ThreadServer) -> None:
    """A body in the smallest chunks is taken apart piece by piece, and paid for."""
    with server.joined("alice") as alice, RawCaller.of(server) as caller:
        token = makes_token(alice, scope="send", to=["alice"], seconds=3600)
        request = caller.request("POST", "/@alice", authorization=f"Bearer {token}", transfer_encoding="chunked")
        caller.sends(request + b"1\r\nx\r\n" * 4000 + b"0\r\n\r\n")
        assert caller.hears().status == 200
        assert alice.hears("message")["text"] == "x" * 4000


# Failures


def test_failure(server: ThreadServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """An error of ours is answered with 500 and logged once; only that connection ends."""

    def fail(*_: object) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr(Health, "respond", fail)
    with RawCaller.of(server) as other, RawCaller.of(server) as caller:
        answer = caller.asks("GET", "/healthz")
        assert (answer.status, answer.headers["connection"]) == (500, "close")
        assert "boom" not in answer.text
        assert caller.hears_end()
        assert other.asks("GET", "/").status == 200
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert record.exc_info is not None
    assert "boom" in str(record.exc_info[1])


def test_limit_of_connections(tmp_path: Path) -> None:
    """Callers by HTTP from this machine are counted, as they may come from anywhere; those who speak lines are not."""
    with ThreadServer(tmp_path, Limits(connections_per_address=3)) as server:
        callers = [RawCaller.of(server) for _ in range(4)]
        statuses = [caller.asks("GET", "/healthz").status for caller in callers]
        assert statuses == [200, 200, 200, 429]
        assert callers[3].hears_end()
        with server.joined("alice"):
            callers[0].hang_up()
            eventually(lambda: server.run(lambda: len(server.hub.connections)) == 3)
            with RawCaller.of(server) as again:
                assert again.asks("GET", "/healthz").status == 200
        for caller in callers:
            caller.hang_up()
        eventually(lambda: server.run(lambda: not server.hub.rate_limits._connections))
