"""Commands of operators about tokens: names for programs, which belong to nobody's key, and their tokens."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from chatcli.errors import InputError, Refused, UnknownRecipient
from chatcli.protocol import codes
from chatcli.protocol.values.lookalikes import check_new_name, look_of, looks_like_operator
from chatcli.protocol.values.names import Name, check_name, is_room
from chatcli.server.handlers.operator_commands import Command, timestamp
from chatcli.server.handlers.tokens import check_terms, to_info
from chatcli.server.state.name_changes import OPERATOR
from chatcli.store.records import Claim

if TYPE_CHECKING:
    from chatcli.protocol.admin import Row
    from chatcli.server.hub import Hub
    from chatcli.server.model import Room, Token, User
    from chatcli.store.batch import Outcome

_RECOVERY: Final = (
    'Recovery tokens are made by their owners, with "chatcli key token". You let somebody in whose key is lost with '
    '"chatcli admin link NAME".'
)


def _token(command: Command) -> None:
    """Make a token for a name that belongs to no key; the name is made if it is free."""
    hub, request = command.hub, command.request
    if request.scope == "recover":
        raise Refused(codes.NOT_ALLOWED, _RECOVERY)
    check_terms(request.scope, request.places, request.label)
    places = [_place(hub, name) for name in request.places]
    name = _name(request.to)
    user = hub.users.by_key(name.key)
    if user is not None:
        _check_service(hub, user)
        _make(command, user, places, new=False)
        return
    _check_new(hub, name)
    record = Claim(
        id=hub.log.new_user_id(),
        name=name.text,
        key=name.key,
        look=look_of(name.text),
        created=hub.clock(),
        by=OPERATOR,
    )

    def finish(outcome: Outcome) -> None:
        user = hub.users.get(record.id)
        if user is None:
            command.refuse_unstored(outcome)
            return
        try:
            _make(command, user, places, new=True)
        except Refused as refused:
            command.refuse(refused)

    hub.log.append_change(record, finish)
    hub.batcher.schedule()


def _make(command: Command, user: User, places: list[int | Room], *, new: bool) -> None:
    """Make the token of a name for programs, which becomes a member of the rooms that the token is for."""
    hub, request = command.hub, command.request
    entered = dict.fromkeys(one for one in places if not isinstance(one, int) and user not in one.members)
    hub.permissions.check_count(user, len(entered))
    for room in entered:
        hub.membership.enter(room, user)  # so that it may write in a private one and hears what is said there

    def made(text: str, token: Token | None, outcome: Outcome) -> None:
        if token is None:
            command.refuse_unstored(outcome)
            return
        command.report(
            {
                "user": user.name,
                "token": text,
                "id": token.id,
                "scope": token.scope,
                "to": None if token.places is None else to_info(hub, token).to,
                "until": None if token.until is None else timestamp(token.until),
                "new": new,
            }
        )

    ids = tuple(dict.fromkeys(one if isinstance(one, int) else one.id for one in places))
    hub.tokens.make(
        user,
        label=request.label,
        scope=request.scope,
        places=ids or None,
        seconds=request.seconds,
        key=b"",
        on_made=made,
    )


def _place(hub: Hub, name: str) -> int | Room:
    """Return the id of the user of that name, or the room.

    Raises:
        UnknownRecipient: there is none.
    """
    identity = hub.place_of(name, released=False)
    room = None if identity is None else hub.rooms.by_id(identity)
    if room is not None and room.members:
        return room
    if identity is None or is_room(name):
        text = f'There is no room "{name}".' if is_room(name) else f'Nobody called "{name}" was ever here.'
        raise UnknownRecipient(codes.UNKNOWN_ROOM if is_room(name) else codes.UNKNOWN_USER, text, [])
    return identity


def _name(spelling: str) -> Name:
    try:
        return check_name(spelling)
    except InputError as error:
        raise Refused(codes.BAD_NAME, str(error)) from None


def _check_service(hub: Hub, user: User) -> None:
    """Raise unless a name that exists is one for programs.

    Raises:
        Refused: the name belongs to a person.
    """
    if user.owned:
        text = f'{user.name} belongs to a key: its owner makes tokens with "chatcli key token".'
        raise Refused(codes.NAME_TAKEN, text)
    if hub.moderation.get("service", user.key) is None:
        text = f"{user.name} is the name of somebody who has no key here yet: choose another name."
        raise Refused(codes.NAME_TAKEN, text)


def _check_new(hub: Hub, name: Name) -> None:
    """Raise unless programs may have a name that is free.

    Raises:
        Refused: nobody may have it.
    """
    try:
        check_new_name(name)
    except InputError as error:
        raise Refused(codes.BAD_NAME, str(error)) from None
    if looks_like_operator(name):
        raise Refused(codes.BAD_NAME, f"The name {name.text} is for operators, not for programs: choose another one.")
    other = hub.users.lookalike(name)
    if other is not None:
        raise Refused(codes.BAD_NAME, f"The name {name.text} looks like {other.name}, the name of someone else.")


def _tokens(command: Command) -> None:
    user = command.find_user()
    command.report(*[_row(command.hub, token) for token in command.hub.tokens.of(user)])


def _row(hub: Hub, token: Token) -> Row:
    info = to_info(hub, token)
    return {
        "user": token.user.name,
        "id": info.id,
        "scope": info.scope,
        "label": info.label,
        "to": info.to if info.limited else None,
        "since": timestamp(info.since),
        "until": None if info.until is None else timestamp(info.until),
        "used": None if info.used is None else timestamp(info.used),
        "key": info.key or None,
    }


def _revoke(command: Command) -> None:
    hub, identity = command.hub, command.request.to
    token = hub.tokens.by_id(identity)
    if token is None:
        text = f'There is no token "{identity}": "chatcli admin tokens NAME" lists those of a name.'
        raise UnknownRecipient(codes.UNKNOWN_USER, text, [])
    user = token.user.name
    finish = command.when_stored(lambda outcome: {"revoked": token.id, "user": user, "closed": outcome.closed})
    hub.tokens.revoke(token, "revoked_by_operator", finish)


COMMANDS: Final[dict[str, Callable[[Command], None]]] = {"token": _token, "tokens": _tokens, "revoke": _revoke}
