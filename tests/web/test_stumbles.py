"""Stumbles of newcomers: keys that go astray, messages that are there twice, words that are not true."""

from __future__ import annotations

from tests.support import eventually
from tests.web.conftest import OpenPage
from tests.web.page import ChatPage
from tests.web.servers import WebServer


def has_written(page: ChatPage, text: str) -> None:
    """Wait until this is in the field for writing."""
    eventually(lambda: page.composer.input_value() == text)


def test_switching_by_keys(server: WebServer, open_page: OpenPage) -> None:
    """After Ctrl K, a name and Enter one writes at once, each time."""
    page = open_page(server).come_in("alice").enter("#ops").enter("#tea")
    page.composer.focus()
    for turn in range(6):
        room = ("#ops", "#tea")[turn % 2]
        page.page.keyboard.press("Control+k")
        page.page.keyboard.type(room[1:])
        page.page.keyboard.press("Enter")
        page.is_at(room)
        page.page.keyboard.type(f"turn {turn}")
        has_written(page, f"turn {turn}")
        page.page.keyboard.press("Enter")
        page.shows(f"turn {turn}")


def test_letters_before_the_switcher(server: WebServer, open_page: OpenPage) -> None:
    """Letters that are typed right after Ctrl K belong to the switcher, also while that is being loaded."""
    page = open_page(server).come_in("alice").enter("#ops").enter("#tea")
    page.composer.focus()
    page.page.evaluate(
        """() => {
          const type = (key, init = {}) => document.activeElement.dispatchEvent(
            new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...init }));
          type("k", { ctrlKey: true });
          window.passed = ["o", "p"].map((key) => type(key));
        }"""
    )
    field = page.page.get_by_role("combobox", name="Go to")
    field.wait_for()
    assert page.page.evaluate("window.passed") == [False, False]
    assert field.input_value() == "op"
    page.page.keyboard.press("Escape")
    assert page.composer.input_value() == ""


def test_saying_something_from_outside(server: WebServer, open_page: OpenPage) -> None:
    """A message to a room to which its author does not belong is there once."""
    open_page(server).come_in("bob").enter("#tea").send("welcome")
    page = open_page(server, "/tea").come_in("alice")
    page.is_at("#tea")
    page.shows("welcome")
    for turn in range(3):
        page.say(f"hello {turn}")
        page.send(f"again {turn}")
        page.has("bob: welcome", *(f"alice: {word} {n}" for n in range(turn + 1) for word in ("hello", "again")))
        page.reload()


def test_joining_by_a_line(server: WebServer, open_page: OpenPage) -> None:
    """A line that leads elsewhere leaves no draft behind."""
    page = open_page(server).come_in("alice").enter("#tea")
    page.say("/join #games")
    page.is_at("#games")
    page.sidebar.get_by_role("link", name="#tea", exact=True).wait_for()
    page.open("#tea")
    assert page.composer.input_value() == ""
