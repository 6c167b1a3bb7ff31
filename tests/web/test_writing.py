"""Writing: drafts, mentions, replies, lines of the terminal, texts that are too long."""

from __future__ import annotations

from typing import Final

from tests.support import eventually
from tests.web.conftest import Join, OpenPage
from tests.web.page import ChatPage
from tests.web.servers import WebServer
from tests.web.test_bad_days import barriers, in_ops, is_sent


def written(page: ChatPage) -> str:
    """Return the text in the field."""
    return page.composer.input_value()


def hint(page: ChatPage, sentence: str) -> None:
    """Wait until a sentence stands above the field."""
    page.main.get_by_text(sentence).wait_for()


def test_keys(server: WebServer, open_page: OpenPage) -> None:
    """Enter sends, Shift+Enter begins a line, and an input method has its own Enter."""
    ann = in_ops(open_page(server), "ann")
    ann.composer.press_sequentially("one")
    ann.composer.press("Shift+Enter")
    ann.composer.press_sequentially("two")
    assert written(ann) == "one\ntwo"
    ann.composer.dispatch_event("keydown", {"key": "Enter", "isComposing": True})
    ann.composer.dispatch_event("keydown", {"key": "Enter", "keyCode": 229})
    assert written(ann) == "one\ntwo"
    ann.composer.press("Enter")
    is_sent(ann, "two")
    assert written(ann) == ""
    heights = []
    for lines in (1, 5, 10, 40):
        ann.composer.fill("\n".join("line" for _ in range(lines)))
        box = ann.composer.bounding_box()
        assert box is not None
        heights.append(box["height"])
    assert heights[0] < heights[1] < heights[2]
    assert abs(heights[2] - heights[3]) < 4


def test_drafts(server: WebServer, open_page: OpenPage) -> None:
    """Each conversation has its draft, in every tab, also after a reload, and however fast one switches."""
    ann = in_ops(open_page(server), "ann")
    ann.enter("#dev")
    ann.open("#ops")
    ann.composer.press_sequentially("for ops")
    ann.open("#dev")
    assert written(ann) == ""
    ann.composer.press_sequentially("for dev")
    for _ in range(5):
        ann.link("#ops").click()
        ann.link("#dev").click()
    ann.is_at("#dev")
    assert written(ann) == "for dev"
    other = ann.another_tab("/ops")
    other.is_at("#ops")
    eventually(lambda: written(other) == "for ops")
    other.composer.fill("for ops, from the other tab")
    ann.open("#ops")
    eventually(lambda: written(ann) == "for ops, from the other tab")
    ann.reload()
    ann.is_at("#ops")
    eventually(lambda: written(ann) == "for ops, from the other tab")
    ann.composer.press("Enter")
    is_sent(ann, "for ops, from the other tab")
    eventually(lambda: written(other) == "")
    ann.open("#dev")
    assert written(ann) == "for dev"


def test_mentions(server: WebServer, open_page: OpenPage, join: Join) -> None:
    """An @ and Tab, an arrow or a click complete the names of those who belong to the room."""
    ann = in_ops(open_page(server), "ann")
    for name in ("bob", "bonnie"):
        terminal = join(server, name)
        terminal.types("/join #ops\r")
        terminal.shows_input("#ops ›")
    options = ann.main.get_by_role("listbox", name="Names").get_by_role("option")
    ann.composer.press_sequentially("hi @bo")
    eventually(lambda: options.count() == 2)
    assert barriers(ann) == []
    first = options.first.inner_text()
    ann.composer.press("Tab")
    assert written(ann) == f"hi @{first} "
    ann.composer.press_sequentially("and @bo")
    eventually(lambda: options.count() == 2)
    second = options.nth(1).inner_text()
    ann.composer.press("ArrowDown")
    active = ann.composer.get_attribute("aria-activedescendant")
    assert ann.page.locator(f"#{active}").inner_text() == second
    ann.composer.press("Enter")
    assert written(ann) == f"hi @{first} and @{second} "
    ann.composer.press_sequentially("@bo")
    eventually(lambda: options.count() == 2)
    ann.composer.press("Escape")
    assert options.count() == 0
    ann.composer.press_sequentially("n")
    options.first.click()
    assert written(ann).endswith("@bonnie ")
    ann.composer.press("Enter")
    is_sent(ann, f"hi @{first}")


def test_too_long(server: WebServer, open_page: OpenPage) -> None:
    """A text that does not fit is named before it is sent, and kept; a megabyte does not hang the page."""
    ann = in_ops(open_page(server), "ann")
    ann.composer.fill("ü" * 16_385)
    hint(ann, "This is too long: 32,770 bytes")
    ann.composer.press("Enter")
    assert len(written(ann)) == 16_385
    ann.composer.fill("ü" * 16_384)
    ann.composer.press("Enter")
    is_sent(ann, "üüü")
    ann.composer.fill("\x01" * 15_000)
    hint(ann, "This is too long as it is written")
    ann.composer.fill("kept")
    ann.context.grant_permissions(["clipboard-read", "clipboard-write"])
    ann.page.evaluate("() => navigator.clipboard.writeText('a line\\n'.repeat(150_000))")
    ann.composer.press("Control+v")
    hint(ann, "Nothing was pasted")
    assert written(ann) == "kept"


def test_reply(server: WebServer, open_page: OpenPage, join: Join) -> None:
    """The message replied to is shown while one writes, and Escape ends the reply."""
    ann = in_ops(open_page(server), "ann")
    bob = join(server, "bob")
    bob.types("/join #ops\r")
    bob.shows_input("#ops ›")
    bob.types("where is it?\r")
    ann.shows("where is it?")
    ann.article("where is it?").focus()
    ann.page.keyboard.press("Enter")
    hint(ann, "Replying to bob: where is it?")
    ann.composer.press("Escape")
    ann.main.get_by_text("Replying to bob").wait_for(state="hidden")
    ann.article("where is it?").focus()
    ann.page.keyboard.press("Enter")
    ann.say("in the hall")
    is_sent(ann, "in the hall")
    ann.article("in the hall").get_by_text("bob: where is it?").wait_for()
    bob.shows("in the hall")


EXPLAINED: Final = {
    "/frobnicate it": 'There is no command "/frobnicate"',
    "who": '"who" is a command of the terminal',
    "/search disk": '"/search" is a command of the terminal',
    "/kick bob": "use chatcli join for it",
    "/join ops": 'Write "/join #ROOM".',
    "/msg nobody hi": "Nobody called",
    "server:exit": '"server:" begins a command',
    "/join #x\nand more": "Several lines are a text",
}


def test_explained(server: WebServer, open_page: OpenPage) -> None:
    """A line that may be no text is explained, and leaves only if one says so."""
    ann = in_ops(open_page(server), "ann")
    for line, sentence in EXPLAINED.items():
        ann.composer.fill(line)
        ann.composer.press("Enter")
        hint(ann, sentence)
        assert written(ann) == line
    assert ann.timeline.get_by_role("article").count() == 0


def test_lines_of_the_terminal(server: WebServer, open_page: OpenPage, join: Join) -> None:
    """Lines as people type them in a terminal are done, or asked about."""
    ann = in_ops(open_page(server), "ann")
    bob = join(server, "bob")
    bob.types("/join #ops\r")
    bob.shows_input("#ops ›")
    bob.types("hi all\r")
    ann.shows("hi all")
    ann.say("//etc/hosts is wrong")
    bob.shows("/etc/hosts is wrong")
    ann.say("/me waves")
    bob.shows("* ann waves")
    ann.say("/away lunch")
    bob.types("/whois ann\r")
    bob.shows("lunch")
    ann.say("/back")
    ann.say("note: it is Friday")
    bob.shows("note: it is Friday")
    ann.say("/frobnicate")
    ann.main.get_by_role("button", name="Send as a text").click()
    bob.shows("/frobnicate")
    ann.say("bob: only you?")
    hint(ann, "For whom is this: #ops, or bob?")
    ann.main.get_by_role("button", name="To bob alone").click()
    bob.shows("only you?")
    assert ann.article("only you?").count() == 0
    ann.say("/join #dev")
    ann.is_at("#dev")
    assert written(ann) == ""
    ann.say("/to bob")
    ann.is_at("bob")
    ann.shows("only you?")
