"""Identity in a browser: coming in, the key, and staying the same person."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Route, expect

from tests.support import chatcli, eventually
from tests.web.conftest import Join, OpenPage, Serve
from tests.web.modules import run
from tests.web.page import ChatPage
from tests.web.servers import WebServer

STORED: Final = """const { openStorage } = await load("storage/storage.js");
    return (await openStorage()).get("settings", argument);"""
#: A browser that keeps nothing, as some do in private windows or by a setting.
NO_STORAGE: Final = "indexedDB.open = () => { throw new DOMException('denied', 'SecurityError') }"


def name(page: ChatPage) -> str | None:
    """Return the name that the browser has kept."""
    found: str | None = run(page, STORED, "user")
    return found


def test_taken_name(server: WebServer, open_page: OpenPage) -> None:
    """The page says so and offers a free one, which takes one press."""
    open_page(server).come_in("ann")
    page = open_page(server)
    page.ask_for("ann")
    page.says("ann is taken.")
    page.page.get_by_role("button", name="ann-2", exact=True).click()
    page.join_button.wait_for(state="detached")
    assert name(page) == "ann-2"


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [("a:b", ":"), ("root", "for the operators"), ("who", "who"), ("x" * 33, "32"), ("a b", "space")],
)
def test_bad_names(server: WebServer, open_page: OpenPage, wrong: str, sentence: str) -> None:
    """Each is refused with a sentence, and the next one is accepted."""
    page = open_page(server)
    page.ask_for(wrong)
    alert = page.page.get_by_role("alert")
    alert.wait_for()
    assert sentence in alert.inner_text()
    expect(page.name_field).to_be_focused()
    page.come_in("ann")


def test_no_name(server: WebServer, open_page: OpenPage) -> None:
    """The page says what is missing."""
    page = open_page(server)
    page.name_field.press("Enter")
    page.says("Choose a name first.")
    expect(page.name_field).to_be_focused()


def test_new_after_all(server: WebServer, open_page: OpenPage) -> None:
    """The button "I have a name here" can be taken back."""
    page = open_page(server)
    page.page.get_by_role("button", name="I have a name here").click()
    page.page.get_by_role("textbox", name="Code from another device").fill("bazu")
    page.page.get_by_role("button", name="I am new here").click()
    page.page.get_by_role("textbox", name="Code from another device").wait_for(state="hidden")
    page.page.get_by_role("button", name="I have a name here").wait_for()
    page.come_in("ann")


def test_early_enter(server: WebServer, open_page: OpenPage) -> None:
    """A name that is entered while the rest of the page is being loaded is asked for as soon as it is."""
    page = open_page(server)
    held: list[Route] = []
    page.page.goto("about:blank")  # the page that is open may be asking for the rest just now
    page.page.route("**/views/shell.js", lambda route: held.append(route))  # noqa: PLW0108 (Playwright marks it)
    page.go("/")
    page.name_field.fill("ann")
    page.name_field.press("Enter")
    page.page.get_by_role("button", name="Joining…").wait_for()
    eventually(lambda: page.join_button.count() == 1 and len(held) == 1)
    held[0].continue_()
    page.join_button.wait_for(state="detached")
    assert name(page) == "ann"


def test_invitation_typed(serve: Serve, open_page: OpenPage) -> None:
    """The page asks for an invitation if names need one."""
    server = serve("--access", "invite")
    code = chatcli("admin", "invite", "--data", str(server.data)).stdout.splitlines()[0].split()[-1]
    page = open_page(server)
    page.ask_for("ann")
    page.says("by invitation only")
    invitation = page.page.get_by_role("textbox", name="Invitation")
    expect(invitation).to_be_focused()
    invitation.fill("wrong")
    page.join_button.click()
    page.says("That invitation is wrong, used up or too old")
    invitation.fill(code)
    page.join_button.click()
    page.join_button.wait_for(state="detached")


def test_banned(server: WebServer, open_page: OpenPage) -> None:
    """The sentence is the server's."""
    page = open_page(server).come_in("ann")
    chatcli("admin", "ban", "ann", "--reason", "spam", "--data", str(server.data))
    page.page.reload()
    page.says("You are banned from this server")


def test_link_typed(server: WebServer, join: Join, open_page: OpenPage, tmp_path: Path) -> None:
    """Somebody who is in the chat already comes in with a code."""
    terminal = join(server, "ann")
    terminal.types("/join #ops\r")
    terminal.shows_input("#ops ›")
    page = open_page(server)
    page.ask_for("ann")
    page.page.get_by_role("button", name="I am ann").click()
    code = page.page.get_by_role("textbox", name="Code from another device")
    code.fill("bazu-kito-mafi")
    page.join_button.click()
    page.says("That code is wrong, used up or too old")
    code.fill(link_code(server, str(tmp_path / "home-ann" / "config")))
    page.join_button.click()
    page.link("#ops").wait_for()


def test_place_kept(server: WebServer, open_page: OpenPage) -> None:
    """The address of a room leads there after coming in, and after a reload."""
    open_page(server).come_in("bob").enter("#ops")
    page = open_page(server, "/ops?at=3&token=cct_x#token=cct_y&name=ann")
    assert page.page.url == f"{server.url}/ops?at=3"
    assert page.name_field.input_value() == "ann"
    page.join_button.click()
    page.is_at("#ops")
    page.page.reload()
    page.is_at("#ops")
    page.page.goto("about:blank")
    page.page.go_back()
    page.is_at("#ops")


def test_said_and_left(server: WebServer, open_page: OpenPage) -> None:
    """A message written in the last moment of a page waits in the next one."""
    open_page(server).come_in("bob")
    page = open_page(server, "/@bob").come_in("ann").tolerate("WebSocket|ERR_")
    page.composer.fill("the last word")
    page.context.set_offline(True)
    page.page.evaluate("document.activeElement.form.requestSubmit()")
    page.page.goto("about:blank")
    page.context.set_offline(False)
    page.go("/@bob")
    page.shows("the last word")


def test_put_aside(server: WebServer, open_page: OpenPage) -> None:
    """A page that a browser has put aside says goodbye, and is there again when it comes back."""
    page, other = open_page(server).come_in("ann"), open_page(server, "/@ann").come_in("bob")
    other.main.get_by_text("here since").wait_for()
    page.page.evaluate("() => dispatchEvent(new PageTransitionEvent('pagehide', {persisted: true}))")
    other.main.get_by_text("left").wait_for()
    page.page.evaluate("() => dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")
    other.main.get_by_text("here since").wait_for()


def test_one_key(server: WebServer, open_page: OpenPage) -> None:
    """Two tabs that are opened at once for the first time have the same key, which no script can read."""
    page = open_page(server)
    script = """
        const { openStorage } = await load("storage/storage.js");
        const { loadIdentity } = await load("storage/identity.js");
        const storages = await Promise.all([openStorage(), openStorage(), openStorage()]);
        await storages[0].forget();
        const found = await Promise.all(storages.map(loadIdentity));
        const pair = await storages[1].get("identity", "key");
        const refused = await crypto.subtle.exportKey("pkcs8", pair.privateKey).catch((error) => error.name);
        return [found.map((one) => one.publicKey), refused];"""
    keys, refused = run(page, script)
    assert len(keys) == 3
    assert len(set(keys)) == 1
    assert refused == "InvalidAccessError"


def test_no_storage(server: WebServer, open_page: OpenPage) -> None:
    """The page says so, and can be used."""
    page = open_page(server)
    page.context.add_init_script(NO_STORAGE)
    page.page.reload()
    page.says("as long as this tab is open")
    page.come_in("ann")
    page.page.reload()
    page.ask_for("ann")
    page.says("ann is taken.")
    page.tolerate("denied")


def test_no_key(server: WebServer, open_page: OpenPage) -> None:
    """A browser that has no Ed25519 is told which one has."""
    page = open_page(server)
    page.context.add_init_script(
        "crypto.subtle.generateKey = async () => { throw new DOMException('x', 'NotSupportedError') }"
    )
    page.join_button.wait_for()  # the page has made its key
    run(page, """await (await (await load("storage/storage.js")).openStorage()).forget()""")
    page.page.reload()
    page.says("Chrome 137, Firefox 129, Safari 17")


def test_no_secure_context(server: WebServer, open_page: OpenPage) -> None:
    """Under an address at which browsers use no keys, the page says which one it needs."""
    page = open_page(server)
    page.context.add_init_script("Object.defineProperty(Crypto.prototype, 'subtle', {value: undefined})")
    page.reload()
    page.says("This page needs https")


def test_codes_for_an_open_page(server: WebServer, open_page: OpenPage) -> None:
    """An address with codes works in a tab that has the page already."""
    page = open_page(server)
    page.name_field.wait_for()
    page.page.evaluate("() => { location.hash = '#name=alice&link=bazu-kito-mafi' }")
    page.says("Come in as alice")
    assert page.page.url == f"{server.url}/"


def test_server_away(server: WebServer, open_page: OpenPage) -> None:
    """A name that is asked for while no server answers is there as soon as it does."""
    page = open_page(server).tolerate("WebSocket|ERR_CONNECTION")
    expect(page.join_button).to_have_attribute("aria-busy", "false")  # as soon as the rest of the page is loaded
    server.kill()
    page.ask_for("ann")
    page.says("The server is not reached")
    server.start()
    page.join_button.wait_for(state="detached")


def test_other_tab_comes_in(server: WebServer, open_page: OpenPage) -> None:
    """A tab in which nothing was typed follows the one in which somebody has come in."""
    open_page(server).come_in("bob")
    page = open_page(server)
    tab = page.another_tab("/@bob")
    tab.join_button.wait_for()
    page.come_in("ann")
    tab.is_at("bob")
    eventually(lambda: name(tab) == "ann")


def admin(server: WebServer, *arguments: str) -> str:
    """Run a command of the operator."""
    return chatcli("admin", *arguments, "--data", str(server.data)).stdout


def test_name_with_another_owner(server: WebServer, open_page: OpenPage) -> None:
    """Messages to the name wait until their author has said that the new owner is meant."""
    bob = open_page(server).come_in("bob")
    ann = open_page(server, "/@bob").come_in("ann")
    ann.say("hi bob")
    ann.shows("hi bob")
    bob.page.close()
    admin(server, "release", "bob")
    doubt = ann.page.get_by_role("region", name="Before you write")
    doubt.get_by_text("has been nobody's since").wait_for()
    mallory = open_page(server, "/@ann").come_in("bob")
    doubt.get_by_text("bob has been somebody else since").wait_for()
    ann.say("the secret")
    doubt.get_by_text("Your message to bob waits until you answer.").wait_for()
    doubt.get_by_role("button", name="Do not send").click()
    assert ann.composer.input_value() == "the secret"
    ann.composer.press("Enter")
    ann.page.reload()
    doubt.get_by_text("Your message to bob waits until you answer.").wait_for()
    mallory.say("hello")
    ann.shows("hello")
    assert "the secret" not in "".join(mallory.messages())
    doubt.get_by_role("button", name="Send", exact=True).click()
    mallory.shows("the secret")
    doubt.wait_for(state="hidden")


def test_name_released_while_away(server: WebServer, open_page: OpenPage) -> None:
    """Messages written without a connection do not go to the new owner, either."""
    bob = open_page(server).come_in("bob")
    ann = open_page(server, "/@bob").come_in("ann").tolerate("WebSocket|ERR_")
    ann.say("hi bob")
    bob.link("ann").wait_for()
    ann.page.wait_for_timeout(300)
    bob.page.close()
    ann.lose_network()
    ann.status.filter(has_text="not reached").wait_for()
    admin(server, "release", "bob")
    mallory = open_page(server, "/@ann").come_in("bob")
    ann.say("the secret")
    ann.find_network()
    ann.says("Your message to bob waits until you answer.")
    mallory.say("hello")
    ann.shows("hello")
    assert "the secret" not in "".join(mallory.messages())


def test_server_with_another_key(serve: Serve, open_page: OpenPage) -> None:
    """The page says so, with both keys, until somebody accepts it."""
    server = serve()
    page = open_page(server).come_in("ann")
    known = run(page, STORED, "server")
    page.page.wait_for_timeout(200)
    run(page, """(await (await load("storage/storage.js")).openStorage()).put("settings", "server", "SHA256:other")""")
    page.page.reload()
    page.says("The key of this server is another one than before.")
    page.says("was SHA256:other")
    page.page.get_by_role("button", name="It is right").click()
    eventually(lambda: run(page, STORED, "server") == known)
    page.page.reload()
    page.link("ann").or_(page.sidebar).first.wait_for()
    assert page.page.get_by_text("The key of this server is another one").count() == 0


@pytest.mark.parametrize(("command", "sentence"), [("kick", "sent you away"), ("ban", "banned")])
def test_sent_away(server: WebServer, open_page: OpenPage, command: str, sentence: str) -> None:
    """The page says by whom and why, and what one can do."""
    page = open_page(server).come_in("ann").enter("#ops")
    admin(server, command, "ann", "--reason", "lunch")
    bar = page.page.get_by_role("region", name="Notice").filter(has_text=sentence)
    bar.get_by_text("lunch").wait_for()
    bar.get_by_role("button", name="Come in again as ann").click()
    if command == "kick":
        bar.wait_for(state="detached")
        page.say("again")
        page.shows("again")
    else:
        page.says("You are banned from this server")


def test_another_name(server: WebServer, open_page: OpenPage) -> None:
    """A person who was sent away can come in under another name, and sees nothing of the former one's."""
    page = open_page(server).come_in("ann").enter("#ops")
    page.say("as ann")
    admin(server, "kick", "ann")
    page.page.get_by_role("button", name="Another name").click()
    page.come_in("bob")
    assert page.conversations() == []


def link_code(server: WebServer, config: str) -> str:
    """Return a code that a terminal has made."""
    own = ("--server", str(server.address), "--user", "ann")
    return chatcli("key", "link", *own, XDG_CONFIG_HOME=config).stdout.split()[-1]
