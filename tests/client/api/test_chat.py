"""The library: each program of ``docs/programs.md``, and its records."""

from __future__ import annotations

import asyncio
import datetime
import functools
import math
import signal
import subprocess
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final

import pytest

import chatcli
from tests.reference import ROOT
from tests.support import DEADLINE, ThreadServer, environment, eventually

PROGRAMS: Final = {
    part.partition("\n")[0]: part.split("```python\n")[1].split("```")[0]
    for part in (ROOT / "docs/programs.md").read_text().split("\n## Reference")[0].split("\n## ")
    if "```python\n" in part
}


def start(title: str, server: ThreadServer, folder: Path, **env: str) -> subprocess.Popen[str]:
    """Start a program of the page."""
    path = folder / "program.py"
    path.write_text(PROGRAMS[title])
    return subprocess.Popen(
        [sys.executable, str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(**{"CHATCLI_SERVER": str(server.address), **env}),
    )


def stop(program: subprocess.Popen[str], number: int = signal.SIGTERM) -> None:
    """End a program, and close its pipes."""
    program.send_signal(number)
    program.communicate(timeout=DEADLINE)


def known(server: ThreadServer, name: str) -> Callable[[], object]:
    """Return a function that returns whether a user is connected."""
    return lambda: server.run(lambda: (user := server.hub.users.find(name)) is not None and user.feeds)


def test_page_has_three_programs() -> None:
    """The page's bot has ten lines at most."""
    assert list(PROGRAMS) == ["An echo", "Report a build", "Page the people on call"]
    inner = PROGRAMS["An echo"].split("async def main")[1]
    assert len([line for line in inner.splitlines() if line.strip()]) <= 10


def test_echo_bot(server: ThreadServer, tmp_path: Path) -> None:
    """Killed and started again, the bot answers what it missed, and nothing twice."""
    with server.joined("bob") as bob:
        echo = start("An echo", server, tmp_path, CHATCLI_USER="echo")
        eventually(known(server, "echo"))
        bob.sends("echo", "one")
        bob.hears("sent")
        answer = bob.hears("message", text="one", **{"from": "echo"})
        assert answer["re"] == answer["seq"] - 1
        stop(echo, signal.SIGKILL)
        for text in ("two", "three"):
            bob.sends("echo", text)
            bob.hears("sent")
        echo = start("An echo", server, tmp_path, CHATCLI_USER="echo")
        heard = [bob.hears("message")["text"] for _ in range(2)]
        # The message of the moment of the kill may be answered or not: it comes again.
        if heard[0] == "one":
            heard = [*heard[1:], bob.hears("message")["text"]]
        assert heard == ["two", "three"]
        stop(echo)


def test_build_notifier(server: ThreadServer, tmp_path: Path) -> None:
    """The program sends the outcome of a build from standard output, or fails with a sentence and a status."""
    with server.joined("bob") as bob:
        bob.enters("#builds")
        told = start("Report a build", server, tmp_path, CI_JOB_NAME="tests", CI_JOB_STATUS="failed")
        assert told.communicate(timeout=DEADLINE) == ("delivered\n", "")
        bob.hears("message", text="tests: failed", to="#builds", **{"from": "ci"})
    told = start("Report a build", server, tmp_path, CHATCLI_SERVER="127.0.0.1:1")
    out, err = told.communicate(timeout=DEADLINE)
    assert (told.returncode, out, err.startswith("nobody was told: No server answers")) == (1, "", True)


def test_on_call_pager(server: ThreadServer, tmp_path: Path) -> None:
    """Each page in the room goes out once, nothing else does, and one from before a restart does, too."""
    server.joined("bob").hang_up()
    with server.joined("alice") as alice, server.joined("cid", "send") as cid:
        pager = start("Page the people on call", server, tmp_path, CHATCLI_USER="pager")
        eventually(known(server, "pager"))
        eventually(lambda: cid.asks("rooms")["rooms"])
        for text in ("all is well", "page: db2 is on fire"):
            cid.sends("#alerts", text.replace(":", " :"))
            cid.hears("sent")
        assert alice.hears("message")["text"] == "cid pages you: page : db2 is on fire"
        stop(pager)
        cid.sends("#alerts", "page again")
        cid.hears("sent")
        pager = start("Page the people on call", server, tmp_path, CHATCLI_USER="pager")
        heard = alice.hears("message")["text"]
        if "(again?)" in heard:  # it was ended before it could store its position
            heard = alice.hears("message")["text"]
        assert heard == "cid pages you: page again"
        stop(pager)


def run(program: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a program in this process."""

    async def limited() -> None:
        async with asyncio.timeout(DEADLINE):
            await program()

    asyncio.run(limited())


def test_message_is_handled_at_the_next(server: ThreadServer) -> None:
    """A message counts as handled at the next one: after an exception it comes again, marked; after a clean end not."""
    where = str(server.address)
    server.joined("bot").hang_up()
    for text in ("one", "two", "three"):
        chatcli.send("bot", text, "bob", where)

    async def fails() -> None:
        async with chatcli.connect("bot", where, cursor="fails") as chat:
            async for message in chat:
                if message.text == "two":
                    raise ValueError

    with pytest.raises(ValueError, match=r"^$"):
        run(fails)
    heard = []

    async def ends() -> None:
        async with chatcli.connect("bot", where, cursor="fails") as chat:
            async for message in chat:
                heard.append((message.text, message.replayed))
                if message.text == "three":
                    break

    run(ends)
    assert heard == [("two", True), ("three", False)]

    async def goes_on() -> None:
        async with chatcli.connect("bot", where, cursor="fails") as chat:
            chatcli.send("bot", "four", "bob", where)
            async for message in chat:
                heard.append((message.text, message.replayed))
                break

    run(goes_on)
    assert heard[2:] == [("four", False)]


def test_handled_messages_stay_unread(server: ThreadServer) -> None:
    """A handled message is received, and read only with ``mark_read``; never before it is handled."""
    where = str(server.address)
    server.joined("bot").hang_up()
    for text in ("one", "two"):
        chatcli.send("bot", text, "bob", where)

    def unread() -> list[int]:
        with server.joined("bot", "query") as asking:
            return [one["count"] for one in asking.asks("unread")["conversations"]]

    async def reads(*, mark_read: bool) -> None:
        async with chatcli.connect("bot", where, since=0, mark_read=mark_read) as chat:
            assert (await anext(chat)).text == "one"
            assert unread() == [2]

    run(functools.partial(reads, mark_read=False))
    assert unread() == [2]
    run(functools.partial(reads, mark_read=True))
    assert unread() == [1]


def test_events_and_errors(server: ThreadServer) -> None:
    """Times are aware, rooms and mentions are distinct, and a refusal raises an exception."""
    where = str(server.address)

    async def program() -> None:
        async with chatcli.connect("Bot", where, since="now") as chat:
            room = await chat.join("#lab")
            assert (room.name, room.joined, room.members) == ("#lab", True, 1)
            with pytest.raises(chatcli.UnknownRecipient) as unknown:
                await chat.send("bto", "hi")
            assert unknown.value.names == ["Bot"]
            with pytest.raises(chatcli.InputError, match="no message 999"):
                await chat.send("#lab", "hi", reply_to=999)
            with server.joined("bob", "send") as bob:
                bob.sends("#lab", "hello bot")
                bob.sends("#lab", "nothing")
                bob.sends("Bot", "just you")
                heard = [await anext(chat) for _ in range(3)]
            assert [(one.room, one.mentions_me) for one in heard] == [("#lab", True), ("#lab", False), (None, True)]
            assert abs(datetime.datetime.now(datetime.UTC) - heard[0].at) < datetime.timedelta(minutes=1)
            sent = await chat.reply(heard[0], "yes?")
            assert (sent.delivered, sent.seq) == (False, heard[2].seq + 1)
            both = await asyncio.gather(*(chat.send("#lab", str(number)) for number in range(50)))
            assert [one.seq for one in both] == sorted(one.seq for one in both)
            assert [one.user for one in await chat.who("#lab")] == ["Bot"]
            assert [one.name for one in await chat.rooms()] == ["#lab"]
            assert await chat.who() == []

    run(program)
    with pytest.raises(chatcli.InputError, match="async with"):
        asyncio.run(chatcli.connect("bot", where).send("bot", "hi"))
    with pytest.raises(chatcli.ServerUnreachable):
        run(chatcli.connect("bot", "127.0.0.1:1").__aenter__)  # type: ignore[arg-type] # what it returns does not matter


def test_questions_and_answers(server: ThreadServer) -> None:
    """A program gets the choice, a decline or a timeout, and can answer a question itself."""
    where = str(server.address)

    async def program() -> None:
        async with chatcli.connect("bot", where) as chat:
            with server.joined("bob") as bob:
                choices = ["yes", "no"]

                async def asked() -> tuple[asyncio.Task[chatcli.Answer | None], int]:
                    asking = asyncio.create_task(chat.ask("bob", "Deploy?", choices, 60))
                    question = await asyncio.to_thread(bob.hears, "message", choices=choices)
                    return asking, question["seq"]

                asking, seq = await asked()
                bob.sends("bot", "", re=seq, answer=1)
                answer = await asking
                assert answer is not None
                assert (answer.sender, answer.number, answer.choice) == ("bob", 1, "no")
                bob.hears("sent")
                asking, seq = await asked()
                bob.sends("bot", "", re=seq, answer=-1)
                answer = await asking
                assert answer is not None
                assert (answer.number, answer.choice) == (None, None)
                bob.hears("sent")
                asking, seq = await asked()
                asking.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await asking
                assert (await asyncio.to_thread(bob.hears, "message", re=seq))["answer"] == -1
                assert await chat.ask("bob", "Now?", choices, 1) is None
                bob.hears("message", text="Now?")
                bob.sends("bot", "Lunch?", choices=["pizza", "soup"])
                heard = []
                while not (message := await anext(chat)).choices:
                    heard.append(message.answer)
                assert heard == [1, -1]
                assert (message.choices, message.until, message.answer) == (("pizza", "soup"), None, None)
                await chat.answer(message, 0)
                bob.hears("sent")
                bob.hears("message", text="pizza", answer=0)
                bob.sends("bot", "Now?", choices=["yes", "no"], seconds=60)
                until = (await anext(chat)).until
                assert until is not None
                assert (
                    datetime.timedelta(0) < until - datetime.datetime.now(datetime.UTC) <= datetime.timedelta(minutes=1)
                )

    run(program)


def test_invalid_arguments(server: ThreadServer) -> None:
    """An invalid argument raises early and is named; concurrent messages arrive."""
    where = str(server.address)
    server.joined("bob").hang_up()
    half, soon = "\udcff", datetime.datetime(2020, 1, 1)  # noqa: DTZ001 (as programs may write it)
    sends: list[dict[str, Any]] = [
        {"to": half}, {"to": 5}, {"text": half}, {"text": b"hi"}, {"user": half}, {"reply_to": -1}, {"reply_to": 2**53},
        {"pin": "zz"},
    ]  # fmt: skip
    for wrong in sends:
        with pytest.raises(chatcli.InputError):
            chatcli.send(**{"to": "bob", "text": "hi", "user": "bot", "server": where, **wrong})
    for since in (-5, 2**53, 1.5, "yesterday"):
        with pytest.raises(chatcli.InputError, match="since is the seq"):
            chatcli.connect("bot", where, since=since)  # type: ignore[arg-type]  # as untyped programs have it
    with pytest.raises(chatcli.InputError, match="fingerprint"):
        chatcli.connect("bot", where, pin="zz")

    async def asks() -> None:
        for since in (datetime.datetime.min, soon):  # noqa: DTZ901 (the same)
            async with chatcli.connect("bob", where, cursor="since", since=since) as bob:
                assert bob.user == "bob"
        async with chatcli.connect("bot", where, cursor="asks") as chat:
            for timeout in (math.inf, math.nan, 0, -1, 31 * 86_400):
                with pytest.raises(chatcli.InputError, match="A question is open for 1 to"):
                    await chat.ask("bob", "Now?", ["yes", "no"], timeout)
            with pytest.raises(chatcli.InputError, match="2 to 9 choices"):
                await chat.ask("bob", "Now?", [], 1)
            with pytest.raises(chatcli.InputError, match="reply_to"):
                await chat.send("bob", "hi", -1)
            for text in (5, b"hi", None):
                with pytest.raises(chatcli.InputError, match="of the type str, and not"):
                    await chat.send("bob", text)  # type: ignore[arg-type]  # as untyped programs have it
                with pytest.raises(chatcli.InputError, match="of the type str, and not"):
                    await chat.ask("bob", text, ["yes", "no"], 1)  # type: ignore[arg-type]  # the same
            said = await asyncio.gather(*(chat.send("bob", text) for text in ("a", half, "b")), return_exceptions=True)
            assert [type(answer) for answer in said] == [chatcli.Sent, chatcli.InputError, chatcli.Sent]

    run(asks)


def test_lazy_imports() -> None:
    """Importing the package imports no part; unknown names raise AttributeError; every name of ``__all__`` exists."""
    script = "import sys; before = set(sys.modules); import chatcli; print(*(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment())
    assert done.stdout.split() == ["chatcli"]
    for name in chatcli.__all__:
        assert getattr(chatcli, name) is not None
    with pytest.raises(AttributeError, match="nothing"):
        _ = chatcli.nothing  # type: ignore[attr-defined]
