"""Commands of operators, through the socket in the data directory and from the chat."""

from __future__ import annotations

import datetime
import logging
import os
import signal
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from chatcli.errors import Refused
from chatcli.protocol.admin import Request
from chatcli.server.limits import Limits
from chatcli.server.security.audit import Audit
from tests.admin import answers, answers_raw, does, joined, noted
from tests.support import DEADLINE, Caller, ThreadServer, eventually, key_of, serving


@contextmanager
def unwritable(data: Path, server: ThreadServer) -> Iterator[None]:
    """Hold the database, so that the server cannot write it."""
    with closing(sqlite3.connect(data / "chatcli.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def mode(path: Path) -> int:
    """Return the permissions of a file."""
    return stat.S_IMODE(path.stat().st_mode)


# The socket


def test_modes_of_socket_and_audit_log(tmp_path: Path) -> None:
    """They do not depend on the umask; a clean stop removes the socket."""
    umask = os.umask(0)
    try:
        with ThreadServer(tmp_path):
            does(tmp_path, "status")
            assert mode(tmp_path / "admin.sock") == 0o600
            eventually((tmp_path / "audit.log").exists)  # which an answer about the status does not wait for
            assert mode(tmp_path / "audit.log") == 0o600
            assert os.umask(0) == 0
    finally:
        os.umask(umask)
    assert not (tmp_path / "admin.sock").exists()


def test_socket_of_a_killed_server(tmp_path: Path) -> None:
    """After SIGKILL the next server accepts commands all the same."""
    with serving(tmp_path) as (program, _):
        assert program.end(signal.SIGKILL) == -signal.SIGKILL
    assert (tmp_path / "admin.sock").is_socket()
    with ThreadServer(tmp_path):
        assert does(tmp_path, "status")["here"] == 0


def test_start_without_admin_socket(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A file in its place costs a warning, and stays."""
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "admin.sock").write_text("mine")
    with caplog.at_level(logging.WARNING), ThreadServer(taken) as server, joined(server, "alice") as alice:
        assert alice.asks_who() == ["alice"]
    (warning,) = [record.getMessage() for record in caplog.records if "admin socket" in record.getMessage()]
    assert warning.startswith(f"There is no admin socket in {taken} (")
    assert (taken / "admin.sock").read_text() == "mine"


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (b"\n", "malformed"),
        (b"\xff\xfe\n", "malformed"),
        (b"[1]\n", "malformed"),
        (b'{"to": "alice"}\n', "malformed"),
        (b'{"do": "kick", "who": "alice"}\n', "malformed"),
        (b'{"do": "mute", "to": "alice", "seconds": -1}\n', "malformed"),
        (b'{"do": "mute", "to": "alice", "seconds": 99999999999999}\n', "malformed"),
        (b'{"do": "invite", "uses": 0}\n', "malformed"),
        (b'{"do": "ban", "to": "eve", "reason": "' + b"x" * 501 + b'"}\n', "malformed"),
        (b'{"do": "explode"}\n', "unknown_tag"),
        (b'{"do": "ban", "to": "a b"}\n', "bad_name"),
        (b'{"do": "kick", "to": ""}\n', "unknown_user"),
        (b'{"do": "kick", "to": "\\u001b[2J"}\n', "unknown_user"),
        (b"x" * 65_537, "frame_too_long"),
        (b"x" * 65_537 + b"\n", "frame_too_long"),
    ],
)
def test_invalid_commands(server: ThreadServer, data: Path, command: bytes, code: str) -> None:
    """The answer is a code and a sentence, without raw control characters; the server goes on."""
    answer = answers_raw(data, command)
    assert b'"code":"' + code.encode() + b'"' in answer
    assert b"\\u001b" not in answer
    assert does(data, "status")["here"] == 0
    with joined(server, "alice") as alice:
        assert alice.asks_who() == ["alice"]


def test_command_without_a_line_feed(server: ThreadServer, data: Path) -> None:
    """A caller without a line feed closes its side; one that sends nothing gets an error."""
    assert b'"rows":[{' in answers_raw(data, b'{"do": "status"}', end=True)
    assert b'"code":"malformed"' in answers_raw(data, b"", end=True)


def test_one_command_per_connection(server: ThreadServer, data: Path) -> None:
    """A second command on the same connection is not executed."""
    with joined(server, "alice"):
        answer = answers_raw(data, b'{"do": "status"}\n{"do": "op", "to": "alice"}\n')
        assert answer.count(b"\n") == 1
        eventually((data / "audit.log").exists)  # which an answer about the status does not wait for
        eventually(lambda: [line["do"] for line in noted(data)] == ["status"])


# Reports


def test_status(server: ThreadServer, data: Path) -> None:
    """The status has addresses, key and counts."""
    with joined(server, "alice") as alice, joined(server, "ci", "send"):
        alice.sends("alice", "hi")
        alice.hears("sent")
        does(data, "ban", to="Eve", anyway=True)
        does(data, "invite")
        row = does(data, "status")
    expected = {
        "addresses": [str(server.address)],
        "key": server.hub.server_key,
        "access": "open",
        "connections": 2,
        "here": 1,
        "users": 2,
        "messages": 1,
        "banned": ["eve"],
        "invitations": 1,
    }
    assert {key: row[key] for key in expected} == expected
    since = datetime.datetime.fromisoformat(row["since"])
    assert abs((datetime.datetime.now(datetime.UTC) - since).total_seconds()) < 60


def test_users_report(server: ThreadServer, data: Path) -> None:
    """All users by name, with their keys and sanctions."""
    joined(server, "bob").hang_up()
    with joined(server, "alice"), joined(server, "alice", "send"):
        does(data, "op", to="ALICE")
        does(data, "mute", to="bob")
        does(data, "ban", to=key_of("bob").fingerprint)
        eventually(lambda: server.run(lambda: len(server.hub.connections) == 2))
        alice, bob = answers(data, "users")["rows"]
    assert alice == {
        "user": "alice",
        "here": True,
        "connections": 2,
        "operator": True,
        "muted": False,
        "banned": False,
        "keys": [key_of("alice").fingerprint],
        "devices": [""],
    }
    assert (bob["user"], bob["here"], bob["muted"], bob["banned"]) == ("bob", False, True, True)


# Sanctions


def test_kick(server: ThreadServer, data: Path) -> None:
    """All connections of the user are closed with the reason, no others are, and the user may return."""
    with joined(server, "bob") as bob, joined(server, "eve") as eve, joined(server, "eve", "listen") as too:
        assert does(data, "kick", to="Eve", reason="lunch") == {"user": "eve", "closed": 2}
        for caller in (eve, too):
            assert "(lunch)" in caller.hears("bye", code="kicked")["text"]
            caller.hears_end()
        assert bob.asks_who() == ["bob"]
        with joined(server, "eve"):
            assert bob.asks_who() == ["bob", "eve"]


def test_ban_includes_all_keys(server: ThreadServer, data: Path) -> None:
    """A ban of a name bans its keys under any name, until it is lifted."""
    with joined(server, "bob") as bob, joined(server, "eve") as eve:
        assert does(data, "ban", to="EVE", reason="spam") == {"banned": "EVE", "until": None, "closed": 1}
        assert "(spam)" in eve.hears("bye", code="banned")["text"]
        for name, key, code in (
            ("eve", "eve", "banned"),
            ("eve", "other", "name_taken"),
            ("innocent", "eve", "banned"),
        ):
            with server.connect() as caller:
                caller.greets(name, key=key_of(key))
                caller.hears("error", code=code)
        assert does(data, "unban", to="eve") == {"unbanned": "eve", "was_banned": True}
        assert does(data, "unban", to="eve") == {"unbanned": "eve", "was_banned": False}
        with joined(server, "eve"):
            assert bob.asks_who() == ["bob", "eve"]


@pytest.mark.parametrize("do", ["kick", "ban", "unban", "mute", "unmute", "op", "deop", "release"])
def test_unknown_name(server: ThreadServer, data: Path, do: str) -> None:
    """It is refused with close names; a ban can be forced, and lifted again."""
    server.joined("bobby").hang_up()
    refused = answers(data, do, to="boby")
    assert (refused["code"], refused["names"]) == ("unknown_user", ["bobby"])
    if do == "ban":
        assert does(data, "ban", to="boby", anyway=True)["banned"] == "boby"
        assert does(data, "ban", to="boby", seconds=5)["until"] is not None
        assert does(data, "unban", to="boby")["was_banned"]


def test_kick_of_an_absent_user(server: ThreadServer, data: Path) -> None:
    """Both the socket and the chat refuse it, as they refuse unknown names."""
    server.joined("bob").hang_up()
    eventually(lambda: answers(data, "kick", to="bob")["code"] == "not_here")
    with server.joined("alice") as alice:
        does(data, "op", to="alice")
        assert alice.asks("operate", do="kick", to="bob")["code"] == "not_here"
        for do in ("kick", "ban", "unban", "mute", "unmute"):
            refused = alice.asks("operate", do=do, to="boob")
            assert (refused["code"], refused["names"]) == ("unknown_user", ["bob"])


def test_ban_of_a_key(server: ThreadServer, data: Path) -> None:
    """Its connections are closed under any name; the names stay usable with other keys."""
    with joined(server, "eve") as eve, server.connect() as second:
        second.greets("eva", key=key_of("eve"))
        second.hears("welcome")
        until = does(data, "ban", to=key_of("eve").fingerprint, seconds=3600)
        assert until["closed"] == 2
        eve.hears("bye", code="banned")
        second.hears("bye", code="banned")
        left = datetime.datetime.fromisoformat(until["until"]) - datetime.datetime.now(datetime.UTC)
        assert 3500 < left.total_seconds() <= 3600


def test_mute(server: ThreadServer, data: Path) -> None:
    """Messages of the user are refused until it is lifted, and the user stays in the chat."""
    with joined(server, "eve") as eve:
        assert does(data, "mute", to="eve", seconds=600)["until"]
        identity = eve.sends("eve", "spam")
        eve.hears("error", code="muted", id=identity)
        assert does(data, "unmute", to="eve") == {"unmuted": "eve", "was_muted": True}
        eve.sends("eve", "sorry")
        eve.hears("sent")


def test_release(server: ThreadServer, data: Path) -> None:
    """Another key takes the name and sees no messages to the former owner."""
    with joined(server, "bob") as bob:
        with joined(server, "eve") as eve:
            bob.sends("eve", "for the old one")
            bob.hears("sent")
            eventually(lambda: "eve" in bob.asks_who())
            does(data, "op", to="eve")
            assert does(data, "release", to="eve") == {"released": "eve", "closed": 1}
            eve.hears("message")
            assert "released" in eve.hears("bye", code="kicked")["text"]
        eventually(lambda: "eve" not in bob.asks_who())
        with server.connect() as new:
            new.greets("eve", key=key_of("new"), since=0)
            new.hears("welcome")
            bob.sends("eve", "for the new one")
            new.hears("live")
            assert new.hears("message")["text"] == "for the new one"
            new.says("operate", do="kick", to="bob", n=1)
            new.hears("error", code="not_allowed")
    old, *_ = answers(data, "users")["rows"]
    assert old["user"].startswith("eve (released ")


def test_invitation_for_several(tmp_path: Path) -> None:
    """The row has all that newcomers need: the code, the addresses and the key of the server."""
    with ThreadServer(tmp_path, Limits(access="invite")) as server:
        row = does(tmp_path, "invite", uses=2, seconds=3600)
        assert (row["uses"], row["addresses"], row["key"]) == (2, [str(server.address)], server.hub.server_key)
        for name, answer in (("bob", "welcome"), ("carol", "welcome"), ("dave", "error")):
            with server.connect() as stranger:
                stranger.greets(name, invite=row["code"])
                stranger.hears(answer)


def test_decisions_survive_a_restart(tmp_path: Path) -> None:
    """Bans, mutes, operators, released names and invitations are on disk before the answer."""
    with serving(tmp_path) as (program, address):
        for name in ("alice", "eve", "mallory", "old"):
            with Caller(address) as caller:
                caller.greets(name, key=key_of(name))
                caller.hears("welcome")
        does(tmp_path, "op", to="alice")
        does(tmp_path, "mute", to="eve")
        does(tmp_path, "ban", to="mallory", anyway=True)
        does(tmp_path, "release", to="old")
        code = does(tmp_path, "invite")["code"]
        program.end(signal.SIGKILL)
    with ThreadServer(tmp_path, Limits(access="invite")) as server:
        rows = {row["user"]: row for row in answers(tmp_path, "users")["rows"]}
        assert rows["alice"]["operator"]
        assert rows["eve"]["muted"]
        assert rows["mallory"]["banned"]
        assert "old" not in rows
        with server.connect() as new:
            new.greets("old", key=key_of("new"), invite=code)
            new.hears("welcome")


# From inside the chat


def test_operator_commands_from_the_chat(server: ThreadServer, data: Path) -> None:
    """Each is answered with done, and recorded under the operator's name."""
    with joined(server, "alice") as alice, joined(server, "eve") as eve, joined(server, "bob") as bob:
        does(data, "op", to="alice")
        for number, (do, to) in enumerate((("mute", "eve"), ("unmute", "eve"), ("kick", "bob"), ("ban", "eve"))):
            alice.says("operate", do=do, to=to, reason="so", n=number)
            alice.hears("done", n=number)
        eve.hears("bye", code="banned")
        bob.hears("bye", code="kicked")
        alice.says("operate", do="unban", to="eve", n=9)
        alice.hears("done", n=9)
        joined(server, "eve").hang_up()
        alice.says("operate", do="kick", to="alcie", n=10)
        assert alice.hears("error", code="unknown_user", n=10)["names"] == ["alice"]
        alice.says("operate", do="mute", to="eve", seconds=2**31 - 1, n=11)
        alice.hears("error", code="invalid", n=11)
    _, *lines = noted(data)
    assert {line["by"] for line in lines} == {"alice"}
    assert [line["do"] for line in lines] == ["mute", "unmute", "kick", "ban", "unban", "kick", "kick"]
    assert lines[-1]["refused"] == "unknown_user"


def test_limits_of_operators(server: ThreadServer, data: Path) -> None:
    """Others are refused; some commands are not available in the chat; rights end with deop."""
    with joined(server, "alice") as alice, joined(server, "eve") as eve, joined(server, "bob") as bob:
        does(data, "op", to="alice")
        for do in ("kick", "ban", "mute"):
            eve.says("operate", do=do, to="bob", n=1)
            eve.hears("error", code="not_allowed", n=1)
        for do in ("op", "release", "invite", "users"):
            alice.says("operate", do=do, to="alice", n=2)
            alice.hears("error")
        assert does(data, "deop", to="alice") == {"user": "alice", "was_operator": True}
        alice.says("operate", do="kick", to="bob", n=3)
        alice.hears("error", code="not_allowed", n=3)
        assert bob.asks_who() == ["alice", "bob", "eve"]
    assert [line["do"] for line in noted(data)] == ["op", "deop"]


def test_operator_kicks_themselves(server: ThreadServer, data: Path) -> None:
    """Their connection ends like anyone's."""
    with joined(server, "alice") as alice:
        does(data, "op", to="alice")
        alice.says("operate", do="kick", to="alice", n=1)
        alice.hears("bye", code="kicked")
        alice.hears_end()


# The audit log


def test_audit_log_lines(server: ThreadServer, data: Path) -> None:
    """One JSON object per line, also for refusals; never the code of an invitation."""
    joined(server, "eve").hang_up()
    does(data, "mute", to="eve", seconds=60, reason="spam")
    code = does(data, "invite")["code"]
    answers(data, "kick", to="nobody")
    mute, invite, kick, refused = noted(data)
    assert mute.pop("by").startswith("chatcli admin")
    at = datetime.datetime.fromisoformat(mute.pop("at"))
    assert abs((datetime.datetime.now(datetime.UTC) - at).total_seconds()) < 60
    assert mute == {"do": "mute", "to": "eve", "seconds": 60, "reason": "spam"}
    assert invite["do"] == "invite"
    assert code not in (data / "audit.log").read_text()
    assert "refused" not in kick
    assert (refused["to"], refused["refused"]) == ("nobody", "unknown_user")


def test_commands_that_cannot_be_recorded(server: ThreadServer, data: Path) -> None:
    """Without an audit log the command is refused with a sentence."""
    (data / "audit.log").mkdir()
    with joined(server, "eve") as eve:
        answer = answers(data, "kick", to="eve")
        assert answer["code"] == "storage"
        assert answer["text"].endswith("so nothing was done.")
        assert eve.asks_who() == ["eve"]
    assert does(data, "status")["log"] == "writable"  # needed when the disk is full


def test_symlink_in_place_of_audit_log(server: ThreadServer, data: Path, tmp_path: Path) -> None:
    """Nothing is written through a link."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("")
    (data / "audit.log").symlink_to(elsewhere)
    assert answers(data, "users")["code"] == "storage"
    assert elsewhere.read_text() == ""


# A log that cannot be written


@pytest.mark.usefixtures("impatient")
def test_unwritable_log(server: ThreadServer, data: Path) -> None:
    """The answer waits for the disk; a command that fails has no effect, then or later."""
    with joined(server, "bob") as bob, joined(server, "eve") as eve, joined(server, "dan"):
        does(data, "mute", to="bob")
        with unwritable(data, server):
            commands = (("ban", "eve"), ("unmute", "bob"), ("op", "eve"), ("release", "dan"))
            with ThreadPoolExecutor(len(commands)) as pool:  # each waits for the disk
                for answer in pool.map(lambda command: answers(data, command[0], to=command[1]), commands):
                    assert answer["code"] == "storage"
                    assert "nothing was changed" in answer["text"]
        rows = {row["user"]: row for row in answers(data, "users")["rows"]}
        assert (rows["eve"]["banned"], rows["eve"]["operator"], rows["bob"]["muted"]) == (False, False, True)
        eve.sends("bob", "still here")
        eve.hears("sent")
        bob.hears("message", text="still here")
        refused = [line["do"] for line in noted(data) if line.get("refused") == "storage"]
        assert sorted(refused) == sorted(do for do, _ in commands)
    with server.connect() as thief:
        thief.greets("dan", key=key_of("thief"))
        thief.hears("error", code="name_taken")


@pytest.mark.usefixtures("impatient")
def test_failed_use_of_an_invitation(tmp_path: Path) -> None:
    """A newcomer whose name cannot be written may try again with the same code."""
    with ThreadServer(tmp_path, Limits(access="invite")) as server:
        code = does(tmp_path, "invite")["code"]
        with unwritable(tmp_path, server), server.connect() as newcomer:
            newcomer.greets("bob", invite=code)
            newcomer.hears("bye", code="storage")
        with server.connect() as newcomer:
            newcomer.greets("bob", invite=code)
            newcomer.hears("welcome")


def test_pipe_in_place_of_audit_log(server: ThreadServer, data: Path) -> None:
    """A pipe is refused with and without a reader; status is answered all the same."""
    os.mkfifo(data / "audit.log")
    assert answers(data, "users")["code"] == "storage"
    assert does(data, "status")["log"] == "writable"
    reader = os.open(data / "audit.log", os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert "it is not a file" in answers(data, "users")["text"]
    finally:
        os.close(reader)


def test_audit_on_an_unresponsive_disk(tmp_path: Path) -> None:
    """Commands wait in order, up to a limit; none is executed before it is recorded."""
    told: list[Refused | None] = []
    released = threading.Event()

    def post(call: Callable[[], None]) -> None:
        released.wait(DEADLINE)  # as the thread waits for the disk
        call()

    audit = Audit(tmp_path / "audit.log", post)
    for number in range(1010):
        audit.write("me", Request("kick", f"n{number}"), told.append)
    refused = len(told)
    assert "busy" in str(told[0])
    released.set()
    eventually(lambda: len(told) == 1010)
    audit.close()
    assert told[refused:] == [None] * (1010 - refused)
    assert len((tmp_path / "audit.log").read_text().splitlines()) == 1010 - refused
