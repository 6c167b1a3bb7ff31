"""Torture with browsers among the clients: a server that is killed again and again loses and repeats nothing."""

from __future__ import annotations

import re

from tests.web.conftest import OpenPage
from tests.web.page import ChatPage
from tests.web.servers import WebServer
from tests.web.test_bad_days import in_ops

KILLS = 3
TALK = 8  # messages of each person between two kills


def numbers(page: ChatPage, name: str) -> list[int]:
    """Return the numbers in the messages of somebody, in the order in which they are shown."""
    return [int(number) for line in page.messages() for number in re.findall(rf"{name} says (\d+)\.", line)]


def test_repeated_kills(server: WebServer, open_page: OpenPage) -> None:
    """Two people talk while the server is killed: each message is shown once to both, in the order of its author."""
    people = {name: in_ops(open_page(server), name) for name in ("ann", "bob")}
    count = 0
    for _ in range(KILLS):
        for number in range(count, count + TALK):
            for name, page in people.items():
                page.say(f"{name} says {number}.")
            if number == count + TALK // 2:
                server.kill()
        count += TALK
        server.start()
    for page in people.values():
        page.page.wait_for_function("() => !document.querySelector('.pending')")
        for name in people:
            page.shows(f"{name} says {count - 1}.")
    for page in people.values():
        for name in people:
            assert numbers(page, name) == list(range(count))
