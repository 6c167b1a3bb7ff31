"""Rooms and people: the list at the side, the head of a conversation, and what is done there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.support import eventually
from tests.web.conftest import Join, OpenPage
from tests.web.page import ChatPage
from tests.web.servers import WebServer

if TYPE_CHECKING:
    from playwright.sync_api import Locator


def dialog(page: ChatPage, name: str) -> Locator:
    """Return a dialog that is open."""
    return page.page.get_by_role("dialog", name=name, exact=True)


def press(page: ChatPage, name: str) -> None:
    """Press a button."""
    page.page.get_by_role("button", name=name, exact=True).click()


def listed(page: ChatPage, name: str) -> None:
    """Wait until a link with exactly this name is at the side."""
    page.sidebar.get_by_role("link", name=name, exact=True).wait_for()


def names(page: ChatPage) -> list[str]:
    """Return the conversations in their order."""
    return [name.split(",")[0] for name in page.conversations()]


def test_unread(server: WebServer, open_page: OpenPage, join: Join) -> None:
    """Counts, mentions and presence are words; a room that is quiet does not stand out."""
    page = open_page(server).come_in("alice").enter("#ops").enter("#dev")
    bob = join(server, "bob")
    bob.types("/join #ops\r")
    bob.shows_input("#ops ›")
    bob.types("db2 is slow\r")
    listed(page, "#ops, 1 unread")
    bob.types("@alice, look\r")
    listed(page, "#ops, 2 unread, 1 mentioning you")
    bob.types("alice: hi\r")
    listed(page, "bob, 1 unread, here")
    bob.types("/away lunch\r")
    listed(page, "bob, 1 unread, away")
    page.open("#ops")
    listed(page, "#ops")
    press(page, "About #ops")
    dialog(page, "#ops").get_by_label("Notify me about").select_option("Nothing: quiet")
    page.page.keyboard.press("Escape")
    listed(page, "#ops, quiet")
    page.reload()
    listed(page, "#ops, quiet")
    bob.types("exit\r")
    listed(page, "bob, 1 unread, gone")


def test_drafts(server: WebServer, open_page: OpenPage) -> None:
    """Unsent text is marked, also after a reload."""
    page = open_page(server).come_in("alice").enter("#ops")
    page.composer.fill("not yet")
    page.enter("#dev")
    listed(page, "#ops, draft")
    page.reload()
    listed(page, "#ops, draft")
    page.open("#ops")
    page.send_button.click()
    page.shows("not yet")
    listed(page, "#ops")


def test_order(server: WebServer, open_page: OpenPage) -> None:
    """The newest is first, but nothing moves under the pointer."""
    page = open_page(server).come_in("alice")
    other = open_page(server).come_in("bob")
    for room in ("#alerts", "#backups", "#chores"):
        page.enter(room)
        other.enter(room).say("one")
        page.shows("one")
        listed(page, room)
    eventually(lambda: names(page) == ["#chores", "#backups", "#alerts"])
    page.link("#backups").hover()
    other.open("#alerts")
    other.say("two")
    listed(page, "#alerts, 1 unread")
    assert names(page) == ["#chores", "#backups", "#alerts"]
    page.composer.hover()
    eventually(lambda: names(page) == ["#alerts", "#chores", "#backups"])


def test_names(server: WebServer, open_page: OpenPage) -> None:
    """A name with a mistake leads to the one that was meant; a room is not made by accident."""
    page = open_page(server).come_in("alice").enter("#deploys")
    open_page(server).come_in("robert")
    field = page.sidebar.get_by_role("textbox")
    for wrong, right in (("robrt", "robert"), ("#deployz", "#deploys"), ("deploys", "#deploys")):
        field.fill(wrong)
        field.press("Enter")
        page.page.get_by_role("alert").get_by_text("did you mean" if wrong != "deploys" else "").wait_for()
        page.page.get_by_role("dialog").get_by_role("button", name=right, exact=True).first.click()
        page.is_at(right)


def test_browsing(server: WebServer, open_page: OpenPage, join: Join) -> None:
    """All rooms and people are in one place, in which rooms are made, too."""
    bob = join(server, "bob")
    bob.types("/join #ops\r")
    bob.shows_input("#ops ›")
    bob.types("/topic what runs\r")
    bob.shows("what runs")
    page = open_page(server).come_in("alice")
    press(page, "All rooms and people…")
    every = dialog(page, "Rooms and people")
    every.get_by_label("Filter").fill("runs")
    every.get_by_role("button", name=re.compile("^#ops .* Join$")).click()
    page.is_at("#ops")
    bob.shows("alice joined")
    press(page, "All rooms and people…")
    every.get_by_role("list", name="People here").get_by_role("button", name="bob").click()
    page.is_at("bob")
    press(page, "All rooms and people…")
    every.get_by_text("New room").click()
    every.get_by_label("Name of the room").fill("plans")
    every.get_by_label("Kind (cannot be changed later)").select_option(value="private")
    every.get_by_role("button", name="Create").click()
    page.is_at("#plans")
    bob.types("/join #plans\r")
    bob.shows("#plans is private")


def test_invitations(server: WebServer, open_page: OpenPage, join: Join) -> None:
    """Invitations stand above the rooms, where they are accepted or declined."""
    bob = join(server, "bob")
    page = open_page(server).come_in("alice")
    for room in ("#plans", "#party"):
        bob.types(f"/join --private {room}\r")
        bob.shows_input(f"{room} ›")
        bob.types("/invite alice\r")
        page.page.get_by_role("button", name=f"Accept the invitation to {room}").wait_for()
    press(page, "Decline the invitation to #party")
    press(page, "Accept the invitation to #plans")
    page.is_at("#plans")
    page.page.get_by_role("heading", name="Invitations").wait_for(state="hidden")
    bob.types("/join #plans\r")
    bob.shows_input("#plans ›")
    bob.types("welcome\r")
    page.shows("welcome")


def test_moderation(server: WebServer, open_page: OpenPage, join: Join) -> None:
    """A room that was made in the browser is moderated there: with a question before what cannot be undone."""
    page = open_page(server).come_in("alice").enter("#ops")
    bob = join(server, "bob")
    bob.types("/join #ops\r")
    bob.shows_input("#ops ›")
    press(page, "People: 2")
    press(page, "bob, here")
    press(page, "Moderate #ops…")
    form = dialog(page, "Moderate #ops")
    form.get_by_label("Action").select_option("Mute")
    form.get_by_role("button", name="Mute bob").click()
    form.get_by_text("bob is muted.").wait_for()
    bob.types("may I?\r")
    bob.shows("but not write")
    form.get_by_label("Action").select_option("Kick")
    form.get_by_label("Reason").fill("come back later")
    form.get_by_role("button", name="Kick bob").click()
    dialog(page, "Kick bob?").get_by_role("button", name="Cancel").click()
    form.get_by_role("button", name="Kick bob").click()
    dialog(page, "Kick bob?").get_by_role("button", name="Kick").click()
    bob.shows("come back later")
    form.get_by_text("bob was kicked.").wait_for()
    form.get_by_label("Person").fill("bbo")
    form.get_by_role("button", name="Kick bbo").click()
    dialog(page, "Kick bbo?").get_by_role("button", name="Kick").click()
    form.get_by_role("alert").get_by_text("did you mean bob").wait_for()


def test_moderated_from_a_terminal(server: WebServer, open_page: OpenPage, join: Join) -> None:
    """A new owner, and somebody removed, see what has happened."""
    page = open_page(server).come_in("alice").enter("#ops")
    bob = join(server, "bob")
    bob.types("/join #ops\r")
    bob.shows_input("#ops ›")
    press(page, "About #ops")
    press(page, "Moderate…")
    form = dialog(page, "Moderate #ops")
    form.get_by_label("Person").fill("bob")
    form.get_by_label("Action").select_option("Make an owner")
    form.get_by_role("button", name="Make an owner: bob").click()
    press(page, "Make an owner")
    form.get_by_text("bob is an owner now.").wait_for()
    page.page.keyboard.press("Escape")
    bob.types("/kick #ops alice\r")
    page.says("bob has removed you from #ops")
    page.page.get_by_role("button", name="Join #ops", exact=True).wait_for()
    page.enter("bob")
    page.link("#ops").wait_for(state="detached")


def test_topic_and_leaving(server: WebServer, open_page: OpenPage, join: Join) -> None:
    """Members set the topic, invite, and leave, which is asked about."""
    bob = join(server, "bob")
    page = open_page(server).come_in("alice").enter("#ops")
    press(page, "About #ops")
    about = dialog(page, "#ops")
    about.get_by_label("Topic").fill("what runs")
    about.get_by_role("button", name="Set").click()
    about.get_by_text("The topic is set.").wait_for()
    about.get_by_label("Invite a person").fill("bob")
    about.get_by_role("button", name="Invite", exact=True).click()
    bob.shows("#ops")
    page.main.get_by_text("what runs").wait_for(state="attached")
    about.get_by_role("button", name="Leave #ops").click()
    dialog(page, "Leave #ops?").get_by_role("button", name="Leave").click()
    page.link("#ops").wait_for(state="detached")
    page.page.get_by_role("heading", name="chatcli", level=1).wait_for()


def test_addresses(server: WebServer, open_page: OpenPage) -> None:
    """Each conversation has an address; back and forward go between them, and one message has one, too."""
    page = open_page(server).come_in("alice").enter("#ops")
    for number in range(60):
        page.say(f"number {number}.")
    page.shows("number 59.")
    page.enter("#dev")
    assert page.page.url == f"{server.url}/dev"
    page.page.go_back()
    page.is_at("#ops")
    page.page.go_forward()
    page.is_at("#dev")
    other = open_page(server, "/ops").come_in("bob")
    other.is_at("#ops")
    other.page.get_by_role("button", name="Join #ops").click()
    listed(other, "#ops")


def test_switcher(server: WebServer, open_page: OpenPage) -> None:
    """Ctrl-K goes anywhere by the first letters."""
    open_page(server).come_in("bob").enter("#observability")
    page = open_page(server).come_in("alice").enter("#ops").enter("#dev")
    for letters, right in (("op", "#ops"), ("bo", "bob"), ("#ob", "#observability"), ("de", "#dev")):
        page.page.keyboard.press("Control+k")
        page.page.get_by_role("option", name=re.compile(f"^{right}")).wait_for()
        page.page.get_by_role("combobox").fill(letters)
        page.page.keyboard.press("Enter")
        page.is_at(right)


def test_presence(server: WebServer, open_page: OpenPage, join: Join) -> None:
    """One is away with a text, and back, and others see it."""
    page = open_page(server).come_in("alice").enter("#ops")
    bob = join(server, "bob")
    bob.types("/join #ops\r")
    bob.shows_input("#ops ›")
    press(page, "alice, here: your menu")
    page.page.get_by_label("Away, and why").fill("lunch")
    press(page, "Set away")
    bob.shows("lunch")
    press(page, "alice, away: your menu")
    press(page, "I am back")
    page.page.get_by_role("button", name="alice, here: your menu").wait_for()
    press(page, "alice, here: your menu")
    press(page, "Leave")
    page.says("You have left.")
    press(page, "Come back")
    page.is_at("#ops")


def test_preferences(server: WebServer, open_page: OpenPage) -> None:
    """The colours are as one likes them, in all tabs, and the page looks so when it is opened again."""
    page = open_page(server, color_scheme="light").come_in("alice")
    tab = page.another_tab()
    scheme = "() => getComputedStyle(document.documentElement).colorScheme"
    press(page, "alice, here: your menu")
    press(page, "Preferences…")
    page.page.get_by_label("Colours").select_option("Dark")
    eventually(lambda: tab.page.evaluate(scheme) == "dark")
    page.reload()
    page.sidebar.wait_for()
    eventually(lambda: page.page.evaluate(scheme) == "dark")


def test_receipts(server: WebServer, open_page: OpenPage) -> None:
    """Others see no more of what was read once receipts are switched off."""
    page = open_page(server).come_in("alice")
    other = open_page(server).come_in("bob").enter("alice")
    press(page, "alice, here: your menu")
    press(page, "Preferences…")
    page.page.get_by_label("Let others see what I have read").uncheck()
    page.page.keyboard.press("Escape")
    page.page.get_by_role("button", name="alice, here: your menu").wait_for()
    page.enter("bob")
    other.say("hi")
    page.shows("hi")
    eventually(lambda: page.unread("bob") == 0)
    page.say("hello")
    other.shows("hello")
    assert other.article("hi").get_by_text("Seen").count() == 0


def test_idle(server: WebServer, open_page: OpenPage) -> None:
    """A page that nobody touches for five minutes says so, and that somebody is back at the next key."""
    page = open_page(server)
    page.page.clock.install()
    page.page.evaluate(
        """async () => {
            const url = new URL("views/account/idle.js", document.querySelector("script[type=module]").src);
            globalThis.said = [];
            (await import(url)).watchIdle({ send: (frame) => globalThis.said.push(frame), on: () => null });
        }"""
    )

    def said() -> object:
        return page.page.evaluate("() => globalThis.said")

    page.page.clock.run_for(200_000)
    page.name_field.press("a")
    page.page.clock.run_for(295_000)
    assert said() == []
    page.page.clock.run_for(10_000)
    assert said() == [{"t": "idle"}]
    page.name_field.press("b")
    assert said() == [{"t": "idle"}, {"t": "idle", "back": True}]


def test_missing_room(server: WebServer, open_page: OpenPage) -> None:
    """The address of a room that does not exist offers to make it, and nothing else."""
    page = open_page(server, "/nope").come_in("alice")
    page.says("There is no room #nope that you may see")
    assert page.page.get_by_role("button", name="Close").count() == 0
    assert not page.composer.is_visible()
    press(page, "Join #nope")
    page.send("it is there now")
    assert page.page.get_by_role("button", name="Join #nope").count() == 0
