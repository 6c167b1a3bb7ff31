"""Unanswered messages while the server cannot store them, and while there is no connection."""

from __future__ import annotations

import itertools

import pytest

from chatcli.client.chat.events import Answer, Notice, Shown, Trouble
from chatcli.errors import Refused, ServerUnreachable
from chatcli.protocol import codes
from chatcli.protocol import frames as f
from tests.client.chat.dialogue import LIMITS, Dialogue, hears, receives, types, unasked

WELCOME = f.Welcome("alice", 10, 4, "chatcli/1", LIMITS, ["#ops"])
FULL = "The disk is full."


@pytest.fixture
def chat() -> Dialogue:
    """Alice, a member of #ops, with no missed messages."""
    numbers = itertools.count(1)
    chat = Dialogue("alice", lambda: f"id-{next(numbers)}", lambda: 0)
    chat.connected(WELCOME)
    hears(chat, f.Live(10))
    return chat


def unsent(chat: Dialogue) -> list[str]:
    """Return the ids of unstored messages."""
    return [message.id for message in chat.outgoing.unanswered()]


def test_messages_that_cannot_be_stored(chat: Dialogue) -> None:
    """They are sent again one at a time, reported once, and all follow once one is stored."""
    for text in ("one", "two"):
        types(chat, f"bob: {text}")
    events = hears(chat, f.Error(codes.STORAGE, FULL, "id-1"), f.Error(codes.STORAGE, FULL, "id-2"))
    assert events == [Notice(f"Not sent yet: {FULL} Trying again until it is.")]
    assert types(chat, "bob: three") == ([], [])
    assert chat.retry() == [f.Send("id-1", "bob", "one")]
    assert chat.retry() == []
    assert hears(chat, f.Error(codes.STORAGE, FULL, "id-1")) == []
    assert chat.retry() == [f.Send("id-1", "bob", "one")]
    events, frames = receives(chat, [f.Sent("id-1", 11, 0, "delivered")])
    assert isinstance(events[0], Shown)
    assert [frame for frame in frames if isinstance(frame, f.Send)] == [
        f.Send("id-2", "bob", "two"),
        f.Send("id-3", "bob", "three"),
    ]
    assert unsent(chat) == ["id-2", "id-3"]


def test_without_a_connection(chat: Dialogue) -> None:
    """Messages go out with the next connection; requests have to be repeated."""
    chat.disconnected()
    assert types(chat, "bob: hi") == ([], [])
    events, frames = types(chat, "who")
    assert events == [Notice("Not connected at the moment: trying again. Ask once more then.")]
    assert frames == []
    assert isinstance(chat.first_error, ServerUnreachable)
    assert chat.retry() == []
    assert chat.connected(WELCOME) == [f.Send("id-1", "bob", "hi"), f.Who(limit=100)]


def test_refused_and_overlong_texts(chat: Dialogue) -> None:
    """Each comes back with its reason, and neither is sent again."""
    types(chat, "zed: hi")
    effects = chat.receive([f.Error("unknown_user", "Nobody is zed.", "id-1")])
    assert list(effects.returned) == ["zed: hi"]
    effects = chat.typed("bob: " + "x" * 101)
    (event,) = effects.events
    assert isinstance(event, Trouble)
    assert isinstance(event.error, Refused)
    assert (list(effects.returned), list(effects.frames)) == (["bob: " + "x" * 101], [])
    assert unsent(chat) == []


def test_typed_in_this_session(chat: Dialogue) -> None:
    """Texts from earlier sessions do not count as typed here."""
    chat.outgoing.restore([f.Send("earlier", "bob", "hi")])
    types(chat, "bob: hello")
    assert [chat.outgoing.was_typed(identity) for identity in ("earlier", "id-1")] == [False, True]


def test_answer_without_a_command(chat: Dialogue) -> None:
    """A question is answered by a bare text once, while it is open."""
    hears(chat, f.Message(11, "ask", "ci", "alice", "Deploy?", 0, choices=("yes", "no")))
    (question,) = chat.questions.open()
    effects = chat.answer(question, 1)
    assert list(effects.frames) == [f.Send("id-1", "ci", "no", 11, answer=1)]
    (event,) = chat.answer(question, 0).events
    assert isinstance(event, Trouble)
    assert str(event.error).startswith("Not answered:")


def test_long_answer(chat: Dialogue) -> None:
    """An answer longer than a message is left to the server; if that refuses it, the question is open again."""
    chat.connected(f.Welcome("alice", 10, 4, "chatcli/1", f.Limits(4, 300, 60)))
    hears(chat, f.Message(11, "ask", "ci", "alice", "Deploy?", 0, choices=("definitely", "never")))
    (question,) = chat.questions.open()
    assert f.Send("id-1", "ci", "definitely", 11, answer=0) in chat.answer(question, 0).frames
    (event,) = hears(chat, f.Error(codes.TEXT_TOO_LONG, "A message may have 4 bytes.", "id-1"))
    assert isinstance(event, Trouble)
    assert str(event.error) == "Not answered: A message may have 4 bytes."
    assert chat.questions.open() == [question]


def test_members_after_entering_again(chat: Dialogue) -> None:
    """The members are requested again, as the server reports nothing to users outside."""
    members = f.Who("#ops", limit=100, n=2**53 - 1)
    assert unasked(chat.typed("/to #ops")) == [members]
    types(chat, "/leave #ops")
    hears(chat, f.People([f.Person("bob", 0)], "#ops", n=2**53 - 1), f.Done(1))
    assert chat.contacts.count_here("#ops") is None
    types(chat, "/join #ops")
    assert members in receives(chat, [f.Room(f.RoomInfo("#ops", "open", 2), 10, 2)])[1]


def test_presence_in_shared_rooms(chat: Dialogue) -> None:
    """The description names only rooms that the user shares with them."""
    hears(chat, f.People([f.Person("bob", 0)], "#ops", n=7), f.People([f.Person("bob", 0)], "#other", n=8))
    assert types(chat, "/whois bob")[0] == [Answer("bob is here, with you in #ops")]
    hears(chat, f.Presence(gone=["bob"]), f.People([f.Person("cid", 0)], "#other", n=9))
    assert types(chat, "/whois bob")[0] == [Answer("bob is not here, with you in #ops")]
    assert types(chat, "/whois cid")[0] == [Answer("cid may be here or not")]
