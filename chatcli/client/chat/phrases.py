"""The sentences that the interactive client shows about rooms, people and moderation."""

from __future__ import annotations

import datetime
from typing import Final

from chatcli.client.chat.events import when
from chatcli.client.chat.recent import Snippet
from chatcli.protocol import frames as f
from chatcli.protocol.values.durations import duration_text
from chatcli.protocol.values.names import is_room
from chatcli.protocol.values.text import printable_line

#: The log went back, and nothing says how far.
RESET: Final = "The server's log was restored or replaced: the newest messages may be missing from it"

_NAMED: Final = 5  # people in a list, before the others are only counted
_QUOTED: Final = 60  # characters of a text
_GIVEN_BACK: Final = 1000  # of one that an input line may not get back: with --plain, or at the end of the client

#: Events in rooms: about someone else, about the user.
_HAPPENED: Final[dict[f.Happening, tuple[str, str]]] = {
    "joined": ("{user} joined {room}", "You are in {room}"),
    "left": ("{user} left {room}", "You are no longer in {room}"),
    "topic": ("{by} set the topic of {room}: {text}", "{by} set the topic of {room}: {text}"),
    "kicked": ("{by} has removed {user} from {room}{reason}", "{by} has removed you from {room}{reason}"),
    "banned": ("{by} has banned {user} from {room}{reason}", "{by} has banned you from {room}{reason}"),
    "unbanned": ("{by} lets {user} into {room} again", "{by} lets you into {room} again: /join {room}"),
    "muted": ("{by} has muted {user} in {room}{reason}", "{by} has muted you in {room}{reason}"),
    "unmuted": ("{by} lets {user} write in {room} again", "{by} lets you write in {room} again"),
    "invited": ("{by} invites {user} to {room}", "{by} invites you to {room}: /join {room}"),
    "uninvited": ("{by} has taken back {user}'s invitation to {room}", "{by} has taken back your invitation to {room}"),
    "owner": ("{user} is an owner of {room} now", "You are an owner of {room} now"),
    "disowned": ("{user} is no longer an owner of {room}", "You are no longer an owner of {room}"),
}
_NO_TOPIC: Final = ("{by} removed the topic of {room}",) * 2
#: A moderation action that was carried out: in a room, on the whole server.
_MODERATED: Final[dict[f.Operation, tuple[str, str]]] = {
    "invite": ("{to} is invited to {room}", ""),
    "uninvite": ("{to} is no longer invited to {room}", ""),
    "own": ("{to} owns {room}, too", ""),
    "disown": ("{to} no longer owns {room}", ""),
    "kick": ("{to} is out of {room}", "{to} was sent away"),
    "ban": ("{to} is banned from {room} for {length}", "{to} is banned from this server for {length}"),
    "unban": ("{to} may come back to {room}", "{to} may come back"),
    "mute": ("{to} is muted in {room} for {length}", "{to} is muted on this server for {length}"),
    "unmute": ("{to} may write in {room} again", "{to} may write again"),
}


def happened(frames: list[f.Happened], user: str) -> str:
    """Return the sentence for an event in a room, or the same event of several people."""
    frame = frames[0]
    others, own = _HAPPENED[frame.what] if frame.what != "topic" or frame.text else _NO_TOPIC
    text = printable_line(frame.text)
    return (own if frame.user == user else others).format(
        user="you" if frame.user == user else listed([frame.user for frame in frames]),
        by=printable_line(frame.by) or "The server",
        room=printable_line(frame.room),
        text=text,
        reason=f" ({text})" if text else "",
    )


def entered(room: f.RoomInfo, user: str) -> str:
    """Return the sentence for a room that the user has entered."""
    topic = f", topic: {printable_line(room.topic)}" if room.topic else ""
    # A user who has misspelt a name has created a room, and is to notice.
    alone = room.members == 1 and room.owners == [user]
    who = "nobody else is in it" if alone else f"{_people(room.members)}{_owned(room, user)}"
    return f"You are in {printable_line(room.name)} ({room.kind}, {who}{topic})"


def room_line(room: f.RoomInfo, user: str) -> str:
    """Return the line of a room in a list."""
    place = ", you are in it" if room.joined else ", you are invited" if room.invited else ""
    topic = f"  {printable_line(room.topic)}" if room.topic else ""
    return f"{printable_line(room.name)} ({room.kind}, {_people(room.members)}{_owned(room, user)}{place}){topic}"


def _owned(room: f.RoomInfo, user: str) -> str:
    if user in room.owners:
        return ", yours"
    return f", owned by {listed(room.owners)}" if room.owners else ""


def topic(room: f.RoomInfo) -> str:
    """Return the sentence for the topic of a room."""
    name = printable_line(room.name)
    return f"Topic of {name}: {printable_line(room.topic)}" if room.topic else f"{name} has no topic"


def people(frame: f.People, user: str, today: datetime.date) -> str:
    """Return the line that lists the people who are here, or the members of a room."""
    names = [_person(person, user, today) for person in frame.people]
    left_out = frame.count - len(names)
    more = f" and {left_out:,} more" if left_out > 0 else ""
    where = f"In {printable_line(frame.to)}" if frame.to else "Here"
    return f"{where}: {', '.join(names) or 'nobody'}{more}"


def _person(person: f.Person, user: str, today: datetime.date) -> str:
    name = printable_line(person.user) + " (you)" * (person.user == user)
    if person.state == "here":
        return name
    text = f", {printable_line(person.text)}" if person.text else ""
    return f"{name} ({person.state} since {when(person.since, today)}{text})"


def person(one: f.Person, rooms: list[str], today: datetime.date) -> str:
    """Return the sentence about one person.

    Args:
        one: the person.
        rooms: those that the user shares with them.
        today: the reader's day; times of other days carry their date.
    """
    text = f" ({printable_line(one.text)})" if one.text else ""
    idle = f", and nobody has touched their clients since {when(one.idle, today)}" if one.idle else ""
    if one.state == "here":
        where = "is here"
    elif one.since:
        where = f"has been {one.state} since {when(one.since, today)}"
    else:
        where = "is not here"
    return f"{printable_line(one.user)} {where}{text}{idle}{with_you(rooms)}"


def with_you(rooms: list[str]) -> str:
    """Return the end of a sentence about a person: the rooms that the user shares with them."""
    return f", with you in {', '.join(map(printable_line, rooms))}" if rooms else ""


def invited(room: str) -> str:
    """Return the sentence for an invitation."""
    return f"You are invited to {printable_line(room)}: /join {printable_line(room)}"


def seen(frame: f.ReceiptList, said: list[Snippet], user: str, today: datetime.date) -> list[str]:
    """Return a line for each group of people who have seen the same of the user's messages.

    Args:
        frame: the places in the log up to which people have seen messages.
        said: the user's messages, the oldest first.
        user: the user.
        today: the reader's day; times of other days carry their date.
    """
    in_room, to = is_room(frame.to), printable_line(frame.to)
    if not said:
        return [f"You have said nothing {'in' if in_room else 'to'} {to} recently"]
    others = [one for one in frame.people if one.user != user]
    if not others:
        return [f"Nobody else is in {to}" if in_room else f"{to} gives no receipts"]
    groups: dict[str, list[str]] = {}
    unknown = []
    for one in others:
        if in_room and one.seq == 0:  # a new member has nothing to see, and must not look like one who lags behind
            unknown.append(printable_line(one.user))
        else:
            what = _how_much(one.seq, said, f" in {to}" if in_room else "", today)
            groups.setdefault(what, []).append(printable_line(one.user))
    lines = [f"{_and(names)} {'has' if len(names) == 1 else 'have'} {what}" for what, names in groups.items()]
    return [*lines, *([f"nothing is known about {_and(unknown)}"] if unknown else [])]


def _how_much(seq: int, said: list[Snippet], where: str, today: datetime.date) -> str:
    shown = [snippet for snippet in said if snippet.seq <= seq]
    if len(shown) == len(said):
        return f"seen everything you said{where}"
    if shown:
        return f'seen up to {when(shown[-1].at, today)} "{shown[-1].start}"{where}'
    return f"yet to see what you said{where}" if where else "not seen what you said"


def done(frame: f.ClientFrame) -> str:
    """Return the sentence for a request that the server has carried out."""
    match frame:
        case f.Leave(room):
            return f"You have left {printable_line(room)}"
        case f.Topic(room, text):
            return f"Topic of {printable_line(room)}: {printable_line(text)}"
        case f.Away(back=True):
            return "You are back"
        case f.Away(text):
            why = f" ({printable_line(text)})" if text else ""
            return f'You are away{why} until you say something, or type "back"'
    return "Done"


def moderated(frame: f.Operate, to: str) -> str:
    """Return the sentence for a moderation action that the server has carried out.

    Args:
        frame: the action.
        to: the name of the person it concerns, as they write it.
    """
    inside, outside = _MODERATED[frame.do]
    return (inside if frame.room else outside).format(
        to=printable_line(to),
        room=printable_line(frame.room),
        length="ever" if frame.seconds is None else duration_text(frame.seconds),
    )


def moderation_hint(frame: f.Operate, room: str) -> str:
    """Return a hint that the user may do this in a room, which they may not do on the whole server."""
    return f"In a room: /{frame.do} {printable_line(room)} {printable_line(frame.to)}"


def listed(names: list[str]) -> str:
    """Return names in one line; of many, the first few and the number of the others."""
    names = [printable_line(name) for name in names]
    if len(names) > _NAMED:
        return f"{', '.join(names[:_NAMED])} and {len(names) - _NAMED} more"
    return ", ".join(names)


def restored(count: int, own: int) -> str:
    """Return the sentence for a log that was restored from a backup.

    Args:
        count: the number of messages here that it does not have any more.
        own: the number of those that the user has sent.
    """
    if not count:
        return "The server was restored from a backup: its log has all messages that came here"
    newest, they = ("message", "it is") if count == 1 else (f"{count:,} messages", "they are")
    whose = "" if not own else ", yours" if count == own else f", {own:,} of them yours"
    # A sender who still waits sends it once more, maybe before this is read.
    return (
        f"The server was restored from a backup that ends before the newest {newest} here{whose}: "
        f"{they} gone, unless sent again"
    )


def lost_rooms(rooms: list[str], *, restored: bool) -> str:
    """Return the sentence for rooms that the user does not belong to any more, as a new connection shows.

    Args:
        rooms: the rooms.
        restored: whether the log of the server is another one than before.
    """
    if not restored:
        return f"You are no longer in {listed(rooms)}"
    join = f"/join {printable_line(rooms[0])}" if len(rooms) == 1 else "/join"
    lost = f"The restored server does not have {listed(rooms)}, or you are not a member there"
    return f"{lost}: {join} enters it, or makes it anew"


def no_reply(message: f.Send) -> str:
    """Return the sentence for a reply to a message that the log has lost."""
    return f'Sent without what it answers, which is gone from the log: "{printable_line(message.text[:_QUOTED])}"'


def no_answer(message: f.Send) -> str:
    """Return the sentence for an answer to a question that the log has lost."""
    return f'Not answered with "{printable_line(message.text)}": the question is gone from the log.'


def nobodys(name: str, before: str) -> str:
    """Return the sentence for a line to somebody whose name was released.

    Args:
        name: as they are listed.
        before: the name that was released.
    """
    shown = printable_line(before)
    return (
        f'Not sent: "{printable_line(name)}" has what was said before the name was released; nobody reads it there. '
        f'"{shown}: …" writes to whoever is called {shown} now.'
    )


def not_sent(message: f.Send, reason: str) -> str:
    """Return the sentence for a message that is given back, as the name may be somebody else's now."""
    what = "Not sent" if message.answer is None else "Not answered with"
    return f'{what} "{printable_line(message.text[:_GIVEN_BACK])}": {reason}.'


def messages(count: int) -> str:
    """Return a number of messages in words."""
    return "1 message" if count == 1 else f"{count:,} messages"


def _people(count: int) -> str:
    return "1 person" if count == 1 else f"{count:,} people"


def _and(names: list[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]
