"""Requests for a stream."""

from __future__ import annotations

import pytest

from chatcli.gateway.web.answers import Fault
from chatcli.gateway.web.heads import Head
from chatcli.gateway.web.stream_query import Position, StreamQuery, understand


def asked(query: str = "", *, events: bool = False, **headers: str) -> StreamQuery:
    """Return the wishes in a query."""
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return understand(Head("GET", "/ops/lines", query, fields, "1.1", has_body=False), events=events)


def test_nothing_is_said() -> None:
    """Events follow, and lines end."""
    assert asked() == StreamQuery(None, None, follow=False, own=False)
    assert asked(events=True) == StreamQuery(None, None, follow=True, own=False)


def test_all_of_it() -> None:
    """Switches may stand alone."""
    assert asked("since=4711-5f0c&follow=1&own") == StreamQuery(Position(4711, "5f0c"), None, follow=True, own=True)
    assert asked("newest=20&follow=false") == StreamQuery(None, 20, follow=False, own=False)
    assert asked("since=0", events=True).since == Position(0)


def test_a_reader_that_comes_back() -> None:
    """It asks for the same address once more: what it has read last counts."""
    assert asked("since=1", events=True, last_event_id="9-ab").since == Position(9, "ab")
    assert asked("newest=5", events=True, last_event_id="9-ab") == StreamQuery(
        Position(9, "ab"), None, follow=True, own=False
    )
    assert asked(events=True, last_event_id="").since is None


@pytest.mark.parametrize(
    "query",
    [
        "sinse=1",
        "since=",
        "since=-1",
        "since=1-",
        "since=1-ä",
        "since=9007199254740992",
        "since=1&since=2",
        "since=1&newest=2",
        "newest=0",
        "newest=501",
        "newest=many",
        "follow=yes",
        "own=2",
    ],
)
def test_what_is_not_understood(query: str) -> None:
    """It is refused: a misspelt wish would lose messages silently."""
    with pytest.raises(Fault) as refused:
        asked(query)
    assert (refused.value.status, refused.value.code) == (422, "invalid")


def test_events_always_follow() -> None:
    """So they have no switch for that."""
    with pytest.raises(Fault, match="newest, own, since"):
        asked("follow=0", events=True)
    with pytest.raises(Fault, match="position"):
        asked(events=True, last_event_id="x")


def test_positions_as_texts() -> None:
    """They read back as the same position."""
    for text in ("0", "4711", "4711-5f0c3b1e9d2a4c68"):
        assert str(Position.parse(text)) == text


def test_nothing_is_repeated_as_it_came() -> None:
    """A terminal that shows a sentence of ours does not do what others have written."""
    head = Head("GET", "/", "since=%1b%5b2J", {}, "1.1", has_body=False)
    with pytest.raises(Fault) as caught:
        understand(head, events=True)
    assert caught.value.text.isprintable()
    assert "[2J" in caught.value.text
