"""The list of conversations, and those with unread messages, at each width."""

from __future__ import annotations

import datetime

import pytest

from chatcli.client.chat.events import Row
from chatcli.client.interactive.listing import listing, summary
from chatcli.client.interactive.render import plain
from chatcli.client.interactive.widths import columns
from chatcli.protocol.frames import Message

TODAY = datetime.date(2026, 11, 30)
NOON = 1_796_040_000_000  # 12:00 UTC
DAY = 86_400_000


def said(sender: str, to: str, text: str, at: int = NOON) -> Message:
    """Return a message."""
    return Message(7, "x", sender, to, text, at)


ROWS = (
    Row(name="bob", number=1, unread=2, last=said("bob", "alice", "hi, is the build green?")),
    Row(name="#ops", number=2, unread=14, mentions=1, last=said("cid", "#ops", "alice:\nthe deploy", NOON - 60_000)),
    Row(name="carol", number=3, last=said("alice", "carol", "until tomorrow", NOON - 3 * DAY), mine=True),
    Row(name="#random", number=10, unread=1000, quiet=True, last=said("dan", "#random", "look", NOON - 400 * DAY)),
    Row(name="#empty"),
)


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> None:
    """Times by UTC."""
    monkeypatch.setenv("TZ", "UTC")


def shown(width: int) -> list[str]:
    """Return the list."""
    return [plain(line) for line in listing(ROWS, width, TODAY)]


def test_the_columns_of_a_wide_window() -> None:
    """Number, name, time, unread messages, and the start of the last line with its author."""
    assert shown(80) == [
        "1  bob      12:00  2 unread              hi, is the build green?",
        "2  #ops     11:59  14 unread, @1         cid: alice:␤the deploy",
        "3  carol    11-27                        you: until tomorrow",
        "   #random  2025   1,000+ unread, quiet  dan: look",
        "   #empty",
    ]


def test_the_columns_of_a_narrow_window() -> None:
    """Thirty columns are enough."""
    assert shown(30) == [
        "1 bob     12:00 2        hi,…",
        "2 #ops    11:59 14 @1    cid:…",
        "3 carol   11-27          you:…",
        "  #random 2025  1,000+ q dan:…",
        "  #empty",
    ]
    assert shown(24)[1] == "2 #ops    11:59 14 @1"


@pytest.mark.parametrize("width", range(1, 121))
def test_no_line_is_wider_than_the_window(width: int) -> None:
    """Whatever the names are."""
    long = Row(name="#" + "部屋" * 15, number=4, unread=999, mentions=999, last=said("é" * 30, "#x", "한국어" * 30))
    rows = [*ROWS, long]
    for line in (*listing(rows, width, TODAY), *summary(rows, width, 3)):
        assert columns(plain(line)) <= width
        assert plain(line).isprintable()


def test_unread_conversations_in_few_lines() -> None:
    """The first ones are named, with what mentions the user; the number of the others follows."""

    def lines(rows: tuple[Row, ...], width: int, most: int = 3) -> list[str]:
        return [plain(line) for line in summary(rows, width, most)]

    unread = tuple(Row(name=f"#room{number}", number=number, unread=number) for number in range(3, 13))
    assert lines(ROWS[:2], 80) == ["Unread: 1:bob 2 · 2:#ops 14 @1"]
    assert lines(unread, 80) == [
        "Unread: 3:#room3 3 · 4:#room4 4 · 5:#room5 5 · 6:#room6 6 · 7:#room7 7",
        "  8:#room8 8 · 9:#room9 9 · #room10 10 · #room11 11 · #room12 12",
    ]
    assert lines(unread, 30) == [
        "Unread: 3:#room3 3",
        "  4:#room4 4 · 5:#room5 5",
        "  6:#room6 6 · +6 more: /list",
    ]
    assert lines(unread, 30, 1) == ["Unread: /list"]
    assert lines((), 80) == []
