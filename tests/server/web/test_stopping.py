"""A server that stops: each request that is under way gets an answer that says what is known."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest

from chatcli.errors import Refused
from chatcli.protocol import codes
from chatcli.protocol import frames as f
from chatcli.protocol.codec import encode
from chatcli.server.connection.session import Session
from chatcli.server.listeners.tcp import TcpConnection
from chatcli.server.web.connection import HttpConnection
from tests.server.web.answers import Answer
from tests.server.web.callers import HttpCaller, calls, makes_token
from tests.support import Caller, ThreadServer, eventually

STOPPING = (codes.STOPPING, "The server is stopping.")


@pytest.fixture
def token(alice: Caller) -> str:
    """A token of alice, for everywhere."""
    return makes_token(alice)


def connection_of(server: ThreadServer) -> HttpConnection:
    """Return the only connection by HTTP. Call it in the server's thread."""
    ends = [each._end for each in server.hub.connections if isinstance(each, TcpConnection)]
    (end,) = [end for end in ends if isinstance(end, HttpConnection)]
    return end


def session_of(server: ThreadServer) -> Session:
    """Return the session of its requests. Call it in the server's thread."""
    session = connection_of(server).session
    assert session is not None
    return session


def asks_and_waits(server: ThreadServer, http: HttpCaller, bob: Caller) -> int:
    """Ask bob, and wait until the server waits for his answer; return the number of the question."""
    http.begins("POST", "/-/ask?to=bob", "Deploy?")
    seq: int = bob.hears("message")["seq"]
    eventually(lambda: server.run(lambda: bool(server.hub.questions._waiting)))
    return seq


def test_question(server: ThreadServer, bob: Caller, token: str) -> None:
    """Its answer can be had later: the question is on disk."""
    with calls(server, token) as http:
        seq = asks_and_waits(server, http, bob)
        server.stop()
        answer = http.hears()
    where = f"/-/ask/{seq}?wait=50"
    assert (answer.status, answer.headers["connection"], where in answer.text) == (503, "close", True), answer
    assert "is asked" in answer.text


def test_awaited_answer(server: ThreadServer, bob: Caller, token: str) -> None:
    """It can be awaited again."""
    with calls(server, token) as http:
        http.begins("POST", "/-/ask?to=bob&wait=1", "Deploy?")
        seq = bob.hears("message")["seq"]
    with calls(server, token) as http:
        http.begins("GET", f"/-/ask/{seq}")
        eventually(lambda: server.run(lambda: bool(server.hub.questions._waiting)))
        server.stop()
        answer = http.hears()
    assert (answer.status, f"GET /-/ask/{seq}?wait=50" in answer.text) == (503, True)


def stopped_while_publishing(
    server: ThreadServer, token: str, meanwhile: Callable[[str], None], path: str = "/@bob"
) -> Answer:
    """Return the answer to a message, at whose arrival something happens before the connection is closed."""
    with calls(server, token) as http:
        assert http.gets("/healthz").status == 200
        key = str(uuid.uuid4())
        words = {"Host": str(server.address), "Authorization": f"Bearer {token}", "Idempotency-Key": key}
        head = "".join(f"{name}: {value}\r\n" for name, value in words.items())
        request = f"POST {path} HTTP/1.1\r\n{head}Content-Length: 2\r\n\r\nhi".encode()

        def close() -> None:
            connection = connection_of(server)
            connection.received(request)
            meanwhile(key)
            connection.close(*STOPPING)

        http.connection.putrequest("POST", path)  # the answer to it is read below
        http.connection._HTTPConnection__state = "Request-sent"  # type: ignore[attr-defined]
        server.run(close)
        return http.hears()


def test_message_on_disk(server: ThreadServer, bob: Caller, token: str) -> None:
    """The answer that has yet to be sent is sent."""
    assert bob.welcome

    def store(key: str) -> None:
        session_of(server).send(encode(f.Sent(key, 4711, 0, "delivered")))

    answer = stopped_while_publishing(server, token, store)
    assert (answer.status, answer.text, answer.headers["connection"]) == (200, "delivered 4711\n", "close")


def test_message_on_its_way(server: ThreadServer, bob: Caller, token: str) -> None:
    """Nobody knows what becomes of it, and the answer says so."""
    assert bob.welcome
    answer = stopped_while_publishing(server, token, lambda _: None)
    assert (answer.status, answer.headers["connection"]) == (503, "close")
    assert answer.text.startswith("The server is stopping. Whether the message was stored is not known")
    assert "retry-after" in answer.headers


def test_error_of_an_earlier_request(server: ThreadServer, bob: Caller, token: str) -> None:
    """It changes nothing for the present one."""
    with calls(server, token) as http:
        seq = asks_and_waits(server, http, bob)
        late = Refused(codes.STORAGE, "Too late.")

        def refuse_earlier() -> None:
            session = session_of(server)
            session.answer(f.Send(str(uuid.uuid4()), "bob", "earlier"), late)
            session.answer(f.Answers(seq, 2**40), late)

        server.run(refuse_earlier)
        bob.sends("alice", "", re=seq, answer=0)
        assert http.hears().text == "yes\n"
