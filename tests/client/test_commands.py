"""What commands ask of the server."""

from __future__ import annotations

import pytest

from chatcli.client.commands import Place, frame_for
from chatcli.errors import InputError
from chatcli.protocol import frames as f

PLACE = Place("bob", "#ops")


@pytest.mark.parametrize(
    ("word", "argument", "frame"),
    [
        ("who", "", f.Who(limit=100)),
        ("who", "#ops", f.Who("#ops")),
        ("rooms", "", f.Rooms()),
        ("join", "#ops", f.Join("#ops")),
        ("join", "--private #plans", f.Join("#plans", "private")),
        ("join", "#news --announce", f.Join("#news", "announcement")),
        ("leave", "#plans", f.Leave("#plans")),
        ("topic", "#plans Deploys  and such", f.Topic("#plans", "Deploys  and such")),
        ("topic", "#plans", f.Rooms("#plans")),
        ("invite", "cid #plans", f.Operate("invite", "cid", "#plans")),
        ("invite", "#plans cid", f.Operate("invite", "cid", "#plans")),
        ("uninvite", "cid #plans", f.Operate("uninvite", "cid", "#plans")),
        ("owner", "cid #plans", f.Operate("own", "cid", "#plans")),
        ("disown", "cid #plans", f.Operate("disown", "cid", "#plans")),
        ("history", "cid", f.History("cid", limit=20)),
        ("history", "#plans 50", f.History("#plans", limit=50)),
        ("history", "42 50", f.History("42", limit=50)),
        ("receipts", "cid", f.Receipts("cid")),
        ("away", "", f.Away()),
        ("away", "at lunch", f.Away("at lunch")),
        ("back", "", f.Away(back=True)),
        ("kick", "cid too loud", f.Operate("kick", "cid", reason="too loud")),
        ("kick", "#ops cid too  loud", f.Operate("kick", "cid", "#ops", reason="too  loud")),
        ("mute", "#ops cid 10m too loud", f.Operate("mute", "cid", "#ops", 600, "too loud")),
        ("unban", "#ops cid", f.Operate("unban", "cid", "#ops")),
        ("unban", "cid #ops", f.Operate("unban", "cid", "#ops")),
        ("kick", "cid #ops", f.Operate("kick", "cid", "#ops")),
        ("ban", "cid  #ops too loud", f.Operate("ban", "cid", "#ops", reason="too loud")),
        ("mute", "cid #ops 10m", f.Operate("mute", "cid", "#ops", 600)),
        ("unmute", "cid #ops", f.Operate("unmute", "cid", "#ops")),
        ("ban", "cid says 5 things", f.Operate("ban", "cid", reason="says 5 things")),
    ],
)
def test_a_command_asks_for_one_thing(word: str, argument: str, frame: f.ClientFrame) -> None:
    """Rooms, people, numbers and texts are told apart by how they are written."""
    assert frame_for(word, argument, Place()) == frame


@pytest.mark.parametrize(
    ("argument", "frame"),
    [
        ("deploy", f.Search("deploy")),
        ('"rolled back" dep*', f.Search('"rolled back" dep*')),
        ("deploy in:#ops from:bob", f.Search("deploy", "#ops", "bob")),
        ("FROM:bob deploy in:cid failed", f.Search("deploy failed", "cid", "bob")),
        ("hi --from alice --in #ops", f.Search("hi", "#ops", "alice")),
        ("--from=alice hi", f.Search("hi", sender="alice")),
        ('"a --in b" c', f.Search('"a --in b" c')),
        ('"in:#ops" from:', f.Search('"in:#ops" from:')),
        ('"never closed in:#ops', f.Search('"never closed in:#ops')),
    ],
)
def test_where_and_from_whom_is_searched_stands_among_the_words(argument: str, frame: f.Search) -> None:
    """What is quoted, or has nothing behind its colon, is a word to be found."""
    assert frame_for("search", argument, Place()) == frame


@pytest.mark.parametrize(
    ("word", "argument", "frame"),
    [
        ("topic", "", f.Rooms("#ops")),
        ("topic", "Deploys", f.Topic("#ops", "Deploys")),
        ("invite", "cid", f.Operate("invite", "cid", "#ops")),
        ("disown", "cid", f.Operate("disown", "cid", "#ops")),
        ("history", "", f.History("bob", limit=20)),
        ("history", "7", f.History("bob", limit=7)),
        ("receipts", "", f.Receipts("bob")),
    ],
)
def test_without_a_conversation_the_newest_is_meant(word: str, argument: str, frame: f.ClientFrame) -> None:
    """Commands for rooms mean the newest room, the others whatever was newest."""
    assert frame_for(word, argument, PLACE) == frame


@pytest.mark.parametrize(
    ("word", "argument", "sentence"),
    [
        ("leave", "", 'Nothing was said in a room yet: write which, as in "/leave #ops".'),
        ("topic", "Deploys", 'Nothing was said in a room yet: write which, as in "/topic #ops".'),
        ("invite", "cid", 'Nothing was said in a room yet: write which, as in "/invite bob #ops".'),
        ("history", "", 'Nothing was said yet: write whose, as in "/history bob" or "/history #ops".'),
        ("receipts", "", 'Nothing was said yet: write whose, as in "/receipts bob" or "/receipts #ops".'),
        ("join", "ops", 'The name of a room begins with #: write "/join #ops".'),
        ("who", "ops", 'The name of a room begins with #: write "/who #ops".'),
        ("join", "--privat #ops", 'There is no kind "--privat": kinds are --private and --announce.'),
        ("join", "--private", 'Write "/join [--private|--announce] #ROOM".'),
        ("join", "--private --announce #ops", "A room is of one kind: write --private or --announce, not both."),
        ("join", "#ops #plans", 'Enter one room at a time: "/join #ops", then "/join #plans".'),
        ("leave", "#ops now", 'Write "/leave [#ROOM]".'),
        ("invite", "#ops", 'Write "/invite NAME [#ROOM]".'),
        ("invite", "bob cid #ops", 'Write "/invite NAME [#ROOM]".'),
        ("history", "bob and cid", 'Write "/history [NAME|#ROOM] [NUMBER]".'),
        ("history", "bob 501", "500 messages at most are shown at once: write a number from 1 on."),
        ("history", "0", "500 messages at most are shown at once: write a number from 1 on."),
        ("search", "in:#ops", 'Write "/search [WORDS] [in:NAME|in:#ROOM] [from:NAME]".'),
        ("search", "hi --from", 'Write "/search [WORDS] [in:NAME|in:#ROOM] [from:NAME]".'),
        ("receipts", "bob cid", 'Write "/receipts [NAME|#ROOM]".'),
        ("kick", "#ops", 'Write "/kick [#ROOM] NAME [REASON]".'),
        ("kick", "#ops #dev", 'Write "/kick [#ROOM] NAME [REASON]".'),
        ("ban", "bob -5m", '"-5m" is not a length of time; write it like 90s, 10m, 2h, 2d or 1w.'),
        ("ban", "#ops bob 5x", '"5x" is not a length of time; write it like 90s, 10m, 2h, 2d or 1w.'),
        ("mute", "#ops bob 10min", '"10min" is not a length of time; write it like 90s, 10m, 2h, 2d or 1w.'),
    ],
)
def test_what_cannot_be_meant_gets_a_sentence(word: str, argument: str, sentence: str) -> None:
    """The sentence says how the command is written."""
    with pytest.raises(InputError) as caught:
        frame_for(word, argument, Place())
    assert str(caught.value) == sentence


@pytest.mark.parametrize("argument", ["bob 2d #ops", "#dev bob #ops", "bob #dev #ops"])
def test_a_room_in_the_place_of_a_reason_bans_nobody(argument: str) -> None:
    """Whoever meant a room, and wrote it too late, has acted neither on the server nor on another room."""
    with pytest.raises(InputError, match=r"a reason does not begin with #\. Write"):
        frame_for("ban", argument, PLACE)


def test_without_a_room_only_that_of_the_newest_conversation_is_left() -> None:
    """What the room is decides whether it is left, so that is asked first; behind a talk with a person, nothing is."""
    assert frame_for("leave", "", Place("#ops", "#ops")) == f.Rooms("#ops")
    with pytest.raises(
        InputError, match='The newest message was in no room: write which to leave, as in "/leave #ops"'
    ):
        frame_for("leave", "", PLACE)
