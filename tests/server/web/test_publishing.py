"""Saying something by HTTP: what is said, under which name, and how it is answered."""

from __future__ import annotations

import base64
import json
import shutil
import signal
import subprocess
import uuid
from pathlib import Path

import msgspec
import pytest

from chatcli.cli.output import records
from chatcli.gateway.web.publishing import Receipt
from chatcli.server.limits import Limits
from tests.admin import does
from tests.disks import small_disk
from tests.server.web.answers import Answer
from tests.server.web.callers import HttpCaller, calls, makes_token
from tests.support import (
    DEADLINE,
    Caller,
    ThreadServer,
    chatcli,
    eventually,
    key_of,
    known,
    pass_time,
    serving,
    sessions_of,
)


def is_said(answer: Answer, outcome: str = "delivered") -> int:
    """Check that a message is on disk, and return its place in the log."""
    assert (answer.status, answer.headers["content-type"]) == (200, "text/plain; charset=utf-8"), answer
    word, seq = answer.text.split()
    assert word == outcome
    return int(seq)


def is_refused(answer: Answer, status: int, words: str = "") -> None:
    """Check that a request is refused with a sentence."""
    assert answer.status == status, answer
    assert words in answer.text
    assert answer.text.endswith(".\n")


# What is said


@pytest.mark.parametrize("tls", [False, True])
def test_to_a_person(server: ThreadServer, bob: Caller, token: str, *, tls: bool) -> None:
    """The message goes out under the name of the token, and is answered when it is on disk."""
    with calls(server, token, tls=tls) as http:
        seq = is_said(http.posts("/@bob", "deploy done\n"))
        message = bob.hears("message")
        assert (message["from"], message["to"], message["text"]) == ("alice", "bob", "deploy done")
        assert message["seq"] == seq
        assert is_said(http.posts("/@alice", "to myself")) > seq


@pytest.mark.parametrize("path", ["/ops", "/%23ops", "/OPS"])
def test_to_a_room(alice: Caller, bob: Caller, http: HttpCaller, path: str) -> None:
    """The first part of the path is the room; it need not be entered, as with ``send``."""
    bob.enters("#ops")
    is_said(http.posts(path, "hello"))
    assert bob.hears("message")["to"] == "#ops"
    alice.enters("#empty")
    is_said(http.posts("/empty", "nobody else is there"), "stored")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"a\nb\n\n", "a\nb\n"),
        ("grüße 🎉".encode(), "grüße 🎉"),
        (b"a=1&b=%20", "a=1&b=%20"),
        (b"\x1b[31mred\x00", "\x1b[31mred\x00"),
        (b'{"text": "no JSON was announced"}', '{"text": "no JSON was announced"}'),
    ],
)
def test_the_body_is_the_text(bob: Caller, http: HttpCaller, body: bytes, text: str) -> None:
    """Whatever type curl gives it."""
    is_said(http.posts("/@bob", body, Content_Type="application/x-www-form-urlencoded"))
    assert bob.hears("message")["text"] == text


def test_json(bob: Caller, http: HttpCaller) -> None:
    """A body in JSON has the fields of a message."""
    identity = str(uuid.uuid4())
    seq = is_said(http.posts("/@bob", json.dumps({"text": "what?", "id": identity}), Content_Type="application/json"))
    assert bob.hears("message")["id"] == identity
    is_said(http.posts("/@bob", json.dumps({"text": "so", "re": seq}), Content_Type="application/json; charset=UTF-8"))
    assert bob.hears("message")["re"] == seq
    is_said(http.posts(f"/@bob?re={seq}", "by the address"))
    assert bob.hears("message")["re"] == seq


def test_receipt_in_json(http: HttpCaller, bob: Caller) -> None:
    """It is the object that ``send --json`` prints, field by field."""
    answer = http.posts("/@bob", "hello", Accept="application/json")
    message = bob.hears("message")
    printed = msgspec.json.decode(answer.text.encode(), type=records.Sent, strict=True)
    assert msgspec.json.encode(printed) + b"\n" == answer.text.encode()
    assert (printed.to, printed.outcome, printed.id, printed.seq) == ("bob", "delivered", message["id"], message["seq"])
    assert (printed.error, printed.status, printed.person) == (None, 0, None)
    assert Receipt.__struct_fields__ == records.Sent.__struct_fields__


# Once


def test_a_repeated_key_says_it_once(server: ThreadServer, bob: Caller, token: str) -> None:
    """A UUID is the message's id; any other key gives one. The first text counts."""
    given, umlaut = str(uuid.uuid4()), "schlüssel"
    for key in (given, given.upper(), f'"{given}"', "deploy-4711", umlaut):
        with calls(server, token) as http:
            first = http.posts("/@bob", f"with {key}", Idempotency_Key=key)
        with calls(server, token) as http:
            second = http.posts("/@bob", "something else", Idempotency_Key=key)
        assert first.text.split()[1] == second.text.split()[1]
        assert second.status == 200
    assert [bob.hears("message")["text"][5:] for _ in range(3)] == [given, "deploy-4711", umlaut]
    seq = is_said(calls(server, token).posts("/@bob", "last"))
    assert bob.hears("message")["seq"] == seq


def test_a_key_for_different_places(alice: Caller, bob: Caller, http: HttpCaller) -> None:
    """A message elsewhere is another message, however the name of the place is written."""
    for caller in (alice, bob):
        caller.enters("#ops")
    seqs = [is_said(http.posts(path, "x", Idempotency_Key="1")) for path in ("/@bob", "/ops", "/OPS")]
    assert seqs[1] == seqs[2]
    asked = http.posts("/-/ask?to=bob&wait=1", "x?", Idempotency_Key="2")
    assert asked.status == 303
    is_said(http.posts("/ops", "y", Idempotency_Key="2"))


def test_keys_of_different_tokens(server: ThreadServer, alice: Caller, bob: Caller, token: str) -> None:
    """Nobody can take another one's key first; a UUID belongs to who has used it."""
    other = makes_token(bob)
    with calls(server, token) as one, calls(server, other) as two:
        is_said(one.posts("/@bob", "a", Idempotency_Key="1"))
        is_said(two.posts("/@alice", "b", Idempotency_Key="1"))
        given = str(uuid.uuid4())
        is_said(one.posts("/@bob", "c", Idempotency_Key=given))
        is_refused(two.posts("/@alice", "d", Idempotency_Key=given), 409, "Someone else")
    assert alice.hears("message")["text"] == "a"


# Mistakes


@pytest.mark.parametrize(
    ("path", "body", "headers", "status", "words"),
    [
        ("/@bob", b"\xff", {}, 422, "UTF-8"),
        ("/@bob", b" \n", {}, 422, "no text"),
        ("/@bob", None, {}, 422, "no text"),
        ("/@bob", b"x" * 33_000, {}, 413, "in parts"),
        ("/@bob", b"x" * 70_000, {}, 413, "bytes at most"),
        ("/@bob", b"x", {"Content_Type": "multipart/form-data; boundary=x"}, 415, "-d TEXT"),
        ("/@bob", b"x", {"Content_Type": "text/plain; charset=latin1"}, 415, "iconv"),
        ("/@bob", b"{", {"Content_Type": "application/json"}, 422, "JSON"),
        ("/@bob", b"[" * 60_000, {"Content_Type": "application/json"}, 422, "JSON"),
        ("/@bob", b'{"text": "\xff"}', {"Content_Type": "application/json"}, 422, "JSON"),
        ("/@bob", b'{"text": "x", "to": "eve"}', {"Content_Type": "application/json"}, 422, "`to`"),
        ("/@bob", b'{"text": "x", "id": "1"}', {"Content_Type": "application/json"}, 422, "UUID"),
        ("/@bob", b'{"text": "x", "re": 99}', {"Content_Type": "application/json"}, 422, "no message 99"),
        ("/@bob", b"x", {"Idempotency_Key": "x" * 256}, 422, "characters"),
        ("/@bob?re=x", b"x", {}, 422, "?re=4711"),
        ("/@bob?re=1&re=2", b"x", {}, 422, "twice"),
        ("/@bob?rr=1", b"x", {}, 422, '"rr" here: there are re.'),
        ("/@bob?token=cct_secret", b"x", {}, 422, "Authorization"),
        ("/@nobody", b"x", {}, 404, "Nobody called"),
        ("/nowhere", b"x", {}, 404, "#nowhere"),
        ("/@bob/x", b"x", {}, 404, "nothing here"),
    ],
)
def test_mistakes(
    server: ThreadServer,
    bob: Caller,
    token: str,
    path: str,
    body: bytes,
    headers: dict[str, str],
    status: int,
    words: str,
) -> None:
    """Each is answered with a status and a remedy, and nothing is said."""
    with calls(server, token) as http:
        answer = http.posts(path, body, **headers)
        is_refused(answer, status, words)
        assert "cct_secret" not in answer.text
    with calls(server, token) as http:
        seq = is_said(http.posts("/@bob", "good"))
    assert bob.hears("message")["seq"] == seq


def test_errors_in_json(http: HttpCaller, bob: Caller) -> None:
    """They name the code of the protocol, and close names."""
    assert bob.welcome
    answer = http.posts("/@bobb", "x", Accept="application/json")
    assert answer.status == 404
    assert answer.json["code"] == "unknown_user"
    assert answer.json["names"] == ["bob"]
    assert "bobb" in answer.json["text"]
    answer = http.posts("/-/nothing", "x", Accept="application/json")
    assert (answer.status, answer.json["code"]) == (404, "not_found")


# Rights


def test_basic(server: ThreadServer, bob: Caller, token: str) -> None:
    """A token may come as a password, with any name."""
    shown = base64.b64encode(f"whoever:{token}".encode()).decode()
    with calls(server) as http:
        is_said(http.posts("/@bob", "x", Authorization=f"Basic {shown}"))
    assert bob.hears("message")["from"] == "alice"


def test_without_a_token(server: ThreadServer, bob: Caller) -> None:
    """The answer says what is needed, and is the same for every wrong token."""
    assert bob.welcome
    with calls(server) as http:
        answer = http.posts("/@bob", "x")
        is_refused(answer, 401, "chatcli key token")
        assert answer.headers["www-authenticate"].startswith("Bearer")
        answer = http.posts("/@bob", "x", Authorization="Bearer cct_no")
        is_refused(answer, 401, "wrong, revoked or too old")
        assert answer.headers["www-authenticate"].startswith("Bearer")


def test_limited_token(server: ThreadServer, alice: Caller, bob: Caller) -> None:
    """A token for a room is for that room; whether others exist is not said."""
    alice.enters("#ops")
    alice.enters("#dev")
    bob.enters("#ops")
    with calls(server, makes_token(alice, to=["#ops"])) as http:
        is_said(http.posts("/ops", "x"))
        for path in ("/dev", "/@bob", "/nowhere"):
            is_refused(http.posts(path, "x"), 403, "certain rooms")
    with calls(server, makes_token(alice, scope="read")) as http:
        is_refused(http.posts("/ops", "x"), 403, "reads")


def test_private_room_and_mute(server: ThreadServer, data: Path, alice: Caller, bob: Caller, token: str) -> None:
    """The rules are those of every message."""
    bob.enters("#ours", kind="private")
    with calls(server, token) as http:
        is_refused(http.posts("/ours", "x"), 404)
        does(data, "mute", to="alice", reason="loud")
        answer = http.posts("/@bob", "x", Accept="application/json")
        assert (answer.status, answer.json["code"]) == (403, "muted")
    assert alice.welcome


@pytest.mark.parametrize("end", ["revoked", "ended", "kicked", "banned"])
def test_a_session_that_ends(server: ThreadServer, data: Path, alice: Caller, bob: Caller, end: str) -> None:
    """The next request on the same connection gets the true answer."""
    made = alice.asks("token", seconds=3600)
    with calls(server, made["token"]) as http:
        is_said(http.posts("/@bob", "before"))
        assert bob.hears("message")["text"] == "before"
        match end:
            case "revoked":
                alice.says("untoken", token=made["id"], n=9)
                eventually(lambda: server.hub.tokens.find(made["token"]) is None)
            case "ended":
                pass_time(server, 7200)
            case "kicked":
                does(data, "kick", to="alice")
            case _:
                does(data, "ban", to="alice")
        answer = http.posts("/@bob", "after", Accept="application/json")
        if end == "kicked":
            assert answer.status == 200, answer
        else:
            expected = (403, "banned") if end == "banned" else (401, "bad_token")
            assert (answer.status, answer.json["code"]) == expected
            answer = http.posts("/@bob", "again", Accept="application/json")
            assert answer.status in (401, 403)


# Sessions and allowances


def test_one_session_for_a_connection_and_token(server: ThreadServer, alice: Caller, bob: Caller, token: str) -> None:
    """Requests share a session; another token has another one, and nothing is left when the connection ends."""
    assert bob.welcome
    other = makes_token(alice)
    with calls(server, token) as http:
        for _ in range(3):
            is_said(http.posts("/@bob", "x"))
        first = server.run(lambda: sessions_of(server, "alice")[1:])
        assert len(first) == 1
        http.posts("/@nobody", "x")
        assert server.run(lambda: sessions_of(server, "alice")[1:]) == first
        assert server.run(lambda: first[0] in server.hub.sessions)
        is_said(http.posts("/@bob", "x", Authorization=f"Bearer {other}"))
        second = server.run(lambda: sessions_of(server, "alice")[1:])
        assert len(second) == 1
        assert second != first
    eventually(lambda: not server.run(lambda: sessions_of(server, "alice")[1:]))
    user = known(server, "alice")
    assert server.run(lambda: user.purse is not None and not user.purse.full(server.hub.rate_limits.clock() - 1))


def test_allowance_of_a_token(tmp_path: Path) -> None:
    """When it is used up the answer comes at once, and says when to try again; others are served."""
    with ThreadServer(tmp_path / "data", Limits(message_rate=1, message_burst=3)) as server:
        with server.joined("alice") as alice, server.joined("bob", key=key_of("bob")) as bob:
            token = makes_token(alice)
            with calls(server, token) as http:
                answers = [http.posts("/@bob", "x") for _ in range(6)]
            last = answers[-1]
            assert [answer.status for answer in answers[:3]] == [200] * 3
            is_refused(last, 429, "wait")
            assert int(last.headers["retry-after"]) >= 1
            with calls(server, makes_token(bob)) as http:
                is_said(http.posts("/@alice", "x"))


def test_wrong_tokens(server: ThreadServer, token: str) -> None:
    """They count as wrong proofs, from this machine, too: after twenty of them nobody from there gets in."""
    with calls(server) as http:
        answers = [http.posts("/@bob", "x", Authorization="Bearer cct_no") for _ in range(21)]
    assert [answer.status for answer in answers] == [401] * 20 + [429]
    with calls(server, token) as http:
        answer = http.posts("/@alice", "x")
        is_refused(answer, 429, "wait a minute")
        assert "retry-after" in answer.headers


# Bad days


def test_full_disk(tmp_path: Path) -> None:
    """It is answered with when to try again, and nothing is stored; with room, the same key says it once."""
    with small_disk(tmp_path) as disk, serving(disk.data) as (program, address):
        with Caller(address) as alice:
            alice.greets("alice")
            alice.hears("welcome")
            token = makes_token(alice)
            with HttpCaller(address, token) as http:
                is_said(http.posts("/@alice", "before"))
                disk.fill(program.process.pid)
                answers = [http.posts("/@alice", "x" * 30_000, Idempotency_Key=f"k{number}") for number in range(60)]
                refused = [number for number, answer in enumerate(answers) if answer.status != 200]
                assert refused
                answer = answers[refused[0]]
                is_refused(answer, 503, "cannot write its log")
                assert int(answer.headers["retry-after"]) >= 1
                disk.make_room(program.process.pid)
                eventually(lambda: http.posts("/@alice", "kept", Idempotency_Key="kept").status == 200)


def test_killed_between_request_and_answer(tmp_path: Path) -> None:
    """After SIGKILL at any moment a repetition with the same key leaves the message in the log once."""
    with serving(tmp_path) as (program, address):
        with Caller(address) as alice:
            alice.greets("alice")
            alice.hears("welcome")
            token = makes_token(alice)
        callers = [HttpCaller(address, token) for _ in range(20)]
        for number, http in enumerate(callers):
            http.begins("POST", "/@alice", f"message {number}", {"Idempotency-Key": f"key-{number}"})
        first = callers[0].hears()
        assert first.status == 200
        assert program.end(signal.SIGKILL) == -signal.SIGKILL
    for http in callers:
        http.connection.close()
    with serving(tmp_path) as (_, address), Caller(address) as alice:
        with HttpCaller(address, token) as http:
            for number in range(len(callers)):
                again = http.posts("/@alice", f"message {number}", Idempotency_Key=f"key-{number}")
                assert again.status == 200, again
                if not number:
                    assert again.text.split()[1] == first.text.split()[1]
        alice.greets("alice", since=0)
        alice.hears("welcome")
        assert sorted(alice.texts(len(callers))) == sorted(f"message {number}" for number in range(len(callers)))
        with HttpCaller(address, token) as http:
            is_said(http.posts("/@alice", "last"), "delivered")
        assert alice.texts(1) == ["last"]


def test_a_caller_that_hangs_up(server: ThreadServer, bob: Caller, token: str) -> None:
    """What was sent whole is said; the rest of the server does not mind."""
    http = calls(server, token)
    http.begins("POST", "/@bob", "and gone")
    http.connection.close()
    assert bob.hears("message")["text"] == "and gone"


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_curl(server: ThreadServer, bob: Caller, token: str) -> None:
    """The options that people use first."""
    url = f"http://{server.address}/@bob"
    for options in (["-d", "x"], ["--data-binary", "x"], ["-H", "Expect: 100-continue", "-d", "x"], ["-0", "-d", "x"]):
        show = ["-u", f":{token}"] if options[0] == "-d" else ["-H", f"Authorization: Bearer {token}"]
        command = ["curl", "-sS", "--noproxy", "*", "--fail-with-body", "-m", str(DEADLINE), *show, *options, url]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("delivered ")
        assert bob.hears("message")["text"] == "x"


def test_as_send_prints_it(server: ThreadServer, bob: Caller, token: str) -> None:
    """The program's own output has the same keys in the same order."""
    assert bob.welcome
    done = chatcli("send", "bob", "x", "--json", "--user", "alice", "--server", str(server.address))
    with calls(server, token) as http:
        answer = http.posts("/@bob", "x", Accept="application/json")
    assert list(json.loads(done.stdout)) == list(answer.json)
