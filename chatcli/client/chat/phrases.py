"""How rooms, people and what happens to them are put into words."""

from __future__ import annotations

import datetime
from typing import Final

from chatcli.client.chat.events import when
from chatcli.client.chat.recent import Snippet
from chatcli.protocol import frames as f
from chatcli.protocol.durations import duration_text
from chatcli.protocol.names import is_room
from chatcli.protocol.text import printable_line

_NAMED: Final = 5  # people who come or go at once and are named

#: What happened: to someone else, to oneself.
_HAPPENED: Final[dict[f.Happening, tuple[str, str]]] = {
    "joined": ("{user} joined {room}", "You are in {room}"),
    "left": ("{user} left {room}", "You are no longer in {room}"),
    "topic": ("{by} set the topic of {room}: {text}", "{by} set the topic of {room}: {text}"),
    "kicked": ("{by} has sent {user} away from {room}{reason}", "{by} has sent you away from {room}{reason}"),
    "banned": ("{by} keeps {user} out of {room}{reason}", "{by} keeps you out of {room}{reason}"),
    "unbanned": ("{by} lets {user} into {room} again", "{by} lets you into {room} again: /join {room}"),
    "muted": ("{by} has muted {user} in {room}{reason}", "{by} has muted you in {room}{reason}"),
    "unmuted": ("{by} lets {user} write in {room} again", "{by} lets you write in {room} again"),
    "invited": ("{by} invites {user} to {room}", "{by} invites you to {room}: /join {room}"),
    "uninvited": ("{by} has taken back {user}'s invitation to {room}", "{by} has taken back your invitation to {room}"),
    "owner": ("{user} is an owner of {room} now", "You are an owner of {room} now"),
    "disowned": ("{user} is no longer an owner of {room}", "You are no longer an owner of {room}"),
}
_NO_TOPIC: Final = ("{by} took the topic of {room} away",) * 2
#: A moderation action that was carried out: in a room, on the whole server.
_MODERATED: Final[dict[f.Operation, tuple[str, str]]] = {
    "invite": ("{to} is invited to {room}", ""),
    "uninvite": ("{to} is invited to {room} no longer", ""),
    "own": ("{to} owns {room}, too", ""),
    "disown": ("{to} owns {room} no longer", ""),
    "kick": ("{to} is out of {room}", "{to} was sent away"),
    "ban": ("{to} is banned from {room} for {length}", "{to} is banned from this server for {length}"),
    "unban": ("{to} may come back to {room}", "{to} may come back"),
    "mute": ("{to} is muted in {room} for {length}", "{to} is muted on this server for {length}"),
    "unmute": ("{to} may write in {room} again", "{to} may write again"),
}


def happened(frames: list[f.Happened], user: str) -> str:
    """Return what happened in a room, or to the user; the same to each of several people."""
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
    """Return what someone gets to know who has entered the room."""
    topic = f", topic: {printable_line(room.topic)}" if room.topic else ""
    # Whoever has misspelt the name of a room has made one, and is to notice.
    alone = room.members == 1 and room.owners == [user]
    who = "nobody else is" if alone else f"{_people(room.members)}{_owned(room, user)}"
    return f"You are in {printable_line(room.name)} ({room.kind}, {who}{topic})"


def room_line(room: f.RoomInfo, user: str) -> str:
    """Return the room as one line of a list."""
    place = ", you are in it" if room.joined else ", you are invited" if room.invited else ""
    topic = f"  {printable_line(room.topic)}" if room.topic else ""
    return f"{printable_line(room.name)} ({room.kind}, {_people(room.members)}{_owned(room, user)}{place}){topic}"


def _owned(room: f.RoomInfo, user: str) -> str:
    if user in room.owners:
        return ", yours"
    return f", owned by {listed(room.owners)}" if room.owners else ""


def topic(room: f.RoomInfo) -> str:
    """Return what the room is about."""
    name = printable_line(room.name)
    return f"Topic of {name}: {printable_line(room.topic)}" if room.topic else f"{name} has no topic"


def people(frame: f.People, user: str, today: datetime.date) -> str:
    """Return who is here, or who belongs to a room."""
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


def invited(room: str) -> str:
    """Return how to make use of an invitation."""
    return f"You are invited to {printable_line(room)}: /join {printable_line(room)}"


def seen(frame: f.ReceiptList, said: list[Snippet], user: str, today: datetime.date) -> list[str]:
    """Return who has seen what the user said, those together who have seen as much.

    Args:
        frame: up to where they have seen it.
        said: what the user said, the oldest first.
        user: who asks.
        today: times of other days carry their date.
    """
    in_room, to = is_room(frame.to), printable_line(frame.to)
    if not said:
        return [f"You have said nothing {'in' if in_room else 'to'} {to} of late"]
    others = [one for one in frame.people if one.user != user]
    if not others:
        return [f"Nobody else is in {to}" if in_room else f"{to} does not tell what they see"]
    groups: dict[str, list[str]] = {}
    unknown = []
    for one in others:
        if in_room and one.seq == 0:  # who came later has nothing to see, and is not to look like one who lags behind
            unknown.append(printable_line(one.user))
        else:
            what = _how_much(one.seq, said, f" in {to}" if in_room else "", today)
            groups.setdefault(what, []).append(printable_line(one.user))
    lines = [f"{_and(names)} {'has' if len(names) == 1 else 'have'} {what}" for what, names in groups.items()]
    return [*lines, *([f"nothing known of {_and(unknown)}"] if unknown else [])]


def _how_much(seq: int, said: list[Snippet], where: str, today: datetime.date) -> str:
    shown = [snippet for snippet in said if snippet.seq <= seq]
    if len(shown) == len(said):
        return f"seen everything you said{where}"
    if shown:
        return f'seen up to {when(shown[-1].at, today)} "{shown[-1].start}"{where}'
    return f"yet to see what you said{where}" if where else "seen nothing yet of what you said"


def done(frame: f.ClientFrame) -> str:
    """Return what is so now that the server has done what it was asked."""
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
    """Return names in a row, the first few of many."""
    names = [printable_line(name) for name in names]
    if len(names) > _NAMED:
        return f"{', '.join(names[:_NAMED])} and {len(names) - _NAMED} more"
    return ", ".join(names)


def messages(count: int) -> str:
    """Return so many messages in words."""
    return "1 message" if count == 1 else f"{count:,} messages"


def _people(count: int) -> str:
    return "1 person" if count == 1 else f"{count:,} people"


def _and(names: list[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]
