"""Dialogues with the core of the interactive client about open and other conversations."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest

from chatcli.client.chat.arrival import Arrival
from chatcli.client.chat.events import Answer, Event, Listing, Notice, Row, Separator, Shown
from chatcli.protocol import frames as f
from tests.client.chat.dialogue import LIMITS, Dialogue, hears, receives, types, unasked

WELCOME = f.Welcome("alice", 10, 4, "chatcli/1", LIMITS, ["#ops"])


@pytest.fixture
def chat() -> Dialogue:
    """Alice, a member of #ops, with bob online and no missed messages."""
    chat = new_chat()
    hears(chat, f.Live(10), f.People([f.Person("alice", 1), f.Person("bob", 1)]))
    return chat


def new_chat(arrival: Arrival | None = None) -> Dialogue:
    """Return Alice's chat after the welcome and before the missed messages."""
    numbers = itertools.count(1)
    chat = Dialogue("alice", lambda: f"id-{next(numbers)}", lambda: 0, arrival)
    chat.connected(WELCOME)
    return chat


def said(seq: int, sender: str, to: str = "alice", text: str = "hi", re: int | None = None) -> f.Message:
    """Return a message."""
    return f.Message(seq, f"said-{seq}", sender, to, text, seq, re)


def sends(chat: Dialogue, line: str) -> tuple[str, str]:
    """Return the recipient and the text of a sent line, which shows nothing yet."""
    events, (frame,) = types(chat, line)
    assert events == []
    assert isinstance(frame, f.Send)
    return frame.to, frame.text


def held(chat: Dialogue, line: str) -> str:
    """Return the reason for holding a line: nothing is sent, and it comes back."""
    events, frames = types(chat, line)
    assert (frames, chat.returned.pop()) == ([], line)
    return shown(events)[0]


def shown(events: list[Event]) -> list[str]:
    """Return the events as short lines."""
    return [event.message.text if isinstance(event, Shown) else str(event[0]) for event in events]


def acknowledged(chat: Dialogue) -> int | None:
    """Return the acknowledged place in the log."""
    return chat.ack


# Recipients of lines


def test_message_opens_a_conversation(chat: Dialogue) -> None:
    """Text goes on to the last recipient, whatever comes in."""
    assert sends(chat, "bob: hi") == ("bob", "hi")
    assert sends(chat, "how are you?") == ("bob", "how are you?")
    hears(chat, said(11, "cid"), said(12, "cid", "#ops"))
    assert sends(chat, "still there?") == ("bob", "still there?")
    assert sends(chat, "#ops: hello") == ("#ops", "hello")
    assert sends(chat, "who wants tea?") == ("#ops", "who wants tea?")
    assert sends(chat, "cid: later") == ("cid", "later")


def test_to_opens_a_conversation(chat: Dialogue) -> None:
    """/to alone returns to the previous one; names have their owners' spelling."""
    assert shown(types(chat, "/to")[0]) == [
        'There was no conversation before this one: write which, as in "/to bob" or "/to #ops".'
    ]
    assert types(chat, "/to BOB") == ([Notice("What you type goes to bob now")], [])
    assert types(chat, "/query #OPS") == ([Notice("What you type goes to #ops now")], [])
    assert sends(chat, "hi") == ("#ops", "hi")
    types(chat, "/to")
    assert sends(chat, "hi") == ("bob", "hi")
    types(chat, "/to somebody-new")
    assert sends(chat, "hi") == ("somebody-new", "hi")


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("/to bob hi", 'Write "/to [NAME|#ROOM]".'),
        ("/to a,b", 'A name cannot contain a comma; "a,b" does.'),
        ("/to server", 'The name "server" is reserved; choose another one.'),
        ("/to #", 'There is no name after the #; write it like "#ops".'),
    ],
)
def test_to_with_an_impossible_name(chat: Dialogue, line: str, sentence: str) -> None:
    """The sentence says what is wrong with the name, and the conversation stays."""
    types(chat, "/to bob")
    assert shown(types(chat, line)[0]) == [sentence]
    assert chat.conversations.current == "bob"


def test_unknown_word_before_a_colon(chat: Dialogue) -> None:
    """The line is sent as text, and once for each word the user learns how to reach such a user."""
    types(chat, "/to #ops")
    assert held(chat, "note: buy milk") == (
        'Nobody called note is known: Enter once more sends the line to #ops as it is; write "/to note" to talk to '
        "somebody new."
    )
    assert sends(chat, "note: buy milk") == ("#ops", "note: buy milk")
    assert sends(chat, "note: and bread") == ("#ops", "note: and bread")
    assert sends(chat, "https://example.org") == ("#ops", "https://example.org")
    assert sends(chat, "12:30 is lunch") == ("#ops", "12:30 is lunch")
    hears(chat, said(11, "note", "#ops"))
    assert held(chat, "note: hello") == (
        'Somebody is called note now: Enter once more sends "hello" to note; put /say in front to send the whole line '
        "to #ops."
    )
    assert sends(chat, "note: hello") == ("note", "hello")


def test_known_names(chat: Dialogue) -> None:
    """Names become known from messages, lists, a history and entering a room."""
    types(chat, "/to #ops")
    types(chat, "/who #ops")
    types(chat, "/history #ops")
    hears(
        chat,
        said(11, "ann", "#ops"),
        f.People([f.Person("ben", 0, "gone")], "#ops", n=1),
        f.HistoryPage("#ops", [said(3, "cat", "#ops")], False, 2),
        f.Happened("#ops", "joined", "dan"),
        f.Presence(["eve"], [], [f.Person("fay", 1, "away")]),
    )
    for name in ("ann", "Ben", "cat", "dan", "eve", "fay", "bob", "alice"):
        chat.conversations.switch("#ops")
        assert sends(chat, f"{name}: hi") == (name, "hi")


def test_misspelt_name(chat: Dialogue) -> None:
    """A line with a nearly known name comes back; repeating it sends it, and anything in between starts over."""
    types(chat, "/to #ops")
    events, frames = types(chat, "bbo: a secret")
    assert frames == []
    sentence = (
        "Nobody called bbo is known; did you mean bob? Enter once more sends the line to #ops as it is; "
        'write "/to bbo" to talk to somebody new.'
    )
    assert shown(events) == [sentence]
    assert chat.returned == ["bbo: a secret"]
    assert sends(chat, "bbo: a secret") == ("#ops", "bbo: a secret")
    assert types(chat, "bbo: a secret")[1] == []


def test_room_is_never_text(chat: Dialogue) -> None:
    """A message to an unknown room goes to that room or nowhere."""
    types(chat, "/to bob")
    assert sends(chat, "#dev: hi") == ("#dev", "hi")
    hears(chat, f.Error("unknown_room", "There is no room #dev.", "id-1"))
    assert (chat.conversations.current, chat.returned) == ("", ["#dev: hi"])


def test_programs_name_recipients() -> None:
    """A script's recipient need not be known; text without a recipient goes to the last one."""
    chat = new_chat(Arrival(scripted=True))
    assert sends(chat, "bob: one") == ("bob", "one")
    assert sends(chat, "bbo: two") == ("bbo", "two")
    assert sends(chat, "three") == ("bbo", "three")


def test_say(chat: Dialogue) -> None:
    """/say sends a command's word, or a slash, as text; without a recipient it comes back."""
    assert "To whom?" in shown(types(chat, "/say exit")[0])[0]
    assert chat.returned == ["exit"]
    types(chat, "/to bob")
    assert sends(chat, "/say exit") == ("bob", "exit")
    assert sends(chat, "/say /etc/hosts") == ("bob", "/etc/hosts")
    assert not chat.left


def test_entered_room_opens_at_once(chat: Dialogue) -> None:
    """Text before the answer is for the room; if there is no such room, nothing is open."""
    types(chat, "/to bob")
    types(chat, "/join #Dev")
    assert sends(chat, "hi all") == ("#Dev", "hi all")
    receives(chat, [f.Room(f.RoomInfo("#dev", "open", 3), 40, 1)])
    assert chat.conversations.current == "#dev"
    types(chat, "/join #secret")
    hears(chat, f.Error("not_invited", "#secret is private.", n=3))
    assert chat.conversations.current == ""


def test_rooms_at_the_start() -> None:
    """A program's text goes to the last of its rooms from the first line on."""
    chat = new_chat(Arrival(rooms=("#ops", "#dev")))
    assert sends(chat, "hi") == ("#dev", "hi")


@pytest.mark.parametrize("frame", [f.Done(1), f.Happened("#ops", "kicked", "alice", "bob")])
def test_leaving_leaves_nothing_open(chat: Dialogue, frame: f.ServerFrame) -> None:
    """Text then asks for a recipient, and comes back to the input line."""
    types(chat, "/to bob")
    types(chat, "/to #ops")
    types(chat, "/leave #ops")
    hears(chat, frame)
    events, frames = types(chat, "hello?")
    assert frames == []
    assert "To whom?" in shown(events)[0]
    assert chat.returned == ["hello?"]
    types(chat, "/to")
    assert sends(chat, "hello?") == ("bob", "hello?")


def test_refused_text_comes_back(chat: Dialogue) -> None:
    """In the open conversation the text comes back alone, unless it would mean something else."""
    types(chat, "#ops: one")
    types(chat, "/say exit")
    types(chat, "bob: two")
    for number in (1, 2, 3):
        hears(chat, f.Error("muted", "You are muted.", f"id-{number}"))
    assert chat.returned == ["#ops: one", "#ops: exit", "two"]


def test_text_to_an_unknown_user(chat: Dialogue) -> None:
    """A returned text keeps its recipient, whatever conversation is open when it is sent again."""
    types(chat, "/to zed")
    types(chat, "secret")
    hears(chat, f.Error("unknown_user", "Nobody called zed was ever here.", "id-1"))
    assert chat.returned == ["zed: secret"]
    types(chat, "bob: hi")
    assert sends(chat, "zed: secret") == ("zed", "secret")


# Replies


def test_reply(chat: Dialogue) -> None:
    """/reply answers the newest message, the one of a number, or the newest of a user."""
    hears(chat, said(11, "bob", "#ops"), said(12, "cid"), said(13, "bob"), said(14, "dan", "#ops"))
    for line, to, text, re in (
        ("/reply yes", "#ops", "yes", 14),
        ("/reply 2 yes", "bob", "yes", 13),
        ("/reply 4 yes sir", "#ops", "yes sir", 11),
        ("/reply CID yes", "cid", "yes", 12),
        ("/reply bob", "#ops", "bob", 14),
        ("/reply 1 2 pm", "#ops", "2 pm", 14),
    ):
        _, (frame,) = types(chat, line)
        assert isinstance(frame, f.Send)
        assert (frame.to, frame.text, frame.re) == (to, text, re)
    assert shown(types(chat, "/reply 30 minutes")[0]) == [
        (
            "4 messages can be answered, 1 is the newest; to reply with a text that begins with a number, "
            'write "/reply 1 30 …".'
        )
    ]


# Unread counts and attention


def test_unread_counts(chat: Dialogue) -> None:
    """A key in a conversation, writing there, or reading it on another device clears its count."""
    types(chat, "/to #ops")
    hears(chat, said(11, "bob", "#ops"), said(12, "bob"), said(13, "cid"), said(14, "alice", "bob"))
    assert chat.conversations.unread == {"#ops": 1, "bob": 1, "cid": 1}
    chat.attention.key_pressed()
    assert chat.conversations.unread == {"bob": 1, "cid": 1}
    types(chat, "bob: yes?")
    assert chat.conversations.unread == {"cid": 1}
    hears(chat, f.Read(13))
    assert chat.conversations.unread == {}


def test_two_devices_that_read_at_once(chat: Dialogue) -> None:
    """The further position holds, in whichever order it comes; one that was moved back says so."""
    hears(chat, said(11, "bob"), said(12, "bob"), said(13, "bob"))
    hears(chat, f.Read(12, "bob"), f.Read(11, "bob"))
    assert chat.conversations.unread == {"bob": 1}
    hears(chat, f.Read(11, "bob", back=True))
    assert chat.conversations.unread == {"bob": 2}


@pytest.mark.parametrize(
    ("message", "notable"),
    [
        (said(11, "bob"), True),
        (said(11, "bob", "#ops"), False),
        (said(11, "bob", "#ops", "thanks, Alice!"), True),
        (said(11, "bob", "#ops", "ask @alice"), True),
        (said(11, "bob", "#ops", "alice's turn"), True),
        (said(11, "bob", "#ops", "malice and alice-ci"), False),
        (said(11, "bob", "#ops", "mail bob@alice"), False),
        (said(11, "bob", "#ops", "yes", 9), True),
        (said(11, "bob", "#ops", "yes", 8), False),
        (said(11, "alice", "bob", "alice"), False),
        (said(11, "alice", "alice", "alice"), False),
    ],
)
def test_attention(chat: Dialogue, message: f.Message, notable: bool) -> None:
    """Direct messages, mentions and answers to the user want attention; own messages do not."""
    hears(chat, said(8, "bob", "#ops"), said(9, "alice", "#ops"))
    (event,) = hears(chat, message)
    assert isinstance(event, Shown)
    assert event.notable is notable


def test_quiet_conversation(chat: Dialogue) -> None:
    """A quiet conversation is counted, but causes no notification."""
    assert shown(types(chat, "/quiet")[0]) == [
        'No conversation is open: write which, as in "/quiet bob" or "/quiet #ops".'
    ]
    assert shown(types(chat, "/quiet BOB")[0]) == [
        "bob is quiet: it neither rings nor counts; /quiet off bob ends that"
    ]
    assert chat.conversations.muted == {"bob"}
    (event,) = hears(chat, said(11, "bob"))
    assert isinstance(event, Shown)
    assert not event.notable
    assert [(one.name, one.unread, one.quiet) for one in chat.conversations.listed()] == [("bob", 1, True)]
    types(chat, "/to bob")
    assert shown(types(chat, "/quiet off")[0]) == ["bob is no longer quiet"]
    assert not chat.conversations.muted
    assert shown(types(chat, "/quiet bob cid")[0]) == ['Write "/quiet [off] [NAME|#ROOM]".']


# Missed messages


def test_separator_of_missed_messages() -> None:
    """Missed messages are shown and acknowledged when all have come; after a reconnect likewise."""
    chat = new_chat()
    assert hears(chat, f.Skipped("#ops", 40, 5), said(6, "bob", "#ops", "one")) == []
    assert acknowledged(chat) is None
    events = hears(chat, said(7, "bob", "alice", "two"), f.Live(9))
    assert [event for event in events if isinstance(event, Separator)] == events[:1]
    assert shown(events) == ["42 messages while you were away", "40 earlier in #ops: /history #ops", "one", "two"]
    assert acknowledged(chat) == 7
    assert hears(chat, f.Live(9)) == []
    assert acknowledged(chat) is None
    assert shown(hears(chat, said(11, "bob", "#ops", "three"))) == ["three"]
    chat.connected(WELCOME)
    assert hears(chat, f.Live(11)) == []
    chat.connected(WELCOME)
    assert shown(hears(chat, said(12, "bob", text="four"), f.Live(12))) == ["1 message while you were away", "four"]


def test_own_message_among_missed_ones() -> None:
    """An own message is shown in its place, and is not itself a missed message."""
    chat = new_chat()
    types(chat, "#ops: mine")
    assert hears(chat, said(6, "bob", "#ops", "one"), f.Sent("id-1", 8, 8, "delivered"), said(7, "bob", "#ops")) == []
    assert shown(hears(chat, said(9, "bob", "#ops", "last"), f.Live(9))) == [
        "3 messages while you were away",
        "one",
        "hi",
        "mine",
        "last",
    ]
    chat.connected(WELCOME)
    types(chat, "#ops: again")
    hears(chat, f.Sent("id-2", 10, 10, "delivered"))
    assert shown(hears(chat, f.Live(10))) == ["again"]


def test_many_missed_messages() -> None:
    """50,000 lines are shown as they come, and their number after them."""
    chat = new_chat()
    events = hears(chat, *(said(number, "bob", "#ops", str(number)) for number in range(11, 1011)))
    assert shown(events) == ["Messages while you were away:", *map(str, range(11, 1011))]
    assert acknowledged(chat) == 1010
    assert shown(hears(chat, f.Live(1010))) == ["1,000 messages while you were away, up to here"]


def test_programs_get_no_separators() -> None:
    """Programs get each message as it comes, and no separators."""
    chat = new_chat(Arrival(scripted=True))
    assert shown(hears(chat, said(6, "bob", text="one"))) == ["one"]
    assert acknowledged(chat) == 6
    assert hears(chat, f.Live(9)) == []


# Presence


def test_presence_concerns_the_user(chat: Dialogue) -> None:
    """Only partners and members of the open room are reported; the members are requested once."""
    assert hears(chat, f.Presence(["cid"]), f.Happened("#ops", "joined", "cid")) == []
    assert unasked(chat.typed("/to #ops")) == [f.Who("#ops", limit=100, n=2**53 - 1)]
    assert unasked(chat.typed("/quiet")) == []
    types(chat, "/quiet off")
    members = [f.Person(name, 0, "gone") for name in ("ann", "bob", "cid")]
    assert hears(chat, f.People(members, "#ops", n=2**53 - 1)) == []
    assert shown(hears(chat, f.Presence(["ann", "eve"]))) == ["ann joined"]
    assert shown(hears(chat, f.Happened("#ops", "joined", "eve"), f.Presence([], ["eve"]))) == [
        "eve joined #ops",
        "eve left",
    ]
    types(chat, "/to bob")
    assert hears(chat, f.Presence([], ["ann"])) == []
    assert hears(chat, f.Error("unknown_room", "There is no room #ops.", n=2**53 - 1)) == []


def test_many_enter_at_once(chat: Dialogue) -> None:
    """Many who enter a room at once are one line that names the first few."""
    types(chat, "/to #ops")
    many = [f.Happened("#ops", "joined", f"p{number}") for number in range(14)]
    gone = [f.Happened("#ops", "left", "p1"), f.Happened("#ops", "left", "p2")]
    assert shown(hears(chat, *many, *gone)) == ["p0, p1, p2, p3, p4 and 9 more joined #ops", "p1, p2 left #ops"]


def rows(events: Sequence[Event]) -> list[tuple[str, int, int]]:
    """Return the names, the numbers and the unread counts of a list, which is the first of the events."""
    listing = events[0]
    assert isinstance(listing, Listing)
    return [(row.name, row.number, row.unread) for row in listing.rows]


def asks_for_list(chat: Dialogue, line: str) -> f.Conversations:
    """Return the request of a line."""
    (frame,) = types(chat, line)[1]
    assert isinstance(frame, f.Conversations)
    return frame


def test_list(chat: Dialogue) -> None:
    """The newest conversations come from the server, with the numbers that open them, and with those of empty rooms."""
    chat.connected(f.Welcome("alice", 20, 20, "chatcli/1", LIMITS, rooms=["#new"], revision=1))
    chat.receive([f.Live(20)])
    asked = asks_for_list(chat, "/list")
    assert asked == f.Conversations(20, n=asked.n)
    last = f.Message(15, "x", "alice", "bob", "until tomorrow", 1)
    listed = [f.ConversationInfo("bob", last, 2, 0, 10), f.ConversationInfo("#ops", None, 0, 0, 10)]
    (listing,) = chat.receive([f.ConversationList(listed, n=asked.n)]).events
    assert listing == Listing(
        [
            Row(name="bob", number=1, unread=2, last=last, mine=True),
            Row(name="#ops", number=2),
            Row(name="#new", number=3),
        ]
    )
    types(chat, "/close bob")
    asked = asks_for_list(chat, "/list 5")
    events = chat.receive([f.ConversationList(listed, more=True, n=asked.n)]).events
    assert rows(events) == [("#ops", 2, 0)]
    assert events[1] == Answer("These are not all: /list all")
    asked = asks_for_list(chat, "/list all")
    assert asked.limit == f.MAX_PAGE
    effects = chat.receive([f.ConversationList(listed[:1], more=True, n=asked.n)])
    assert rows(effects.events) == [("bob", 0, 2)]
    assert effects.frames == [f.Conversations(f.MAX_PAGE, 15, asked.n + 1)]
    assert shown(types(chat, "/list some")[0]) == [
        'Write "/list", "/list all", or a number of conversations from 1 to 500.'
    ]


def test_list_of_an_older_server(chat: Dialogue) -> None:
    """It lists none: those that have come up here are shown."""
    chat.connected(f.Welcome("alice", 20, 20, "chatcli/1", LIMITS))
    assert types(chat, "/list") == ([Answer('There are no conversations yet: write "name: text", or /join #NAME')], [])
    chat.receive([f.Live(20), f.Message(21, "x", "bob", "alice", "hi", 1)])
    events, frames = types(chat, "/list")
    assert (rows(events), frames) == ([("bob", 1, 1)], [])


# What the user sees when they come in, and when they open a conversation


def revised(*listed: f.ConversationInfo, cursor: int = 100) -> Dialogue:
    """Return the chat of alice, who has read everything up to 40, with unread conversations on a newer server."""
    numbers = itertools.count(1)
    chat = Dialogue("alice", lambda: f"id-{next(numbers)}", lambda: 0)
    welcome = f.Welcome("alice", 100, cursor, "chatcli/1", LIMITS, ["#ops", "#dev"], revision=1, read=40)
    (asked,) = [frame for frame in chat.connected(welcome) if isinstance(frame, f.Conversations)]
    chat.receive([f.Live(100), f.ConversationList(list(listed), n=asked.n)])
    return chat


def info(of: str, seq: int, unread: int, mentions: int = 0) -> f.ConversationInfo:
    """Return the entry of a conversation in the server's list; its newest message is at ``seq``."""
    sender = "bob" if of.startswith("#") else of
    return f.ConversationInfo(of, said(seq, sender, of if of.startswith("#") else "alice"), unread, mentions, 40)


def opens(chat: Dialogue, name: str) -> f.History | None:
    """Open a conversation with a key; return the request for its end, if there is one."""
    chat.conversations.switch(name)
    found = [frame for frame in chat.opened().frames if isinstance(frame, f.History)]
    return found[0] if found else None


def page(chat: Dialogue, asked: f.History | None, *messages: f.Message, more: bool = False) -> list[str]:
    """Return the lines of the answer, once they are printed."""
    assert asked is not None
    events = chat.receive([f.HistoryPage(asked.of, list(messages), more, asked.n)]).events
    chat.shown(events)
    return [f"── {event.text} ──" if isinstance(event, Separator) else shown([event])[0] for event in events]


def test_unread_at_the_start() -> None:
    """First those that mention the user, then people, then rooms; each until it is read, made quiet or closed."""
    chat = revised(info("#dev", 90, 7), info("bob", 80, 2), info("#ops", 70, 14, 1), info("carol", 60, 0))

    def rows() -> list[tuple[str, int, int, int]]:
        return [(row.name, row.number, row.unread, row.mentions) for row in chat.at_start.rows()]

    assert rows() == [("#ops", 1, 14, 1), ("bob", 2, 2, 0), ("#dev", 3, 7, 0)]
    assert chat.conversations.numbered() == ["#ops", "bob", "#dev"]
    types(chat, "/quiet #dev")
    chat.receive([f.Read(70, "#ops")])
    assert rows() == [("bob", 2, 2, 0)]
    chat.receive([f.Read(100, "bob")])
    assert rows() == []
    chat.receive([said(101, "bob")])
    assert rows() == []
    chat = revised(info("#dev", 90, 7))
    types(chat, "/close #dev")
    assert rows() == []
    chat = revised(info("#dev", 90, 7))
    asked = asks_for_list(chat, "/list")
    chat.receive([f.ConversationList([info("#dev", 90, 7)], n=asked.n)])
    assert rows() == []


def test_opening_shows_where_the_user_stopped() -> None:
    """On any device, each time something is unread: a few lines that were read, a line, and what is new."""
    chat = revised(info("#ops", 62, 2, 1))
    asked = opens(chat, "#ops")
    assert asked == f.History("#ops", limit=5, n=1)
    ended = said(62, "cid", "#ops", "alice: ping")
    lines = page(chat, asked, said(30, "bob", "#ops", "old"), said(61, "bob", "#ops", "one"), ended, more=True)
    assert lines == ["── #ops ──", "old", "── new in #ops ──", "one", "alice: ping"]
    chat.attention.key_pressed()
    assert chat.conversations.counts.unread("#ops") == 0
    assert opens(chat, "bob") is None  # nothing was ever said there
    assert opens(chat, "#ops") is None  # it is on the screen
    chat.conversations.switch("bob")
    for seq in (101, 102):
        chat.shown(chat.receive([said(seq, "cid", "#ops", str(seq))]).events)
    chat.shown(chat.receive([said(103, "dan", "#dev")]).events)
    assert opens(chat, "#ops") == f.History("#ops", limit=5, n=2)


def test_opening_what_is_on_the_screen() -> None:
    """Nothing is said twice: what was printed last stands right above the input line."""
    chat = revised()
    for seq in (101, 102):
        chat.shown(chat.receive([said(seq, "cid", "#ops", str(seq))]).events)
    assert opens(chat, "#ops") is None
    chat.attention.key_pressed()
    assert chat.conversations.counts.unread("#ops") == 0


def test_opening_what_was_read() -> None:
    """The last lines of a conversation that is not on the screen; not if the user opens it by writing there."""
    chat = revised(info("bob", 30, 0), info("cid", 20, 0))
    assert page(chat, opens(chat, "bob"), said(30, "bob", text="until tomorrow")) == ["── bob ──", "until tomorrow"]
    assert not [frame for frame in types(chat, "cid: hi")[1] if isinstance(frame, f.History)]


def test_opening_a_long_backlog() -> None:
    """At most fifty messages; /history continues before them, and what comes meanwhile is shown once."""
    chat = revised(info("#ops", 99, 84))
    asked = opens(chat, "#ops")
    assert asked == f.History("#ops", limit=53, n=1)
    chat.receive([said(101, "bob", "#ops", "live")])
    messages = [said(seq, "bob", "#ops", str(seq)) for seq in range(50, 100)]
    lines = page(chat, asked, *messages, said(101, "bob", "#ops", "live"), more=True)
    assert lines[:3] == ["34 earlier unread in #ops: /history #ops", "── new in #ops ──", "50"]
    assert lines[-1] == "99"
    (history,) = types(chat, "/history")[1]
    assert history == f.History("#ops", 50, limit=20, n=2)


def test_opening_by_number() -> None:
    """A number is that of a conversation, unless somebody is called so."""
    chat = revised(info("#ops", 99, 1), info("7", 98, 1), info("bob", 97, 1))
    number = chat.conversations.number("bob")
    types(chat, f"/to {number}")
    assert chat.conversations.current == "bob"
    types(chat, "/to 7")
    assert chat.conversations.current == "7"


def test_own_messages_are_not_new() -> None:
    """The line stands before the first message of somebody else's, and at most fifty of theirs follow it."""
    chat = revised(info("#ops", 65, 2))
    asked = opens(chat, "#ops")
    own = [said(62, "alice", "#ops", "mine 1"), said(63, "alice", "#ops", "mine 2")]
    lines = page(chat, asked, *own, said(64, "bob", "#ops", "one"), said(65, "bob", "#ops", "two"), more=True)
    assert lines == ["── #ops ──", "mine 1", "mine 2", "── new in #ops ──", "one", "two"]
    chat = revised(info("#ops", 99, 81))
    asked = opens(chat, "#ops")
    lines = page(chat, asked, *(said(seq, "bob", "#ops", str(seq)) for seq in range(47, 100)), more=True)
    assert lines[:3] == ["31 earlier unread in #ops: /history #ops", "── new in #ops ──", "50"]
    assert (lines[-1], len(lines)) == ("99", 52)


def test_history_of_the_open_conversation() -> None:
    """Without a name it goes on with the last page, unless another conversation was opened since, by whatever way."""
    chat = revised(info("#ops", 99, 0), info("bob", 98, 0))
    opens(chat, "#ops")

    def history() -> f.History:
        (asked,) = (frame for frame in types(chat, "/history")[1] if isinstance(frame, f.History) and frame.limit == 20)
        return asked

    first = history()
    assert (first.of, first.before) == ("#ops", None)
    chat.conversations.switch("bob")  # while the page is on its way
    second = history()
    assert (second.of, second.before) == ("bob", None)
    page(chat, first, said(99, "cid", "#ops"), more=True)
    page(chat, second, said(98, "bob"), more=True)
    third = history()
    assert third.before == 98
    page(chat, third, said(97, "bob"), more=True)
    chat.conversations.switch("#ops")
    assert (history().of, chat.conversations.current) == ("#ops", "#ops")
    types(chat, "/close #ops")
    assert chat.typed("/history").events


def test_writing_where_something_is_unread() -> None:
    """Unread messages stand above the user's own line."""
    chat = revised(info("bob", 62, 2))
    assert [type(frame) for frame in types(chat, "bob: hi")[1]] == [f.History, f.Send]
