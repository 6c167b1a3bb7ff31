"""Requests over connections that are lost: nothing hangs, nothing floods the server, nothing stays open."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import chatcli
from chatcli.client.feed.requester import Requester
from chatcli.client.identity.credentials import Login, Server
from chatcli.client.identity.trust import Trust
from chatcli.protocol import codes
from chatcli.protocol.frames import Send
from chatcli.protocol.in_flight import MAX_MESSAGES
from chatcli.protocol.values.address import Address
from chatcli.server.state import questions
from tests.support import DEADLINE, OWN, ThreadServer, eventually, new_id


def run(program: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a program in this process."""

    async def limited() -> None:
        async with asyncio.timeout(DEADLINE):
            await program()

    asyncio.run(limited())


@asynccontextmanager
async def between(server: ThreadServer, lines: Callable[[int], int | None]) -> AsyncIterator[tuple[Address, list[int]]]:
    """Run a proxy between client and server; yield its address, and a list that grows with each connection.

    ``lines`` returns the number of the server's lines that a connection, counted from 0, gets: None for all of them,
    and -1 for the greeting of another service.
    """
    made: list[int] = []
    tasks: set[asyncio.Task[None]] = set()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if (task := asyncio.current_task()) is not None:
            tasks.add(task)
        number = len(made)
        made.append(number)
        left = lines(number)
        if left == -1:
            writer.write(b"220 mail.example ESMTP\n")
        else:
            inner_reader, inner_writer = await asyncio.open_connection(*server.address[:2])
            onward = asyncio.create_task(pour(reader, inner_writer))
            while left != 0 and (line := await inner_reader.readline()):
                writer.write(line)
                left = None if left is None else left - 1
            onward.cancel()
            inner_writer.close()
        writer.close()

    listening = await asyncio.start_server(relay, "127.0.0.1", 0)
    try:
        yield Address("127.0.0.1", listening.sockets[0].getsockname()[1]), made
    finally:
        listening.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Forward all data."""
    while data := await reader.read(65536):
        writer.write(data)


def login(where: Address) -> Login:
    """Return alice's login."""
    return Login(server=Server.at(where), user="alice", trust=Trust(), identity=OWN)


def sessions(server: ThreadServer, name: str) -> int:
    """Return the number of a user's connections."""
    user = server.run(lambda: server.hub.users.find(name))
    return 0 if user is None else server.run(lambda: len(user.sessions))


def test_oversized_request(server: ThreadServer) -> None:
    """A request that fits no frame is refused before and after connecting, and other requests go on."""

    async def program() -> None:
        async with chatcli.connect("bot", str(server.address)) as chat:
            for _ in range(2):
                with pytest.raises(chatcli.Refused) as refused:
                    await chat.send("bot", "x" * 70_000)
                assert refused.value.code == codes.TEXT_TOO_LONG
            with pytest.raises(chatcli.InputError, match="UTF-8"):
                await chat.send("bot", "\udc80")
            with pytest.raises(chatcli.InputError, match="type str"):
                await chat.send(5, "to nobody at all")  # type: ignore[arg-type]
            assert (await chat.send("bot", "hi")).seq

    run(program)


def test_backoff(server: ThreadServer) -> None:
    """A server that hangs up after each login is tried with growing pauses."""

    async def program() -> None:
        async with between(server, lambda _: 2) as (where, made):  # the challenge and the welcome
            requester = Requester(login(where))
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1):
                    await requester.send(Send(new_id(), "alice", "hi"))
            await requester.close()
            assert 1 <= len(made) <= 11  # a tenth of a second apart, at least

    run(program)


def test_message_after_other_servers(server: ThreadServer) -> None:
    """A message waits through something that is not a server, and a lost connection."""

    async def program() -> None:
        async with between(server, lambda number: (-1, 2, None)[number]) as (where, made):
            requester = Requester(login(where))
            assert (await requester.send(Send(new_id(), "alice", "hi"))).seq
            await requester.close()
            assert len(made) == 3
            with pytest.raises(chatcli.InputError, match="closed"):
                await requester.send(Send(new_id(), "alice", "hi"))
            assert len(made) == 3

    run(program)


def test_many_messages_in_order(server: ThreadServer) -> None:
    """More messages than the window are stored once, in order, over a lost connection."""

    async def program() -> None:
        async with between(server, lambda number: 60 if number == 0 else None) as (where, made):
            requester = Requester(login(where))
            messages = [Send(new_id(), "alice", str(number)) for number in range(2 * MAX_MESSAGES + 50)]
            answers = await asyncio.gather(*map(requester.send, messages))
            seqs = [answer.seq for answer in answers]
            assert seqs == sorted(set(seqs))
            assert len(made) == 2
            await requester.close()

    run(program)


def test_question_is_withdrawn(server: ThreadServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused wait, and the end of the program, withdraw the open question."""
    monkeypatch.setattr(questions, "_MOST_AWAITED", 1)

    async def program() -> None:
        with server.joined("bob") as bob:
            async with chatcli.connect("bot", str(server.address)) as chat:
                first = asyncio.create_task(chat.ask("bob", "one?", ["yes", "no"], 60))
                one = await asyncio.to_thread(bob.hears, "message", text="one?")
                await asyncio.to_thread(eventually, lambda: server.run(lambda: server.hub.questions._waiting))
                with pytest.raises(chatcli.Refused) as refused:
                    await chat.ask("bob", "two?", ["yes", "no"], 60)
                assert refused.value.code == codes.TOO_MANY
                two = await asyncio.to_thread(bob.hears, "message", text="two?")
                await asyncio.to_thread(bob.hears, "message", re=two["seq"], answer=-1)
            await asyncio.to_thread(bob.hears, "message", re=one["seq"], answer=-1)
            await asyncio.gather(first, return_exceptions=True)

    run(program)


async def on_a_full_disk(chat: chatcli.Chat) -> None:
    """Receive a message, and leave when the disk is full."""
    async with chat:
        await chat.send("bot", "more")
        await anext(chat)
        assert chat._listener is not None
        assert chat._listener._cursor is not None
        full = os.open("/dev/full", os.O_RDWR)
        os.dup2(full, chat._listener._cursor._file)
        os.close(full)


def test_close(server: ThreadServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is sent afterwards; if the position cannot be stored, connection and file are closed all the same."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

    async def program() -> None:
        chat = chatcli.connect("bot", str(server.address), cursor="x")
        async with chat:
            await chat.send("bot", "hi")
            assert (await anext(chat)).text == "hi"
        with pytest.raises(chatcli.InputError, match="async with"):
            await chat.send("bot", "hi")
        with pytest.raises(chatcli.InputError, match="async with"):
            await anext(chat)
        with pytest.raises(chatcli.InputError, match="cannot be kept"):
            await on_a_full_disk(chat)
        async with chatcli.connect("bot", str(server.address), cursor="x"):
            pass  # the cursor is free
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(program)
    eventually(lambda: not sessions(server, "bot"))


def test_impossible_greeting(server: ThreadServer) -> None:
    """If the greeting cannot be sent, each waiting request and every later one fails."""

    async def program() -> None:
        requester = Requester(Login(server=Server.at(server.address), user="\udcff", trust=Trust(), identity=OWN))
        for _ in range(2):
            sends = (requester.send(Send(new_id(), "bob", "hi")) for _ in range(2))
            answers = await asyncio.gather(*sends, return_exceptions=True)
            assert [type(answer) for answer in answers] == [UnicodeEncodeError] * 2
        await requester.close()

    run(program)
