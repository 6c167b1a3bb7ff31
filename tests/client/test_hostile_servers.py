"""Hostile servers against the interactive client and the library."""

from __future__ import annotations

import asyncio
import datetime
import itertools
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

import chatcli
from chatcli.client.chat.chat import Chat
from chatcli.client.interactive.render import plain, render
from chatcli.errors import ChatError
from chatcli.protocol import frames as f
from tests.impostor import Impostor, Say
from tests.protocol.strategies import server_frame, server_frames

TYPED = [
    "bob: hi",
    "#ops: hi",
    "who",
    "/rooms",
    "/history bob",
    "/search x",
    "/join #ops",
    "/answer 1",
    "/reply 1 ok",
    "/keys",
    "/list",
    "/to bob",
    "/unread",
    "/unread 1",
    "/unread #ops",
    "/close",
    "/away lunch",
    "/whois bob",
]
TODAY = datetime.date(2026, 1, 1)

talk = st.lists(st.lists(server_frame, min_size=1, max_size=4) | st.sampled_from(TYPED), max_size=12)


@settings(max_examples=200, deadline=None)
@given(welcome=server_frames[f.Welcome], talk=talk, again=server_frames[f.Welcome])
def test_interactive_client(welcome: f.Welcome, talk: list[list[f.ServerFrame] | str], again: f.Welcome) -> None:
    """Frames in any order, with any numbers and names, and user input over two connections raise nothing."""
    numbers = itertools.count()
    chat = Chat("alice", lambda: f"id-{next(numbers)}", lambda: 1000)
    for greeted in (welcome, again):
        chat.hello()
        if chat.must_ask_again(greeted):
            chat.hello()
        chat.connected(greeted)
        for said in talk:
            events = chat.typed(said).events if isinstance(said, str) else chat.receive(said).events
            chat.shown(events)
            chat.attention.focus_changed(has_focus=True)
            chat.attention.frames()
            chat.conversations.listed()
            for event in events:
                assert "\x1b" not in plain(render(event, TODAY))
        chat.disconnected()


def test_floods() -> None:
    """Positions, lists and changes of any number of names, over many logs, need little memory and stay quick."""
    limits = f.Limits(100, 300, 60)
    chat = Chat("alice", lambda: "id", lambda: 1000)
    chat.hello()
    for epoch in ("first", "second"):
        reads = [f.ReadPosition(f"{epoch}{number}", 5) for number in range(20_000)]
        welcome = f.Welcome("alice", 10, 10, "x", limits, reads=reads, revision=1, epoch=epoch, shared=2**53 - 1)
        chat.connected(welcome)
        for start in range(0, 20_000, 1000):
            names = [f"name{number}" for number in range(start, start + 1000)]
            last = f.Message(9, "id", "bob", "alice", "hi", 0)
            chat.receive([f.ConversationList([f.ConversationInfo(name, last, 5, 5, 3) for name in names])])
            chat.receive(f.Read(2**53 - 1, name, back=True) for name in names)
            chat.receive(f.NameChange(name, "taken", 0, 20, "x" * 1000) for name in names)
            chat.receive(f.NameChange(name, "taken", 0, 20) for name in names)
        chat.disconnected()
    assert len(chat.conversations.listed()) <= 1000
    assert len(chat.names.all()) <= 1000
    assert sum(len(change.by) for change in chat.names.all().values()) == 0
    assert chat.conversations.counts.size <= 10_000


@settings(max_examples=15, deadline=None)
@given(frames=st.lists(server_frame, max_size=6), page=server_frame)
def test_library(frames: list[f.ServerFrame], page: f.ServerFrame) -> None:
    """No answer makes a request raise anything but a ChatError."""

    def welcomed(_frame: dict[str, Any], say: Say) -> None:
        say(*map(msgspec.json.encode, frames))

    def answer(frame: dict[str, Any], say: Say) -> None:
        fields = {name: frame[name] for name in ("n", "id") if name in frame}
        say({**msgspec.to_builtins(page), **fields})

    async def program(server: str) -> None:
        async with chatcli.connect("bot", server) as chat:
            for asked in (chat.rooms(), chat.who("#ops"), chat.send("bob", "hi"), chat.join("#ops")):
                try:
                    async with asyncio.timeout(0.05):
                        await asked
                except (ChatError, TimeoutError):
                    pass
            async with asyncio.timeout(0.05):
                async for message in chat:
                    assert message.seq >= 0

    async def limited(server: str) -> None:
        try:
            async with asyncio.timeout(1):
                await program(server)
        except (ChatError, TimeoutError):
            pass

    with Impostor({"welcome": welcomed, **dict.fromkeys(("rooms", "who", "send", "join"), answer)}) as impostor:
        asyncio.run(limited(str(impostor.address)))
