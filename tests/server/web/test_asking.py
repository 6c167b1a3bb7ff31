"""Asking by HTTP: the answer comes when the person gives it, and is not lost with the connection."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from pathlib import Path

import msgspec
import pytest

from chatcli.cli.output import records
from chatcli.gateway.web.asking import Answer
from tests.server.web.callers import HttpCaller, calls, makes_token
from tests.support import DEADLINE, Caller, Frame, ThreadServer, eventually, pass_time, serving, sessions_of

JSON = "application/json"


def asks(http: HttpCaller, path: str = "/-/ask?to=bob", text: str = "Deploy?", **headers: str) -> None:
    """Ask, and do not wait."""
    http.begins("POST", path, text, {name.replace("_", "-"): value for name, value in headers.items()})


def answers(caller: Caller, number: int) -> Frame:
    """Answer the next question with the choice of that number; return the question."""
    question = caller.hears("message")
    caller.sends(question["from"], "", re=question["seq"], answer=number)
    assert caller.hears("sent")
    return question


@pytest.mark.parametrize("tls", [False, True])
def test_answer(server: ThreadServer, bob: Caller, token: str, *, tls: bool) -> None:
    """It is the chosen words; without choices these are yes and no."""
    with calls(server, token, tls=tls) as http:
        for number, words in enumerate(["yes", "no"]):
            asks(http)
            question = answers(bob, number)
            assert (question["text"], question["choices"]) == ("Deploy?", ["yes", "no"])
            assert question["until"] - question["at"] == 300_000
            answer = http.hears()
            assert (answer.status, answer.text) == (200, f"{words}\n")


def test_choices_and_timeout(bob: Caller, http: HttpCaller) -> None:
    """Both ways of writing a question have everything that ``ask`` has."""
    asks(http, "/-/ask?to=bob&choice=blue&choice=dark+green&timeout=10m")
    question = answers(bob, 1)
    assert question["until"] - question["at"] == 600_000
    assert http.hears().text == "dark green\n"
    asked = {"to": "@bob", "text": "Which?", "choices": ["a", "b", "c"], "timeout": 60}
    asks(http, "/-/ask", json.dumps(asked), Content_Type=JSON, Accept=JSON)
    question = answers(bob, 2)
    assert (question["until"] - question["at"], question["choices"]) == (60_000, ["a", "b", "c"])
    answer = http.hears()
    record = msgspec.json.decode(answer.text.encode(), type=records.Answer, strict=True)
    assert msgspec.json.encode(record) + b"\n" == answer.text.encode()
    assert (record.answer, record.choice, record.by, record.question) == ("c", 2, "bob", question["seq"])
    assert Answer.__struct_fields__ == records.Answer.__struct_fields__


def test_in_a_room(alice: Caller, bob: Caller, http: HttpCaller) -> None:
    """The first answer of a member counts."""
    alice.enters("#ops")
    bob.enters("#ops")
    asks(http, "/-/ask?to=%23ops")
    question = bob.hears("message")
    bob.sends("#ops", "", re=question["seq"], answer=1)
    assert http.hears().text == "no\n"


def test_declined(server: ThreadServer, bob: Caller, http: HttpCaller, token: str) -> None:
    """A script tells it apart by the status, and by the code."""
    asks(http, Accept=JSON)
    answers(bob, -1)
    answer = http.hears()
    assert (answer.status, answer.json["code"], answer.json["text"]) == (410, "declined", "bob has declined.")
    asks(http)
    seq = bob.hears("message")["seq"]
    with calls(server, token) as another:
        body = json.dumps({"text": "x", "re": seq})
        assert another.posts("/@bob", body, Content_Type=JSON).status == 200
    answers_later = http  # a reply that is no answer changes nothing
    bob.hears("message")
    bob.sends("alice", "", re=seq, answer=0)
    assert answers_later.hears().text == "yes\n"


@pytest.mark.usefixtures("brisk")
def test_not_in_time(server: ThreadServer, bob: Caller, http: HttpCaller) -> None:
    """The question is closed then, for the person, too."""
    asks(http, "/-/ask?to=bob&timeout=1h")
    question = bob.hears("message")
    pass_time(server, 3601)
    answer = http.hears()
    assert (answer.status, answer.text) == (504, "There was no answer in time: the question is closed.\n")
    bob.sends("alice", "", re=question["seq"], answer=0)
    assert bob.hears("error")["code"] == "not_open"
    answer = http.gets(f"/-/ask/{question['seq']}", Accept=JSON)
    assert (answer.status, answer.json["code"]) == (504, "not_in_time")


@pytest.mark.usefixtures("brisk")
def test_waiting_in_parts(server: ThreadServer, bob: Caller, http: HttpCaller, token: str) -> None:
    """Whoever cannot wait for long is led to where the answer will be, again and again."""
    asks(http, "/-/ask?to=bob&wait=1")
    question = bob.hears("message")
    answer = http.hears()
    where = answer.headers["location"]
    assert (answer.status, where) == (303, f"/-/ask/{question['seq']}?wait=1")
    answer = http.gets(where)
    assert (answer.status, answer.headers["location"]) == (303, where)
    assert server.run(lambda: not server.hub.questions._waiting)
    with calls(server, token) as another:
        another.begins("GET", f"/-/ask/{question['seq']}")
        eventually(lambda: server.run(lambda: bool(server.hub.questions._waiting)))
        bob.sends("alice", "", re=question["seq"], answer=0)
        assert another.hears().text == "yes\n"
    assert http.gets(where).text == "yes\n"


def test_a_connection_that_breaks(server: ThreadServer, bob: Caller, token: str) -> None:
    """The question stays open; the same request with the same key finds its answer, and asks nothing twice."""
    with calls(server, token) as http:
        asks(http, Idempotency_Key="deploy-1")
        question = bob.hears("message")
    eventually(lambda: server.run(lambda: len(sessions_of(server, "alice")) == 1))
    with calls(server, token) as http:
        asks(http, Idempotency_Key="deploy-1")
        eventually(lambda: server.run(lambda: bool(server.hub.questions._waiting)))
        bob.sends("alice", "", re=question["seq"], answer=1)
        assert http.hears().text == "no\n"
        asks(http, Idempotency_Key="deploy-1")
        assert http.hears().text == "no\n"
        assert http.gets(f"/-/ask/{question['seq']}").text == "no\n"


def test_a_server_that_is_killed(tmp_path: Path) -> None:
    """The answer given after its return is found with the same key."""
    with serving(tmp_path) as (program, address):
        with Caller(address) as alice:
            alice.greets("alice")
            alice.hears("welcome")
            token = makes_token(alice)
            with HttpCaller(address, token) as http:
                asks(http, "/-/ask?to=alice", Idempotency_Key="deploy-1")
                question = alice.hears("message")
                program.end(signal.SIGKILL)
    with serving(tmp_path) as (_, address), Caller(address) as alice, HttpCaller(address, token) as http:
        alice.greets("alice")
        alice.hears("welcome")
        asks(http, "/-/ask?to=alice", Idempotency_Key="deploy-1")
        alice.sends("alice", "", re=question["seq"], answer=0)
        assert http.hears().text == "yes\n"


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("/-/ask", "x", 422, "?to=bob"),
        ("/-/ask?to=nobody", "x", 404, "nobody"),
        ("/-/ask?to=bob", "", 422, "no text"),
        ("/-/ask?to=bob&choice=a", "x", 422, "2 to 9 choices"),
        ("/-/ask?to=bob&choice=a&choice=A", "x", 422, "differ"),
        ("/-/ask?to=bob&timeout=soon", "x", 422, "timeout"),
        ("/-/ask?to=bob&timeout=31d", "x", 422, "timeout"),
        ("/-/ask?to=bob&wait=2h", "x", 422, "wait"),
        ("/-/ask?to=bob&to=eve", "x", 422, "more than once"),
        ("/-/ask?to=bob&then=x", "x", 422, "choice, timeout, to, wait"),
    ],
)
def test_mistakes(http: HttpCaller, bob: Caller, path: str, body: str, status: int, words: str) -> None:
    """Each has its status and a sentence."""
    assert bob.welcome
    answer = http.posts(path, body)
    assert (answer.status, words in answer.text) == (status, True), answer


JSON_MISTAKES = [
    ("/-/ask?to=bob", {"text": "x"}, ['{"to": "bob"', "question mark"]),
    ("/-/ask?to=bob", {"to": "bob", "text": "x"}, ['{"to": "bob"', "question mark"]),
    ("/-/ask?token=x", {"to": "bob", "text": "x"}, ["Authorization"]),
    ("/-/ask?then=x", {"to": "bob", "text": "x"}, ['"then"']),
    ("/-/ask", {"text": "x"}, ["`to`"]),
    ("/-/ask", {"to": "@", "text": "x"}, ["?to=bob"]),
    ("/-/ask", {"to": "#", "text": "x"}, ["?to=bob"]),
]


@pytest.mark.parametrize(("path", "body", "words"), JSON_MISTAKES)
def test_mistakes_in_json(http: HttpCaller, path: str, body: dict[str, str], words: list[str]) -> None:
    """What stands where it does not belong is named, with the remedy."""
    answer = http.posts(path, json.dumps(body), Content_Type=JSON)
    assert answer.status == 422
    assert [word for word in words if word not in answer.text] == [], answer


def test_names(alice: Caller, bob: Caller, http: HttpCaller) -> None:
    """A bare name is a person's; where there is only such a room, that is suggested."""
    alice.enters("#ops")
    for name in ("bob", "@bob"):
        asks(http, f"/-/ask?to={name}")
        answers(bob, 0)
        assert http.hears().text == "yes\n"
    answer = http.posts("/-/ask?to=ops", "Deploy?", Accept=JSON)
    assert (answer.status, answer.json["code"], answer.json["names"]) == (404, "unknown_user", ["#ops"])
    assert "'#ops'" in answer.json["text"]


def test_rights(server: ThreadServer, alice: Caller, bob: Caller, http: HttpCaller) -> None:
    """A token asks where it may send; an answer is for who has asked."""
    asks(http)
    question = answers(bob, 0)
    assert http.hears().status == 200
    with calls(server, makes_token(alice, to=["alice"])) as limited:
        assert limited.posts("/-/ask?to=bob", "x").status == 403
    with calls(server, makes_token(bob)) as other:
        assert other.gets(f"/-/ask/{question['seq']}").status >= 400
    with calls(server) as nobody:
        assert nobody.posts("/-/ask?to=bob", "x").status == 401
        assert nobody.gets(f"/-/ask/{question['seq']}").status == 401
    assert http.gets("/-/ask/999").status >= 400
    assert http.gets("/-/ask/x").status == 422
    assert http.posts("/-/ask/1").status == 405


@pytest.mark.usefixtures("brisk")
@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_curl_follows(server: ThreadServer, bob: Caller, token: str) -> None:
    """One command waits in parts, as it must behind a proxy."""
    url = f"http://{server.address}/-/ask?to=bob&wait=1"
    command = ["curl", "-sSL", "--noproxy", "*", "-m", str(DEADLINE), "-u", f":{token}", "-d", "Deploy?", url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as curl:
        question = bob.hears("message")
        requests = server.hub.counts.requests
        eventually(lambda: requests["answer", 303] >= 1)
        bob.sends("alice", "", re=question["seq"], answer=1)
        out, _ = curl.communicate(timeout=DEADLINE)
    assert out == "no\n"
