"""Searching messages from the page."""

from __future__ import annotations

from tests.support import eventually
from tests.web.conftest import OpenPage
from tests.web.page import ChatPage
from tests.web.servers import WebServer


def searched(page: ChatPage, words: str, by: str = "", where: str = "") -> list[str]:
    """Search, and return the texts of the results."""
    dialog = page.page.get_by_role("dialog", name="Search")
    if not dialog.is_visible():
        page.main.get_by_role("button", name="Search").click()
    dialog.get_by_label("By").fill(by)
    if where:
        dialog.get_by_label("Where").select_option(where)
    dialog.get_by_label("Words").fill(words)
    dialog.get_by_role("button", name="Search", exact=True).click()
    eventually(lambda: "…" not in dialog.get_by_role("status").inner_text())
    return dialog.get_by_role("list", name="Results").get_by_role("link").all_inner_texts()


def test_search(server: WebServer, open_page: OpenPage) -> None:
    """Words, beginnings of words and phrases; here or everywhere; by anybody or by one."""
    bob = open_page(server).come_in("bob").enter("#ops")
    bob.say("the disk of db2 is full")
    bob.enter("#dev").say("full of ideas")
    page = open_page(server).come_in("alice").enter("#ops")
    page.say("which disk?")
    page.shows("which disk?")
    assert len(searched(page, "disk")) == 2
    assert len(searched(page, "disk", by="bob")) == 1
    assert len(searched(page, "ful*")) == 1
    assert len(searched(page, "ful*", where="Everywhere")) == 2
    assert len(searched(page, '"is full"')) == 1
    assert searched(page, "nonsense") == []
    page.says("No message has these words.")
    searched(page, "d*")
    page.page.get_by_role("alert").get_by_text("at least 2 letters").wait_for()
    searched(page, "disk", by="bbo")
    page.page.get_by_role("alert").get_by_role("button", name="bob").click()
    page.page.get_by_role("link", name="the disk of db2 is full").wait_for()


def test_results(server: WebServer, open_page: OpenPage) -> None:
    """A result opens the conversation at its message, far back in it, and the browser leads back to where one was."""
    page = open_page(server).come_in("alice").enter("#ops")
    for number in range(150):
        page.say(f"number {number}.")
    page.shows("number 149.")
    page.enter("#dev")
    page.page.keyboard.press("Escape")
    assert len(searched(page, "number", where="Everywhere")) == 20
    page.page.get_by_role("button", name="More", exact=True).click()
    results = page.page.get_by_role("list", name="Results").get_by_role("link")
    eventually(lambda: results.count() == 40)
    searched(page, '"number 3"')
    results.click()
    page.is_at("#ops")
    page.article("number 3.").wait_for()
    eventually(lambda: page.article("number 3.").evaluate("(node) => node === document.activeElement"))
    assert "?at=" in page.page.url
    page.reload()
    page.article("number 3.").wait_for()
    page.page.go_back()
    page.is_at("#dev")


def test_keys(server: WebServer, open_page: OpenPage) -> None:
    """The key / searches, except in a field, and unless one does not want it."""
    page = open_page(server).come_in("alice").enter("#ops")
    page.composer.press("/")
    assert page.composer.input_value() == "/"
    page.timeline.focus()
    page.page.keyboard.press("/")
    page.page.get_by_role("dialog", name="Search").wait_for()
    page.page.keyboard.press("Escape")
    page.page.get_by_role("button", name="alice, here: your menu").click()
    page.page.get_by_role("button", name="Preferences…").click()
    page.page.get_by_label("/ searches").uncheck()
    page.page.keyboard.press("Escape")
    page.timeline.focus()
    page.page.keyboard.press("/")
    page.page.keyboard.press("Control+k")
    page.page.get_by_role("dialog", name="Go to").wait_for()
    assert page.page.get_by_role("dialog").count() == 1
