"""Rendering of messages: separators, colours and blocks."""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from chatcli.client.chat.events import Clock, Event, Notice, Separator, Shown, Trouble
from chatcli.client.interactive.render import Renderer, day_name, fitted, person_style, plain, render
from chatcli.errors import InputError
from chatcli.protocol.frames import Message

TODAY = datetime.date(2026, 11, 23)
DAY = 86_400_000
NOON = int(datetime.datetime(2026, 11, 23, 12, 4, tzinfo=datetime.UTC).timestamp() * 1000)


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Set local time to UTC, and the language to English."""
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def said(text: str, at: int = NOON, *, to: str = "bob", sender: str = "alice", notable: bool = False) -> Shown:
    """Return a message."""
    return Shown(message=Message(1, "id", sender, to, text, at), mine=False, notable=notable)


def printed(*events: Event, clock: Clock = "24h") -> list[str]:
    """Return the printed text of a sequence of events."""
    renderer = Renderer(TODAY, clock)
    return [plain(line) for event in events for _, line in renderer.lines(event, TODAY)]


def test_day_separators() -> None:
    """Today has none at first; each other day has one, and so has today after it."""
    assert printed(said("one")) == ["12:04 alice → you  one"]
    assert printed(said("one", NOON - DAY), Notice("hm"), said("two", NOON - DAY), said("three"), said("four")) == [
        "── Sunday, 22 November ──",
        "12:04 alice → you  one",
        "hm",
        "12:04 alice → you  two",
        "── Monday, 23 November ──",
        "12:04 alice → you  three",
        "12:04 alice → you  four",
    ]


def test_history_has_dates() -> None:
    """A page of the history has no day separators, and changes nothing for later ones."""
    past = replace(said("then", NOON - DAY), past=True)
    assert printed(past, said("now")) == ["2026-11-22 12:04 alice → you  then", "12:04 alice → you  now"]


def test_twelve_hour_clock() -> None:
    """Midnight and noon are twelve."""
    midnight = NOON // DAY * DAY
    lines = printed(said("a"), said("b", midnight), said("c", midnight + DAY // 2 - 60_000), clock="12h")
    assert [line.partition(" alice")[0] for line in lines] == ["12:04 pm", "12:00 am", "11:59 am"]


@pytest.mark.parametrize(
    ("language", "name", "last_year"),
    [
        ("en_GB.UTF-8", "Monday, 23 November", "Sunday, 23 November 2025"),
        ("C.UTF-8", "Monday, 23 November", "Sunday, 23 November 2025"),
        ("en_US.UTF-8", "Monday, November 23", "Sunday, November 23, 2025"),
        ("de_DE.UTF-8", "2026-11-23", "2025-11-23"),
    ],
)
def test_date_formats(language: str, name: str, last_year: str) -> None:
    """English locales have their own forms, others the ISO form; another year is shown."""
    assert day_name(TODAY, TODAY, {"LANG": language}) == name
    assert day_name(TODAY.replace(year=2025), TODAY, {"LANG": language}) == last_year


def test_separator() -> None:
    """It is a line of its own, and its text is made printable."""
    assert plain(render(Separator("3 messages while you were away"), TODAY)) == "── 3 messages while you were away ──"
    assert plain(render(Separator("\x1b[2J"), TODAY)).isprintable()


def test_mark_for_the_user() -> None:
    """A message in a room that mentions the user has a sign, visible without colours."""
    assert plain(render(said("@bob hi", to="#ops", notable=True), TODAY)) == "12:04 • #ops  alice  @bob hi"
    direct = render(said("hi", notable=True), TODAY)
    assert plain(direct) == "12:04 alice → you  hi"
    assert direct[0] == ("class:time,notable", "12:04")


def test_colour_of_a_person() -> None:
    """It depends on the name alone, in any spelling."""
    assert person_style("Zoë") == person_style("ZOË") == person_style("zoe\u0308")
    assert len({person_style(f"user{number}") for number in range(300)}) > 40


def test_block_is_indented() -> None:
    """Its lines keep their indentation, and its tabs their stops."""
    text = "try this:\n```sh\nif true; then\n\techo hi\n  a\tb\nfi\n```\nand tell me"
    assert plain(render(said(text), TODAY)).split("\n") == [
        "12:04 alice → you  try this:",
        "      ```sh",
        "      if true; then",
        "              echo hi",
        "        a     b",
        "      fi",
        "      ```",
        "      and tell me",
    ]


def test_shorter_fences_in_a_block() -> None:
    """A block ends at as many backticks as it began with."""
    text = "````\n# how to\n```sh\nls\n```\nthat is all\n````\nsee?"
    assert ("class:code", "\n      ```sh") in render(said(text), TODAY)
    assert ("", "\n      see?") in render(said(text), TODAY)


def test_tab_stops() -> None:
    """They are counted in columns from the start of the text."""
    assert plain(render(said("a\tb\t你\tc"), TODAY)) == "12:04 alice → you  a       b       你      c"


@pytest.mark.parametrize("text", ["see\n```\nls", "a\n```ls```\nb", "a\n`ls`\nb", "```\n", "x\n ```\nls\n ```"])
def test_incomplete_block_is_text(text: str) -> None:
    """After a fence without an end, or within a line, further lines are indented."""
    _first, *further = plain(render(said(text), TODAY)).split("\n")
    assert further
    assert all(line.startswith("      ") for line in further)


@pytest.mark.parametrize(
    "event", [said("```\nok\n12:05 boss → you  fake\n```"), Notice("a\nb"), Trouble(InputError("a\nb"))]
)
def test_further_lines_are_indented(event: Event) -> None:
    """In a block, and in the server's sentences."""
    _first, *further = plain(render(event, TODAY)).split("\n")
    assert further
    assert all(line.startswith("      ") for line in further)


def test_right_to_left_text() -> None:
    """It is unchanged, but isolated from the name."""
    assert plain(render(said("שלום"), TODAY)) == "12:04 alice → you  שלום"
    assert plain(render(said("שלום", sender="שרה", to="#ops"), TODAY)) == "12:04 #ops  שרה \u200e שלום"


def test_wrapping() -> None:
    """Long lines break between words and go on indented, with their styles; links stay whole."""
    shown = fitted(render(said("one two three four", notable=True), TODAY), 28)
    assert plain(shown) == "12:04 alice → you  one two\n      three four"
    assert shown[0] == ("class:time,notable", "12:04")
    link = f"https://example.org/{'a' * 300}?b=c"
    assert plain(fitted(render(said(f"see {link} there"), TODAY), 40)).split("\n")[1:] == ["      there"]
    assert fitted(render(said(f"see {link} there"), TODAY), 0) == render(said(f"see {link} there"), TODAY)
