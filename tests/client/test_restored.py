"""Clients of a server that is restored from a backup: what is sent after that is new to all of them, and comes once."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
import pytest

import chatcli as chatcli_library
from chatcli.client.outbox.store import Outbox
from chatcli.protocol.frames import Send
from tests.client.restorable import Restorable, ends
from tests.support import CONFIGURATION, DEADLINE, Caller, Program, chatcli, eventually, new_id

ALL: Final = ("one", "two", "three", "two anew", "three anew", "four anew")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Restorable]:
    """A server that is stopped after the test."""
    with Restorable(tmp_path) as running:
        yield running


@contextlib.contextmanager
def join(server: Restorable, name: str, *arguments: str) -> Iterator[Program]:
    """Let somebody join."""
    with Program("join", "--user", name, *server.where, *arguments) as program:
        program.types("who\n")
        program.prints("Here: ")
        yield program


def test_join_that_sleeps_through_it(server: Restorable) -> None:
    """It shows all that was sent meanwhile, under numbers that it has seen, though another client had it first."""
    with join(server, "alice", "--attach") as alice, join(server, "alice", "--attach") as other:
        server.say("bob", "alice", "one")
        for client in (alice, other):
            client.prints("one")
        server.back_up()
        server.say("bob", "alice", "two", "three")
        for client in (alice, other):
            client.prints("three")
        alice.process.send_signal(signal.SIGSTOP)
        server.restore()
        other.complains("ends before the newest 2 messages here")
        server.say("bob", "alice", "two anew", "three anew", "four anew")
        other.prints("four anew")
        alice.process.send_signal(signal.SIGCONT)
        alice.prints("four anew")
        alice.complains("The server was restored from a backup that ends before the newest 2 messages here:")
        for client in (alice, other):
            client.types("exit\n")
            assert client.end() == 0
            assert ends(client.out, *ALL) == [*ALL]


def test_restored_twice(server: Restorable) -> None:
    """The second backup knows nothing of the time between; the client remembers where it was before that."""
    with join(server, "alice", "--attach") as alice, join(server, "alice", "--attach") as other:
        server.say("bob", "alice", "one")
        server.back_up()
        server.say("bob", "alice", "two", "three")
        for client in (alice, other):
            client.prints("three")
        server.restore()
        server.say("bob", "alice", "two anew", "three anew")
        for client in (alice, other):
            client.prints("three anew")
        alice.process.send_signal(signal.SIGSTOP)
        server.restore()
        server.say("bob", "alice", "two again", "three again", "four again")
        other.prints("four again")
        alice.process.send_signal(signal.SIGCONT)
        alice.prints("four again")
        texts = ("one", "two", "three", "two anew", "three anew", "two again", "three again", "four again")
        for client in (alice, other):
            client.types("exit\n")
            assert client.end() == 0
            assert ends(client.out, *texts) == [*texts]


def test_nothing_was_lost(server: Restorable) -> None:
    """A line says so."""
    with join(server, "alice") as alice:
        server.say("bob", "alice", "one")
        alice.prints("one")
        server.back_up()
        server.restore()
        alice.complains("The server was restored from a backup: its log has all messages that came here")
        server.say("bob", "alice", "two")
        alice.prints("two")
        assert ends(alice.out, "one", "two") == ["one", "two"]


@pytest.mark.parametrize("position", [["--as", "bot"], []], ids=["named", "own"])
@pytest.mark.parametrize("asleep", [True, False])
def test_listen(server: Restorable, position: list[str], *, asleep: bool) -> None:
    """A listener prints everything that is new, and nothing twice, whether it ran all the time or not."""
    arguments = ("listen", "--user", "alice", *server.where, *position, "--json")
    with Program(*arguments) as listening:
        server.say("bob", "alice", "one")
        listening.prints("one")
        server.back_up()
        server.say("bob", "alice", "two", "three")
        listening.prints("three")
        if asleep:
            assert listening.end(signal.SIGTERM) == 0
            said = listening.out
            server.restore()
            server.say("bob", "alice", "two anew", "three anew", "four anew")
        else:
            server.restore()
            server.say("bob", "alice", "two anew", "three anew", "four anew")
            listening.prints("four anew")
            assert listening.end(signal.SIGTERM) == 0
            said = listening.out
    if asleep:
        done = chatcli(*arguments, "--count", "3", "--timeout", "20s")
        said = [*said, *done.stdout.splitlines()]
        assert "was restored from a backup. Going on after 1 instead of 3" in done.stderr
    assert [json.loads(line)["text"] for line in said] == [*ALL]


def test_listen_exec(server: Restorable, tmp_path: Path) -> None:
    """Its command runs once for each message; only the one in hand at the restore is marked as replayed."""
    log, gate = tmp_path / "log", tmp_path / "gate"
    command = f'echo "$CHATCLI_TEXT $CHATCLI_REPLAYED" >> {log}; test "$CHATCLI_TEXT" != one || test -e {gate}'
    server.say("bob", "alice", "zero", "one")
    server.back_up()
    with Program("listen", "--user", "alice", *server.where, "--as", "bot", "--exec", command) as listening:
        eventually(lambda: log.exists() and "one" in log.read_text())
        server.restore()
        server.say("bob", "alice", "two anew")
        gate.touch()
        eventually(lambda: "two anew" in log.read_text())
        assert listening.end(signal.SIGTERM) == 0
    lines = log.read_text().splitlines()
    assert lines[0] == "zero "
    assert lines[-1] == "two anew "
    assert set(lines[1:-1]) <= {"one ", "one 1"}
    assert lines.count("one ") == 1


def test_question_is_asked_again(server: Restorable) -> None:
    """A question that the log lost is asked once more, with its id; its old number belongs to another message."""
    with join(server, "bob") as bob:
        server.back_up()
        asking = ("ask", "--user", "alice", *server.where, "--timeout", "60s", "bob", "Deploy?")
        with Program(*asking, "--choice", "yes", "--choice", "no") as ask:
            bob.prints("Deploy?")
            ask.complains("Asked bob")
            server.restore()
            ask.complains("does not have the question: it is asked again")
            eventually(lambda: sum("Deploy?" in line for line in bob.out) == 2)
            bob.types("/answer no\n")
            assert ask.end() == 1
            assert ask.out == ["no"]


def test_question_that_is_still_there(server: Restorable) -> None:
    """It is asked once, although the server was restored."""
    with join(server, "bob") as bob:
        asking = ("ask", "--user", "alice", *server.where, "--timeout", "60s", "bob", "Deploy?")
        with Program(*asking, "--choice", "yes", "--choice", "no") as ask:
            bob.prints("Deploy?")
            ask.complains("Asked bob")
            server.back_up()
            server.restore()
            bob.complains("its log has all messages that came here")
            bob.types("/answer no\n")
            assert ask.end() == 1
    assert sum("Deploy?" in line for line in bob.out) == 1


def test_waiting_for_a_receipt(server: Restorable) -> None:
    """A message that the log lost is sent again with its id, and its receipt is not that of another message."""
    server.back_up()
    with Program("send", "--user", "alice", *server.where, "--wait", "--timeout", "60s", "bob", "read this") as send:
        eventually(lambda: "read this" in chatcli("history", "--user", "alice", *server.where, "bob").stdout)
        server.restore()
        eventually(lambda: "read this" in chatcli("history", "--user", "alice", *server.where, "bob").stdout)
        with join(server, "bob") as bob:
            bob.prints("read this")
            assert send.end() == 0
        assert sum("read this" in line for line in bob.out) == 1


def test_reply_in_the_outbox(server: Restorable) -> None:
    """It is sent without the number of a message that is gone; one to a message that is there keeps it."""
    server.say("bob", "alice", "one")
    epoch = epoch_of(server)
    server.back_up()
    server.say("bob", "alice", "two")
    first, second, answer = (Send(new_id(), "bob", text, re) for text, re in (("to one", 1), ("to two", 2), ("yes", 2)))
    answer = msgspec.structs.replace(answer, answer=0)
    state = str(CONFIGURATION / "state" / "chatcli" / "outbox")
    box = Outbox(state, server.address, "alice", claim=False)
    box.store([first, second, answer], epochs=dict.fromkeys((first.id, second.id, answer.id), epoch))
    box.close()
    server.restore()
    server.say("bob", "alice", "two anew")
    done = chatcli("outbox", "send", *server.where)
    assert "without what it answers" in done.stderr
    assert "The question is gone from the server's log" in done.stderr
    sent = map(json.loads, chatcli("history", "--user", "alice", *server.where, "bob", "--json").stdout.splitlines())
    assert {one["text"]: one["re"] for one in sent} == {"one": None, "two anew": None, "to one": 1, "to two": None}
    listed = chatcli("outbox", "--json").stdout
    assert [json.loads(line)["text"] for line in listed.splitlines() if answer.id in line] == ["yes"]
    assert chatcli("outbox", "drop", answer.id).returncode == 0


def epoch_of(server: Restorable) -> str:
    """Return the epoch of a server's log."""
    with Caller(server.address) as asking:
        asking.says("hello", version=1, purpose="query")
        return str(asking.hears("welcome")["epoch"])


def test_library(server: Restorable) -> None:
    """A program gets what is new unmarked; a reply to a lost message is a mere message, and an answer is refused."""
    heard: list[tuple[str, bool]] = []

    async def program() -> None:
        async with asyncio.timeout(DEADLINE), chatcli_library.connect("alice", where, cursor="bot") as chat:
            kept, lost = None, None
            async for message in chat:
                heard.append((message.text, message.replayed))
                match message.text:
                    case "one":
                        kept = message
                        await asyncio.to_thread(server.back_up)
                        await asyncio.to_thread(server.say, "bob", "alice", "two")
                    case "two":
                        lost = message
                        await chat.reply(message, "to two")
                        await asyncio.to_thread(server.restore)
                        await asyncio.to_thread(server.say, "bob", "alice", "two anew")
                    case "two anew":
                        assert kept is not None
                        assert lost is not None
                        await chat.reply(lost, "to two once more")
                        await chat.reply(kept, "to one")
                        await chat.reply(message, "to two anew")
                        with pytest.raises(chatcli_library.Refused, match="question is gone"):
                            await chat.answer(lost, 0)
                        return

    where = f"{server.address.host}:{server.address.port}"
    server.say("alice", "alice", "zero")
    server.say("bob", "alice", "one")
    asyncio.run(program())
    assert heard == [("zero", False), ("one", False), ("two", False), ("two anew", False)]
    said = map(json.loads, chatcli("history", "--user", "alice", *server.where, "bob", "--json").stdout.splitlines())
    assert {one["text"]: one["re"] for one in said if one["from"] == "alice"} == {
        "to two once more": None,
        "to one": 2,
        "to two anew": 3,
    }


@pytest.mark.parametrize("asleep", [True, False])
def test_message_that_is_sent_again(server: Restorable, *, asleep: bool) -> None:
    """It comes under another number: a listener gets it marked as replayed, and a person does not see it again."""
    identity = new_id()
    arguments = ("listen", "--user", "alice", *server.where, "--as", "bot", "--json")

    def send(text: str, identity: str) -> None:
        with Caller(server.address) as bob:
            bob.greets("bob", purpose="send")
            bob.hears("welcome")
            bob.sends("alice", text, identity)
            bob.hears("sent")

    server.say("bob", "alice", "zero")
    with Program(*arguments) as listening:
        listening.prints("zero")
        assert listening.end(signal.SIGTERM) == 0
    with join(server, "alice") as alice, Program(*arguments) as listening:
        server.back_up()
        send("once", identity)
        listening.prints("once")
        alice.prints("once")
        if asleep:
            assert listening.end(signal.SIGTERM) == 0
        server.restore()
        send("in between", new_id())
        send("once", identity)
        send("at last", new_id())
        alice.prints("at last")
        said = listening.out
        if asleep:
            said += chatcli(*arguments, "--count", "3", "--timeout", "20s").stdout.splitlines()
        else:
            listening.prints("at last")
        alice.types("exit\n")
        assert alice.end() == 0
        assert ends(alice.out, "once", "in between", "at last") == ["once", "in between", "at last"]
        records = map(json.loads, list(said))
        assert [(one["text"], one["replayed"]) for one in records] == [
            ("once", False),
            ("in between", False),
            ("once", True),
            ("at last", False),
        ]


def test_question_of_a_program(server: Restorable) -> None:
    """The library asks again what the log has lost, for the rest of the time."""

    async def program() -> str | None:
        async with asyncio.timeout(DEADLINE), chatcli_library.connect("alice", where, cursor="bot") as chat:
            asking = asyncio.create_task(chat.ask("bob", "Deploy?", ["yes", "no"], 60))
            await asyncio.to_thread(bob.prints, "Deploy?")
            await asyncio.to_thread(server.restore)
            await asyncio.to_thread(eventually, lambda: sum("Deploy?" in line for line in bob.out) == 2)
            bob.types("/answer no\n")
            answer = await asking
            return None if answer is None else answer.choice

    where = f"{server.address.host}:{server.address.port}"
    with join(server, "bob") as bob:
        server.back_up()
        assert asyncio.run(program()) == "no"


def test_reply_and_answer_that_wait(server: Restorable) -> None:
    """Lines typed meanwhile refer to lost messages: a reply becomes a message, an answer is not sent."""
    server.say("bob", "alice", "one")
    server.back_up()
    with join(server, "alice") as alice:
        asking = ("ask", "--user", "bob", *server.where, "--timeout", "60s", "alice", "Deploy?")
        with Program(*asking) as ask:
            alice.prints("Deploy?")
            server.say("bob", "alice", "two")
            alice.prints("two")
            ask.process.send_signal(signal.SIGKILL)
        server.kill()
        alice.complains("Connection lost")
        alice.types("/reply to two\n/answer yes\n/reply 3 to one\n")
        server.start_backup()
        alice.complains('Sent without what it answers, which is gone from the log: "to two"')
        alice.complains('Not answered with "yes": the question is gone from the log.')
        server.say("bob", "alice", "anew")
        alice.prints("anew")
    said = map(json.loads, chatcli("history", "--user", "alice", *server.where, "bob", "--json").stdout.splitlines())
    assert {one["text"]: one["re"] for one in said if one["from"] == "alice"} == {"to two": None, "to one": 1}
