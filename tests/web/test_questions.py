"""Questions: asked, answered by buttons and digits, withdrawn, over, and answered by somebody else."""

from __future__ import annotations

from tests.support import eventually
from tests.web.conftest import Join, OpenPage
from tests.web.page import ChatPage
from tests.web.servers import WebServer
from tests.web.speakers import Speaker
from tests.web.test_bad_days import barriers, in_ops


def asks(page: ChatPage, text: str, *choices: str, until: str = "until somebody answers") -> None:
    """Ask a question in the open conversation."""
    page.main.get_by_role("button", name="Ask a question").click()
    dialog = page.page.get_by_role("dialog")
    dialog.get_by_role("textbox", name="Question").fill(text)
    for number, choice in enumerate(choices, 1):
        if dialog.get_by_role("textbox", name=f"Choice {number}").count() == 0:
            dialog.get_by_role("button", name="Another choice").click()
        dialog.get_by_role("textbox", name=f"Choice {number}").fill(choice)
    dialog.get_by_role("combobox", name="Open for").select_option(until)
    assert barriers(page) == []
    dialog.get_by_role("button", name="Ask", exact=True).click()
    dialog.wait_for(state="detached")


def fate(page: ChatPage, question: str, sentence: str) -> None:
    """Wait until a sentence stands at a question."""
    page.article(question).get_by_text(sentence).first.wait_for()


def test_button(server: WebServer, open_page: OpenPage, join: Join) -> None:
    """One asks in the page, another answers in the page, and a terminal sees both."""
    ann, bob, cid = in_ops(open_page(server), "ann"), in_ops(open_page(server), "bob"), join(server, "cid")
    cid.types("/join #ops\r")
    cid.shows_input("#ops ›")
    asks(ann, "Deploy now?", "yes", "no", "later", until="an hour")
    cid.shows("Deploy now?")
    fate(bob, "Deploy now?", "Open for")
    assert barriers(bob) == []
    fate(ann, "Deploy now?", "Open for")
    assert ann.article("Deploy now?").get_by_role("button", name="later").count() == 0
    bob.article("Deploy now?").get_by_role("button", name="later").click()
    fate(bob, "Deploy now?", "You have answered: later")
    fate(ann, "Deploy now?", "bob has answered: later")
    cid.shows("later")
    ann.reload()
    fate(ann, "Deploy now?", "bob has answered: later")
    assert ann.article("Deploy now?").get_by_role("button", name="Withdraw").count() == 0


def test_digits(server: WebServer, open_page: OpenPage, join: Join) -> None:
    """A digit answers: at once at the question, and with Enter in the empty field."""
    ann, bob = in_ops(open_page(server), "ann"), in_ops(open_page(server), "bob")
    asks(ann, "First?", "a", "b")
    fate(ann, "First?", "Nobody has answered yet")
    bob.article("First?").get_by_role("button", name="b").wait_for()
    bob.article("First?").focus()
    bob.page.keyboard.press("2")
    fate(ann, "First?", "bob has answered: b")
    asks(ann, "Second?", "c", "d")
    bob.article("Second?").get_by_role("button", name="d").wait_for()
    bob.composer.press_sequentially("1")
    bob.says('Enter answers the question of ann with "c".')
    bob.composer.press_sequentially("0 minutes")
    bob.composer.press("Enter")
    bob.shows("10 minutes")
    bob.composer.press_sequentially("1")
    bob.says('Enter answers the question of ann with "c".')
    bob.composer.press("Enter")
    fate(ann, "Second?", "bob has answered: c")
    assert bob.composer.input_value() == ""
    bob.say("1")
    bob.page.get_by_role("article").filter(has_text="1").last.wait_for()


def test_direct(server: WebServer, open_page: OpenPage, join: Join) -> None:
    """A question to a person can be declined, and withdrawn."""
    ann, bob = in_ops(open_page(server), "ann"), in_ops(open_page(server), "bob")
    ann.say("/to bob")
    ann.is_at("bob")
    bob.say("/to ann")
    bob.is_at("ann")
    asks(ann, "Lunch?", "yes", "no")
    bob.article("Lunch?").get_by_role("button", name="Decline").click()
    fate(ann, "Lunch?", "bob has declined to answer")
    fate(bob, "Lunch?", "You have declined to answer")
    asks(ann, "Dinner?", "yes", "no")
    bob.article("Dinner?").get_by_role("button", name="yes").wait_for()
    ann.article("Dinner?").get_by_role("button", name="Withdraw").click()
    fate(bob, "Dinner?", "ann has withdrawn the question")
    fate(ann, "Dinner?", "You have withdrawn the question")


def test_too_late(server: WebServer, open_page: OpenPage, join: Join) -> None:
    """A late answer is met with the name of the first person; a question whose time is over says so."""
    ann, bob, cid = in_ops(open_page(server), "ann"), in_ops(open_page(server), "bob"), join(server, "cid")
    cid.types("/join #ops\r")
    cid.shows_input("#ops ›")
    asks(ann, "Who?", "me", "you")
    cid.shows("Who?")
    bob.article("Who?").get_by_role("button", name="you").wait_for()
    bob.lose_network()
    server.kill()
    bob.article("Who?").get_by_role("button", name="you").click()
    fate(bob, "Who?", "Your answer is sent")
    server.start()
    cid.types("/answer me\r")
    fate(ann, "Who?", "cid has answered: me")
    bob.find_network()
    fate(bob, "Who?", "cid has answered that already: me.")
    fate(bob, "Who?", "cid has answered: me")


def test_time_is_over(server: WebServer, open_page: OpenPage) -> None:
    """The buttons go when the time is over."""
    ann, bob = in_ops(open_page(server), "ann"), in_ops(open_page(server), "bob")
    bob.page.clock.install()
    asks(ann, "Quick?", "yes", "no", until="5 minutes")
    bob.article("Quick?").get_by_role("button", name="yes").wait_for()
    bob.page.clock.fast_forward("05:01")
    fate(bob, "Quick?", "The time is over")
    assert bob.article("Quick?").get_by_role("button", name="yes").count() == 0


def test_over_and_unread(server: WebServer, open_page: OpenPage) -> None:
    """A question that nobody has seen before its time was over is unread no more."""
    ann = open_page(server).come_in("ann")
    Speaker(server.address, "bob").says("ann", ["Lunch?"], choices=["yes", "no"], seconds=2)
    eventually(lambda: "bob, 1 unread" in "".join(ann.conversations()))
    eventually(lambda: ann.unread("bob") == 0)
