"""Tokens from the shell: made once, used through CHATCLI_TOKEN, listed and revoked, and never shown again."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import chatcli as library
from chatcli.client.identity.token import Token
from chatcli.errors import InputError, Refused
from chatcli.protocol.values.tokens import token_text
from tests.support import Caller, Program, ThreadServer, chatcli, eventually
from tests.terminal import Terminal


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The data directory of the ``server`` fixture."""
    return tmp_path / "data"


@pytest.fixture
def alice(server: ThreadServer) -> Iterator[Caller]:
    """The owner of the tokens, in a room."""
    with server.joined("alice") as caller:
        caller.enters("#ops")
        yield caller


@pytest.fixture
def job(tmp_path: Path, server: ThreadServer) -> dict[str, str]:
    """The environment of a program without a key."""
    return {
        "XDG_CONFIG_HOME": str(tmp_path / "job"),
        "XDG_STATE_HOME": str(tmp_path / "job-state"),
        "CHATCLI_SERVER": str(server.address),
        "LOGNAME": "runner",
    }


def made(server: ThreadServer, *options: str) -> str:
    """Make a token of alice's."""
    done = chatcli("key", "token", "--server", str(server.address), "--user", "alice", *options)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def run(job: dict[str, str], token: str, *words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[str]:
    """Run a command with a token; whatever it prints, the token is not in it, and no key was made."""
    done = chatcli(*words, stdin=stdin, **job, CHATCLI_TOKEN=token)
    assert token not in done.stdout + done.stderr
    assert not (Path(job["XDG_CONFIG_HOME"]) / "chatcli" / "key").exists()
    for path in (*Path(job["XDG_CONFIG_HOME"]).rglob("*"), *Path(job["XDG_STATE_HOME"]).rglob("*")):
        assert token not in path.name
        assert not path.is_file() or token.encode() not in path.read_bytes()
    return done


def test_make_list_and_revoke(server: ThreadServer, alice: Caller, job: dict[str, str]) -> None:
    """It is printed alone, and the list has everything but the token."""
    where = ("--server", str(server.address), "--user", "alice")
    token = made(server, "--label", "deploy hook", "--to", "#ops", "--expires", "never")
    assert token.startswith("cct_")
    listed = chatcli("key", "tokens", *where)
    identity, scope, places, until, used, label = listed.stdout.rstrip("\n").split("\t")
    assert (scope, places, until, used, label) == ("send", "#ops", "never", "never", "deploy hook")
    record = json.loads(chatcli("key", "tokens", "--json", *where).stdout)
    assert (record["id"], record["to"], record["until"]) == (identity, ["#ops"], None)
    assert run(job, token, "send", "#ops", "hello").returncode == 0
    done = chatcli("key", "revoke", identity, *where)
    assert (done.returncode, done.stderr) == (0, f"chatcli: The token {identity} has ended.\n")
    refused = run(job, token, "send", "#ops", "hello")
    assert (refused.returncode, "revoked" in refused.stderr) == (4, True)
    assert chatcli("key", "tokens", *where).stdout == ""


def test_record_of_a_new_token(server: ThreadServer, alice: Caller) -> None:
    """With --json, and for 90 days if nothing else is said."""
    record = json.loads(made(server, "--json", "--scope", "read"))
    assert record["token"].startswith("cct_")
    assert record["until"] is not None


def test_what_a_token_sends(server: ThreadServer, alice: Caller, job: dict[str, str]) -> None:
    """One message, many lines, and a question with its answer."""
    token = made(server, "--to", "#ops", "--to", "alice")
    assert run(job, token, "send", "#ops", "one").returncode == 0
    assert run(job, token, "send", "--verbose", "#ops", "two").returncode == 0
    assert run(job, token, "send", "--lines", "#ops", stdin=b"three\nfour\n").returncode == 0
    assert alice.texts(4) == ["one", "two", "three", "four"]
    with Program("ask", "#ops", "Deploy?", "--choice", "yes", "--choice", "no", **job, CHATCLI_TOKEN=token) as asking:
        question = alice.hears("message")
        with server.joined("bob") as bob:
            bob.enters("#ops")
            bob.sends("#ops", "", re=question["seq"], answer=0)
            assert asking.end() == 0
    assert asking.out == ["yes"]


def test_what_a_token_reads(server: ThreadServer, alice: Caller, job: dict[str, str]) -> None:
    """History, people, and messages, each once although the server keeps no position for it."""
    token = made(server, "--scope", "read", "--to", "#ops")
    alice.sends("#ops", "one")
    alice.hears("sent")
    assert "one" in run(job, token, "history", "#ops").stdout
    assert run(job, token, "who", "#ops").stdout.startswith("alice\there")
    assert run(job, token, "who").returncode == 4
    assert run(job, token, "search", "one", "--in", "#ops").stdout.count("\n") == 1
    with server.joined("bob") as bob:
        bob.enters("#ops")
        for text in ("two", "three"):
            bob.sends("#ops", text)
            bob.hears("sent")
            heard = run(job, token, "listen", "--count", "1")
            assert heard.stdout.rstrip("\n").endswith(text), heard


def test_me_and_names(server: ThreadServer, alice: Caller, job: dict[str, str]) -> None:
    """The token has the name: the login name of this machine is nobody's."""
    token = made(server)
    assert run(job, token, "send", "me", "hi").returncode == 2
    assert run(job, token, "send", "--user", "alice", "me", "hi").returncode == 0
    refused = run(job, token, "send", "--user", "bob", "#ops", "hi")
    assert (refused.returncode, "for alice" in refused.stderr) == (4, True)


@pytest.mark.parametrize("command", [["join"], ["key", "list"], ["key", "token"], ["key", "tokens"], ["key", "link"]])
def test_commands_that_need_a_key(server: ThreadServer, alice: Caller, job: dict[str, str], command: list[str]) -> None:
    """They say so, and how to run them without the token."""
    done = run(job, made(server, "--scope", "all"), *command)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"env -u CHATCLI_TOKEN chatcli {' '.join(command)}" in done.stderr


@pytest.mark.parametrize("token", ["cct_short", "hunter2", "cct_" + "x" * 33, token_text(bytes(20))[:-1] + "!"])
def test_no_token(job: dict[str, str], token: str) -> None:
    """A typing error is found before anything is sent, and not repeated: it may be most of a secret."""
    done = run(job, token, "send", "bob", "hi")
    assert done.returncode == 2
    assert done.stderr.startswith("chatcli: CHATCLI_TOKEN: That")


def test_empty_variable(job: dict[str, str]) -> None:
    """A secret that is missing makes no key and takes no name."""
    environment = {**job, "CHATCLI_TOKEN": ""}
    done = chatcli("send", "bob", "hi", stdin=b"", **environment)
    assert (done.returncode, "CHATCLI_TOKEN is empty" in done.stderr) == (2, True)
    assert not (Path(job["XDG_CONFIG_HOME"]) / "chatcli" / "key").exists()


@pytest.mark.parametrize("words", [["key", "revoke", token_text(bytes(20))], ["key", "revoke", "x"]])
def test_argument_that_may_be_a_token(words: list[str]) -> None:
    """It is not repeated, either."""
    done = chatcli(*words)
    assert (done.returncode, "neither a fingerprint" in done.stderr) == (2, True)
    assert "cct_" not in done.stderr


def test_message_that_waits(server: ThreadServer, alice: Caller, job: dict[str, str]) -> None:
    """With --spool it goes out with the next command that has the token."""
    token = made(server)
    gone = {**job, "CHATCLI_SERVER": "127.0.0.1:9"}
    assert run(gone, token, "send", "--spool", "#ops", "later").returncode == 0
    assert "later" in run(gone, token, "outbox").stdout
    waits = chatcli("outbox", "send", stdin=b"", **gone)
    assert "set CHATCLI_TOKEN" in waits.stderr
    assert "1 waiting" in waits.stderr or "1 message waiting" in waits.stderr
    assert not (Path(job["XDG_CONFIG_HOME"]) / "chatcli" / "key").exists()


def test_operator_makes_a_name(server: ThreadServer, alice: Caller, job: dict[str, str], data: Path) -> None:
    """The messages of a hook stand under a name of its own."""
    done = chatcli("admin", "--data", str(data), "token", "grafana", "--to", "#ops", "--label", "alerts")
    assert done.returncode == 0, done.stderr
    token = done.stdout.strip()
    assert run(job, token, "send", "#ops", "disk full").returncode == 0
    message = alice.hears("message")
    assert (message["from"], message["text"]) == ("grafana", "disk full")
    (line,) = chatcli("admin", "--data", str(data), "tokens", "grafana").stdout.splitlines()
    identity = line.split("\t")[0]
    ended = chatcli("admin", "--data", str(data), "revoke", identity)
    assert ended.stdout == f"The token {identity} of grafana has ended: no connection was open.\n"
    assert run(job, token, "send", "#ops", "x").returncode == 4
    assert token not in (data / "audit.log").read_text()


def test_listener_ends_with_its_token(server: ThreadServer, alice: Caller, job: dict[str, str]) -> None:
    """It does not try again for ever."""
    token = made(server, "--scope", "read")
    with Program("listen", **job, CHATCLI_TOKEN=token) as listening:
        eventually(lambda: server.run(lambda: any(one.token for one in server.hub.sessions)))
        identity = alice.asks("tokens")["tokens"][0]["id"]
        assert alice.asks("untoken", token=identity)["t"] == "done"
        assert listening.end() == 4
    assert token not in "\n".join(listening.err)


def test_on_a_terminal(server: ThreadServer, alice: Caller) -> None:
    """The list has a heading."""
    made(server, "--label", "ci")
    with Terminal("key", "tokens", "--server", str(server.address), "--user", "alice") as terminal:
        terminal.shows("label")
        terminal.shows("everywhere")


# The library


def test_library(server: ThreadServer, alice: Caller, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It takes a token from a parameter or the environment."""
    token = made(server)
    sent = library.send("#ops", "one", server=str(server.address), token=token, config=str(tmp_path / "none"))
    assert sent.seq
    monkeypatch.setenv("CHATCLI_TOKEN", token)
    library.send("#ops", "two", server=str(server.address), config=str(tmp_path / "none"))
    assert alice.texts(2) == ["one", "two"]
    assert not (tmp_path / "none").exists()
    with pytest.raises(Refused):
        library.send("#ops", "x", server=str(server.address), token=token_text(bytes(20)))
    with pytest.raises(InputError):
        library.send("#ops", "x", server=str(server.address), token="x")  # noqa: S106 (that is the test)


def test_nothing_prints_a_token() -> None:
    """Not even a traceback with its object."""
    text = token_text(bytes(20))
    assert text not in repr(Token(text))


# Recovery tokens


def test_recovery(server: ThreadServer, alice: Caller, job: dict[str, str]) -> None:
    """A token from the list of things to keep lets a new device in, once, under the same name."""
    where = ("--server", str(server.address), "--user", "alice")
    done = chatcli("key", "token", "--scope", "recover", "--label", "in the safe", *where)
    token = done.stdout.strip()
    assert (done.returncode, token[:4]) == (0, "cct_")
    assert f"chatcli join --user alice --server {server.address} --link cct_…" in done.stderr
    assert "a key to your name, once. Keep it" in done.stderr
    assert token not in done.stderr
    record = json.loads(chatcli("key", "tokens", "--json", *where).stdout)
    assert (record["scope"], record["until"], record["label"]) == ("recover", None, "in the safe")
    wrong = token[:-1] + ("0" if token[-1] != "0" else "1")
    refused = chatcli("join", *where, "--attach", "--link", wrong, stdin=b"", **job)
    assert (refused.returncode, "typing error" in refused.stderr) == (2, True)
    joined = chatcli("join", *where, "--attach", "--link", token, stdin=b"alice: back again\n", **job)
    assert (joined.returncode, alice.texts(1)) == (0, ["back again"])
    assert chatcli("key", "tokens", *where).stdout == ""
    assert len(chatcli("key", "list", *where).stdout.splitlines()) == 2
    again = chatcli("join", *where, "--attach", "--link", token, stdin=b"", **job)
    assert again.returncode == 0  # the device has its key, and needs no token any more
    other = job | {"XDG_CONFIG_HOME": job["XDG_CONFIG_HOME"] + "-other"}
    refused = chatcli("join", *where, "--attach", "--link", token, stdin=b"", **other)
    assert (refused.returncode, "one works once" in refused.stderr) == (4, True)


def test_recovery_token_in_the_environment(server: ThreadServer, alice: Caller, job: dict[str, str]) -> None:
    """It does nothing there, and the sentence says what it is for."""
    token = made(server, "--scope", "recover", "--expires", "30d")
    refused = run(job, token, "send", "bob", "hello")
    assert (refused.returncode, '"chatcli join --link"' in refused.stderr) == (4, True)
    assert alice.asks("tokens")["tokens"][0]["until"]


def test_recovery_token_is_not_limited(server: ThreadServer, alice: Caller) -> None:
    """It is for a name, and not for rooms."""
    done = chatcli(
        "key", "token", "--scope", "recover", "--to", "#ops", "--server", str(server.address), "--user", "alice"
    )
    assert done.returncode != 0
    assert alice.asks("tokens")["tokens"] == []
