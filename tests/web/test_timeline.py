"""The timeline: where it opens, that it keeps its place, what counts as read, and what can be done with a message."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, expect

from tests.support import eventually
from tests.web.axe import findings
from tests.web.conftest import OpenPage
from tests.web.page import ChatPage
from tests.web.servers import WebServer
from tests.web.speakers import Speaker


@pytest.fixture
def bob(server: WebServer) -> Iterator[Speaker]:
    """Somebody in #ops."""
    with Speaker(server.address, "bob", "#ops") as speaker:
        yield speaker


def numbered(count: int, start: int = 0) -> list[str]:
    """Return texts that differ."""
    return [f"message {number:05}" for number in range(start, start + count)]


def come_to(open_page: OpenPage, server: WebServer, *rooms: str, path: str = "/") -> ChatPage:
    """Come in as ann, a member of rooms, who has read everything there."""
    page = open_page(server, path).come_in("ann")
    for room in rooms:
        page.page.get_by_role("textbox", name="Open a room or a person").fill(room)
        page.page.keyboard.press("Enter")
        page.is_at(room)
    return page


def on_screen(article: Locator) -> bool:
    """Return whether the end of a message is within the timeline."""
    return bool(
        article.count() == 1
        and article.evaluate(
            """(node) => {
                const log = node.closest("[role=log]").getBoundingClientRect();
                const {bottom} = node.getBoundingClientRect();
                return bottom > log.top && bottom <= log.bottom + 1;
            }"""
        )
    )


def scroll_to(page: ChatPage, text: str) -> None:
    """Turn the wheel upwards until a message is on the screen."""
    page.timeline.hover()

    def turned() -> bool:
        if on_screen(page.article(text)):
            return True
        page.page.mouse.wheel(0, -500)
        page.page.wait_for_timeout(30)
        return False

    eventually(turned, text)


def offset(article: Locator) -> float:
    """Return the distance of a message from the upper edge of the window."""
    box = article.bounding_box()
    assert box is not None
    return box["y"]


def test_opening_at_the_line(server: WebServer, open_page: OpenPage, bob: Speaker) -> None:
    """A conversation opens at its first unread message; the line stays until one leaves."""
    page = come_to(open_page, server, "#ops", "#side")
    bob.says("#ops", numbered(300))
    eventually(lambda: page.unread("#ops") == 300)
    page.open("#ops")
    line = page.timeline.get_by_role("separator", name="New messages")
    expect(line).to_be_in_viewport()
    assert on_screen(page.article("message 00000"))
    jump = page.main.get_by_role("button", name=re.compile("^↓ .* new"))
    jump.click()
    eventually(lambda: on_screen(page.article("message 00299")))
    expect(jump).to_be_hidden()
    eventually(lambda: page.unread("#ops") == 0)
    bob.says("#ops", ["one more"])
    eventually(lambda: on_screen(page.article("one more")))


def test_history(server: WebServer, open_page: OpenPage, bob: Speaker) -> None:
    """Earlier messages come while one scrolls, without moving what is seen, and nothing is missing or twice."""
    texts = numbered(450)
    bob.says("#ops", texts)
    page = come_to(open_page, server, "#ops")
    eventually(lambda: on_screen(page.article("message 00449")))
    scroll_to(page, "message 00000")
    assert [text for text in texts if page.article(text).count() != 1] == []
    shown = re.findall(r"message \d{5}", " ".join(page.timeline.get_by_role("article").all_text_contents()))
    assert shown == texts
    assert page.timeline.get_by_role("heading", level=2).count() == 1


def test_nothing_jumps(server: WebServer, open_page: OpenPage, bob: Speaker) -> None:
    """The messages on the screen stay where they are when others come; the end is followed."""
    bob.says("#ops", numbered(150))
    page = come_to(open_page, server, "#ops")
    scroll_to(page, "message 00100")
    page.page.wait_for_timeout(300)
    article = page.article("message 00100")
    before = offset(article)
    bob.says("#ops", [f"later {'x' * 300}" for _ in range(20)])
    expect(page.main.get_by_role("button", name="↓ 20 new")).to_be_visible()
    assert abs(offset(article) - before) < 2
    page.page.keyboard.press("Escape")
    page.main.get_by_role("button", name="↓ 20 new").click()
    bob.says("#ops", ["the end"])
    eventually(lambda: on_screen(page.article("the end")))
    page.composer.fill("one\ntwo\nthree\nfour\nfive\nsix")
    eventually(lambda: on_screen(page.article("the end")))
    page.page.set_viewport_size({"width": 500, "height": 400})
    eventually(lambda: on_screen(page.article("the end")))


def test_place_of_each_conversation(server: WebServer, open_page: OpenPage, bob: Speaker) -> None:
    """Each conversation keeps its place, also if the messages there have to be read again."""
    bob.says("#ops", numbered(500))
    page = come_to(open_page, server, "#side", "#ops")
    scroll_to(page, "message 00120")
    page.page.wait_for_timeout(300)
    before = offset(page.article("message 00120"))
    page.open("#side")
    page.open("#ops")
    eventually(lambda: on_screen(page.article("message 00120")))
    assert abs(offset(page.article("message 00120")) - before) < 3


def test_bounded(server: WebServer, open_page: OpenPage, bob: Speaker) -> None:
    """Of many messages 2,000 are in the page; the others are read again when one scrolls there."""
    page = come_to(open_page, server, "#ops")
    bob.says("#ops", numbered(2600))
    eventually(lambda: on_screen(page.article("message 02599")))
    assert page.timeline.get_by_role("article").count() <= 2000
    assert page.article("message 00000").count() == 0
    page.timeline.focus()

    def at_start() -> bool:
        page.page.keyboard.press("Home")
        page.page.wait_for_timeout(30)
        return on_screen(page.article("message 00000"))

    eventually(at_start)
    assert page.timeline.get_by_role("article").count() <= 2000
    assert page.article("message 02599").count() == 0
    page.main.get_by_role("button", name=re.compile("^↓")).click()
    eventually(lambda: on_screen(page.article("message 02599")))


def test_permalink(server: WebServer, open_page: OpenPage, bob: Speaker) -> None:
    """A link opens at its message; each message has a link to itself at its time."""
    seqs = bob.says("#ops", numbered(300))
    page = come_to(open_page, server, "#ops")
    page.go(f"/ops?at={seqs[40]}")
    eventually(lambda: on_screen(page.article("message 00040")))
    article = page.article("message 00040")
    expect(article).to_be_focused()
    link = article.get_by_role("link").first
    assert link.get_attribute("href") == f"/ops?at={seqs[40]}"


def test_replies(server: WebServer, open_page: OpenPage, bob: Speaker) -> None:
    """A reply shows what it answers, leads there, and back."""
    first = bob.says("#ops", ["the question"])[0]
    bob.says("#ops", numbered(300))
    bob.says("#ops", ["the answer"], re=first)
    page = come_to(open_page, server, "#ops")
    quote = page.article("the answer").get_by_role("button", name="bob: the question")
    quote.click()
    eventually(lambda: on_screen(page.timeline.get_by_role("article", name=re.compile(": the question$"))))
    page.main.get_by_role("button", name="Back").click()
    eventually(lambda: on_screen(page.article("the answer")))
    expect(page.main.get_by_role("button", name="Back")).to_be_hidden()


def test_keyboard(server: WebServer, open_page: OpenPage, bob: Speaker) -> None:
    """Arrows move among messages, Enter replies, a full stop opens the menu."""
    bob.says("#ops", numbered(3))
    page = come_to(open_page, server, "#ops")
    page.shows("message 00002")
    page.timeline.focus()
    page.page.keyboard.press("ArrowUp")
    page.page.keyboard.press("ArrowUp")
    expect(page.article("message 00001")).to_be_focused()
    page.page.keyboard.press(".")
    expect(page.page.get_by_role("menuitem", name="Reply")).to_be_focused()
    page.page.keyboard.press("Escape")
    expect(page.article("message 00001")).to_be_focused()
    page.page.keyboard.press("Enter")
    page.page.keyboard.type("what?")
    page.page.keyboard.press("Enter")
    page.article("what?").get_by_role("button", name="bob: message 00001").wait_for()


def test_menu(server: WebServer, open_page: OpenPage, bob: Speaker) -> None:
    """By mouse: copy the text and the link, mark as unread, which stays so."""
    page = come_to(open_page, server, "#ops", "#side")
    seqs = bob.says("#ops", numbered(3))
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.open("#ops")
    page.page.get_by_role("region", name="Notice").wait_for()  # it moves what is below the pointer

    def choose(text: str, item: str) -> str:
        page.article(text).hover()
        page.article(text).get_by_role("button", name="More").click()
        page.page.get_by_role("menuitem", name=item).click()
        return str(page.page.evaluate("() => navigator.clipboard.readText()"))

    assert choose("message 00001", "Copy text") == "message 00001"
    assert choose("message 00001", "Copy link") == f"{server.url}/ops?at={seqs[1]}"
    choose("message 00001", "Mark as unread from here")
    eventually(lambda: page.unread("#ops") == 2)
    page.timeline.get_by_role("separator", name="New messages").wait_for()
    page.page.wait_for_timeout(1500)
    assert page.unread("#ops") == 2
    page.page.keyboard.press("Shift+Escape")
    eventually(lambda: page.unread("#ops") == 0)


def test_receipts(server: WebServer, open_page: OpenPage, bob: Speaker) -> None:
    """Under the newest message of mine it says whether it is on disk, and who has seen it."""
    page = come_to(open_page, server, "#ops")
    page.say("first")
    page.article("first").get_by_text("On disk").wait_for()
    page.say("second")
    page.article("second").get_by_text("On disk").wait_for()
    assert page.timeline.get_by_text("On disk").count() == 1
    seq = bob.asks("history", of="#ops", limit=1)["messages"][0]["seq"]
    bob.caller.says("read", of="#ops", seq=seq)
    page.article("second").get_by_text("Seen by bob").wait_for()


def test_notes(server: WebServer, open_page: OpenPage, bob: Speaker) -> None:
    """Actions of an owner are quiet lines; coming and leaving are none."""
    page = come_to(open_page, server, "#ops")
    with Speaker(server.address, "cid", "#ops"):
        assert bob.asks("topic", room="#ops", text="Fridays <b>off</b>")["t"] == "done"
        page.timeline.get_by_text("bob set the topic: Fridays <b>off</b>").wait_for()
        bob.says("#ops", ["said"])
        page.shows("said")
        assert page.timeline.get_by_text("cid").count() == 0


def test_long_text(server: WebServer, open_page: OpenPage, bob: Speaker) -> None:
    """A long text is cut, until somebody wants all of it."""
    bob.says("#ops", [f"start {'word ' * 3000} the end"])
    page = come_to(open_page, server, "#ops")
    article = page.article("start")
    assert "the end" not in article.inner_text()
    article.get_by_role("button", name="Show all (15,000 characters)").click()
    assert "the end" in article.inner_text()


def test_own_message_among_others(server: WebServer, open_page: OpenPage, bob: Speaker) -> None:
    """Messages stand in the order of the log, whoever hears of them first."""
    page = come_to(open_page, server, "#ops")
    for number in range(10):
        page.composer.fill(f"mine {number}")
        page.composer.press("Enter")
        bob.says("#ops", [f"bob {number} {part}" for part in range(5)])
    page.shows("bob 9 4")
    page.shows("mine 9")
    messages = bob.asks("history", of="#ops", limit=100)["messages"]
    shown = page.timeline.get_by_role("article").all_text_contents()
    assert re.findall(r"mine \d|bob \d \d", " ".join(shown)) == [message["text"] for message in messages]


def test_what_counts_as_read(server: WebServer, open_page: OpenPage, bob: Speaker) -> None:
    """Only what was on the screen while somebody looked at the window; the line "new" stands before the rest."""
    page = come_to(open_page, server, "#ops")
    bob.says("#ops", numbered(100))
    eventually(lambda: page.unread("#ops") == 0)
    page.page.evaluate("() => { document.hasFocus = () => false; window.dispatchEvent(new Event('blur')) }")
    bob.says("#ops", ["while away", "another"])
    eventually(lambda: on_screen(page.article("another")))
    page.page.wait_for_timeout(1500)
    assert page.unread("#ops") == 2
    line = page.timeline.get_by_role("separator", name="New messages")
    expect(line).to_be_in_viewport()
    page.page.evaluate("() => { delete document.hasFocus; window.dispatchEvent(new Event('focus')) }")
    eventually(lambda: page.unread("#ops") == 0)
    expect(line).to_be_in_viewport()
    scroll_to(page, "message 00050")
    bob.says("#ops", ["below"])
    page.page.wait_for_timeout(1500)
    assert page.unread("#ops") == 1


def test_touch(server: WebServer, open_page: OpenPage, bob: Speaker) -> None:
    """On a phone a tap on a message shows what can be done with it; nothing is wider than the screen."""
    bob.says("#ops", [f"start {'x' * 500}", "```\n" + "code " * 100 + "\n```"])
    page = come_to(open_page, server, "#ops")
    phone = open_page(server, has_touch=True, is_mobile=True, viewport={"width": 320, "height": 640}).come_in("dan")
    phone.page.get_by_role("textbox", name="Open a room or a person").fill("#ops")
    phone.page.keyboard.press("Enter")
    phone.is_at("#ops")
    phone.article("start").tap()
    phone.article("start").get_by_role("button", name="Reply").tap()
    phone.say("from a phone")
    page.article("from a phone").get_by_role("button", name=re.compile("^↳ bob: start")).wait_for()
    assert phone.timeline.evaluate("(log) => log.scrollWidth <= log.clientWidth")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_barriers(server: WebServer, open_page: OpenPage, bob: Speaker, scheme: str) -> None:
    """A machine that looks for barriers finds none among messages, in their toolbar and in their menu."""
    first = bob.says("#ops", ["see https://a.example/ and `code`", "```\nblock\n```", "a", "b"])[0]
    bob.says("#ops", ["an answer"], re=first)
    page = open_page(server, color_scheme=scheme).come_in("ann")
    page.page.get_by_role("textbox", name="Open a room or a person").fill("#ops")
    page.page.keyboard.press("Enter")
    page.is_at("#ops")
    page.say("mine")
    page.timeline.get_by_text("On disk").wait_for()
    page.article("an answer").hover()
    assert findings(page) == []
    page.page.mouse.move(0, 0)
    page.article("an answer").hover()
    page.article("an answer").get_by_role("button", name="More").click()
    page.page.get_by_role("menuitem", name="Reply").wait_for()
    assert findings(page) == []
