"""Races between a request and its answer: keys pressed twice, connections that end, pages that are left."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.support import eventually
from tests.web.conftest import OpenPage
from tests.web.modules import run
from tests.web.page import ChatPage
from tests.web.servers import WebServer
from tests.web.speakers import Speaker

_TIMELINE = """
const { Chat } = await load("core/chat.js");
const { Connection } = await load("transport/connection.js");
const { Storage } = await load("storage/storage.js");
const { Timeline } = await load("views/timeline/timeline.js");
const connection = new Connection({ url: "", origin: "", identity: null, makeHello: () => ({}) });
const chat = new Chat(connection, new Storage(null), "test");
const timeline = new Timeline(chat, {});
document.body.append(timeline.root);
const conversation = chat.state.conversation("#ops");
conversation.loaded = conversation.atStart = conversation.atEnd = true;
let seq = 0;
const say = (count) => {
  const messages = [...Array(count)].map(() => ({ seq: ++seq, from: "bob", to: "#ops", text: `m${seq}`, at: 0 }));
  conversation.insert(messages);
  chat.emit("messages", { conversation, kind: "live", messages });
};
const shown = async (text) => {
  for (let frames = 600; frames > 0; frames -= 1) {
    if (timeline.root.textContent.includes(text)) return;
    await new Promise(requestAnimationFrame);
  }
  throw new Error(`${text} is not there`);
};
"""


def come_in(server: WebServer, open_page: OpenPage, *rooms: str) -> ChatPage:
    """Come in as ann, a member of rooms, the last of which is open."""
    page = open_page(server).come_in("ann")
    for room in rooms:
        page.enter(room)
    return page


def test_line_after_reload(server: WebServer, open_page: OpenPage) -> None:
    """A page that is loaded at a conversation with something new opens it at the line, as one that is clicked."""
    page = come_in(server, open_page, "#ops")
    page.page.goto("about:blank")
    with Speaker(server.address, "bob", "#ops") as bob:
        bob.says("#ops", ["said meanwhile"])
    page.go("/ops")
    page.shows("said meanwhile")
    page.timeline.get_by_role("separator", name="New messages").wait_for()


def test_enter_twice(server: WebServer, open_page: OpenPage) -> None:
    """A command that waits for the server is done once, however often Enter is pressed meanwhile."""
    page = come_in(server, open_page, "#ops")
    with Speaker(server.address, "bob") as bob:
        page.composer.fill("/msg bob just once")
        page.composer.evaluate("({ form }) => { form.requestSubmit(); form.requestSubmit(); }")
        page.says("Sent to bob.")
        bob.says("ann", ["I have it"])
        page.open("bob")
        page.has("ann: just once", "bob: I have it")


def test_leaving_during_a_burst(server: WebServer, open_page: OpenPage) -> None:
    """A conversation that is left while many messages are drawn slowly draws again when it is opened again."""
    page = open_page(server)
    script = """
    await chat.open("#ops");
    say(20);
    await shown("m20");
    say(1); // waits for its turn
    await chat.open(null);
    await new Promise((resolve) => setTimeout(resolve, 300)); // its turn passes while nothing is open
    await chat.open("#ops");
    say(1);
    await shown("m22");
    """
    run(page, _TIMELINE + script)


def test_drawing_without_frames(server: WebServer, open_page: OpenPage) -> None:
    """A drawing planned before the page was hidden is made, although no frame comes."""
    script = """
    const { eachFrame } = await load("views/parts/dom.js");
    window.requestAnimationFrame = () => 1;
    await new Promise((resolve, reject) => {
      eachFrame(resolve)();
      setTimeout(() => reject(new Error("nothing was drawn")), 10_000);
    });
    """
    run(open_page(server), script)


def test_names_in_any_case(server: WebServer, open_page: OpenPage) -> None:
    """Somebody who writes their own name in another case is still asked about names that have another owner."""
    script = """
    const { Names } = await load("core/names.js");
    const { Storage } = await load("storage/storage.js");
    const storage = new Storage(null);
    const names = new Names(storage);
    await names.load("ann");
    names.add({ user: "bob", what: "released", at: 1, seq: 5 });
    await names.load("Ann");
    return names.find("BOB")?.what;
    """
    assert run(open_page(server), script) == "released"


def test_address_of_a_room_that_was_left(server: WebServer, open_page: OpenPage) -> None:
    """The address names no room that one has left: reloading the page would open it again."""
    page = come_in(server, open_page, "#ops")
    page.say("/leave")
    expect(page.page).to_have_url(f"{server.url}/")


def test_reading_without_a_connection(server: WebServer, open_page: OpenPage) -> None:
    """Messages read while the server was away are read when it is back."""
    page = come_in(server, open_page, "#side", "#ops").tolerate("WebSocket")
    page.page.evaluate("() => { document.hasFocus = () => false; window.dispatchEvent(new Event('blur')) }")
    with Speaker(server.address, "bob", "#ops") as bob:
        bob.says("#ops", ["read later"])
    eventually(lambda: page.unread("#ops") == 1)
    server.kill()
    page.page.evaluate("() => { delete document.hasFocus; window.dispatchEvent(new Event('focus')) }")
    eventually(lambda: page.unread("#ops") == 0)
    server.start()
    with Speaker(server.address, "cid", "#side") as cid:
        cid.says("#side", ["after that"])
    eventually(lambda: page.unread("#side") == 1)
    assert page.unread("#ops") == 0
