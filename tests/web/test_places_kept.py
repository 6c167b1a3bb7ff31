"""Conversations of the page: one for all ways to write a name, whole, and with the right count."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support import eventually
from tests.web.conftest import OpenPage
from tests.web.modules import run
from tests.web.page import ChatPage
from tests.web.servers import WebServer
from tests.web.speakers import Speaker
from tests.web.test_places import listed, names, press

if TYPE_CHECKING:
    from collections.abc import Iterator

_STATE = """
const { State } = await load("core/state.js");
const state = new State();
state.me = "ann";
const message = (seq) => ({ t: "message", seq, id: `${seq}`, from: "bob", to: "#ops", text: "@ann", at: 1 });
const ops = state.conversation("#ops");
"""


@pytest.fixture
def page(server: WebServer, open_page: OpenPage) -> ChatPage:
    """A page at a room in which something was said."""
    page = open_page(server).come_in("ann").enter("#ops")
    page.send("hello")
    return page


@pytest.fixture
def bob(server: WebServer) -> Iterator[Speaker]:
    """Somebody who is in the same room."""
    with Speaker(server.address, "Bob", "#ops") as speaker:
        yield speaker


@pytest.mark.parametrize(("path", "name", "right"), [("/OPS", "#ops", "/ops"), ("/@BOB", "Bob", "/@Bob")])
def test_other_case(page: ChatPage, bob: Speaker, path: str, name: str, right: str) -> None:
    """An address in other letters opens the one conversation, and is corrected."""
    bob.says("ann", ["to you"])
    page.go(path)
    page.is_at(name)
    page.page.wait_for_url(f"**{right}")
    eventually(lambda: sorted(names(page)) == ["#ops", "Bob"])
    page.send("all the same")
    assert "all the same" in page.messages()[-1]


def test_unknown_place(page: ChatPage) -> None:
    """A place in a conversation that cannot be one is not asked for."""
    for place in ("-5", "1e99", "0x10", "two"):
        page.go(f"/ops?at={place}")
        page.shows("hello")
    assert page.page.get_by_role("alert").all_inner_texts() == []


def test_rejoined(page: ChatPage, bob: Speaker) -> None:
    """A room that one leaves and enters again in another tab shows what is said from then on."""
    tab = page.another_tab("/ops")
    tab.shows("hello")
    page.say("/leave #ops")
    page.link("#ops").wait_for(state="detached")
    page.page.wait_for_url("**/")
    bob.says("#ops", ["meanwhile"])
    page.enter("#ops")
    tab.shows("meanwhile")
    bob.says("#ops", ["and now"])
    tab.shows("and now")
    assert page.composer.input_value() == tab.composer.input_value() == ""


def test_invited_again(page: ChatPage, bob: Speaker) -> None:
    """A second invitation to a private room shows what is said from then on, and nothing from between."""
    bob.asks("join", room="#plans", kind="private")
    bob.asks("operate", do="invite", to="ann", room="#plans")
    press(page, "Accept the invitation to #plans")
    bob.says("#plans", ["before"])
    page.shows("before")
    bob.asks("operate", do="kick", to="ann", room="#plans")
    page.page.get_by_role("button", name="Join #plans").wait_for()
    bob.says("#plans", ["secret"])
    bob.asks("operate", do="invite", to="ann", room="#plans")
    press(page, "Accept the invitation to #plans")
    page.page.get_by_role("button", name="Join #plans").wait_for(state="hidden")
    bob.says("#plans", ["after"])
    page.has("Bob: before", "Bob: after")


def test_command_that_leads_elsewhere(page: ChatPage) -> None:
    """A command is no draft of the room in which it was written."""
    page.say("/join #dev")
    page.is_at("#dev")
    listed(page, "#ops")
    page.open("#ops")
    assert page.composer.input_value() == ""


@pytest.mark.parametrize("name", ["constructor", "__proto__", "toString", "hasOwnProperty"])
def test_name_of_a_property(server: WebServer, page: ChatPage, name: str) -> None:
    """Somebody whose name means something in JavaScript calls like everybody else."""
    with Speaker(server.address, name) as speaker:
        speaker.says("ann", ["hi"])
        listed(page, f"{name}, 1 unread, here")
        page.page.wait_for_function("() => document.title.startsWith('(1)')")
        page.open(name)
        page.send("hello, you")


def test_page_that_overlaps(page: ChatPage) -> None:
    """Live messages during the reading of a page of history are put in once, and in order."""
    script = """
    ops.insert([1, 2, 3, 5, 4, 3, 2].map((seq) => message(seq)));
    ops.insert([8, 6, 8, 5].map((seq) => message(seq)));
    return ops.messages.map(({ seq }) => seq);
    """
    assert run(page, _STATE + script) == [1, 2, 3, 4, 5, 6, 8]


def test_count_of_the_server(page: ChatPage) -> None:
    """A count of the server is neither short of what has come since, nor are messages in it counted again."""
    script = """
    const counts = [];
    const note = () => counts.push([ops.unread, ops.mentions]);
    for (const seq of [1, 2, 3]) state.message(message(seq));
    note();
    ops.count(2, 2, 2);  // of a moment before the third one
    note();
    ops.count(5, 4, 5);  // of a moment after the fifth one, which has yet to come
    note();
    for (const seq of [4, 5, 6]) state.message(message(seq));
    note();
    state.readUpTo(ops, 6);
    note();
    ops.count(0, 0, 6);
    state.message(message(7));
    note();
    return counts;
    """
    assert run(page, _STATE + script) == [[3, 3], [2 + 1, 3], [5, 4], [6, 5], [0, 0], [1, 1]]


def test_quoted_elsewhere(page: ChatPage) -> None:
    """A message that one conversation does not have may be in another one."""
    script = """
    const { History } = await load("core/history.js");
    const request = async ({ of }) => ({ of, messages: of === "#ops" ? [message(7)] : [], more: false });
    const history = new History({ request });
    const found = [];
    for (const of of ["#dev", "#ops", "#dev"]) found.push((await history.message(state.conversation(of), 7))?.seq);
    return found;
    """
    found: Any = run(page, _STATE + script)
    assert found == [None, 7, None]
