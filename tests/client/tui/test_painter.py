"""Events painted for a terminal, read back by a terminal."""

from __future__ import annotations

import datetime
import re
from pathlib import Path

import pyte
import pytest

from chatcli.client.chat.events import Answer, Event, Notice, Separator, Shown, Trouble
from chatcli.client.interactive.preferences import Preferences
from chatcli.client.interactive.widths import columns
from chatcli.client.tui.batcher import AdaptiveBatcher
from chatcli.client.tui.painter import Painter
from chatcli.errors import InputError
from chatcli.protocol.frames import Message
from tests.support import ThreadServer
from tests.terminal import Terminal

NOW = int(datetime.datetime.now(datetime.UTC).timestamp() * 1000)


def said(text: str, *, sender: str = "alice", to: str = "bob", notable: bool = False) -> Shown:
    """Return a message of now."""
    return Shown(message=Message(1, "id", sender, to, text, NOW), mine=False, notable=notable)


def shown(*events: Event, width: int = 40, preferences: Preferences | None = None) -> pyte.Screen:
    """Return the screen of a terminal that is sent the events."""
    screen = pyte.Screen(width, 30)
    pyte.Stream(screen).feed("".join(Painter(preferences or Preferences(background="dark")).lines(list(events), width)))
    return screen


def lines(screen: pyte.Screen) -> list[str]:
    """Return the lines that are not empty."""
    return [line.rstrip() for line in screen.display if line.strip()]


@pytest.mark.parametrize("text", ["3 messages while you were away", "gelesen bis 你好", "x" * 60])
@pytest.mark.parametrize("width", [20, 40, 132])
def test_separators_fit_the_line(text: str, width: int) -> None:
    """It has one line, whatever it says, and no more of it than it needs; what follows begins on the next one."""
    [line] = Painter(Preferences(color="never")).lines([Separator(text)], width)
    assert columns(line.removesuffix("\r\n")) == min(width, columns(f"── {text} ──"))
    screen = shown(Separator(text), Notice("next"), width=width)
    assert len(lines(screen)) == 2
    assert lines(screen)[1] == "next"


def test_two_people_have_two_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has the same one in each message."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    screen = shown(said("a"), said("b", sender="dave"), said("c"), said("d", to="#ops"))
    first, second, third = (screen.buffer[row][6].fg for row in range(3))
    assert first == third != second
    assert screen.buffer[3][12].fg == first
    assert screen.buffer[0][6].bold


@pytest.mark.parametrize("preferences", [Preferences(color="never"), Preferences(color="auto")])
def test_without_colours_there_are_none(preferences: Preferences, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the option or by NO_COLOR; bold stays."""
    monkeypatch.setenv("NO_COLOR", "1")
    code = said("```\ne\n```")
    screen = shown(
        said("a", notable=True), Notice("b"), Trouble(InputError("c")), Separator("d"), code, preferences=preferences
    )
    assert {cell.fg for row in range(10) for cell in screen.buffer[row].values()} == {"default"}
    assert screen.buffer[0][0].bold


def test_sentences_break_between_words() -> None:
    """Columns are counted, not characters; and what is opened from there stays in one piece."""
    screen = shown(Notice("This says more than fits into one line of forty"), Answer("one\ntwo"))
    assert lines(screen) == ["This says more than fits into one line", "      of forty", "one", "two"]
    [line] = Painter(Preferences(color="never")).lines([Notice(f"Topic: https://example.org/{'a' * 60} yes")], 40)
    assert f"https://example.org/{'a' * 60}" in line


HOSTILE = [
    *(
        f"hi{blank * 100}12:05 boss → you  run"
        for blank in (" ", "\t", "\u3000", "\u00a0", "\u2800", "\u3164", "\u2003")
    ),
    *(
        f"hi{filler * 100}12:05 boss → you  run"
        for filler in ("x", "你", "\u200b", "👨‍👩‍👧", "❤\ufe0f", "👍🏽", "🇩🇪", "e\u0301")
    ),
    *(f"{'x' * length} 12:05 boss → you  run" for length in range(1, 40)),
    *(f"see https://{'x' * length}12:05-boss there" for length in range(1, 40)),
    "```\n" + "x" * 100 + "12:05 boss → you  run\n12:05 boss → you  run\n```",
    "你" * 50 + "\u200d12:05 boss → you  run" + "你" * 50,
]


@pytest.mark.parametrize("width", [7, 20, 40, 41, 80])
def test_further_rows_are_indented(width: int) -> None:
    """Whatever stands in a message, a notice or an answer: each row that goes on is indented, but for links."""
    for text in HOSTILE:
        for event in (said(text), said(text, to="#ops"), Notice(f"Topic of #ops: {text}"), Trouble(InputError(text))):
            first, *further = [line.rstrip() for line in _all_rows(event, width) if line.strip()]
            assert not first.startswith(" "), text
            assert not [row for row in further if not row.startswith(" ") and re.match(r"\d+:|\S+ ", row)], (
                text,
                further,
            )
            if "://" not in text:
                assert not [row for row in further if not row.startswith(" ")], (text, further)


def _all_rows(event: Event, width: int) -> list[str]:
    screen = pyte.HistoryScreen(width, 30, history=10_000, ratio=1)
    pyte.Stream(screen).feed("".join(Painter(Preferences(color="never")).lines([event], width)))
    above = ["".join(row[x].data for x in range(width)) for row in screen.history.top]
    return [*above, *screen.display]


def test_broken_rows_lose_nothing() -> None:
    """All but the blanks between rows stands there, in its order."""
    for text in ("one two  three " * 20, "你好吗" * 40, "x" * 300, "👍🏽" * 30, "a\tb " * 30):
        shown = "".join(row.strip() for row in _all_rows(said(text), 40))
        assert shown.partition("you  ")[2].replace(" ", "") == text.replace(" ", "").replace("\t", "")


def test_links_are_sent_in_one_piece() -> None:
    """The terminal breaks them, so that they can be opened and copied whole; what follows begins another row."""
    link = "https://example.org/" + "a" * 200
    [line] = Painter(Preferences(color="never")).lines([said(f"你好 {link} yes")], 40)
    assert f"{link}\r\n      yes\r\n" in line.replace("\x1b[?7l", "").replace("\x1b[?7h", "")


def test_rows_wider_than_counted_are_cut() -> None:
    """On a terminal where Greek letters are as wide as Chinese ones, the row ends where the window does."""
    [line] = Painter(Preferences(color="never")).lines([said("α" * 20)], 40)
    wide = line.replace("α", "你")
    screen = pyte.Screen(40, 10)
    pyte.Stream(screen).feed(wide)
    assert screen.cursor.y == 1  # after one row


def test_batches_follow_the_terminals_speed() -> None:
    """Nothing is lost or turned around, a slow terminal gets less at once, and a faster one more again."""
    batcher = AdaptiveBatcher()
    pieces = [f"{number}\r\n" * 10 for number in range(2000)]
    batches = list(batcher.batches(pieces))
    assert "".join(batches) == "".join(pieces)
    for _ in range(10):
        batcher.record(len(next(batcher.batches(pieces))), 0.5)
    slow = list(batcher.batches(pieces))
    assert "".join(slow) == "".join(pieces)
    assert len(slow) > len(batches)
    for _ in range(30):
        batcher.record(len(next(batcher.batches(pieces))), 0.0001)
    assert len(list(batcher.batches(pieces))) < len(batches)
    assert list(batcher.batches(["x" * 100_000, "y"])) == ["x" * 100_000, "y"]


def test_long_lines_links_and_emoji(server: ThreadServer) -> None:
    """Lines that the terminal breaks, and characters of which nobody is sure how wide they are, do not disturb it."""
    link = f"https://example.org/{'a' * 150}/end"
    terminal = Terminal("join", "--server", str(server.address), "--user", "alice", columns=60)
    with terminal as alice, server.joined("bob") as bob:
        alice.shows("You are alice")
        alice.types("bob: half")
        alice.shows_input("› bob: half")
        for text in (link, "👨‍👩‍👧 family ❤\ufe0f 你好", "שלום", "a\n```\nls -l\n```\nb", "over"):
            bob.sends("alice", text)
            bob.hears("sent")
        alice.shows("bob → you  over")
        alice.shows_input("› bob: half")
        assert link in "".join(alice.lines).replace(" ", "")
        assert "      ls -l" in alice.lines
        assert link.encode() in alice.raw
        assert "👨‍👩‍👧 family ❤\ufe0f 你好".encode() in alice.raw
        alice.types(" done\r")
        bob.hears("message", text="half done")


def test_another_day_is_set_apart(server: ThreadServer, tmp_path: Path) -> None:
    """Messages from yesterday appear below the name of that day."""
    yesterday = NOW - 86_400_000
    server.joined("alice").hang_up()
    with server.joined("bob") as bob:
        bob.sends("alice", "hi")
        bob.hears("sent")
    _backdate(server, yesterday)
    with Terminal("join", "--server", str(server.address), "--user", "alice") as alice:
        alice.shows("bob → you  hi")
        day = datetime.datetime.fromtimestamp(yesterday / 1000, datetime.UTC)
        number = next(row for row, line in enumerate(alice.lines) if "bob → you  hi" in line)
        assert alice.lines[number - 1] == f"── {day:%A}, {day.day} {day:%B} ──"


def _backdate(server: ThreadServer, at: int) -> None:
    """Have everything in the log been said at another time."""
    import sqlite3

    with sqlite3.connect(next(server.data.glob("*.db"))) as database:
        database.execute("UPDATE messages SET at = ?", (at,))
    database.close()
