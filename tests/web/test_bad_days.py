"""Bad days: the server is killed, restarted, restored or hostile, the network breaks, the storage is full."""

from __future__ import annotations

import re
from typing import Final

from tests.web.axe import findings
from tests.web.conftest import Join, OpenPage
from tests.web.page import ChatPage
from tests.web.servers import WebServer

BROKEN: Final = "WebSocket|ERR_CONNECTION_REFUSED"  # what the browser itself complains of


def in_ops(page: ChatPage, name: str) -> ChatPage:
    """Come in, and open a room, which is made if there is none."""
    return page.tolerate(BROKEN).come_in(name).enter("#ops")


def barriers(page: ChatPage) -> list[str]:
    """Return the findings of axe-core in the parts that are tested here."""
    mine = re.compile("composer|textarea|choice|question|mention|dialog|asking|hint")
    return [finding for finding in findings(page) if mine.search(finding)]


def waits(page: ChatPage, text: str) -> None:
    """Wait until a message of one's own is shown as waiting."""
    page.article(text).filter(has_text="Waiting").wait_for()


def is_sent(page: ChatPage, text: str) -> None:
    """Wait until a message is there once, and on disk."""
    page.article(text).filter(has_text="Waiting").wait_for(state="detached")
    page.shows(text)


def test_killed_server(server: WebServer, open_page: OpenPage, join: Join) -> None:
    """Messages written while the server is gone are sent once it is back, in order, once."""
    ann = in_ops(open_page(server), "ann")
    bob = join(server, "bob")
    bob.types("/join #ops\r")
    bob.shows_input("#ops ›")
    server.kill()
    ann.status.filter(has_text="not reached").wait_for()
    texts = [f"while away {number}" for number in range(1, 6)]
    for text in texts:
        ann.say(text)
        waits(ann, text)
    server.start()
    for text in texts:
        is_sent(ann, text)
        bob.shows(text)
    assert [text for line in ann.messages() for text in texts if text in line] == texts


def test_reload_while_waiting(server: WebServer, open_page: OpenPage) -> None:
    """Waiting messages survive a reload of the page."""
    ann = in_ops(open_page(server), "ann")
    ann.say("before")
    is_sent(ann, "before")
    ann.lose_network()
    server.kill()
    ann.say("kept on disk")
    waits(ann, "kept on disk")
    server.start()
    ann.find_network()
    ann.reload()
    ann.is_at("#ops")
    is_sent(ann, "kept on disk")


def test_many_at_once(server: WebServer, open_page: OpenPage) -> None:
    """Hundreds of waiting messages go out in order, a bounded number at a time."""
    ann = in_ops(open_page(server), "ann")
    server.kill()
    ann.status.filter(has_text="not reached").wait_for()
    for number in range(120):
        ann.say(f"line {number:03}.")
    server.start()
    ann.page.wait_for_function("() => !document.querySelector('.pending')")
    ann.reload()
    ann.is_at("#ops")
    ann.shows("line 119.")
    shown = [line for line in ann.messages() if "line " in line]
    assert [line[line.index("line ") :][5:8] for line in shown] == [f"{number:03}" for number in range(120)][
        -len(shown) :
    ]
