"""Dialogues with the core of the interactive client about names that change hands or keys."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import pytest

from chatcli.client.chat.ambiguity import Origin
from chatcli.client.chat.arrival import Arrival
from chatcli.client.chat.events import Trouble
from chatcli.protocol import frames as f
from tests.client.chat.dialogue import LIMITS, Dialogue, hears, receives, types
from tests.client.chat.test_chat_conversations import held, said, sends, shown

WELCOME = f.Welcome("alice", 10, 4, "chatcli/1", LIMITS, ["#ops"])
NOON = 43_200_000


def changed(what: f.Renewal, user: str = "carol", seq: int = 20, by: str = "operator") -> f.NameChange:
    """Return a change of a name at noon."""
    return f.NameChange(user, what, NOON, seq, by if what in ("released", "recovered") else "")


def new_chat(arrival: Arrival | None = None) -> Dialogue:
    """Return Alice's chat with bob and carol, in a conversation with carol."""
    numbers = itertools.count(1)
    chat = Dialogue("alice", lambda: f"id-{next(numbers)}", lambda: NOON, arrival, lambda: 0.0)
    chat.connected(WELCOME)
    hears(chat, f.Live(10), f.People([f.Person(name, 1) for name in ("alice", "bob", "carol")]))
    types(chat, "/to carol")
    return chat


@pytest.fixture
def chat() -> Dialogue:
    """Alice, in a conversation with carol."""
    return new_chat()


@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        ("taken", "carol has been somebody else since 12:00: an operator released the name, and it was taken anew"),
        ("recovered", "carol has had a new key since 12:00: an operator let them in without the earlier one"),
    ],
)
def test_first_line_is_held(chat: Dialogue, what: f.Renewal, sentence: str) -> None:
    """The change is shown, and the first line to the name is held with the same sentence, once."""
    assert shown(hears(chat, changed(what))) == [sentence]
    assert held(chat, "hi") == f"{sentence}. Enter once more sends the line to carol as it is."
    assert sends(chat, "hi") == ("carol", "hi")
    assert sends(chat, "again") == ("carol", "again")


def test_released_name_promises_nothing(chat: Dialogue) -> None:
    """The line comes back with what is known; once more, the server says whether anybody has the name by now."""
    hears(chat, changed("released"))
    reason = "Not sent: The name carol has been nobody's since 12:00: an operator released it."
    assert held(chat, "hi") == reason
    listed = f.ConversationInfo("carol (released 7)", said(11, "carol (released 7)"), 0, 0, 10)
    chat.receive([f.ConversationList([listed], n=99)])
    assert held(chat, "anybody?") == f'{reason} What was said to them is in "carol (released 7)".'
    assert sends(chat, "anybody?") == ("carol", "anybody?")


def test_conversation_of_a_released_name(chat: Dialogue) -> None:
    """It is opened by its name; nobody can be written to there, and it stays open."""
    name = "carol (released 7)"
    chat.receive([f.ConversationList([f.ConversationInfo(name, said(11, name), 0, 0, 10)], n=99)])
    for line in (f"/to {name}", f"/quiet {name}", f"/quiet off {name}", f"/close {name}", f"/to {name}:"):
        types(chat, line)
    assert chat.conversations.current == name
    chat.returned.clear()
    for line in ("hi", "/me waves", "/msg carol hi"):
        events, frames = types(chat, line)
        if line.startswith("/msg"):
            assert len(frames) == 1
            continue
        (sentence,) = shown(events)
        assert 'Not sent: "carol (released 7)" has what was said before the name was released' in sentence
        assert frames == []
    assert chat.returned == ["hi", "/me waves"]
    assert chat.conversations.current == name


def test_key_is_only_shown(chat: Dialogue) -> None:
    """A key that was added with one before holds nothing."""
    (notice,) = shown(hears(chat, changed("key")))
    assert notice == "carol added a device (a new key) at 12:00"
    assert sends(chat, "hi") == ("carol", "hi")


def test_release_is_listed(chat: Dialogue) -> None:
    """The conversations are listed anew, so that the line that comes back can name the former one."""
    chat.connected(f.Welcome("alice", 10, 10, "chatcli/1", LIMITS, revision=1))
    receives(chat, [f.Live(10), f.ConversationList([], n=2**53 - 3)])
    assert any(isinstance(frame, f.Conversations) for frame in receives(chat, [changed("released")])[1])


def test_own_device(chat: Dialogue) -> None:
    """One's own other devices are told."""
    (notice,) = shown(hears(chat, changed("key", user="Alice")))
    assert notice == (
        "Your name has had one more key since 12:00: a device was added with one of your keys or a recovery token"
    )


def test_named_operator(chat: Dialogue) -> None:
    """An operator of the chat is named."""
    assert "the operator bob released it" in shown(hears(chat, changed("released", by="bob")))[0]


@pytest.mark.parametrize("line", ["Carol: hi", "/msg carol hi", "/reply carol hi", "/me waves", "@carol: hi"])
def test_ways_to_write(chat: Dialogue, line: str) -> None:
    """However the name is written to, the line is held."""
    hears(chat, said(11, "carol"), changed("taken"))
    assert "carol has been somebody else" in held(chat, line)
    types(chat, line)
    assert len(chat.outgoing) == 1
    assert chat.names.all() == {}


@pytest.mark.parametrize("origin", ["typed", "pasted", "kept", "burst"])
def test_origins(chat: Dialogue, origin: Origin) -> None:
    """Pasted and kept lines are held, too."""
    hears(chat, changed("taken"))
    events, frames = types(chat, "one\ntwo", origin)
    assert frames == []
    assert "carol has been somebody else" in shown(events)[0]
    types(chat, "one\ntwo", origin)
    assert len(chat.outgoing) == 1


def test_others_are_not_held(chat: Dialogue) -> None:
    """Lines to other people, to rooms, and mentions are sent; commands are carried out."""
    hears(chat, changed("taken"))
    assert sends(chat, "bob: hi") == ("bob", "hi")
    assert sends(chat, "#ops: hi carol") == ("#ops", "hi carol")
    types(chat, "/to #ops")
    assert sends(chat, "@carol hi") == ("#ops", "@carol hi")
    assert types(chat, "/history carol")[1] != []


def test_change_between_two_enters(chat: Dialogue) -> None:
    """A line that is held for something else, or for another change, is held for what the user has not read yet."""
    assert "Enter once more" in held(chat, "dave: hi")
    hears(chat, changed("released"))
    assert "been nobody's" in held(chat, "dave: hi")
    hears(chat, changed("taken", seq=21))
    assert "somebody else" in held(chat, "dave: hi")
    assert sends(chat, "dave: hi") == ("carol", "dave: hi")


def test_change_while_typing(chat: Dialogue) -> None:
    """A line that was begun before is held at Enter."""
    chat.addressing.start_line()
    hears(chat, changed("released"))
    assert "been nobody's" in held(chat, "the password is 1234")


def test_other_line_in_between(chat: Dialogue) -> None:
    """A dropped line leaves the name to be confirmed; an older change does not come back."""
    hears(chat, changed("taken", seq=21), changed("released", seq=20))
    held(chat, "hi")
    assert sends(chat, "bob: hi") == ("bob", "hi")
    types(chat, "/to carol")
    assert "somebody else" in held(chat, "hi")


def test_answers_are_held(chat: Dialogue) -> None:
    """A question of that name is answered by the second answer, by a key or in words."""
    question = f.Message(11, "ask", "carol", "alice", "Deploy?", 0, choices=("yes", "no"))
    hears(chat, question, changed("recovered"))
    (opened,) = chat.questions.open()
    for choice in (0, 1):
        (event,) = chat.answer(opened, choice).events
        assert isinstance(event, Trouble)
        assert str(event.error).endswith(". Answer once more to send it.")
    assert chat.answer(opened, 1).events == []
    hears(chat, changed("recovered", seq=22), f.Message(23, "ask2", "carol", "alice", "Now?", 0, choices=("yes", "no")))
    assert "has had a new key" in held(chat, "/answer yes")
    types(chat, "/answer yes")
    assert len(chat.outgoing) == 2


def test_programs_are_not_asked() -> None:
    """A pipe shows the change, and sends its lines: nobody can confirm them."""
    chat = new_chat(Arrival(scripted=True))
    assert "somebody else" in shown(hears(chat, changed("taken")))[0]
    types(chat, "carol: hi")
    assert len(chat.outgoing) == 1


def test_missed_change(chat: Dialogue) -> None:
    """It is shown in its place, and acknowledged with what was missed."""
    chat.disconnected()
    chat.connected(WELCOME)
    events = hears(chat, said(11, "carol"), changed("released", seq=12), said(13, "bob"))
    assert events == []
    assert chat.ack is None
    events = hears(chat, f.Live(13))
    assert [text.partition(":")[0] for text in shown(events)][1:] != []
    assert any("has been nobody's since" in text for text in shown(events))
    assert chat.ack == 13


def test_history(chat: Dialogue) -> None:
    """Changes are shown in their places between the messages."""
    _, (asked,) = types(chat, "/history carol")
    assert isinstance(asked, f.History)
    messages = [f.Message(seq, f"id{seq}", "carol", "alice", f"text {seq}", NOON) for seq in (11, 14)]
    changes = [changed("released", seq=10), changed("taken", seq=12), changed("key", seq=15)]
    texts = shown(hears(chat, f.HistoryPage("carol", messages, more=False, n=asked.n, changes=changes)))
    found = ["nobody's", "text 11", "somebody else", "text 14", "added a device"]
    assert [next(word for word in found if word in text) for text in texts[1:]] == found


def test_empty_history(chat: Dialogue) -> None:
    """The changes are shown alone while the new owner has written nothing."""
    _, (asked,) = types(chat, "/history carol")
    assert isinstance(asked, f.History)
    page = f.HistoryPage("carol", [], more=False, n=asked.n, changes=[changed("taken")])
    assert "somebody else" in shown(hears(chat, page))[1]


def reconnects(chat: Dialogue) -> list[f.ClientFrame]:
    """Return the messages that a new connection begins with."""
    frames = chat.connected(f.Welcome("alice", 10, 4, "chatcli/1", LIMITS, ["#ops"], revision=1))
    return [frame for frame in frames if isinstance(frame, f.Send)]


def sent(frames: Iterable[f.ClientFrame]) -> list[tuple[str, str]]:
    """Return the recipients and texts of the messages among frames."""
    return [(frame.to, frame.text) for frame in frames if isinstance(frame, f.Send)]


def test_lines_without_a_connection(chat: Dialogue) -> None:
    """A line typed before the change was known here comes back; others are sent once all missed messages have come."""
    chat.disconnected()
    for line in ("the password is 1234", "bob: hi", "#ops: hi", "carol: and the pin 5678"):
        types(chat, line)
    assert sent(reconnects(chat)) == [("#ops", "hi")]
    events, frames = receives(chat, [changed("taken")])
    assert (shown(events), sent(frames)) == ([], [])
    events, frames = receives(chat, [f.Live(20)])
    assert sent(frames) == [("bob", "hi")]
    reason = "carol has been somebody else since 12:00: an operator released the name, and it was taken anew"
    assert shown(events) == [
        reason,
        f'Not sent "the password is 1234": {reason}.',
        f'Not sent "and the pin 5678": {reason}.',
    ]
    assert chat.returned == ["carol: the password is 1234", "carol: and the pin 5678"]
    held(chat, "carol: the password is 1234")
    assert sends(chat, "carol: the password is 1234") == ("carol", "the password is 1234")


def test_stored_before_the_change(chat: Dialogue) -> None:
    """A line whose answer was lost with the connection, and which the one before has got, does not come back."""
    assert sends(chat, "hi") == ("carol", "hi")
    chat.disconnected()
    assert reconnects(chat) == []
    stored = f.Message(11, "id-1", "alice", "carol", "hi", NOON)
    _, frames = receives(chat, [stored, changed("taken"), f.Live(20)])
    assert sent(frames) == []
    assert chat.returned == []
    assert len(chat.outgoing) == 0


def test_unstored_before_the_change(chat: Dialogue) -> None:
    """A line that waits until the server can store it comes back, too."""
    assert sends(chat, "hi") == ("carol", "hi")
    hears(chat, f.Error("storage", "The disk is full.", "id-1"))
    hears(chat, changed("taken"))
    assert chat.returned == ["carol: hi"]
    assert chat.retry() == []


def test_answer_without_a_connection(chat: Dialogue) -> None:
    """An answer that was not sent opens the question again."""
    hears(chat, f.Message(11, "ask", "carol", "alice", "Deploy?", 0, choices=("yes", "no")))
    chat.disconnected()
    types(chat, "/answer yes")
    assert chat.questions.open() == []
    assert reconnects(chat) == []
    events, frames = receives(chat, [changed("recovered"), f.Live(20)])
    assert sent(frames) == []
    assert 'Not answered with "yes": carol has had a new key' in shown(events)[-1]
    assert [question.seq for question in chat.questions.open()] == [11]


def test_messages_of_an_earlier_visit() -> None:
    """Those from the outbox come back, too."""
    numbers = itertools.count(1)
    chat = Dialogue("alice", lambda: f"id-{next(numbers)}", lambda: NOON, None, lambda: 0.0)
    chat.outgoing.restore([f.Send("old", "carol", "the password is 1234")])
    assert reconnects(chat) == []
    _, frames = receives(chat, [changed("taken"), f.Live(20)])
    assert sent(frames) == []
    assert chat.returned == ["carol: the password is 1234"]


def test_older_servers(chat: Dialogue) -> None:
    """They know of no changes: nothing waits."""
    chat.disconnected()
    types(chat, "hi")
    frames = chat.connected(WELCOME)
    assert sent(frames) == [("carol", "hi")]


def test_long_line_without_a_connection(chat: Dialogue) -> None:
    """The sentence has more of the text than would remind of it: not every view has an input line to give it back."""
    chat.disconnected()
    types(chat, "x" * 90)
    reconnects(chat)
    events, _ = receives(chat, [changed("taken"), f.Live(20)])
    assert f'Not sent "{"x" * 90}": ' in shown(events)[-1]
