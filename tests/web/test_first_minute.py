"""The first minute: somebody opens the page, comes in, talks, and is the same person from then on."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.web.axe import findings
from tests.web.conftest import Join, OpenPage
from tests.web.servers import WebServer


def test_talking_with_a_terminal(server: WebServer, open_page: OpenPage, join: Join) -> None:
    """Messages go both ways, in a room and between two, and each side learns that the other has seen them."""
    ann = open_page(server).come_in("ann")
    ann.find("#ops")
    bob = join(server, "bob")
    bob.types("/join #ops\r")
    bob.shows_input("#ops ›")
    ann.say("hello from a browser")
    bob.shows("hello from a browser")
    bob.types("hello from a terminal\r")
    ann.shows("hello from a terminal")
    ann.has("ann: hello from a browser", "bob: hello from a terminal")
    bob.types("/to ann\r")
    bob.shows_input("ann ›")
    bob.types("just you\r")
    expect(ann.link("bob")).to_have_accessible_name(re.compile("1 unread"))
    ann.open("bob")
    ann.shows("just you")
    ann.say("only me")
    bob.shows("only me")
    bob.types(" ")  # somebody is there
    expect(ann.timeline.get_by_text("Seen by bob")).to_be_visible()
    expect(ann.link("bob")).not_to_have_accessible_name(re.compile("unread"))


def test_name_of_somebody_else(server: WebServer, open_page: OpenPage, join: Join) -> None:
    """A refusal says why, keeps what was written, and has names that are free, one click away."""
    join(server, "ann").shows("You are ann")
    page = open_page(server)
    page.ask_for("ann")
    alert = page.page.get_by_role("alert")
    alert.wait_for()
    assert page.name_field.input_value() == "ann"
    free = page.page.get_by_role("button", name=re.compile("^ann"))
    chosen = free.first.inner_text()
    free.first.click()
    page.join_button.wait_for(state="detached")
    page.find("#ops")
    page.say("a name of my own")
    page.shows("a name of my own")
    page.has(f"{chosen}: a name of my own")


def test_reload(server: WebServer, open_page: OpenPage) -> None:
    """The same person in the same conversation, without a question, and what was said is there."""
    ann = open_page(server).come_in("ann")
    ann.find("#ops")
    ann.say("hello")
    ann.shows("hello")
    ann.reload()
    ann.is_at("#ops")
    ann.shows("hello")
    ann.say("again")
    ann.shows("again")
    ann.has("ann: hello", "ann: again")
    assert ann.page.url == f"{server.url}/ops"


def test_two_tabs(server: WebServer, open_page: OpenPage) -> None:
    """Both are the same person and show the same; neither is thrown out."""
    first = open_page(server).come_in("ann")
    first.find("#ops")
    second = first.another_tab("/ops")
    second.is_at("#ops")
    second.say("from the second")
    first.shows("from the second")
    first.say("from the first")
    second.shows("from the first")
    for tab in (first, second):
        tab.has("ann: from the second", "ann: from the first")


def test_server_restarts(server: WebServer, open_page: OpenPage, join: Join) -> None:
    """Messages written meanwhile wait and arrive once; the page says how it stands."""
    ann = open_page(server).come_in("ann").tolerate("WebSocket")
    ann.find("#ops")
    ann.say("before")
    bob = join(server, "bob")
    bob.types("/join #ops\r")
    bob.shows_input("#ops ›")
    server.kill()
    expect(ann.status).to_be_visible()
    ann.say("meanwhile")
    server.start()
    bob.shows("meanwhile")
    expect(ann.status).to_be_hidden()
    ann.say("after")
    bob.shows("after")
    ann.shows("after")
    ann.has("ann: before", "ann: meanwhile", "ann: after")


def test_no_barriers(server: WebServer, open_page: OpenPage) -> None:
    """A machine finds none at the entrance and in a conversation, in light and dark."""
    for scheme in ("light", "dark"):
        page = open_page(server, color_scheme=scheme)
        page.join_button.wait_for()
        assert findings(page) == []
        page.come_in(f"ann-{scheme}")
        page.find("#ops")
        page.say(f"{scheme}, `code` and https://example.org")
        page.shows(f"{scheme}, code")
        assert findings(page) == []


def test_name_with_signs(server: WebServer, open_page: OpenPage, join: Join) -> None:
    """A sign in a name is no sign of a pattern: whoever has one reads what is said, mentions included."""
    ann = open_page(server).come_in("ann-marie.o(x)+$")
    ann.find("#ops")
    bob = join(server, "bob")
    bob.types("/join #ops\r")
    bob.shows_input("#ops ›")
    bob.types("hello @ann-marie.o(x)+$!\r")
    expect(ann.timeline.get_by_text("ann-marie.o(x)+$", exact=False).last).to_be_visible()
    ann.has("bob: hello @ann-marie.o(x)+$!")
