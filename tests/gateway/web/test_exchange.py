"""HTTP/1.1 on one connection: what is understood, what is refused, and what is answered."""

from __future__ import annotations

import contextlib
import random
from http import HTTPStatus

import h11
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chatcli.gateway.web.answers import TEXT, Fault
from chatcli.gateway.web.exchange import Body, Exchange
from chatcli.gateway.web.heads import Head
from tests.gateway.web.requests import CHUNKED, GET, MOST, POST, REFUSED, REQUESTS, UNDERSTOOD


class Dialogue:
    """A server that answers each request with its path and its body."""

    def __init__(self) -> None:
        self.exchange = Exchange()
        self.requests: list[tuple[Head, bytes]] = []
        self.faults: list[Fault] = []
        self.sent = b""
        self._head: Head | None = None

    def receive(self, *portions: bytes) -> Dialogue:
        """Take bytes, and answer what has come whole."""
        for portion in portions:
            self.exchange.receive(portion)
            while not self.exchange.closing or self.exchange.reading:
                try:
                    event = self.exchange.next()
                    if event is None and self.exchange.busy:
                        continue
                    if event is None:
                        break
                    self._process(event)
                except Fault as fault:
                    self.faults.append(fault)
                    self.sent += self.exchange.refuse(fault)
                    if self.exchange.closing:
                        break
        return self

    def _process(self, event: Head | Body) -> None:
        if isinstance(event, Head):
            self._head = event
            if event.has_body:
                self.sent += self.exchange.read_body(MOST)
                return
        assert self._head is not None
        self.requests.append((self._head, event.data if isinstance(event, Body) else b""))
        self.sent += self.exchange.answer(HTTPStatus.OK, TEXT, self._head.path.encode())

    @property
    def statuses(self) -> list[int]:
        """The statuses of the faults."""
        return [fault.status.value for fault in self.faults]

    @property
    def state(self) -> tuple[object, ...]:
        """What has come of it."""
        return self.requests, self.statuses, self.sent, self.exchange.closing, self.exchange.idle


def test_request_and_answer() -> None:
    """A request has a method, a path, a query and headers; the answer has a length."""
    done = Dialogue().receive(b"GET /a%20b?c=d HTTP/1.1\r\nHost: here\r\nAccept: a\r\nX: 1\r\naccept: b\r\n\r\n")
    ((head, body),) = done.requests
    assert (head.method, head.path, head.query, head.has_body, body) == ("GET", "/a%20b", "c=d", False, b"")
    assert head.headers == {"host": "here", "accept": "a, b", "x": "1"}
    assert done.sent.startswith(b"HTTP/1.1 200 OK\r\n")
    assert done.sent.endswith(b"Content-Length: 6\r\n\r\n/a%20b")
    assert done.exchange.idle


def test_slow_and_split() -> None:
    """A request may come byte by byte; until it is whole, nothing is answered."""
    for request in (POST + b"Content-Length: 3\r\n\r\nabc", CHUNKED + b"2\r\nab\r\n1;x=y\r\nc\r\n0\r\nA: b\r\n\r\n"):
        slow = Dialogue().receive(*(request[at : at + 1] for at in range(len(request) - 1)))
        assert slow.exchange.reading
        assert not slow.requests
        slow.receive(request[-1:])
        assert [body for _, body in slow.requests] == [b"abc"]
        assert slow.state == Dialogue().receive(request).state


@pytest.mark.parametrize(("data", "status"), REFUSED.values(), ids=REFUSED.keys())
def test_refused(data: bytes, status: int) -> None:
    """It is answered with its status, and the connection is closed, however the bytes come."""
    whole = Dialogue().receive(data)
    assert whole.statuses == [status]
    assert not whole.requests
    assert whole.sent.startswith(b"HTTP/1.1 %d " % status)
    assert b"\r\nConnection: close\r\n" in whole.sent
    assert whole.exchange.closing
    assert whole.exchange.lingering
    assert whole.sent == Dialogue().receive(*(data[at : at + 1] for at in range(len(data)))).sent


@pytest.mark.parametrize(("data", "method", "path", "host", "body"), UNDERSTOOD.values(), ids=UNDERSTOOD.keys())
def test_understood(data: bytes, method: str, path: str, host: str | None, body: bytes) -> None:
    """It is read to its end, and not beyond."""
    done = Dialogue().receive(data + GET)
    head, found = done.requests[0]
    assert (head.method, head.path, head.headers.get("host"), found) == (method, path, host, body)
    assert not done.faults
    assert len(done.requests) == (1 if head.version == "1.0" else 2)


@pytest.mark.parametrize(
    ("request_", "closes"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", False),
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", True),
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n", True),
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: x\r\nConnection: close\r\n\r\n", True),
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, close\r\n\r\n", True),
        (b"GET / HTTP/1.0\r\n\r\n", True),
        (b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", True),
    ],
)
def test_kept_open(request_: bytes, closes: bool) -> None:
    """The connection stays open unless the caller wants it closed, or does not know how."""
    done = Dialogue().receive(request_)
    assert done.exchange.closing is closes
    assert (b"\r\nConnection: close\r\n" in done.sent) is closes
    assert (b"\r\nConnection: keep-alive\r\n" in done.sent) is (b"HTTP/1.0" in request_ and not closes)
    assert not done.exchange.lingering


def test_answers_in_order() -> None:
    """Requests that come together are answered one after the other; bodies end where they end."""
    requests = [b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number for number in range(5)]
    smuggled = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
    requests.insert(2, POST + b"Content-Length: %d\r\n\r\n" % len(smuggled) + smuggled)
    requests.insert(4, CHUNKED + b"3\r\nGET\r\n0\r\n\r\n")
    done = Dialogue().receive(b"".join(requests))
    assert [head.path for head, _ in done.requests] == ["/0", "/1", "/ops", "/2", "/ops", "/3", "/4"]
    answers = done.sent.split(b"HTTP/1.1 200 OK\r\n")[1:]
    assert [answer.rpartition(b"\r\n\r\n")[2] for answer in answers] == [
        head.path.encode() for head, _ in done.requests
    ]


def test_nothing_after_a_close() -> None:
    """What follows the last request is not processed."""
    done = Dialogue().receive(b"GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" + GET)
    done.receive(GET)
    assert [head.path for head, _ in done.requests] == ["/a"]


def test_expectation() -> None:
    """The caller is told to go on only once its body is wanted, and only if it waits."""
    head = POST + b"Expect: 100-Continue\r\nContent-Length: 3\r\n\r\n"
    assert Dialogue().receive(head).sent == b"HTTP/1.1 100 Continue\r\n\r\n"
    done = Dialogue().receive(head, b"abc")
    assert done.sent.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")
    assert [body for _, body in done.requests] == [b"abc"]
    assert Dialogue().receive(head + b"abc").sent.startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize(
    "head", [POST + b"Expect: 100-continue\r\nContent-Length: 101\r\n\r\n", POST + b"Content-Length: 99999\r\n\r\n"]
)
def test_unwanted_body(head: bytes) -> None:
    """A long body, or one with which the caller waits, is refused by its head, and the connection closed."""
    done = Dialogue().receive(head)
    assert done.statuses == [413]
    assert b"100 Continue" not in done.sent
    assert done.exchange.closing
    assert done.exchange.lingering


_BODIES = [
    b"Content-Length: 200\r\n\r\n" + b"x" * 200,
    b"Transfer-Encoding: chunked\r\n\r\nc8\r\n" + b"x" * 200 + b"\r\n0\r\n\r\n",
]


@pytest.mark.parametrize("body", _BODIES)
def test_short_rest(body: bytes) -> None:
    """The short rest of a body that is refused is read and dropped, and the connection goes on."""
    done = Dialogue().receive(POST + body[:40], body[40:60], body[60:] + GET)
    assert done.statuses == [413]
    assert [head.path for head, _ in done.requests] == ["/"]
    assert not done.exchange.closing


def test_long_rest() -> None:
    """The rest of a body without a length is not read for ever."""
    done = Dialogue().receive(CHUNKED, *[b"400\r\n" + b"x" * 1024 + b"\r\n"] * 200, b"0\r\n\r\n" + GET)
    assert done.statuses == [413]
    assert not done.requests
    assert done.exchange.closing
    assert done.exchange.lingering


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_head(version: bytes) -> None:
    """The answer to HEAD has the headers of the one to GET, and no body; errors, too."""
    exchange = Exchange()
    for target, status in ((b"/", 200), (b"*", 400)):
        exchange.receive(b"HEAD %b HTTP/%b\r\nHost: a\r\nConnection: keep-alive\r\n\r\n" % (target, version))
        try:
            assert isinstance(exchange.next(), Head)
            sent = exchange.answer(HTTPStatus.OK, TEXT, b"abc")
        except Fault as fault:
            sent = exchange.refuse(fault)
        assert sent.startswith(b"HTTP/1.1 %d " % status)
        assert b"\r\nContent-Length: " in sent
        assert sent.endswith(b"\r\n\r\n")


def test_no_content() -> None:
    """An answer without content has no length and no body."""
    exchange = Exchange()
    exchange.receive(GET)
    exchange.next()
    sent = exchange.answer(HTTPStatus.NO_CONTENT, "", b"")
    assert b"Content-Length" not in sent
    assert sent.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("request_", "parts"),
    [
        (GET, b"3\r\nabc\r\n0\r\n\r\n"),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", b"abc"),
        (GET.replace(b"GET", b"HEAD"), b""),
    ],
)
def test_stream(request_: bytes, parts: bytes) -> None:
    """An answer of unknown length comes in chunks, or ends with the connection."""
    exchange = Exchange()
    exchange.receive(request_ + GET)
    exchange.next()
    begin = exchange.start_stream(TEXT)
    assert (b"Transfer-Encoding: chunked" in begin) is (b"1.1" in request_)
    assert exchange.next() is None
    assert exchange.part(b"abc") + exchange.part(b"") + exchange.end_stream() == parts
    assert exchange.closing is (b"1.0" in request_)
    assert (exchange.next() is None) is (b"1.0" in request_)


def test_stream_before_the_body() -> None:
    """What would be a body is never read as the next request."""
    exchange = Exchange()
    exchange.receive(GET[:-2] + b"Content-Length: %d\r\n\r\n" % len(GET) + GET)
    exchange.next()
    assert b"\r\nConnection: close\r\n" in exchange.start_stream(TEXT)
    exchange.end_stream()
    assert exchange.next() is None


def test_switch() -> None:
    """What has come behind the request belongs to the other protocol."""
    exchange = Exchange()
    exchange.receive(GET + b"\x81\x00")
    exchange.next()
    answer, rest = exchange.switch([("Upgrade", "websocket")])
    assert answer == b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
    assert rest == b"\x81\x00"
    exchange.receive(GET)
    assert exchange.next() is None


def test_nothing_is_repeated() -> None:
    """No error repeats what the caller has sent: it may be a token."""
    for data, _ in REFUSED.values():
        secret = data.replace(b"nonsense", b"cct_secret").replace(b"Host : a", b"Host : cct_secret")
        assert b"cct_secret" not in Dialogue().receive(secret).sent


# Anything that comes


_PIECES = st.sampled_from(
    [data for data in REQUESTS if len(data) < 500]
    + [b"\r\n", b"\n", b"\r", b"\0", b" ", b":", b"0\r\n\r\n", b"HTTP/1.1", b"Content-Length: 3\r\n", b"abc", b","]
)
_ANYTHING = st.lists(_PIECES | st.binary(max_size=20), max_size=6)


@st.composite
def _mutated(draw: st.DrawFn) -> bytes:
    """Draw requests in which some bytes have changed."""
    data = bytearray(b"".join(draw(_ANYTHING)))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.integers(0, 3))] = draw(st.sampled_from([b"", b"\r", b"\n", b" ", b"\0", b",", b"7"]))
    return bytes(data)


@given(_mutated(), st.randoms(use_true_random=False))
@example(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n" + GET, random.Random(1))
def test_any_portions(data: bytes, chance: random.Random) -> None:
    """Whatever comes, nothing but a fault is raised, and how it is cut makes no difference."""
    at, portions = 0, []
    while at < len(data):
        size = chance.choice((1, 2, 3, 10, 50, 1000))
        portions.append(data[at : at + size])
        at += size
    whole, cut = Dialogue().receive(data), Dialogue().receive(*portions)
    assert whole.state == cut.state
    assert len(whole.faults) <= 1 or not any(status != 413 for status in whole.statuses[:-1])


def _by_h11(data: bytes) -> list[tuple[str, bytes]]:
    """Return the methods and bodies that h11 alone understands."""
    parser = h11.Connection(h11.SERVER)
    parser.receive_data(data)
    found: list[tuple[str, bytes]] = []
    with contextlib.suppress(h11.RemoteProtocolError):
        while True:
            event = parser.next_event()
            if isinstance(event, h11.Request):
                found.append((event.method.decode(), b""))
            elif isinstance(event, h11.Data):
                found[-1] = found[-1][0], found[-1][1] + bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                parser.send(h11.Response(status_code=200, headers=[("Content-Length", "0")]))
                parser.send(h11.EndOfMessage())
                if parser.our_state is not h11.DONE:
                    break
                parser.start_next_cycle()
            else:
                break
    return found


@given(_mutated())
def test_as_h11(data: bytes) -> None:
    """Whatever is understood, h11 alone understands in the same way."""
    while data.startswith(b"\r\n"):
        data = data[2:]
    done = Dialogue().receive(data)
    understood = [(head.method, body) for head, body in done.requests]
    if not done.faults:  # what is refused in between, h11 may take
        assert understood == _by_h11(data)[: len(understood)]
