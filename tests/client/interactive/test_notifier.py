"""Notifications, and their sequences for the terminal."""

from __future__ import annotations

import pytest

from chatcli.client.chat.events import Notice, Shown
from chatcli.client.interactive.notifier import Notifier, notification
from chatcli.client.interactive.preferences import Notify
from chatcli.protocol.frames import Message


class Listener:
    """A terminal that records its output, a clock that tests set, and the open conversation."""

    def __init__(self, way: Notify = "bell", **environ: str) -> None:
        self.heard: list[str] = []
        self.now = 100.0
        self.typing_in = ""
        self._notifier = Notifier(
            way, self.heard.append, lambda of: of == self.typing_in, lambda: self.now, {"TERM": "xterm", **environ}
        )

    def take(self, *events: Shown | Notice) -> None:
        """Show events."""
        self._notifier.notify(list(events), "bob")


def said(text: str = "hi", *, to: str = "bob", notable: bool = True, past: bool = False) -> Shown:
    """Return a message from alice."""
    return Shown(message=Message(1, "id", "alice", to, text, 0), mine=False, past=past, notable=notable)


def test_bell() -> None:
    """It rings once for messages to the user that come together, and for nothing else."""
    listener = Listener()
    listener.take(Notice("x"), said(notable=False), said(past=True))
    assert listener.heard == []
    listener.take(said(), said())
    assert listener.heard == ["\a"]


def test_bell_once_a_second() -> None:
    """Messages within a second of a bell ring none."""
    listener = Listener()
    for listener.now in (100.0, 100.5, 100.9, 101.0, 101.5):
        listener.take(said())
    assert listener.heard == ["\a"] * 2


def test_no_bell_for_the_open_conversation() -> None:
    """Messages elsewhere ring while the user types."""
    listener = Listener()
    listener.typing_in = "alice"
    listener.take(said())
    assert listener.heard == []
    listener.take(said(), said(to="#ops"))
    assert listener.heard == ["\a"]


def test_turned_off() -> None:
    """Nothing is sent."""
    listener = Listener("off")
    listener.take(said())
    assert listener.heard == []


def test_desktop_notification() -> None:
    """It has sender, text and place of the newest message, and the number of others."""
    listener = Listener("osc", TERM_PROGRAM="iTerm.app")
    listener.take(said("one"), said("two", to="#ops"))
    assert listener.heard == ["\x1b]9;alice in #ops: two (and 1 more)\a"]


def test_linux_console() -> None:
    """It gets the bell only, because it would print a part of the sequence."""
    listener = Listener("osc", TERM="linux")
    listener.take(said())
    assert listener.heard == ["\a"]


@pytest.mark.parametrize(
    ("environ", "sent"),
    [
        ({"TERM": "xterm-kitty"}, "\x1b]9;alice: hi\a"),
        ({"TERM": "xterm-256color", "VTE_VERSION": "7600"}, "\x1b]777;notify;alice;hi\a"),
        ({"TERM": "rxvt-unicode-256color"}, "\x1b]777;notify;alice;hi\a"),
        ({"TERM": "xterm-256color"}, "\x1b]9;alice: hi\a\x1b]777;notify;alice;hi\a"),
        (
            {"TERM": "tmux-256color", "TMUX": "/tmp/tmux-1000/default,1,0"},
            "\x1bPtmux;\x1b\x1b]9;alice: hi\a\x1b\\\x1bPtmux;\x1b\x1b]777;notify;alice;hi\a\x1b\\",
        ),
        ({"TERM": "screen", "STY": "1.tty"}, "\x1bP\x1b]9;alice: hi\a\x1b\\\x1bP\x1b]777;notify;alice;hi\a\x1b\\"),
    ],
)
def test_sequence_of_each_terminal(environ: dict[str, str], sent: str) -> None:
    """A known terminal gets its sequence, another both; tmux and screen get it wrapped."""
    assert notification("alice", "hi", environ) == sent


@pytest.mark.parametrize("text", ["a\x1b\\b", "a\ab", "a\x9cb", "a\nb", "4;1;50", "a;b", "x" * 5000, "你" * 5000])
def test_text_cannot_escape(text: str) -> None:
    """A text cannot end the sequence, set another title, or be long."""
    listener = Listener("osc", VTE_VERSION="7600")
    listener.take(said(text))
    [sent] = listener.heard
    inside = sent.removeprefix("\x1b]777;notify;").removesuffix("\a")
    assert inside.isprintable()
    assert inside.count(";") == 1
    assert len(inside) < 120
