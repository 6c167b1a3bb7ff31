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
            for event in events:
                assert "\x1b" not in plain(render(event, TODAY))
        chat.disconnected()


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
