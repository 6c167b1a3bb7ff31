"""Descriptions of what a hub has in memory, to be compared with that of a hub that was made from the database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chatcli.protocol.values.lookalikes import look_of
from chatcli.protocol.values.names import Name, check_name, check_room_name
from chatcli.server.state.moderation import subject

if TYPE_CHECKING:
    from chatcli.server.hub import Hub
    from chatcli.server.model import Room, Token, User


def describe(hub: Hub, *, positions: bool) -> dict[str, Any]:
    """Return everything of a hub's memory that follows the log, in values that can be compared.

    What belongs to connections, and what is reserved for requests under way, is left out.

    Args:
        hub: the hub.
        positions: whether the positions of users belong to it: they move in memory first, and only on the server on
            which the user moves them.
    """
    users = hub.users.all()
    rooms = hub.rooms.all()
    return {
        "head": hub.rooms.delivered_seq,
        "users": {user.id: _user(hub, user) for user in users},
        "positions": {user.id: _positions(user) for user in users} if positions else {},
        "names": {user.id: _names(hub, user) for user in users},
        "rooms": {room.id: _room(room) for room in rooms},
        "room names": {room.id: _room_names(hub, room) for room in rooms},
        "listed": sorted(room.id for room in rooms if room in hub.rooms._listed.page([], "", len(rooms) + 1)),
        "rulings": {f"{kind} {about}": sanction for (kind, about), sanction in hub.moderation._on_disk.items()},
        "inviters": _inviters(hub),
        "tokens": {user.id: _tokens(hub, user) for user in users},
        "freed": sorted(hub.names._freed),
    }


def _user(hub: Hub, user: User) -> dict[str, Any]:
    return {
        "name": user.name,
        "key": user.key,
        "keys": dict(user.keys),
        "rooms": sorted(room.id for room in user.rooms),
        "invited": sorted(room.id for room in user.invited if _holds(hub, subject(room, user))),
    }


def _positions(user: User) -> dict[str, Any]:
    return {
        "received": user.received,
        "read": user.read,
        "public_read": user.public_read,
        "reads": dict(user.reads),
    }


def _names(hub: Hub, user: User) -> dict[str, Any]:
    """Return the ids of the users that are found by a user's id, folded name, look and name as it is written."""
    return {
        "id": _id(hub.users.get(user.id)),
        "key": _id(hub.users.by_key(user.key)),
        "look": _id(hub.users._by_look.get(look_of(user.name))),
        "spelling": _id(hub.users.find(user.name)),
        "released": _id(hub.users.find_released(user.name)),
    }


def _id(found: User | Room | None) -> int | None:
    return None if found is None else found.id


def _room(room: Room) -> dict[str, Any]:
    return {
        "name": room.name,
        "key": room.key,
        "kind": room.kind,
        "topic": room.topic,
        "members": [(user.id, since) for user, since in room.members.items()],
        "owners": sorted(user.id for user in room.owners),
    }


def _room_names(hub: Hub, room: Room) -> dict[str, Any]:
    return {
        "id": _id(hub.rooms.by_id(room.id)),
        "key": _id(hub.rooms._by_key.get(room.key)),
        "look": _id(hub.rooms._by_look.get(look_of(room.name))),
    }


def _inviters(hub: Hub) -> dict[str, int]:
    given = hub.invitations._given
    pairs = {subject(room, user): by.id for by, invited in given.items() for room, user in invited}
    guests = hub.invitations._inviters
    assert pairs == {subject(room, user): by.id for room, all_of in guests.items() for user, by in all_of.items()}
    return {about: by for about, by in sorted(pairs.items()) if _holds(hub, about)}


def _holds(hub: Hub, about: str) -> bool:
    """Return whether an invitation still holds: those whose time is over are not read from the log."""
    sanction = hub.moderation._on_disk.get(("room_invitation", about))
    return sanction is not None and not sanction.over(hub.clock())


def _tokens(hub: Hub, user: User) -> list[dict[str, Any]]:
    tokens = sorted(hub.tokens._by_user.get(user, ()), key=lambda token: token.digest)
    assert all(hub.tokens._by_digest.get(token.digest) is token for token in tokens)
    return [_token(token) for token in tokens]


def _token(token: Token) -> dict[str, Any]:
    return {
        "digest": token.digest,
        "label": token.label,
        "scope": token.scope,
        "places": None if token.places is None else sorted(token.places),
        "created": token.created,
        "until": token.until,
        "used": token.used,
        "key": token.key,
    }


def check_at_rest(hub: Hub) -> None:
    """Check that nothing is reserved for requests under way, and that the indexes of decisions agree with them."""
    moderation = hub.moderation
    assert not moderation._newest
    assert moderation._sanctions == moderation._on_disk
    subjects = [(kind, about) for kind, all_of in moderation._by_kind.items() for about in all_of]
    assert sorted(subjects) == sorted(moderation._sanctions)
    banned = {(int(room), int(user)) for user, all_of in moderation._banned.items() for room in all_of}
    assert banned == {tuple(map(int, about.split(":"))) for kind, about in subjects if kind == "room_ban"}
    assert not hub.losing_names
    check_sessions(hub)
    assert not hub.tokens._using
    assert not any(user.adding or user.dropping for user in hub.users.all())
    assert not any(room.leaving for room in hub.rooms.all())
    assert not any(token.ended for token in hub.tokens._by_digest.values())


def check_caches(hub: Hub) -> None:
    """Check that what is found quickly is what would be found slowly."""
    for spelling, user in hub.users._by_spelling.items():
        assert hub.users.by_key(check_name(spelling).key) is user, f"{spelling} is not {user.name}"
    for spelling, room in hub.rooms._by_spelling.items():
        assert hub.rooms._by_key[check_room_name(spelling).key] is room, f"{spelling} is not {room.name}"
    public = {room.id for room in hub.rooms.all() if room.kind != "private"}
    assert hub.rooms._open is None or set(hub.rooms._open) == public


def check_sessions(hub: Hub) -> None:
    """Check that everybody who is connected would be let in now."""
    now = hub.clock()
    for session in hub.sessions:
        user, token = session.user, session.token
        if user is not None:
            key = session.key if token is None else token.key
            hub.moderation.check_ban(Name(user.name, user.key), key)
            assert key in user.keys or (token is not None and not key), f"{session} has no key"
            assert token is None or (token.valid(now) and hub.tokens._by_digest[token.digest] is token), str(session)


def check_connections(hub: Hub) -> None:
    """Check that what rooms know of the connections of their members agrees with the members."""
    for room in hub.rooms.all():
        feeds = {
            feed
            for user in room.members
            for feed in (*user.feeds, *(one for one in user.limited_feeds if one.includes(room.id)))
            if feed.listening
        }
        assert set(room.feeds) == feeds, f"the feeds of {room.name}"
        assert room.here == {user for user in room.members if user.joined}, f"those who are here in {room.name}"
        assert room.owners <= set(room.members), f"the owners of {room.name}"
        assert room.owners or not room.members, f"{room.name} belongs to nobody"
