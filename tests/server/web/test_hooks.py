"""Webhooks over real sockets: the token in the path, redeliveries, and what has nothing to say."""

from __future__ import annotations

import json
import logging
import uuid
from pathlib import Path

import pytest

from tests.server.web.answers import Answer
from tests.server.web.callers import calls, makes_token
from tests.support import Caller, ThreadServer

SAMPLES = Path(__file__).parents[2] / "gateway" / "web" / "samples"
JSON = "application/json"


@pytest.fixture
def token(alice: Caller, bob: Caller) -> str:
    """A token of alice for one room, in which bob is."""
    alice.enters("#ops")
    bob.enters("#ops")
    return makes_token(alice, to=["#ops"])


def seq_of(answer: Answer) -> int:
    """Check that a message is on disk, and return its place in the log."""
    assert answer.status == 200, answer
    return int(answer.text.split()[1])


@pytest.mark.parametrize("tls", [False, True])
def test_text_in_the_room_of_the_token(server: ThreadServer, bob: Caller, token: str, *, tls: bool) -> None:
    """Whoever knows the address speaks in the one room, under the name of the token; a header will do as well."""
    with calls(server, tls=tls) as http:
        seq_of(http.posts(f"/-/hook/{token}", json.dumps({"text": "from Slack's format"}), Content_Type=JSON))
        message = bob.hears("message")
        assert (message["from"], message["to"], message["text"]) == ("alice", "#ops", "from Slack's format")
        seq_of(http.posts("/-/hook", "plain", Authorization=f"Bearer {token}"))
        assert bob.hears("message")["text"] == "plain"


def test_github(server: ThreadServer, bob: Caller, token: str) -> None:
    """A redelivery, also on another connection, says nothing twice; an event without news is taken and says nothing."""
    body = json.dumps({"zen": "Keep it logically awesome.", "repository": {"full_name": "o/r"}, "hook_id": 1})
    delivery = {"X_GitHub_Event": "ping", "X_GitHub_Delivery": str(uuid.uuid4()), "Content_Type": JSON}
    with calls(server) as http:
        seq = seq_of(http.posts(f"/-/hook/{token}", body, **delivery))
    with calls(server) as http:
        assert seq_of(http.posts(f"/-/hook/{token}", body, **delivery)) == seq
        answer = http.posts(f"/-/hook/{token}", "{}", X_GitHub_Event="star", Content_Type=JSON)
        assert (answer.status, answer.text) == (204, "")
        last = seq_of(http.posts(f"/-/hook/{token}", "last"))
    assert [bob.hears("message")["seq"] for _ in range(2)] == [seq, last]


def test_large_body(server: ThreadServer, bob: Caller, token: str) -> None:
    """It is read beside the loop, up to a megabyte."""
    filler = [{"a": "x" * 1000}] * 1000
    with calls(server) as http:
        seq_of(http.posts(f"/-/hook/{token}", json.dumps({"text": "big", "more": filler}), Content_Type=JSON))
        assert bob.hears("message")["text"] == "big"
    with calls(server) as http:
        assert http.posts(f"/-/hook/{token}", b"x" * (1024 * 1024 + 1)).status == 413


@pytest.mark.parametrize("size", [0, 100_000])
def test_failure(
    server: ThreadServer, token: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, size: int
) -> None:
    """A mistake of ours is logged and answered, also where another thread has read the body."""

    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a mistake")

    with calls(server) as http:
        with monkeypatch.context() as patch:
            patch.setattr("chatcli.gateway.web.hooks.understand", fail)
            answer = http.posts(f"/-/hook/{token}", b"x" * (size + 1))
        assert (answer.status, answer.headers["connection"]) == (500, "close")
        assert "a mistake" in caplog.text
        assert token not in caplog.text
        seq_of(http.posts(f"/-/hook/{token}", "x"))


@pytest.mark.parametrize("filler", ["", "x" * 100_000])
def test_large_number(server: ThreadServer, bob: Caller, token: str, filler: str) -> None:
    """A number that no float can hold is shown all the same."""
    body = json.dumps({"alerts": [{"values": {"a": 10**400}, "fingerprint": filler}]})
    with calls(server) as http:
        seq_of(http.posts(f"/-/hook/{token}", body, Content_Type=JSON))
    assert "(a=inf)" in bob.hears("message")["text"]


def test_place(server: ThreadServer, alice: Caller, bob: Caller, token: str) -> None:
    """A token for several places needs one of them in the address."""
    alice.enters("#dev")
    two, everywhere = makes_token(alice, to=["#ops", "bob"]), makes_token(alice)
    with calls(server) as http:
        for shown in (two, everywhere):
            answer = http.posts(f"/-/hook/{shown}", "x")
            assert (answer.status, "?to=%23ops" in answer.text) == (422, True)
            seq_of(http.posts(f"/-/hook/{shown}?to=%23ops", "x"))
            seq_of(http.posts(f"/-/hook/{shown}?to=@bob", "y"))
        assert http.posts(f"/-/hook/{token}?to=%23dev", "x").status == 403
        for nowhere in ("", "@", "%23"):
            answer = http.posts(f"/-/hook/{everywhere}?to={nowhere}", "x")
            assert (answer.status, "?to=%23ops" in answer.text) == (422, True)
        assert http.posts(f"/-/hook/{makes_token(alice, to=['bob'])}", "z").status == 200
    assert [bob.hears("message")["text"] for _ in range(5)] == ["x", "y", "x", "y", "z"]


def test_same_event_for_two_places(server: ThreadServer, alice: Caller, bob: Caller, token: str) -> None:
    """An event that is posted to two addresses with the same token is a message in each place, and in each once."""
    alice.enters("#dev")
    bob.enters("#dev")
    both = makes_token(alice)
    body = json.dumps({"zen": "Design for failure."})
    delivery = {"X_GitHub_Event": "ping", "X_GitHub_Delivery": str(uuid.uuid4()), "Content_Type": JSON}
    with calls(server) as http:
        for room in ("ops", "dev", "ops", "dev"):
            seq_of(http.posts(f"/-/hook/{both}?to=%23{room}", body, **delivery))
        seq_of(http.posts(f"/-/hook/{token}", body, **delivery))
        seq_of(http.posts(f"/-/hook/{token}", "last"))
    assert [bob.hears("message")["to"] for _ in range(4)] == ["#ops", "#dev", "#ops", "#ops"]


def test_refused(server: ThreadServer, token: str) -> None:
    """Without a token, with a wrong one, with what no hook sends, and with the wrong method."""
    with calls(server) as http:
        assert http.posts("/-/hook", "x").status == 401
        assert http.posts("/-/hook/cct_no", "x").status == 401
        answer = http.posts(f"/-/hook/{token}", '{"some": "thing"}', Content_Type=JSON, Accept=JSON)
        assert (answer.status, answer.json["code"]) == (422, "invalid")
        assert "curl" in answer.json["text"]
        assert http.posts(f"/-/hook/{token}", " ").status == 422
        assert http.gets(f"/-/hook/{token}").status == 405


def test_the_token_is_not_logged(server: ThreadServer, token: str, caplog: pytest.LogCaptureFixture) -> None:
    """Neither the address nor a body is in the log, at any level."""
    with caplog.at_level(logging.DEBUG), calls(server) as http:
        seq_of(http.posts(f"/-/hook/{token}", "a secret text"))
        http.posts(f"/-/hook/{token}/x", "a secret text")
        http.posts(f"/-/hook/{token[:-1]}", "a secret text")
    assert token[:20] not in caplog.text
    assert "secret" not in caplog.text
