"""The toolbar at each width, and the messages that wait above the input line, without a terminal."""

from __future__ import annotations

from dataclasses import replace

import pytest
from prompt_toolkit.utils import get_cwidth

from chatcli.client.interactive.render import plain
from chatcli.client.transport.aio import LinkState
from chatcli.client.tui.input.pending import Pending, pending_lines
from chatcli.client.tui.toolbar import State, Unread, changes_in, toolbar
from chatcli.protocol.frames import Send

CONNECTED = LinkState("connected", round_trip=0.012)
STATE = State(
    server="chat.example:7777",
    user="alice",
    current="#ops",
    number=1,
    company="3 here",
    unread=(Unread(2, "#dev", 3), Unread(3, "bob", 1)),
    link=CONNECTED,
    now=100.0,
    trust="known",
    waiting=0,
)


def text(state: State, width: int) -> str:
    """Return the line."""
    return plain(toolbar(state, width))


def test_all_is_there_where_there_is_room() -> None:
    """Who and where, the conversation and who is in it, what is unread elsewhere, the connection and the trust."""
    assert text(STATE, 120) == (
        " alice@chat.example:7777 │ 1:#ops 3 here │ 2:#dev 3 · 3:bob 1 │ connected 12 ms │ TLS, key known"
    )


@pytest.mark.parametrize(
    ("width", "line"),
    [
        (80, " alice │ 1:#ops 3 here │ 2:#dev 3 · 3:bob 1 │ connected 12 ms │ TLS"),
        (60, " alice │ 1:#ops 3 here │ 2:#dev 3 · 3:bob 1 │ 12 ms"),
        (40, " 1:#ops 3 here │ 2:#dev 3 · 3:bob 1"),
        (20, " #ops 3 here │ 4"),
    ],
)
def test_the_least_important_is_left_out(width: int, line: str) -> None:
    """The narrower the window, the less is said of what one knows anyway."""
    assert text(STATE, width) == line


def test_what_stays_longest() -> None:
    """Mentions come first, then people, then rooms; *seen* is apart from *unread*."""
    many = (Unread(2, "#dev", 81, 1), Unread(3, "#ops", 5), Unread(4, "bob", 1))
    state = replace(STATE, current="carol", company="here, seen", unread_here=2, unread=many)
    assert " 1:carol 2 unread · here, seen │ 2:#dev 81 @1 · 3:#ops 5 · 4:bob 1 " in text(state, 120)
    assert text(state, 60) == " carol 2 unread · here, seen │ 2:#dev 81 @1 · +2 more"
    assert text(replace(state, unread=many[1:], unread_here=0), 40) == " 1:carol here, seen │ 3:#ops 5 · 4:bob 1"
    assert text(replace(state, unread=many[2:], unread_here=0), 34) == " 1:carol here, seen │ 4:bob 1"


@pytest.mark.parametrize("width", range(121))
@pytest.mark.parametrize(
    "state",
    [
        STATE,
        replace(STATE, current="", number=0, company="", unread=()),
        replace(STATE, link=LinkState("waiting", until=104.0), waiting=2),
        replace(STATE, link=LinkState("connecting"), user="한국어" * 5),
        replace(STATE, is_quiet=True, quiet=("bob", "#dev"), is_away=True, is_undisturbed=True),
        replace(STATE, current="#" + "部屋" * 15, unread=tuple(Unread(n, f"#{'x' * 30}{n}", 10**n) for n in range(9))),
    ],
)
def test_it_is_never_wider_than_the_window(state: State, width: int) -> None:
    """Whatever the names are."""
    assert get_cwidth(text(state, width)) <= width


def test_what_the_user_has_switched() -> None:
    """Away, quiet conversations and do-not-disturb stay in sight until they are taken back."""
    state = replace(STATE, is_away=True, is_quiet=True, quiet=("bob",), unread=(Unread(2, "#dev", 3),))
    assert text(state, 140).startswith(
        " alice@chat.example:7777 │ you are away │ 1:#ops 3 here, quiet │ 2:#dev 3 │ bob quiet │ connected"
    )
    both = replace(state, is_undisturbed=True, quiet=("bob", "#lab"))
    assert "│ you are away · do not disturb │ 1:#ops 3 here, quiet │ 2:#dev 3 │ 2 quiet │" in text(both, 140)
    assert text(both, 60) == " alice │ away · dnd │ 1:#ops 3 here, quiet │ 2:#dev 3"
    assert "do not disturb" in text(replace(STATE, is_undisturbed=True), 140)


def test_a_lost_connection_at_any_width() -> None:
    """With when it is tried again, and how to have it tried now as long as there is room."""
    lost = replace(STATE, link=LinkState("waiting", until=103.2), waiting=2)
    assert text(lost, 120).endswith("│ 2 waiting │ reconnecting in 4 s · Enter to try now")
    assert "Enter to try now" in text(replace(lost, waiting=0, unread=()), 60)
    assert "reconnecting in 4 s" in text(lost, 50)
    assert text(lost, 40) == " #ops 3 here │ 2 waiting │ again in 4 s" or "in 4 s" in text(lost, 40)
    assert "connecting" in text(replace(STATE, link=LinkState("connecting")), 40)


@pytest.mark.parametrize(
    ("standing", "words"),
    [
        ("plain", "local, not encrypted"),
        ("pinned", "TLS, key pinned"),
        ("known", "TLS, key known"),
        ("vouched", "TLS, vouched for"),
    ],
)
def test_it_says_why_the_server_is_trusted(standing: str, words: str) -> None:
    """Each reason in two words."""
    assert text(replace(STATE, trust=standing), 140).endswith(words)  # type: ignore[arg-type] # all that there are


def test_a_missing_answer_is_shown() -> None:
    """A connection that stands is not the same as a server that answers."""
    assert "connected 12 ms" in text(replace(STATE, link=CONNECTED._replace(asked=98.0)), 120)
    assert "no answer for 4 s" in text(replace(STATE, link=CONNECTED._replace(asked=95.5)), 120)
    assert "no answer for 4 s" in text(replace(STATE, link=CONNECTED._replace(asked=95.5)), 40)


def test_the_next_change() -> None:
    """Only a countdown and a missing answer do."""
    assert changes_in(CONNECTED, 100.0) is None
    assert changes_in(LinkState("connecting"), 100.0) is None
    assert changes_in(LinkState("waiting", until=103.25), 100.0) == 0.25
    assert changes_in(LinkState("waiting", until=103.0), 100.0) == 1.0
    assert changes_in(LinkState("waiting", until=99.0), 100.0) is None
    assert changes_in(CONNECTED._replace(asked=99.0), 100.0) == 2.0
    assert changes_in(CONNECTED._replace(asked=95.5), 100.0) == 0.5


def test_names_of_others_do_no_harm() -> None:
    """Nothing in the line can move the cursor."""
    state = replace(STATE, current="b\x1b[2J", unread=(Unread(0, "c\n", 1),))
    assert text(state, 120).isprintable()


def sends(*texts: str) -> dict[str, Send]:
    """Return an outbox."""
    return {str(number): Send(str(number), "bob", one) for number, one in enumerate(texts)}


def test_fast_answers_are_not_shown() -> None:
    """A message is to be seen once it has waited for more than 150 ms, each for itself."""
    pending, outbox = Pending(), sends("one", "two")
    pending.update({"0": outbox["0"]}, 10.0)
    assert pending.changes_in(10.0) == 0.15
    pending.update(outbox, 10.1)
    assert pending.visible(outbox, 10.1) == []
    assert [send.text for send in pending.visible(outbox, 10.2)] == ["one"]
    assert [send.text for send in pending.visible(outbox, 10.3)] == ["one", "two"]
    assert pending.changes_in(10.3) is None
    del outbox["0"]
    assert [send.text for send in pending.visible(outbox, 10.3)] == ["two"]


def test_five_waiting_lines_at_most() -> None:
    """The newest stand next to it; what is longer than a line is cut."""
    lines = plain(pending_lines(list(sends(*map(str, range(16))).values()), 80)).split("\n")
    assert lines == ["  …   and 12 more", *(f"  …   you → bob  {number}" for number in range(12, 16))]
    assert len(plain(pending_lines(list(sends("1", "2", "3", "4", "5").values()), 80)).split("\n")) == 5
    assert pending_lines([], 80) == []
    assert pending_lines(list(sends("1").values()), 80, most=0) == []
    (line,) = plain(pending_lines([Send("1", "#ops", "한국어\nand\x1b[2J more " * 9)], 40)).split("\n")
    assert line.startswith("  …   #ops  you  한국어␤and␛[2J")
    assert get_cwidth(line) <= 40
