"""A server that is restored from its backup, as a person sees it in a real terminal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.client.restorable import Restorable
from tests.support import Program
from tests.terminal import Terminal

FOCUS, BLUR = "\x1b[I", "\x1b[O"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Restorable]:
    """A server whose backup has one message."""
    with Restorable(tmp_path) as running:
        running.say("bob", "bob", "a note")
        running.back_up()
        yield running


def join(server: Restorable, user: str) -> Terminal:
    """Run ``chatcli join`` in a terminal."""
    return Terminal("join", *server.where, "--user", user, columns=120, rows=24)


def test_message_that_is_sent_again(server: Restorable) -> None:
    """It is not shown again, and the sender who waits learns that it is read once the user looks."""
    with join(server, "alice") as alice:
        alice.shows_toolbar("connected ")
        alice.types("/to bob\r")
        alice.shows_input("bob ›")
        alice.types(BLUR)
        waiting = ("--wait", "seen", "--timeout", "60s")
        with Program("send", "--user", "bob", *server.where, *waiting, "alice", "read this") as send:
            alice.shows("read this")
            alice.shows_toolbar("1 unread")
            server.restore()
            alice.shows("ends before the newest message here: it is gone, unless sent again")
            alice.shows_toolbar("1 unread")
            alice.types(FOCUS)
            assert send.end() == 0
        assert sum("read this" in line for line in alice.lines) == 1
        alice.shows_toolbar("│ 1:bob gone │")


def test_room_that_is_lost(server: Restorable) -> None:
    """It is named, and is not open any more; a line that was begun there goes nowhere else."""
    with join(server, "alice") as alice:
        alice.shows_toolbar("connected ")
        alice.types("/join #newroom\r")
        alice.shows_input("#newroom ›")
        alice.shows("You are in #newroom")
        alice.types("half a li")
        server.restore()
        alice.shows("The restored server does not have #newroom, or you are not a member there")
        alice.types("ne\r")
        alice.shows("To whom?")
