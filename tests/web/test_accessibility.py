"""The page for everybody: by the keyboard alone, read aloud, narrow, enlarged, light and dark."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.support import eventually
from tests.web.axe import findings
from tests.web.conftest import OpenPage
from tests.web.page import ChatPage
from tests.web.servers import WebServer
from tests.web.test_questions import asks

if TYPE_CHECKING:
    from collections.abc import Callable

PHONE: Final = {"width": 320, "height": 568}
#: A window of 1280 × 1024 pixels, enlarged four times (WCAG 2.2, 1.4.10).
ENLARGED: Final = {"width": 320, "height": 256}

COMING_IN: Final = """
- main:
  - heading /chatcli/ [level=1]
  - paragraph:
    - textbox "Name"
  - paragraph:
    - button "Join"
"""
ASKED: Final = """
- 'article /bob.*Deploy\\?/':
  - group "Choices":
    - button /yes/
    - button /no/
"""
ANSWERED: Final = """
- 'article /bob.*Deploy\\?/':
  - group "Choices":
    - text: ✓ yes no
    - paragraph: /You have answered. yes/
"""
TALKING: Final = """
- link "Skip to writing"
- navigation "Conversations":
  - textbox "Open a room or a person"
  - button "Open"
  - heading "Rooms" [level=2]
  - list "Rooms":
    - listitem:
      - 'link "#ops"'
  - button "All rooms and people…"
  - heading "People" [level=2]
  - list "People"
  - 'button "alice, here: your menu"'
- main:
  - 'heading "#ops" [level=1]'
  - button "Search"
  - 'button "People: 2"'
  - 'button "About #ops"'
  - log "Messages"
  - 'textbox "Message to #ops"'
  - button "Send"
"""


def press(page: ChatPage, name: str) -> None:
    """Press a button."""
    page.page.get_by_role("button", name=name, exact=True).click()


def settings(page: ChatPage) -> None:
    """Open the preferences."""
    press(page, "alice, here: your menu")
    press(page, "Preferences…")


def search(page: ChatPage) -> None:
    """Search something, and something else in vain."""
    press(page, "Search")
    page.page.get_by_label("Words").fill("slow")
    page.page.get_by_label("Words").press("Enter")
    page.page.get_by_role("list", name="Results").get_by_role("link").first.wait_for()


def moderation(page: ChatPage) -> None:
    """Open what owners do."""
    press(page, "About #ops")
    press(page, "Moderate…")


def people(page: ChatPage) -> None:
    """Open the list of the members, if it is not open."""
    page.page.get_by_role("button", name=re.compile("^People: ")).click()
    page.page.get_by_role("complementary", name="People").get_by_role("button", name="bob, here").wait_for()


def unknown(page: ChatPage) -> None:
    """Look for somebody who is not there."""
    page.page.keyboard.press("Control+k")
    page.page.get_by_role("combobox").fill("bbo")
    page.page.keyboard.press("Enter")
    page.page.get_by_role("alert").wait_for()


def switcher(page: ChatPage) -> None:
    """Open the switcher."""
    page.page.keyboard.press("Control+k")
    page.page.get_by_role("option").first.wait_for()


VIEWS: Final[dict[str, Callable[[ChatPage], Any]]] = {
    "room": lambda page: page.shows("db2 is slow"),
    "room's dialog": lambda page: press(page, "About #ops"),
    "moderation": moderation,
    "search": search,
    "switcher": switcher,
    "rooms": lambda page: press(page, "All rooms and people…"),
    "a wrong name": unknown,
    "oneself": lambda page: press(page, "alice, here: your menu"),
    "preferences": settings,
    "keys": lambda page: page.timeline.press("?"),
    "people": people,
    "a person": lambda page: press(page, "bob, here"),
}


def talking(server: WebServer, open_page: OpenPage, **options: Any) -> ChatPage:  # noqa: ANN401 (Playwright's)
    """Return a page in which alice talks with others in a room."""
    page = open_page(server, **options).come_in("alice").enter("#ops")
    bob = open_page(server).come_in("bob").enter("#ops")
    bob.say("@alice, db2 is slow: see `top` and https://db2.example/\n```\nload 17\n```")
    page.shows("db2 is slow")
    page.say("looking at it")
    page.shows("looking at it")
    return page


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_machine(server: WebServer, open_page: OpenPage, scheme: str) -> None:
    """A machine finds no barrier in any view."""
    page = open_page(server, color_scheme=scheme)
    page.name_field.wait_for()
    assert findings(page) == [], "coming in"
    page.ask_for("-")
    page.page.get_by_role("alert").wait_for()
    assert findings(page) == [], "a name that is refused"
    page = talking(server, open_page, color_scheme=scheme)
    carol = open_page(server).come_in("carol").enter("#ops")
    asks(carol, "Deploy?", "yes", "no")
    page.article("Deploy?").get_by_role("button", name="no").wait_for()
    assert findings(page) == [], "a question"
    page.article("Deploy?").get_by_role("button", name="no").click()
    page.says("You have answered: no")
    assert findings(page) == [], "an answer"
    carol.page.close()
    for name, show in VIEWS.items():
        show(page)
        page.page.wait_for_timeout(50)
        assert findings(page) == [], name
        if page.page.get_by_role("dialog").count():
            page.page.keyboard.press("Escape")
            page.page.get_by_role("dialog").wait_for(state="detached")
    page.enter("bob")
    page.composer.fill("hi")
    assert findings(page) == [], "a direct message"
    page.page.get_by_role("navigation").get_by_role("link", name="#ops, draft").wait_for(state="detached")
    page.go("/")
    page.page.get_by_role("heading", name="chatcli", level=1).wait_for()
    assert findings(page) == [], "no conversation"


@pytest.mark.parametrize("size", [PHONE, ENLARGED])
def test_narrow(server: WebServer, open_page: OpenPage, size: dict[str, int]) -> None:
    """On a phone there is one thing at a time: nothing is cut off, and nothing has to be scrolled both ways."""
    page = talking(server, open_page, viewport=size)
    wide = "() => document.scrollingElement.scrollWidth - innerWidth"
    assert page.page.evaluate(wide) <= 0
    assert findings(page) == []
    press(page, "People: 2")
    assert page.page.evaluate(wide) <= 0
    assert findings(page) == []
    press(page, "Close")
    for show in (search, lambda page: press(page, "About #ops")):
        show(page)
        assert page.page.evaluate(wide) <= 0
        box = page.page.get_by_role("dialog").bounding_box()
        assert box is not None
        assert 0 <= box["x"] <= box["x"] + box["width"] <= size["width"]
        assert findings(page) == []
        page.page.keyboard.press("Escape")
    assert not page.link("#ops").is_visible()
    press(page, "All conversations")
    page.link("#ops").wait_for()
    assert not page.composer.is_visible()
    assert page.page.evaluate(wide) <= 0
    assert findings(page) == []
    page.open("#ops")
    page.page.go_back()
    page.link("#ops").wait_for()


def focus(page: ChatPage) -> str:
    """Return the name of what has the focus, if that is to be seen."""
    found: str = page.page.evaluate(
        """() => {
            const {activeElement: node} = document;
            const style = getComputedStyle(node);
            if (style.outlineStyle === "none" && style.boxShadow === "none") return "invisible";
            return node.getAttribute("aria-label") ?? node.labels?.[0]?.textContent ?? node.textContent;
        }"""
    )
    return found


def test_keyboard(server: WebServer, open_page: OpenPage) -> None:
    """Coming in, entering a room, talking, answering, searching and leaving need no pointer, and the focus is seen."""
    page = open_page(server)
    keys = page.page.keyboard

    def at(name: str) -> None:
        eventually(lambda: focus(page) == name, f"the focus at {name!r}, it is at {focus(page)!r}")

    at("Name")
    keys.type("alice")
    keys.press("Enter")
    page.page.get_by_role("heading", name="Here now").wait_for()
    keys.press("Control+k")
    at("Go to")
    keys.type("#ops")
    keys.press("Enter")
    page.is_at("#ops")
    at("Message to #ops")
    keys.type("good morning")
    keys.press("Enter")
    page.shows("good morning")
    bob = open_page(server).come_in("bob").enter("#ops")
    asks(bob, "Deploy?", "yes", "no")
    page.article("Deploy?").get_by_role("button", name="no").wait_for()
    keys.press("Shift+F6")
    eventually(lambda: page.page.evaluate("() => document.activeElement.closest('[role=log]') !== null"))
    for _ in range(3):
        keys.press("ArrowDown")
    assert "Deploy?" in focus(page)
    keys.press("2")
    bob.says("alice has answered: no")
    keys.press("/")
    at("Words")
    keys.type("morning")
    keys.press("Enter")
    page.page.get_by_role("list", name="Results").get_by_role("link").wait_for()
    for _ in range(5):
        keys.press("Tab")
        if "morning" in focus(page):
            break
    keys.press("Enter")
    eventually(lambda: page.article("good morning").evaluate("(node) => node === document.activeElement"))
    keys.press("F6")
    at("Message to #ops")
    keys.press("F6")
    at("#ops")
    keys.press("Shift+Tab")
    while "your menu" not in focus(page):
        keys.press("Tab")
    keys.press("Enter")
    while focus(page) != "Leave":
        keys.press("Tab")
    keys.press("Enter")
    at("Come back")


def test_regions(server: WebServer, open_page: OpenPage) -> None:
    """One can skip to writing, go from part to part, and from one conversation to the next, or to the next new one."""
    page = talking(server, open_page).enter("#dev").enter("#art")
    page.reload()
    page.composer.wait_for()
    page.page.keyboard.press("Tab")
    page.page.keyboard.press("Enter")
    eventually(lambda: page.composer.evaluate("(node) => node === document.activeElement"))
    seen = set[str]()
    for _ in range(4):
        page.page.keyboard.press("F6")
        seen.add(page.page.evaluate("() => document.activeElement.closest('nav, header, [role=log], form').nodeName"))
    assert seen == {"NAV", "HEADER", "DIV", "FORM"}
    order = [name.split(",")[0] for name in page.conversations()]
    assert sorted(order) == ["#art", "#dev", "#ops"]
    for _ in range(3):
        order.append(order.pop(0)) if order[0] != "#art" else None
    page.page.keyboard.press("Alt+ArrowDown")
    page.is_at(order[1])
    page.page.keyboard.press("Alt+ArrowUp")
    page.is_at("#art")
    bob = open_page(server).come_in("cid").enter("#ops")
    bob.say("news")
    page.sidebar.get_by_role("link", name=re.compile(r"#ops, \d+ unread")).wait_for()
    page.page.keyboard.press("Alt+Shift+ArrowDown")
    page.is_at("#ops")


def test_dialogs(server: WebServer, open_page: OpenPage) -> None:
    """The focus goes into a dialog, stays there, and comes back to where it was."""
    page = talking(server, open_page)
    button = page.page.get_by_role("button", name="About #ops")
    button.focus()
    page.page.keyboard.press("Enter")
    inside = "() => document.activeElement.closest('dialog') !== null || document.activeElement === document.body"
    page.page.get_by_role("dialog").wait_for()
    for _ in range(12):
        page.page.keyboard.press("Tab")
        assert page.page.evaluate(inside)
    page.page.keyboard.press("Escape")
    eventually(lambda: button.evaluate("(node) => node === document.activeElement"))


def test_answering(server: WebServer, open_page: OpenPage) -> None:
    """A question is read with its choices, and with its answer."""
    from playwright.sync_api import expect

    page = open_page(server).come_in("alice").enter("#ops")
    asks(open_page(server).come_in("bob").enter("#ops"), "Deploy?", "yes", "no")
    expect(page.article("Deploy?")).to_match_aria_snapshot(ASKED)
    page.article("Deploy?").get_by_role("button", name="yes").click()
    expect(page.article("Deploy?").first).to_match_aria_snapshot(ANSWERED)


def test_snapshots(server: WebServer, open_page: OpenPage) -> None:
    """Assistive technology is told of the same things in the same order as eyes."""
    from playwright.sync_api import expect

    page = open_page(server)
    expect(page.page.locator("body")).to_match_aria_snapshot(COMING_IN)
    page = talking(server, open_page)
    page.sidebar.get_by_role("link", name="#ops", exact=True).wait_for()
    expect(page.page.locator("body")).to_match_aria_snapshot(TALKING)
    articles = page.timeline.get_by_role("article")
    assert articles.count() == 2
    assert str(articles.first.get_attribute("aria-label")).startswith("bob, ")
