"""Calling somebody who looks elsewhere: the title, the icon, notifications of the desktop."""

from __future__ import annotations

from typing import Final

from tests.support import eventually
from tests.web.conftest import OpenPage
from tests.web.page import ChatPage
from tests.web.servers import WebServer

#: Stands for the desktop, which has no eyes here: what it would show, and whether somebody looks at the tab.
DESKTOP: Final = """
globalThis.shown = [];
globalThis.looked = true;
globalThis.answer = "granted";
globalThis.asked = 0;
class Desktop {
  static permission = "default";
  static async requestPermission() { globalThis.asked += 1; return (Desktop.permission = globalThis.answer); }
  constructor(title, options) { Object.assign(this, {title, ...options, open: true}); globalThis.shown.push(this); }
  close() { this.open = false; }
}
globalThis.Notification = Desktop;
Document.prototype.hasFocus = () => globalThis.looked;
"""
LOOK: Final = """(looked) => {
  globalThis.looked = looked; dispatchEvent(new Event(looked ? "focus" : "blur"));
}"""


def looks(page: ChatPage, looked: bool) -> None:
    """Look at a tab, or away."""
    page.page.evaluate(LOOK, looked)


def shown(page: ChatPage) -> list[str]:
    """Return the notifications that a tab has shown."""
    notifications: list[str] = page.page.evaluate("() => globalThis.shown.map((one) => `${one.title}: ${one.body}`)")
    return notifications


def title(page: ChatPage, expected: str) -> None:
    """Wait until the tab has a title."""
    eventually(lambda: page.page.title() == expected, f"{expected!r}, but {page.page.title()!r}")


def icon(page: ChatPage, expected: str) -> None:
    """Wait until the tab has an icon."""
    href = "() => document.querySelector('link[rel=icon]').href"
    eventually(lambda: page.page.evaluate(href).endswith(f"/{expected}.svg"))


def with_desktop(page: ChatPage, answer: str = "granted") -> ChatPage:
    """Load a page again, with a desktop, and turn notifications on."""
    page.context.add_init_script(DESKTOP)
    page.reload()
    page.sidebar.wait_for()
    page.page.evaluate("(answer) => { globalThis.answer = answer }", answer)
    assert page.page.evaluate("() => globalThis.asked") == 0
    page.page.get_by_role("button", name="your menu").click()
    page.page.get_by_role("button", name="Preferences…").click()
    page.page.get_by_role("button", name="Turn on").click()
    eventually(lambda: page.page.evaluate("() => globalThis.asked") == 1)
    return page


def test_title_and_icon(server: WebServer, open_page: OpenPage) -> None:
    """They count what calls: direct messages, and mentions in rooms; and show that the connection is lost."""
    page = open_page(server).come_in("alice").enter("#ops").enter("#dev")
    bob = open_page(server).come_in("bob").enter("#ops")
    title(page, "#dev – chatcli")
    icon(page, "icon")
    bob.say("good morning")
    page.sidebar.get_by_role("link", name="#ops, 1 unread", exact=True).wait_for()
    title(page, "#dev – chatcli")
    bob.say("alice, look")
    title(page, "(1) #dev – chatcli")
    icon(page, "icon-1")
    bob.enter("alice")
    for number in range(9):
        bob.say(f"hi {number}")
    title(page, "(10) #dev – chatcli")
    icon(page, "icon-more")
    page.open("bob")
    page.sidebar.get_by_role("link", name="bob, here", exact=True).wait_for()
    page.open("#ops")
    title(page, "#ops – chatcli")
    icon(page, "icon")
    page.tolerate("WebSocket")
    bob.tolerate("WebSocket")
    server.kill()
    icon(page, "icon-waiting")
    server.start()
    icon(page, "icon")


def test_notifications(server: WebServer, open_page: OpenPage) -> None:
    """Nobody is asked before a button is pressed; what calls is shown if nobody looks, and gone once it is read."""
    page = with_desktop(open_page(server).come_in("alice").enter("#ops"))
    page.says("Notifications are on.")
    page.page.keyboard.press("Escape")
    bob = open_page(server).come_in("bob").enter("#ops")
    bob.say("alice, seen?")
    page.shows("alice, seen?")
    page.sidebar.get_by_role("link", name="#ops", exact=True).wait_for()
    looks(page, looked=False)
    bob.say("nobody in particular")
    bob.say("alice, are you there?")
    eventually(lambda: shown(page) == ["bob in #ops: alice, are you there?"])
    bob.enter("alice").say("psst")
    eventually(lambda: shown(page)[1:] == ["bob: psst"])
    page.page.evaluate("() => globalThis.shown[1].onclick()")
    page.is_at("bob")
    looks(page, looked=True)
    page.sidebar.get_by_role("link", name="bob, here", exact=True).wait_for()
    page.open("#ops")
    eventually(lambda: page.page.evaluate("() => globalThis.shown.every((one) => !one.open)"))
    assert len(shown(page)) == 2


def test_levels(server: WebServer, open_page: OpenPage) -> None:
    """Each conversation may call with everything, with mentions, or not at all; the text may be left out."""
    page = with_desktop(open_page(server).come_in("alice").enter("#ops"))
    page.page.get_by_label("Show the text").uncheck()
    page.page.keyboard.press("Escape")
    bob = open_page(server).come_in("bob").enter("#ops")
    for level, text, count in (
        ("All messages", "one", 1),
        ("Nothing: quiet", "alice, two", 1),
        ("Mentions and questions", "nobody", 1),
        ("Mentions and questions", "alice, three", 2),
        ("Mentions and questions", "somebody", 2),
    ):
        looks(page, looked=True)
        page.page.get_by_role("button", name="About #ops").click()
        page.page.get_by_label("Notify me about").select_option(level)
        page.page.keyboard.press("Escape")
        looks(page, looked=False)
        bob.say(text)
        page.shows(text)
        eventually(lambda: len(shown(page)) == count)  # noqa: B023 (it is called at once)
    bob.say("alice, four")
    eventually(lambda: len(shown(page)) == 3)
    assert {line.rsplit(": ")[1] for line in shown(page)} == {"New message"}


def test_tabs(server: WebServer, open_page: OpenPage) -> None:
    """Of several tabs one shows a notification, and none while one is looked at; another one takes over."""
    page = with_desktop(open_page(server).come_in("alice").enter("#ops"))
    page.says("Notifications are on.")
    tab = page.another_tab()
    tab.page.evaluate("() => { Notification.permission = 'granted' }")
    tab.sidebar.wait_for()
    bob = open_page(server).come_in("bob").enter("alice")
    looks(page, looked=False)
    bob.say("one")
    eventually(lambda: [one.unread("bob") for one in (page, tab)] == [1, 1])
    looks(tab, looked=False)
    bob.say("two")
    eventually(lambda: len(shown(page)) + len(shown(tab)) == 1)
    first = page if shown(page) else tab
    second = tab if first is page else page
    assert shown(first) == ["bob: two"]
    first.page.close()
    bob.say("three")
    eventually(lambda: [line.endswith("three") for line in shown(second)] == [True])


def test_denied(server: WebServer, open_page: OpenPage) -> None:
    """A page that may not show notifications says so."""
    page = with_desktop(open_page(server).come_in("alice"), answer="denied")
    page.says("Its settings for this site can change that.")
