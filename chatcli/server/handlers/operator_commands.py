"""Commands of operators that change something: kicks, bans, mutes, operators, released names and invitations."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from chatcli.errors import InputError, Refused, StoreError, UnknownRecipient
from chatcli.protocol import codes
from chatcli.protocol.keys import ed25519_fingerprint, is_fingerprint
from chatcli.protocol.values.lookalikes import looks_like_operator
from chatcli.protocol.values.names import check_name, fold, released_name
from chatcli.server import slices
from chatcli.server.refusals import cannot_write, released_user, unknown_user
from chatcli.server.state.name_changes import OPERATOR

if TYPE_CHECKING:
    from chatcli.protocol.admin import Request, Row
    from chatcli.server.hub import Hub, HubConnection
    from chatcli.server.model import User
    from chatcli.store.records import OnWritten

_INVITATION_SECONDS: Final = 7 * 86_400
_RECOVERY_SECONDS: Final = 86_400
_RELEASED: Final = "The name of this token has been released by an operator."
_AT_ONCE: Final = 300  # users or connections that are checked in one tick of the loop


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command that waits for its one answer.

    Attributes:
        hub: the hub.
        request: the command as it was given.
        addresses: the addresses that the server listens on.
        answer: sends the rows of the answer.
        refuse: records a refusal, and sends it.
    """

    hub: Hub
    request: Request
    addresses: Sequence[str]
    answer: Callable[[list[Row]], None]
    refuse: Callable[[Refused], None]

    def report(self, *rows: Row) -> None:
        """Answer with rows."""
        self.answer(list(rows))

    def refuse_unwritten(self) -> None:
        """Refuse the command because the log cannot be written."""
        self.refuse(cannot_write(remedy="Look at its messages and its disk."))

    def when_written(self, finish: Callable[[], Row]) -> OnWritten:
        """Return the callback of a change, which answers with ``finish()`` or a refusal."""

        def written(error: StoreError | None) -> None:
            if error is None:
                self.report(finish())
            else:
                self.refuse_unwritten()

        return written

    def until(self, seconds: int | None) -> str | None:
        """Return the end of a time that begins now; None if it has no end."""
        return None if seconds is None else timestamp(self.hub.clock() + seconds * 1000)

    def find_user(self) -> User:
        """Return the user whom the command names.

        Raises:
            UnknownRecipient: there is no such user.
        """
        name = self.request.to
        user = self.hub.users.find(name)
        if user is None:
            if self.hub.names.was_released(fold(name)):
                raise released_user(name)
            names = self.hub.users.suggestions(name, self.hub.presence.users())
            raise unknown_user(name, names, "check the spelling.")
        self.check_name_stays(user)
        return user

    def check_name_stays(self, user: User) -> None:
        """Raise if a name is being released: what is decided about it now would hold for its next owner.

        Raises:
            Refused: it is.
        """
        if user in self.hub.losing_names:
            raise Refused(codes.UNKNOWN_USER, f"The name {user.name} is just being released.")

    def close_sessions(self, user: User, text: str) -> int:
        """Close all connections of a user; return their number."""
        sessions = [session for session in self.hub.sessions if session.user is user]
        for session in sessions:
            session.close(codes.KICKED, text)
        return len(sessions)


def timestamp(milliseconds: int) -> str:
    """Return a time, in milliseconds since 1970-01-01 UTC, as RFC 3339 writes it."""
    return datetime.datetime.fromtimestamp(milliseconds / 1000, datetime.UTC).isoformat(timespec="seconds")


def _kick(command: Command) -> None:
    user = command.find_user()
    closed = command.close_sessions(user, f"An operator has sent you away{_because(command.request.reason)}.")
    if not closed:
        raise Refused(codes.NOT_HERE, f"{user.name} is not here: there is no connection to close.")
    command.report({"user": user.name, "closed": closed})


def _ban(command: Command) -> None:
    hub, request = command.hub, command.request
    *others, last = subjects = _subjects(hub, request.to)
    if not (request.anyway or is_fingerprint(request.to) or _is_banned(hub, subjects)):
        _check_known(command)

    def written(error: StoreError | None) -> None:
        if error is None:
            slices.run(hub.later, _close_banned(command, set(subjects)))
        else:
            command.refuse_unwritten()

    for subject in others:
        hub.moderation.impose("ban", subject, seconds=request.seconds, reason=request.reason)
    hub.moderation.impose("ban", last, seconds=request.seconds, reason=request.reason, on_written=written)


def _close_banned(command: Command, subjects: set[str]) -> Iterator[None]:
    """Close the connections of banned names and keys, and end their invitations and link codes, in slices."""
    hub, request = command.hub, command.request
    text = f"You have been banned from this server{_because(request.reason)}: speak with its operator."
    closed = 0
    for sessions in slices.portions(hub.sessions, _AT_ONCE):
        for session in sessions:
            if session.user is not None and {session.user.key, *_fingerprints(session)} & subjects:
                session.close(codes.BANNED, text)
                closed += 1
        yield
    for users in slices.portions(hub.users.all(), _AT_ONCE):
        for user in users:
            if {user.key, *map(ed25519_fingerprint, user.keys)} & subjects:
                hub.link_codes.discard(user)
                hub.invitations.end_of_inviter(user)
        yield
    command.report({"banned": request.to, "until": command.until(request.seconds), "closed": closed})


def _fingerprints(session: HubConnection) -> list[str]:
    """Return the fingerprint of the key that a connection has proved, or that has made its token."""
    key = session.key if session.token is None else session.token.key
    return [ed25519_fingerprint(key)] if key else []


def _unban(command: Command) -> None:
    hub, request = command.hub, command.request
    *others, last = subjects = _subjects(hub, request.to)
    was = _is_banned(hub, subjects)
    if not was:
        _check_known(command)
    for subject in others:
        hub.moderation.lift("ban", subject)
    on_written = command.when_written(lambda: {"unbanned": request.to, "was_banned": was})
    hub.moderation.lift("ban", last, on_written=on_written)


def _is_banned(hub: Hub, subjects: Sequence[str]) -> bool:
    return any(hub.moderation.get("ban", subject) is not None for subject in subjects)


def _check_known(command: Command) -> None:
    """Raise unless the name or the key that the command names is a user's."""
    target = command.request.to
    if not is_fingerprint(target):
        command.find_user()
    elif not any(target in map(ed25519_fingerprint, user.keys) for user in command.hub.users.all()):
        raise UnknownRecipient(codes.UNKNOWN_USER, f"Nobody has the key {target} here, and it is not banned.", [])


def _subjects(hub: Hub, target: str) -> list[str]:
    """Return the subjects of a ban: a key alone, or a name and its keys."""
    if is_fingerprint(target):
        return [target]
    try:
        name = check_name(target)
    except InputError as error:
        raise Refused(codes.BAD_NAME, str(error)) from None
    user = hub.users.by_key(name.key)
    return [name.key, *(ed25519_fingerprint(key) for key in (user.keys if user is not None else ()))]


def _mute(command: Command) -> None:
    user, seconds = command.find_user(), command.request.seconds
    on_written = command.when_written(lambda: {"muted": user.name, "until": command.until(seconds)})
    reason = command.request.reason
    command.hub.moderation.impose("mute", user.key, seconds=seconds, reason=reason, on_written=on_written)


def _unmute(command: Command) -> None:
    user = command.find_user()
    was = command.hub.moderation.get("mute", user.key) is not None
    on_written = command.when_written(lambda: {"unmuted": user.name, "was_muted": was})
    command.hub.moderation.lift("mute", user.key, on_written=on_written)


def _op(command: Command) -> None:
    user = command.find_user()
    on_written = command.when_written(lambda: {"operator": user.name})
    command.hub.moderation.impose("operator", user.key, on_written=on_written)


def _deop(command: Command) -> None:
    user = command.find_user()
    was = command.hub.moderation.is_operator(user)
    on_written = command.when_written(lambda: {"user": user.name, "was_operator": was})
    command.hub.moderation.lift("operator", user.key, on_written=on_written)


def _release(command: Command) -> None:
    """Release a name. The messages of its owner stay theirs, under a name that nobody else can have."""
    user = command.find_user()
    name = user.name

    def finish() -> Row:
        command.hub.tokens.revoke_all(user, _RELEASED)  # those that were made since the command came
        closed = command.close_sessions(user, f"The name {name} has been released by an operator.")
        return {"released": name, "closed": closed}

    command.hub.moderation.lift("mute", user.key)  # these would apply to the next owner of the name
    command.hub.moderation.lift("operator", user.key)
    command.hub.moderation.lift("service", user.key)
    command.hub.recoveries.use(user.key)
    command.hub.tokens.revoke_all(user, _RELEASED)
    command.hub.names.record(user, "released", OPERATOR)
    command.hub.rename(user, released_name(name, user.id), command.when_written(finish))


def _link(command: Command) -> None:
    """Issue a code with which someone whose key is lost gets their name back."""
    hub, request = command.hub, command.request
    seconds = request.seconds or _RECOVERY_SECONDS
    user = hub.users.find(request.to)
    if user is None:
        try:
            name = check_name(request.to)
        except InputError as error:
            raise Refused(codes.BAD_NAME, str(error)) from None
        if not looks_like_operator(name):
            command.find_user()  # raises
        text, key = name.text, name.key
    else:
        command.check_name_stays(user)
        text, key = user.name, user.key

    def finish() -> Row:
        return {
            "user": text,
            "code": code,
            "until": command.until(seconds),
            "keeps_keys": request.keep,
            "new": user is None,
            "addresses": command.addresses,
            "key": hub.server_key,
        }

    on_written = command.when_written(finish)
    code = hub.recoveries.issue(key, seconds, keep=request.keep, on_written=on_written)


def _invite(command: Command) -> None:
    hub, uses = command.hub, command.request.uses
    seconds = command.request.seconds or _INVITATION_SECONDS

    def finish() -> Row:
        return {
            "code": code,
            "uses": uses,
            "until": command.until(seconds),
            "addresses": command.addresses,
            "key": hub.server_key,
            "access": hub.limits.access,
        }

    code = hub.moderation.invite(uses, seconds, on_written=command.when_written(finish))


def _because(reason: str) -> str:
    return f" ({reason})" if reason else ""


COMMANDS: Final[dict[str, Callable[[Command], None]]] = {
    "kick": _kick,
    "ban": _ban,
    "unban": _unban,
    "mute": _mute,
    "unmute": _unmute,
    "op": _op,
    "deop": _deop,
    "release": _release,
    "link": _link,
    "invite": _invite,
}
