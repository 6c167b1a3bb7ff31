"""Several tabs of one browser: one key, one outbox, one count."""

from __future__ import annotations

from tests.support import eventually
from tests.web.conftest import OpenPage
from tests.web.hostile import Frame, good, hostile, welcome
from tests.web.servers import WebServer


def test_reading_in_one(server: WebServer, open_page: OpenPage) -> None:
    """Messages read in one tab are read in the other."""
    ann, bob = open_page(server).come_in("ann"), open_page(server, "/@ann").come_in("bob")
    tab = ann.another_tab()
    bob.say("one")
    eventually(lambda: "bob, 1 unread" in "".join(ann.conversations()))
    eventually(lambda: "bob, 1 unread" in "".join(tab.conversations()))
    tab.open("bob")
    tab.shows("one")
    eventually(lambda: tab.unread("bob") == 0 and ann.unread("bob") == 0)


def test_own_words(server: WebServer, open_page: OpenPage) -> None:
    """A message from one tab is shown in the other, once."""
    open_page(server).come_in("bob")
    ann = open_page(server, "/@bob").come_in("ann")
    tab = ann.another_tab("/@bob")
    tab.is_at("bob")
    ann.say("one")
    tab.shows("one")
    tab.say("two")
    ann.shows("two")
    assert len(ann.messages()) == len(tab.messages()) == 2


def test_forgotten_everywhere(server: WebServer, open_page: OpenPage) -> None:
    """A browser that forgets somebody does so in all tabs."""
    ann = open_page(server).come_in("ann").enter("#ops")
    tab = ann.another_tab("/ops")
    tab.is_at("#ops")
    ann.page.get_by_role("button", name="Keep the name…").click()
    ann.page.get_by_role("button", name="Forget me here…").click()
    ann.page.get_by_role("button", name="Forget me here", exact=True).click()
    ann.name_field.wait_for()
    tab.name_field.wait_for()
    assert tab.name_field.input_value() == ""


def test_page_of_another_version(server: WebServer, open_page: OpenPage) -> None:
    """The page says so if the server has other files by now."""
    ann = open_page(server).come_in("ann").tolerate("devices.js|404|ERR_FAILED")
    ann.page.route("**/views/account/devices.js", lambda route: route.fulfill(status=404))
    ann.page.get_by_role("button", name="Keep the name…").click()
    ann.says("The server has a newer version of this page.")
    ann.page.unroute("**/views/account/devices.js")
    ann.page.get_by_role("button", name="Load it").click()
    ann.page.get_by_role("button", name="Keep the name…").click()
    ann.page.get_by_role("dialog", name="Devices of ann").wait_for()


def test_server_of_another_version(open_page: OpenPage) -> None:
    """Neither does it wait until something is missing."""
    versions = ["chatcli/1", "chatcli/2"]

    def said(frame: Frame) -> list[Frame | str | bytes] | None:
        if frame["t"] == "ack":
            return [{"t": "bye", "code": "stopping", "text": "The server is stopping."}]
        if frame["t"] == "prove":
            return [welcome("ann", server=versions.pop(0) if len(versions) > 1 else versions[0]), *good(frame)[1:]]
        return None

    with hostile(said) as server:
        page = open_page(server).tolerate("ERR_CONNECTION_REFUSED|WebSocket").come_in("ann")
        page.says("The server has a newer version of this page.")
        page.settle()
