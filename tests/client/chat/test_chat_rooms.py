"""Dialogues with the core of the interactive client about rooms, older messages, and receipts."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator

import pytest

from chatcli.client.chat.arrival import Arrival
from chatcli.client.chat.events import Answer, Event, Notice, Shown, Trouble
from chatcli.errors import InputError, UnknownRecipient
from chatcli.protocol import frames as f
from tests.client.chat.dialogue import LIMITS, Dialogue, hears, receives, types

HOUR = 3_600_000  # milliseconds


@pytest.fixture(autouse=True)
def _utc() -> Iterator[None]:
    """Set local time to UTC."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


@pytest.fixture
def chat() -> Dialogue:
    """Alice, a member of #ops and invited to #plans, at noon of 1970-01-01."""
    chat = new_chat()
    chat.connected(f.Welcome("alice", 10, 4, "chatcli/1", LIMITS, ["#ops"]))
    receives(chat, [f.Live(4)])
    return chat


def new_chat(arrival: Arrival | None = None) -> Dialogue:
    """Return Alice's chat, not connected yet."""
    numbers = itertools.count(1)
    return Dialogue("alice", lambda: f"id-{next(numbers)}", lambda: 12 * HOUR, arrival)


def said(seq: int, sender: str, to: str, text: str, re: int | None = None) -> f.Message:
    """Return a message of that morning."""
    return f.Message(seq, f"said-{seq}", sender, to, text, 11 * HOUR + seq * 60_000, re)


def asks(chat: Dialogue, line: str) -> f.ClientFrame:
    """Return the only frame that a line leads to."""
    events, (frame,) = types(chat, line)
    assert events == []
    return frame


def asks_to_send(chat: Dialogue, line: str) -> f.ClientFrame:
    """Return the frames that a line leads to."""
    _, (frame,) = types(chat, line)
    return frame


def texts(events: list[Event]) -> list[str]:
    """Return the events as short lines."""
    return [
        event.message.text if isinstance(event, Shown) else f"{type(event).__name__}: {event[0]}" for event in events
    ]


# Rooms


def test_message_to_a_room(chat: Dialogue) -> None:
    """The line has the room's own spelling, and nobody is reported as away."""
    assert types(chat, "#OPS: hi") == ([], [f.Send("id-1", "#OPS", "hi")])
    assert hears(chat, f.Sent("id-1", 11, 12 * HOUR, "stored")) == [
        Shown(message=f.Message(11, "id-1", "alice", "#ops", "hi", 12 * HOUR), mine=True)
    ]
    assert not chat.contacts.partners


def test_room_members_are_no_partners(chat: Dialogue) -> None:
    """Only partners' names are completed; a room's messages are shown as others' or one's own."""
    others, own = said(11, "bob", "#ops", "hi"), said(12, "alice", "#ops", "hello")
    assert hears(chat, others, own) == [Shown(message=others, mine=False), Shown(message=own, mine=True)]
    assert not chat.contacts.partners
    assert chat.position == 12


def test_entering_shows_last_messages(chat: Dialogue) -> None:
    """The room's kind, size and topic come first, then its last lines, which are not unread."""
    assert asks(chat, "/join #dev") == f.Join("#dev", n=1)
    assert chat.is_waiting
    events, following = receives(chat, [f.Room(f.RoomInfo("#dev", "open", 3, "Deploys"), 40, 1)])
    assert events == [Notice("You are in #dev (open, 3 people, topic: Deploys)")]
    assert following == [f.History("#dev", 41, limit=20, n=2), f.Who("#dev", limit=100, n=2**53 - 1)]
    assert chat.is_waiting
    message = said(39, "bob", "#dev", "before you came")
    assert hears(chat, f.HistoryPage("#dev", [message], True, 2)) == [Shown(message=message, mine=False, past=True)]
    assert (chat.position, chat.is_waiting) == (4, False)
    assert chat.contacts.rooms == {"#ops": "#ops", "#dev": "#dev"}
    assert hears(chat, f.Room(f.RoomInfo("#dev", "private", 1), 40, 3)) == [
        Notice("You are in #dev (private, 1 person)")
    ]


def test_rooms_at_the_start() -> None:
    """Each is entered once, unless the user is a member; a new connection repeats unanswered requests."""
    chat = new_chat(Arrival(rooms=("#Ops", "#dev", "#plans")))
    welcome = f.Welcome("alice", 10, 4, "chatcli/1", LIMITS, ["#ops"])
    assert chat.connected(welcome) == [f.Join("#dev", n=1), f.Join("#plans", n=2), f.Who(limit=100)]
    assert chat.is_waiting
    receives(chat, [f.Error("not_invited", "#plans is private.", n=2)])
    assert chat.connected(welcome) == [f.Join("#dev", n=3), f.Who(limit=100)]
    receives(chat, [f.Room(f.RoomInfo("#dev", "open", 3), 40, 3)])
    assert chat.connected(welcome) == [f.Who(limit=100)]


def test_invitations() -> None:
    """Waiting invitations are shown after all missed messages; a new one at once."""
    chat = new_chat()
    chat.connected(f.Welcome("alice", 10, 4, "chatcli/1", LIMITS, [], ["#plans"]))
    assert hears(chat, f.Live(10)) == [Notice("You are invited to #plans: /join #plans")]
    told = hears(chat, f.Happened("#secret", "invited", "alice", "bob"))
    assert told == [Notice("bob invites you to #secret: /join #secret")]
    chat.connected(f.Welcome("alice", 10, 4, "chatcli/1", LIMITS, [], ["#plans", "#secret"]))
    assert hears(chat, f.Live(10)) == []


@pytest.mark.parametrize(
    ("frame", "sentence"),
    [
        (f.Happened("#ops", "joined", "bob"), "bob joined #ops"),
        (f.Happened("#ops", "left", "bob"), "bob left #ops"),
        (f.Happened("#ops", "topic", by="bob", text="Deploys"), "bob set the topic of #ops: Deploys"),
        (f.Happened("#ops", "topic", by="bob"), "bob removed the topic of #ops"),
        (f.Happened("#ops", "kicked", "alice", "bob", "too loud"), "bob has removed you from #ops (too loud)"),
        (f.Happened("#ops", "kicked", "cid", "bob"), "bob has removed cid from #ops"),
        (f.Happened("#ops", "banned", "alice", "bob"), "bob has banned you from #ops"),
        (f.Happened("#ops", "unbanned", "alice", "bob"), "bob lets you into #ops again: /join #ops"),
        (f.Happened("#ops", "muted", "cid", "bob", "spam"), "bob has muted cid in #ops (spam)"),
        (f.Happened("#ops", "unmuted", "alice", "bob"), "bob lets you write in #ops again"),
        (f.Happened("#plans", "uninvited", "alice", "bob"), "bob has taken back your invitation to #plans"),
        (f.Happened("#ops", "owner", "alice", "bob"), "You are an owner of #ops now"),
        (f.Happened("#ops", "disowned", "cid", "bob"), "cid is no longer an owner of #ops"),
        (f.Happened("#ops", "kicked", "cid", "b\x1bb", "\x1b[2J\n"), "b␛b has removed cid from #ops (␛[2J␤)"),
    ],
)
def test_room_events(chat: Dialogue, frame: f.Happened, sentence: str) -> None:
    """A sentence has who did what to whom, and the reason."""
    chat.conversations.switch("#ops")
    assert hears(chat, frame) == [Notice(sentence)]


def test_own_action_is_shown_once(chat: Dialogue) -> None:
    """The answer is shown, and the server's notice of the user's own action is not."""
    assert asks(chat, "/kick #ops bob") == f.Operate("kick", "bob", "#ops", n=1)
    answers = hears(chat, f.Happened("#ops", "kicked", "bob", "alice"), f.Done(1))
    assert answers == [Answer("bob is out of #ops")]
    types(chat, "/topic #ops Deploys")
    assert hears(chat, f.Done(2)) == [Answer("Topic of #ops: Deploys")]
    types(chat, "/leave #ops")
    assert hears(chat, f.Happened("#ops", "left", "alice"), f.Done(3)) == [Answer("You have left #ops")]
    assert chat.contacts.rooms == {}


def test_memberships_of_other_devices(chat: Dialogue) -> None:
    """Entering, leaving and being kicked elsewhere changes the membership here."""
    assert hears(chat, f.Happened("#dev", "joined", "alice")) == [Notice("You are in #dev")]
    assert chat.contacts.rooms == {"#ops": "#ops", "#dev": "#dev"}
    hears(chat, f.Happened("#dev", "left", "alice"))
    hears(chat, f.Happened("#ops", "kicked", "alice", "bob"))
    assert chat.contacts.rooms == {}


def test_list_of_rooms(chat: Dialogue) -> None:
    """Each room is one line with kind, size, the user's role and the topic."""
    assert asks(chat, "rooms") == f.Rooms(n=1)
    rooms = [
        f.RoomInfo("#dev", "open", 1200, owners=["bob", "cid"]),
        f.RoomInfo("#news", "announcement", 2, owners=["alice", "bob"], joined=True),
        f.RoomInfo("#ops", "open", 3, "Deploys", joined=True),
        f.RoomInfo("#plans", "private", 1, invited=True),
    ]
    assert hears(chat, f.RoomList(rooms, n=1)) == [
        Answer("#dev (open, 1,200 people, owned by bob, cid)"),
        Answer("#news (announcement, 2 people, yours, you are in it)"),
        Answer("#ops (open, 3 people, you are in it)  Deploys"),
        Answer("#plans (private, 1 person, you are invited)"),
    ]
    assert chat.contacts.other_rooms == {"#dev": "#dev", "#plans": "#plans"}
    assert hears(chat, f.RoomList([], n=2)) == [Answer("There are no rooms yet: /join #NAME makes one")]


def test_topic(chat: Dialogue) -> None:
    """Without a text the topic is shown; for an invisible room the server's error is."""
    assert asks(chat, "/topic #OPS") == f.Rooms("#OPS", n=1)
    told = hears(chat, f.RoomList([f.RoomInfo("#ops", "open", 3, "Deploys")], n=1))
    assert asks(chat, "/topic #dev") == f.Rooms("#dev", n=2)
    told += hears(chat, f.RoomList([f.RoomInfo("#dev", "open", 1)], n=2))
    assert asks(chat, "/topic #none") == f.Rooms("#none", n=3)
    told += hears(chat, f.Error("unknown_room", "There is no room #none.", n=3))
    assert texts(told) == [
        "Answer: Topic of #ops: Deploys",
        "Answer: #dev has no topic",
        "Trouble: There is no room #none.",
    ]


def test_unknown_room(chat: Dialogue) -> None:
    """The server's sentence is shown, and counts as an unknown recipient."""
    types(chat, "#opps: hi")
    (event,) = hears(
        chat, f.Error("unknown_room", "There is no room #opps; did you mean #ops?", "id-1", names=["#ops"])
    )
    assert isinstance(event, Trouble)
    assert isinstance(event.error, UnknownRecipient)
    assert str(event.error) == "Not sent: There is no room #opps; did you mean #ops?"
    assert isinstance(types(chat, "/leave")[0][0], Trouble)


@pytest.mark.parametrize(
    ("room", "sentence"),
    [
        (f.RoomInfo("#opss", "open", 1, owners=["alice"]), "You are in #opss (open, nobody else is in it)"),
        (f.RoomInfo("#ops", "open", 3, owners=["bob"]), "You are in #ops (open, 3 people, owned by bob)"),
        (f.RoomInfo("#ops", "private", 2, "x", ["alice"]), "You are in #ops (private, 2 people, yours, topic: x)"),
        (f.RoomInfo("#ops", "open", 1), "You are in #ops (open, 1 person)"),
    ],
)
def test_entered_room_is_described(chat: Dialogue, room: f.RoomInfo, sentence: str) -> None:
    """A user who has just created a room by a misspelt name sees that it is empty."""
    events, _ = receives(chat, [f.Room(room, 40, 1)])
    assert events == [Notice(sentence)]


def test_posting_from_outside(chat: Dialogue) -> None:
    """The user learns once that answers do not reach them; after they enter, they do."""
    told = Notice("You are not in #dev and do not see the answers: /join #dev")
    types(chat, "#dev: hi")
    types(chat, "#dev: anyone?")
    assert texts(hears(chat, f.Sent("id-1", 11, 1, "stored"), f.Sent("id-2", 12, 1, "stored"))) == [
        "hi",
        f"Notice: {told.text}",
        "anyone?",
    ]
    receives(chat, [f.Room(f.RoomInfo("#dev", "open", 3), 40, 1)])
    types(chat, "#dev: here")
    assert texts(hears(chat, f.Sent("id-3", 13, 1, "stored"))) == ["here"]
    hears(chat, f.Happened("#dev", "left", "alice"))
    types(chat, "#dev: gone")
    assert hears(chat, f.Sent("id-4", 14, 1, "stored"))[1:] == [told]


def test_leaving_private_room_needs_name(chat: Dialogue) -> None:
    """No slip loses a private room, which one cannot enter again."""
    types(chat, "/join #plans")
    receives(chat, [f.Room(f.RoomInfo("#plans", "private", 3, joined=True), 40, 1)])
    types(chat, "/leave")
    left = hears(chat, f.RoomList([f.RoomInfo("#plans", "private", 3, joined=True)], n=3))
    assert texts(left) == ['Trouble: #plans is private: to leave it, write "/leave #plans".']
    assert asks(chat, "/leave #plans") == f.Leave("#plans", n=4)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("/invite bob #ops", "bob is invited to #ops"),
        ("/uninvite bob #ops", "bob is no longer invited to #ops"),
        ("/owner bob #ops", "bob owns #ops, too"),
        ("/disown bob #ops", "bob no longer owns #ops"),
        ("/kick bob #OPS", "bob is out of #ops"),
        ("/ban #ops bob", "bob is banned from #ops for ever"),
        ("/ban bob #ops 2d spam", "bob is banned from #ops for 2d"),
        ("/unban bob #ops", "bob may come back to #ops"),
        ("/mute #ops bob 10m", "bob is muted in #ops for 10m"),
        ("/unmute bob #ops", "bob may write in #ops again"),
    ],
)
def test_moderation_answers(chat: Dialogue, line: str, sentence: str) -> None:
    """The answer has the new state."""
    asks(chat, line)
    assert hears(chat, f.Done(1)) == [Answer(sentence)]


def test_server_action_without_rights(chat: Dialogue) -> None:
    """The user learns how to do it in a room; without an own room nothing is added."""
    types(chat, "/kick bob")
    assert texts(hears(chat, f.Error("not_allowed", "Only operators may do that.", n=1))) == [
        "Trouble: Only operators may do that. In a room: /kick #ops bob"
    ]
    types(chat, "/kick #ops bob")
    assert texts(hears(chat, f.Error("not_allowed", "Only owners.", n=2))) == ["Trouble: Only owners."]


# Presence in rooms


def test_members_with_presence(chat: Dialogue) -> None:
    """Times are local, with the date on another day."""
    assert asks(chat, "/who #ops") == f.Who("#ops", n=1)
    people = [
        f.Person("alice", 0),
        f.Person("bob", 11 * HOUR, "away", "lunch"),
        f.Person("cid", -30 * HOUR, "gone"),
        f.Person("dan", 10 * HOUR, "away"),
    ]
    (answer,) = hears(chat, f.People(people, "#ops", n=1))
    listed = "alice (you), bob (away since 11:00, lunch), cid (gone since 1969-12-30 18:00), dan (away since 10:00)"
    assert answer == Answer(f"In #ops: {listed}")
    assert chat.contacts.presence.here == {"alice", "bob", "dan"}


def test_long_list_of_users(chat: Dialogue) -> None:
    """The server names a hundred users, and counts all."""
    types(chat, "who")
    (answer,) = hears(chat, f.People([f.Person("alice", 0), f.Person("bob", 0)], count=1234, n=1))
    assert answer == Answer("Here: alice (you), bob and 1,232 more")


def test_away_notices(chat: Dialogue) -> None:
    """Stepping away shows the reason; coming back is neither joining nor leaving."""
    hears(chat, said(11, "bob", "alice", "hi"), said(12, "cid", "alice", "hi"))
    hears(chat, f.People([f.Person("alice", 0), f.Person("bob", 0), f.Person("cid", 0, "away")]))
    away = f.Presence([], [], [f.Person("bob", 1, "away", "lunch"), f.Person("cid", 1, "away")])
    assert hears(chat, away) == [Notice("bob is away (lunch)")]
    assert hears(chat, away) == []
    assert hears(chat, f.Presence(["bob"], [])) == [Notice("bob is back")]
    assert hears(chat, f.Presence([], ["cid"])) == [Notice("cid left")]
    assert hears(chat, f.Presence(["cid"], [])) == [Notice("cid joined")]


def test_own_away(chat: Dialogue) -> None:
    """The answers show what others see."""
    assert asks(chat, "/away lunch") == f.Away("lunch", n=1)
    assert asks(chat, "back") == f.Away(back=True, n=2)
    assert texts(hears(chat, f.Done(1), f.Done(2))) == [
        'Answer: You are away (lunch) until you say something, or type "back"',
        "Answer: You are back",
    ]


# History


def test_history_is_not_unread(chat: Dialogue) -> None:
    """A history has a heading, moves no position, and includes the user's own messages."""
    assert asks(chat, "/history bob") == f.History("bob", limit=20, n=1)
    page = [said(2, "bob", "alice", "hello"), said(3, "alice", "bob", "hi")]
    assert hears(chat, f.HistoryPage("bob", page, False, 1)) == [
        Answer("History with bob, 2 messages:"),
        Shown(message=page[0], mine=False, past=True),
        Shown(message=page[1], mine=True, past=True),
    ]
    assert chat.position == 4
    types(chat, "/history cid")
    assert hears(chat, f.HistoryPage("cid", [], False, 2)) == [Answer("History with cid: nothing was said yet")]


def test_history_again(chat: Dialogue) -> None:
    """The same command directly after a history gets the next page, otherwise the newest."""
    asks(chat, "/history #ops 1")
    assert texts(hears(chat, f.HistoryPage("#ops", [said(9, "bob", "#ops", "last")], True, 1))) == [
        "Answer: History of #ops, 1 message:",
        "last",
        "Answer: There is more: /history alone shows older messages",
    ]
    assert asks(chat, "/history") == f.History("#ops", 9, limit=1, n=2)
    hears(chat, f.HistoryPage("#ops", [said(8, "bob", "#ops", "first")], False, 2))
    assert asks(chat, "/history") == f.History("#ops", 8, limit=1, n=3)
    end = hears(chat, f.HistoryPage("#ops", [], False, 3))
    assert end == [Answer("History of #ops: nothing was said before that")]
    asks(chat, "/history #ops 1")
    hears(chat, f.HistoryPage("#ops", [said(9, "bob", "#ops", "last")], True, 4))
    types(chat, "/to bob")
    assert asks(chat, "/history") == f.History("bob", limit=20, n=5)


def test_pages_come_in_order(chat: Dialogue) -> None:
    """A second command before the first answer waits for it."""
    asks(chat, "/history #ops 1")
    assert types(chat, "/history") == ([], [])
    _, following = receives(chat, [f.HistoryPage("#ops", [said(9, "bob", "#ops", "last")], True, 1)])
    assert following == [f.History("#ops", 9, limit=1, n=2)]
    assert texts(hears(chat, f.HistoryPage("#ops", [said(8, "bob", "#ops", "first")], True, 2)))[1] == "first"
    asks(chat, "/search x")
    types(chat, "/search")
    hears(chat, f.Found([], False, 3))
    asks(chat, "/search x")
    types(chat, "/search")
    hears(chat, f.Error("bad_query", "Write words.", n=4))
    asks(chat, "/search y")
    hears(chat, f.Found([said(8, "bob", "#ops", "y")], True, 5))


def test_history_and_search_page_apart(chat: Dialogue) -> None:
    """A search does not change which page of the history is next."""
    asks(chat, "/history #ops 1")
    asks(chat, "/search x")
    assert types(chat, "/history") == ([], [])
    hears(chat, f.Found([said(7, "bob", "#ops", "x")], True, 2))
    _, following = receives(chat, [f.HistoryPage("#ops", [said(9, "bob", "#ops", "last")], True, 1)])
    assert following == [f.History("#ops", 9, limit=1, n=3)]
    hears(chat, f.HistoryPage("#ops", [], False, 3))
    asks(chat, "/history cid")
    asks(chat, "/search x")
    types(chat, "/history")
    hears(chat, f.Found([said(7, "bob", "#ops", "x")], True, 5), f.HistoryPage("cid", [], False, 4))


def test_unanswered_requests(chat: Dialogue) -> None:
    """After a lost connection neither the client's own requests nor repeated ones are reported."""
    receives(chat, [f.Room(f.RoomInfo("#dev", "open", 3), 40, 9)])
    for line in ("/search hi", "/receipts bob", "/history bob", "/history", "bob: hi"):
        types(chat, line)
    assert texts(chat.disconnected()) == [
        'Trouble: No answer came to "/search hi": ask once more.',
        'Trouble: No answer came to "/receipts bob": ask once more.',
        'Trouble: No answer came to "/history bob": ask once more.',
    ]
    assert chat.disconnected() == []
    assert [message.id for message in chat.outgoing.unanswered()] == ["id-1"]


def test_search_results(chat: Dialogue) -> None:
    """A heading has the number, the newest is last, and the same command finds older ones."""
    assert asks(chat, "/search deploy in:#ops") == f.Search("deploy", "#ops", n=1)
    found = [said(9, "bob", "#ops", "deploy two"), said(5, "bob", "#ops", "deploy one")]
    assert texts(hears(chat, f.Found(found, True, 1))) == [
        'Answer: 2 found for "deploy" in #ops:',
        "deploy one",
        "deploy two",
        "Answer: There is more: /search alone shows older ones",
    ]
    assert asks(chat, "/search") == f.Search("deploy", "#ops", before=5, n=2)
    assert texts(hears(chat, f.Found([], False, 2))) == ['Answer: Nothing more found for "deploy" in #ops']
    types(chat, '/search "a phrase" --from bob in:cid')
    assert texts(hears(chat, f.Found([], False, 3))) == ['Answer: Nothing found for "a phrase" from bob with cid']
    events, frames = types(chat, "/search")
    assert frames == []
    assert 'Write "/search' in str(events[0])


def test_skipped_messages_of_a_room(chat: Dialogue) -> None:
    """The notice has their number and the command; that history begins before what was shown."""
    assert hears(chat, f.Skipped("#ops", 4312, 700)) == [Notice("4,312 earlier in #ops: /history #ops")]
    assert asks(chat, "/history #ops") == f.History("#ops", 700, limit=20, n=1)
    types(chat, "help")
    assert asks(chat, "/history #ops") == f.History("#ops", limit=20, n=2)


def test_newest_after_a_long_absence() -> None:
    """At first, and after an hour without the server, only the newest messages are requested."""
    now = 0.0
    chat = Dialogue("alice", lambda: "id", lambda: 0, elapsed=lambda: now)
    assert chat.hello().newest == 100
    chat.connected(f.Welcome("alice", 10, 4, "chatcli/1", LIMITS))
    now = 3000.0
    receives(chat, [f.Pong()])
    now = 6600.0
    assert chat.hello().newest is None
    now = 6601.0
    assert chat.hello() == f.Hello(1, "alice", since=4, newest=100, revision=1)
    assert Dialogue("alice", lambda: "id", lambda: 0, Arrival(whole=True)).hello().newest is None


# Replies


def test_quoted_reply(chat: Dialogue) -> None:
    """A reply quotes the start of a recent message; an older one is only mentioned."""
    long = "shall we deploy the new server at five, or wait?"
    first, second, third = (
        said(11, "bob", "#ops", long),
        said(12, "bob", "#ops", "?", 11),
        said(13, "bob", "#ops", "", 1),
    )
    events = hears(chat, first, second, third)
    assert [event.quote for event in events if isinstance(event, Shown)] == [
        "",
        "shall we deploy the new server at five,…",
        "",
    ]


def test_reply_to_the_newest_message(chat: Dialogue) -> None:
    """/reply goes to the newest incoming message, whatever the user has done since."""
    hears(
        chat, said(11, "bob", "#ops", "deploy now?"), said(12, "alice", "#ops", "wait"), said(13, "cid", "alice", "hi")
    )
    assert types(chat, "/reply hello") == ([], [f.Send("id-1", "cid", "hello", 13)])
    assert hears(chat, f.Sent("id-1", 14, 12 * HOUR, "delivered")) == [
        Shown(message=f.Message(14, "id-1", "alice", "cid", "hello", 12 * HOUR, 13), mine=True, quote="hi")
    ]
    types(chat, "#ops: still here?")
    types(chat, "/history dan")
    hears(chat, f.HistoryPage("dan", [said(9, "dan", "alice", "old")], False, 1))
    types(chat, "/search older")
    hears(chat, f.Found([said(8, "eve", "#ops", "older")], False, 2))
    receives(chat, [f.Room(f.RoomInfo("#dev", "open", 3), 40, 3)])
    _, frames = types(chat, "/reply now")
    assert frames == [f.Send("id-3", "cid", "now", 13)]
    hears(chat, said(15, "bob", "#ops", "yes"))
    assert asks_to_send(chat, "/reply good") == f.Send("id-4", "#ops", "good", 15)


def test_reply_without_a_message(chat: Dialogue) -> None:
    """Neither own messages nor those from a history can be answered."""
    types(chat, "bob: hi")
    types(chat, "/history bob")
    hears(chat, f.HistoryPage("bob", [said(3, "bob", "alice", "old")], False, 1))
    hears(chat, said(12, "alice", "bob", "from my other device"))
    assert texts(types(chat, "/reply hi")[0]) == ["Trouble: There is no message to reply to yet."]
    assert isinstance(chat.first_error, InputError)


def test_left_room_is_not_meant(chat: Dialogue) -> None:
    """After /leave, commands without a room ask for one."""
    types(chat, "/to #ops")
    assert asks(chat, "/leave") == f.Rooms("#ops", n=1)
    assert receives(chat, [f.RoomList([f.RoomInfo("#ops", "open", 3, joined=True)], n=1)]) == (
        [],
        [f.Leave("#ops", n=2)],
    )
    assert hears(chat, f.Done(2)) == [Answer("You have left #ops")]
    assert texts(types(chat, "/leave")[0]) == [
        'Trouble: The open conversation is not a room: write which one, as in "/leave #ops".'
    ]


# Receipts


@pytest.mark.parametrize(
    ("seq", "sentence"),
    [
        (0, "bob has not seen what you said"),
        (5, 'bob has seen up to 11:05 "one"'),
        (7, 'bob has seen up to 11:05 "one"'),
        (8, "bob has seen everything you said"),
    ],
)
def test_receipts_of_a_person(chat: Dialogue, seq: int, sentence: str) -> None:
    """The client asks for the own messages, too, but does not show them."""
    events, frames = types(chat, "/receipts bob")
    assert events == []
    assert frames == [f.History("bob", limit=50, n=1), f.Receipts("bob", n=2)]
    page = [said(5, "alice", "bob", "one"), said(6, "bob", "alice", "two"), said(8, "alice", "bob", "three")]
    assert hears(chat, f.HistoryPage("bob", page, False, 1)) == []
    assert hears(chat, f.ReceiptList("bob", [f.Receipt("bob", seq)], 2)) == [Answer(sentence)]


def test_receipts_of_a_room(chat: Dialogue) -> None:
    """Members with the same position are together; the own new message counts at once."""
    types(chat, "#ops: deployed")
    hears(chat, f.Sent("id-1", 11, 11 * HOUR, "delivered"))
    types(chat, "/receipts #ops")
    hears(chat, f.HistoryPage("#ops", [said(5, "alice", "#ops", "deploying")], False, 1))
    people = [
        f.Receipt(user, seq, "#ops") for user, seq in (("bob", 11), ("cid", 7), ("dan", 20), ("eve", 0), ("fay", 4))
    ]
    assert texts(hears(chat, f.ReceiptList("#ops", people, 2))) == [
        "Answer: bob and dan have seen everything you said in #ops",
        'Answer: cid has seen up to 11:05 "deploying" in #ops',
        "Answer: fay has yet to see what you said in #ops",
        "Answer: nothing is known about eve",
    ]


def test_receipts_without_own_messages(chat: Dialogue) -> None:
    """A sentence says that there is nothing to have been seen."""
    types(chat, "/receipts bob")
    receives(chat, [f.HistoryPage("bob", [], False, 1)])
    assert hears(chat, f.ReceiptList("bob", [], 2)) == [Answer("You have said nothing to bob recently")]


def test_receipts_of_an_unknown_user(chat: Dialogue) -> None:
    """The two requests give one error."""
    types(chat, "/receipts bbo")
    refused = [f.Error("unknown_user", "Nobody is bbo.", n=number) for number in (1, 2)]
    assert texts(hears(chat, *refused)) == ["Trouble: Nobody is bbo."]
    assert not chat.is_waiting


def test_receipt_of_an_absent_recipient(chat: Dialogue) -> None:
    """A receipt is shown if the recipient was reported as away; others are not."""
    types(chat, "bob: one")
    types(chat, "bob: two")
    hears(chat, f.Sent("id-1", 11, 1, "stored"), f.Sent("id-2", 12, 1, "stored"))
    assert hears(chat, f.Receipt("bob", 11)) == []
    assert hears(chat, f.Receipt("bob", 12), f.Presence(["bob"], [])) == [
        Notice("bob joined"),
        Notice("bob has seen what you said"),
    ]
    assert hears(chat, f.Receipt("bob", 14), f.Receipt("bob", 14, "#ops"), f.Read(14)) == []
    assert chat.position == 4


def test_no_receipts() -> None:
    """The greeting asks for no receipts."""
    assert new_chat(Arrival(receipts=False)).hello().receipts is False
