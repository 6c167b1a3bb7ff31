"""Requests of commands."""

from __future__ import annotations

import pytest

from chatcli.client.chat.commands import frame_for
from chatcli.errors import InputError
from chatcli.protocol import frames as f


@pytest.mark.parametrize(
    ("word", "argument", "frame"),
    [
        ("who", "", f.Who(limit=100)),
        ("who", "#ops", f.Who("#ops")),
        ("who", "bob", f.Who("bob")),
        ("whois", "bob", f.Who("bob")),
        ("history", "carol (released 7)", f.History("carol (released 7)", limit=20)),
        ("history", "carol (released 7) -n 5", f.History("carol (released 7)", limit=5)),
        ("receipts", "carol (released 7)", f.Receipts("carol (released 7)")),
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
def test_requests(word: str, argument: str, frame: f.ClientFrame) -> None:
    """Rooms, users, numbers and texts differ in their form."""
    assert frame_for(word, argument) == frame


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
def test_search_filters(argument: str, frame: f.Search) -> None:
    """A quoted filter, and one with nothing after its colon, is a search word."""
    assert frame_for("search", argument) == frame


@pytest.mark.parametrize(
    ("word", "argument", "frame"),
    [
        ("topic", "", f.Rooms("#ops")),
        ("topic", "Deploys", f.Topic("#ops", "Deploys")),
        ("invite", "cid", f.Operate("invite", "cid", "#ops")),
        ("disown", "cid", f.Operate("disown", "cid", "#ops")),
        ("leave", "", f.Rooms("#ops")),
        ("history", "", f.History("#ops", limit=20)),
        ("history", "7", f.History("#ops", limit=7)),
        ("receipts", "", f.Receipts("#ops")),
    ],
)
def test_default_is_the_open_conversation(word: str, argument: str, frame: f.ClientFrame) -> None:
    """Without a name the open conversation is meant, but a private room is not left without its name."""
    assert frame_for(word, argument, "#ops") == frame


@pytest.mark.parametrize("word", ["leave", "topic", "invite"])
def test_no_room_while_a_person_is_open(word: str) -> None:
    """Without a name no room is left while a person's conversation is open."""
    with pytest.raises(InputError, match='The open conversation is not a room: write which one, as in "/'):
        frame_for(word, "cid" if word == "invite" else "", "bob")
    assert frame_for("receipts", "", "bob") == f.Receipts("bob")


@pytest.mark.parametrize(
    ("word", "argument", "sentence"),
    [
        ("leave", "", 'The open conversation is not a room: write which one, as in "/leave #ops".'),
        ("topic", "Deploys", 'The open conversation is not a room: write which one, as in "/topic #ops".'),
        ("invite", "cid", 'The open conversation is not a room: write which one, as in "/invite bob #ops".'),
        ("history", "", 'No conversation is open: write whose, as in "/history bob" or "/history #ops".'),
        ("receipts", "", 'No conversation is open: write whose, as in "/receipts bob" or "/receipts #ops".'),
        ("join", "ops", 'The name of a room begins with #: write "/join #ops".'),
        ("who", "bob carol", 'Write "/who [NAME|#ROOM]".'),
        ("whois", "#ops", '#ops is a room: "/names #ops" lists its members.'),
        ("receipts", "carol (released 7) 2", 'Write "/receipts [NAME|#ROOM]".'),
        ("join", "--privat #ops", 'There is no kind "--privat": kinds are --private and --announce.'),
        ("join", "--private", 'Write "/join [--private|--announce] #ROOM".'),
        ("join", "--private --announce #ops", "A room is of one kind: write --private or --announce, not both."),
        ("join", "#ops #plans", 'Enter one room at a time: "/join #ops", then "/join #plans".'),
        ("leave", "#ops now", 'Write "/leave [#ROOM]".'),
        ("invite", "#ops", 'Write "/invite NAME [#ROOM]".'),
        ("invite", "bob cid #ops", 'Write "/invite NAME [#ROOM]".'),
        ("history", "bob and cid", 'Write "/history [NAME|#ROOM] [NUMBER]".'),
        ("history", "bob 501", "Write a number of messages from 1 to 500."),
        ("history", "0", "Write a number of messages from 1 to 500."),
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
def test_impossible_arguments(word: str, argument: str, sentence: str) -> None:
    """The sentence shows how the command is written."""
    with pytest.raises(InputError) as caught:
        frame_for(word, argument)
    assert str(caught.value) == sentence


@pytest.mark.parametrize("argument", ["bob 2d #ops", "#dev bob #ops", "bob #dev #ops"])
def test_room_in_place_of_a_reason(argument: str) -> None:
    """A room at the end of a ban acts neither on the server nor on another room."""
    with pytest.raises(InputError, match=r"a reason cannot begin with #\. Write"):
        frame_for("ban", argument, "#ops")
