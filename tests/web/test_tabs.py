"""Several tabs of one browser: one key, one outbox, one count."""

from __future__ import annotations

from tests.support import eventually
from tests.web.conftest import OpenPage
from tests.web.servers import WebServer


def test_reading_in_one(server: WebServer, open_page: OpenPage) -> None:
    """What is read in one tab is read in the other."""
    ann, bob = open_page(server).come_in("ann"), open_page(server, "/@ann").come_in("bob")
    tab = ann.another_tab()
    bob.say("one")
    eventually(lambda: "bob, 1 unread" in "".join(ann.conversations()))
    eventually(lambda: "bob, 1 unread" in "".join(tab.conversations()))
    tab.open("bob")
    tab.shows("one")
    eventually(lambda: tab.unread("bob") == 0 and ann.unread("bob") == 0)


def test_own_words(server: WebServer, open_page: OpenPage) -> None:
    """What is said in one tab is shown in the other, once."""
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
    ann = open_page(server).come_in("ann")
    tab = ann.another_tab("/ops")
    tab.is_at("#ops")
    ann.page.get_by_role("button", name="Keep the name…").click()
    ann.page.get_by_role("button", name="Forget me here…").click()
    ann.page.get_by_role("button", name="Forget me here", exact=True).click()
    ann.name_field.wait_for()
    tab.name_field.wait_for()
    assert tab.name_field.input_value() == ""
