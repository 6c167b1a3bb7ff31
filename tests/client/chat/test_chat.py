"""Dialogues with the core of the interactive client about messages, names and commands."""

from __future__ import annotations

import itertools

import pytest

from chatcli.client.chat.arrival import Arrival
from chatcli.client.chat.events import Answer, Notice, Shown, Trouble
from chatcli.client.chat.requests import PERSON
from chatcli.errors import InputError, ServerUnavailable, UnknownRecipient
from chatcli.protocol import frames as f
from tests.client.chat.dialogue import LIMITS, Dialogue, hears, receives, types, unasked


@pytest.fixture
def chat() -> Dialogue:
    """Alice, logged in, with no missed messages."""
    numbers = itertools.count(1)
    chat = Dialogue("alice", lambda: f"id-{next(numbers)}", lambda: 1000)
    assert chat.connected(f.Welcome("Alice", 10, 4, "chatcli/1", LIMITS)) == [f.Who(limit=100)]
    assert hears(chat, f.Live(4)) == []
    return chat


@pytest.fixture
def newer() -> Dialogue:
    """Alice, on a server that can be asked for one person."""
    numbers = itertools.count(1)
    chat = Dialogue("alice", lambda: f"id-{next(numbers)}", lambda: 1000)
    chat.connected(f.Welcome("Alice", 10, 4, "chatcli/1", LIMITS, revision=1))
    assert hears(chat, f.Live(4)) == []
    return chat


def test_own_message_waits_in_the_outbox(chat: Dialogue) -> None:
    """A message is in the outbox until it is shown with the server's time and its place in the log."""
    assert types(chat, "bob: hi") == ([], [f.Send("id-1", "bob", "hi")])
    assert [message.id for message in chat.outgoing.unanswered()] == ["id-1"]
    said = Shown(message=f.Message(11, "id-1", "Alice", "bob", "hi", 2000), mine=True)
    assert hears(chat, f.Sent("id-1", 11, 2000, "delivered")) == [said]
    assert not chat.outgoing
    assert hears(chat, f.Message(11, "id-1", "Alice", "bob", "hi", 2000)) == []


def test_absence_is_reported_once(chat: Dialogue) -> None:
    """Only the first waiting message is reported, until the recipient has been back."""
    told = []
    for number in range(1, 4):
        types(chat, "bob: hi")
        told += hears(chat, f.Sent(f"id-{number}", 10 + number, 1000, "stored"))
        told += hears(chat, f.People([f.Person("Alice", 1)]))
    assert [event for event in told if not isinstance(event, Shown)] == [
        Notice("bob is not here and gets it on return")
    ]
    hears(chat, f.Presence(["bob"], []), f.Presence([], ["bob"]))
    types(chat, "bob: hi")
    assert hears(chat, f.Sent("id-4", 20, 1000, "stored"))[1:] == [Notice("bob is not here and gets it on return")]


def test_unknown_presence_is_looked_up(chat: Dialogue) -> None:
    """The client asks once who is online where a message shows that it may not know."""
    roster = [f.Who(limit=100)]
    assert receives(chat, [f.Message(11, "x", "bob", "Alice", "hi", 1)])[1] == roster
    assert receives(chat, [f.Message(12, "y", "bob", "Alice", "once more", 1)])[1] == []
    hears(chat, f.People([f.Person("Alice", 1), f.Person("carol", 1)]))
    types(chat, "carol: hi")
    assert receives(chat, [f.Sent("id-1", 13, 1000, "stored")])[1] == roster
    hears(chat, f.People([f.Person("Alice", 1)]))
    types(chat, "carol: hi")
    assert receives(chat, [f.Sent("id-2", 14, 1000, "stored")])[1] == []
    types(chat, "alice: a note")
    assert receives(chat, [f.Sent("id-3", 15, 1000, "stored")])[1] == []


def test_presence_of_strangers_is_looked_up(chat: Dialogue) -> None:
    """Opening the conversation of somebody of whom the server does not report asks where they are."""
    hears(chat, f.People([f.Person("Alice", 1), f.Person("bob", 1)]))
    assert unasked(chat.typed("/to carol")) == [f.Who(limit=100)]
    assert unasked(chat.typed("/quiet off")) == []
    hears(chat, f.Message(11, "x", "bob", "Alice", "hi", 1))
    assert unasked(chat.typed("/to bob")) == []
    assert unasked(chat.typed("/to carol")) == [f.Who(limit=100)]


def test_absence_is_not_guessed(newer: Dialogue) -> None:
    """A message that does not reach someone at once is no proof that they are gone: they may be catching up."""
    presence = newer.contacts.presence
    hears(newer, f.People([f.Person("Alice", 1)]))
    assert unasked(newer.typed("bob: hi")) == [f.Who("bob", n=PERSON)]
    assert presence.where("bob") is None
    assert [type(event) for event in hears(newer, f.Sent("id-1", 11, 1000, "stored"))] == [Shown]
    assert newer.is_waiting
    assert hears(newer, f.People([f.Person("bob", 1, "away", "lunch")], "bob", n=PERSON)) == []
    assert (presence.where("bob"), newer.is_waiting) == ("away", False)
    types(newer, "/to carol")
    types(newer, "hi")
    hears(newer, f.Sent("id-2", 12, 1000, "stored"))
    notice = Notice("carol is not here and gets it on return")
    assert hears(newer, f.People([f.Person("carol", 1, "gone")], "carol", n=PERSON)) == [notice]
    assert presence.where("carol") == "gone"
    types(newer, "carol: are you?")
    assert [type(event) for event in hears(newer, f.Sent("id-3", 13, 1000, "stored"))] == [Shown]
    assert unasked(newer.typed("/to nobody")) == [f.Who("nobody", n=PERSON)]
    assert hears(newer, f.Error("unknown_user", "There is nobody called nobody.", n=PERSON)) == []


def test_presence_of_the_open_person(newer: Dialogue) -> None:
    """It is asked for as the conversation is opened, on each connection, and whenever it has got lost."""
    presence = newer.contacts.presence
    asked = [f.Who("dave", n=PERSON)]
    hears(newer, f.Message(5, "x", "dave", "Alice", "hi", 1), f.People([f.Person("Alice", 1), f.Person("dave", 1)]))
    assert unasked(newer.typed("/to dave")) == asked
    assert hears(newer, f.Presence(gone=["dave"])) == [Notice("dave left")]
    assert presence.where("dave") == "gone"
    newer.disconnected()
    newer.connected(f.Welcome("Alice", 10, 5, "chatcli/1", LIMITS, revision=1))
    assert receives(newer, [f.Live(5)])[1] == asked
    assert receives(newer, [f.People([f.Person("eve", 1)], count=4000)])[1] == asked
    assert receives(newer, [f.Error("unknown_user", "There is nobody called dave.", n=PERSON)])[1] == []
    assert receives(newer, [f.NameChange("dave", "taken", 1, 6)])[1] == asked
    assert hears(newer, f.Presence(["dave"])) == [Notice("dave joined")]


def test_open_stranger(newer: Dialogue) -> None:
    """A person's coming and going is shown while their conversation is open, even an empty one."""
    newer.typed("/to DAVE")
    hears(newer, f.People([f.Person("dave", 1, "gone")], "dave", n=PERSON))
    assert newer.conversations.current == "dave"
    assert hears(newer, f.Presence(["dave", "eve"])) == [Notice("dave joined")]
    assert newer.contacts.presence.where("dave") == "here"


def test_message_that_comes_again(newer: Dialogue) -> None:
    """Under a new number it is unread, and read once the user looks; not before others that came with it are shown."""
    newer.connected(f.Welcome("Alice", 5, 4, "chatcli/1", LIMITS, revision=1, epoch="a"))
    types(newer, "/to bob")
    newer.attention.focus_changed(has_focus=False)
    hears(newer, f.Live(4), f.Message(5, "x", "bob", "Alice", "read this", 1))
    newer.disconnected()
    newer.connected(f.Welcome("Alice", 6, 4, "chatcli/1", LIMITS, revision=1, epoch="b", shared=4))
    assert [str(event) for event in newer.pop_news() if "gone, unless sent again" in str(event)]
    again = f.Message(6, "x", "bob", "Alice", "read this", 2)
    newer.receive([f.Message(5, "y", "bob", "Alice", "between", 1), again])
    newer.attention.focus_changed(has_focus=True)
    assert newer.conversations.counts.position("bob") == 0
    assert [event.message.id for event in newer.receive([f.Live(6)]).events if isinstance(event, Shown)] == ["y"]
    newer.attention.key_pressed()
    assert newer.conversations.counts.position("bob") == 6
    assert newer.conversations.unread == {}


def test_rooms_that_are_lost(newer: Dialogue) -> None:
    """A new connection names the rooms that the user does not belong to any more, whatever the reason."""
    newer.connected(f.Welcome("Alice", 4, 4, "chatcli/1", LIMITS, ["#a", "#b", "#c"], revision=1, epoch="a"))
    types(newer, "/to #a")
    newer.connected(f.Welcome("Alice", 4, 4, "chatcli/1", LIMITS, ["#b", "#c"], revision=1, epoch="a"))
    assert newer.pop_news() == [Notice("You are no longer in #a")]
    assert newer.conversations.current == ""
    newer.connected(f.Welcome("Alice", 4, 4, "chatcli/1", LIMITS, revision=1, epoch="b", shared=4))
    assert newer.pop_news()[1:] == [
        Notice(
            "The restored server does not have #b, #c, or you are not a member there: /join enters it, or makes it anew"
        )
    ]


@pytest.mark.parametrize("line", ["/who bob", "/whois bob"])
def test_one_person(newer: Dialogue, line: str) -> None:
    """The server says where they are, since when, and the client which rooms they share."""
    newer.contacts.enter("#ops")
    newer.contacts.list_people(f.People([f.Person("bob", 1)], "#ops", n=9))
    for person, sentence in (
        (f.Person("bob", 1000, "away", "lunch"), "has been away since 00:00 (lunch)"),
        (f.Person("bob", 1000, "gone"), "has been gone since 00:00"),
        (f.Person("bob", 0, "gone"), "is not here"),
        (f.Person("bob", 1000, idle=1000), "is here, and nobody has touched their clients since 00:00"),
    ):
        ((asked,),) = (types(newer, line)[1],)
        assert isinstance(asked, f.Who)
        assert asked.to == "bob"
        assert hears(newer, f.People([person], "bob", n=asked.n)) == [Answer(f"bob {sentence}, with you in #ops")]


def test_only_what_was_said_is_seen(newer: Dialogue) -> None:
    """A message from another device is newer than the seen ones."""
    hears(newer, f.People([f.Person("Alice", 1), f.Person("bob", 1)]))
    types(newer, "bob: hi")
    hears(newer, f.Sent("id-1", 11, 1000, "delivered"), f.Receipt("bob", 11))
    assert newer.delivery.has_seen("bob")
    hears(newer, f.Message(12, "elsewhere", "Alice", "bob", "from my phone", 1000))
    assert not newer.delivery.has_seen("bob")


def test_owner_spelling(chat: Dialogue) -> None:
    """The line shows a name as its owner spells it, however the user does."""
    hears(chat, f.People([f.Person("Bob", 1)]))
    types(chat, "bob: hi")
    (said,) = hears(chat, f.Sent("id-1", 11, 1000, "delivered"))
    assert isinstance(said, Shown)
    assert said.message.to == "Bob"


def test_reconnect_resumes(chat: Dialogue) -> None:
    """The greeting has the last message's seq, and unanswered messages go out with the same ids."""
    assert chat.hello() == f.Hello(1, "Alice", "join", since=4, revision=1, renewed=4)
    hears(chat, f.Message(12, "x", "bob", "Alice", "hello", 1))
    types(chat, "bob: one")
    types(chat, "bob: two")
    hears(chat, f.Sent("id-1", 13, 1, "stored"))
    assert chat.hello() == f.Hello(1, "Alice", "join", since=12, revision=1, renewed=4)
    again = chat.connected(f.Welcome("Alice", 14, 12, "chatcli/1", LIMITS))
    assert again == [f.Send("id-2", "bob", "two"), f.Who(limit=100)]


def test_own_message_is_shown_once(chat: Dialogue) -> None:
    """After a lost answer the log returns one's own message, before or after the answer."""
    types(chat, "bob: hi")
    message = f.Message(11, "id-1", "Alice", "bob", "hi", 1000)
    assert hears(chat, message) == [Shown(message=message, mine=True)]
    assert not chat.outgoing
    assert hears(chat, f.Sent("id-1", 11, 1000, "delivered"), message) == []


def test_own_message_from_another_device(chat: Dialogue) -> None:
    """A message from another of one's own connections is shown as one's own."""
    message = f.Message(11, "elsewhere", "Alice", "bob", "hi", 1000)
    assert hears(chat, message) == [Shown(message=message, mine=True)]
    note = f.Message(12, "note", "Alice", "Alice", "remember", 1000)
    assert hears(chat, note) == [Shown(message=note, mine=False)]


def test_refused_message(chat: Dialogue) -> None:
    """The user sees the server's sentence, and the message is not tried again."""
    types(chat, "bbo: hi")
    (event,) = hears(chat, f.Error("unknown_user", "Nobody is bbo; did you mean bob?", "id-1", names=["bob"]))
    assert isinstance(event, Trouble)
    assert isinstance(event.error, UnknownRecipient)
    assert str(event.error).startswith("Not sent: Nobody is bbo")
    assert not chat.outgoing
    assert chat.first_error is event.error
    assert chat.returned == ["bbo: hi"]
    assert chat.conversations.current == ""


def test_overlong_text(chat: Dialogue) -> None:
    """The user learns the length and the limit; nothing is sent."""
    events, frames = types(chat, "bob: " + "é" * 51)
    assert frames == []
    assert "100 bytes, and this one has 102" in str(events[0])
    events, frames = types(chat, "bob: " + "\x01" * 90)
    assert frames == []
    assert "escaped" in str(events[0])
    assert not chat.outgoing
    assert chat.returned == ["bob: " + "é" * 51, "bob: " + "\x01" * 90]


def test_who(chat: Dialogue) -> None:
    """Only a list that the user asked for is shown."""
    assert hears(chat, f.People([f.Person("Alice", 1)])) == []
    assert types(chat, "who") == ([], [f.Who(limit=100, n=1)])
    people = [f.Person("Alice", 1), f.Person("bob", 2)]
    assert hears(chat, f.People(people, n=1)) == [Answer("Here: Alice (you), bob")]
    assert chat.contacts.presence.here == {"Alice", "bob"}


def test_presence_notices(chat: Dialogue) -> None:
    """Only changes of the user's partners are shown, folded where many come at once."""
    many = [f"p{number}" for number in range(20)]
    for name in ("bob", "carol", *many):
        hears(chat, f.Message(5, f"from-{name}", name, "Alice", "hi", 1000))
    hears(chat, f.People([f.Person("Alice", 1), f.Person("bob", 1)]))
    assert hears(chat, f.Presence(["Alice", "bob", "carol"], [])) == [Notice("carol joined")]
    assert hears(chat, f.Presence([], ["bob"])) == [Notice("bob left")]
    assert hears(chat, f.Presence(many, [])) == [Notice("p0, p1, p2, p3, p4 and 15 more joined")]
    assert hears(chat, f.Presence(["stranger"], [])) == []
    assert chat.contacts.presence.here == {"Alice", "carol", "stranger", *many}


@pytest.mark.parametrize("line", ["exit", "/exit", "server:exit", "quit"])
def test_exit(chat: Dialogue, line: str) -> None:
    """Each form of the command ends the client."""
    assert types(chat, line) == ([], [])
    assert chat.left


def test_unclear_line(chat: Dialogue) -> None:
    """A sentence shows how a message is written, and nothing is sent."""
    events, frames = types(chat, "hello everyone")
    assert frames == []
    assert isinstance(chat.first_error, InputError)
    assert "name: text" in str(events[0])


def test_error_without_an_id(chat: Dialogue) -> None:
    """An error without an id is shown, too."""
    (event,) = hears(chat, f.Error("storage", "The server cannot write."))
    assert isinstance(event, Trouble)
    assert isinstance(event.error, ServerUnavailable)


@pytest.mark.parametrize(
    ("line", "frame", "done"),
    [
        ("/kick bob", f.Operate("kick", "bob", "", None, "", 1), "bob was sent away"),
        ("/kick bob too loud", f.Operate("kick", "bob", "", None, "too loud", 1), "bob was sent away"),
        (
            "/mute bob 10m too loud",
            f.Operate("mute", "bob", "", 600, "too loud", 1),
            "bob is muted on this server for 10m",
        ),
        ("/ban bob 2d", f.Operate("ban", "bob", "", 172_800, "", 1), "bob is banned from this server for 2d"),
        ("/ban bob", f.Operate("ban", "bob", "", None, "", 1), "bob is banned from this server for ever"),
        ("/unban bob", f.Operate("unban", "bob", "", None, "", 1), "bob may come back"),
        ("/unmute bob", f.Operate("unmute", "bob", "", None, "", 1), "bob may write again"),
    ],
)
def test_operator_commands(chat: Dialogue, line: str, frame: f.Operate, done: str) -> None:
    """Name, duration and reason are parsed; the answer says what was done, or why not."""
    assert types(chat, line) == ([], [frame])
    waited = chat.is_waiting
    assert hears(chat, f.Done(1)) == [Answer(done)]
    assert (waited, chat.is_waiting) == (True, False)
    (event,) = hears(chat, f.Error("not_allowed", "Only operators may do that.", n=1))
    assert isinstance(event, Trouble)


def test_codes_and_takeover_are_used_once() -> None:
    """Only the first greeting has the user's code and takeover."""
    chat = Dialogue(
        "alice",
        lambda: "id",
        lambda: 0,
        Arrival(key="key", client="start", present="takeover", link="link", invite="invite"),
    )
    first = f.Hello(1, "alice", "join", "key", None, "takeover", "start", "link", "invite", 100, revision=1)
    assert chat.hello() == first
    chat.connected(f.Welcome("alice", 1, 1, "s", LIMITS))
    assert chat.hello() == f.Hello(1, "alice", "join", "key", 1, "refuse", "start", revision=1)


@pytest.mark.parametrize("line", ["/ban bob 10min", "/mute bob 5y", "/ban bob 10 minutes"])
def test_mistyped_duration(chat: Dialogue, line: str) -> None:
    """An invalid text that begins like a duration is refused, so that nobody is banned for ever."""
    events, frames = types(chat, line)
    assert frames == []
    assert "not a length of time" in str(events[0])


def test_restored_log(chat: Dialogue) -> None:
    """After a backup is restored, shown messages are not shown again, and new ones under old numbers are."""
    old, lost, new = (
        f.Message(seq, identity, "bob", "Alice", text, at)
        for seq, identity, text, at in ((11, "a", "old", 1), (12, "b", "lost", 2), (12, "c", "new", 3))
    )
    assert len(hears(chat, old, lost)) == 2
    assert chat.hello().since == 12
    assert not chat.must_ask_again(f.Welcome("Alice", 13, 12, "chatcli/1", LIMITS))
    assert chat.must_ask_again(f.Welcome("Alice", 11, 11, "chatcli/1", LIMITS))
    assert chat.hello().since is None
    welcome = f.Welcome("Alice", 12, 10, "chatcli/1", LIMITS)
    assert not chat.must_ask_again(welcome)
    chat.connected(welcome)
    assert [event.message for event in hears(chat, old, new, f.Live(12)) if isinstance(event, Shown)] == [new]
    assert chat.conversations.unread["bob"] == 2
