"""Commands of operators that change something: kicks, bans, mutes, operators, released names and invitations."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from chatcli.errors import InputError, Refused, UnknownRecipient
from chatcli.protocol import codes
from chatcli.protocol.keys import ed25519_fingerprint, is_fingerprint
from chatcli.protocol.values.lookalikes import looks_like_operator
from chatcli.protocol.values.names import check_name, fold
from chatcli.server import slices
from chatcli.server.refusals import cannot_write, not_stored, released_user, unknown_user
from chatcli.server.state.name_changes import OPERATOR

if TYPE_CHECKING:
    from chatcli.protocol.admin import Request, Row
    from chatcli.server.hub import Hub
    from chatcli.server.model import User
    from chatcli.store.batch import OnOutcome, Outcome

_INVITATION_SECONDS: Final = 7 * 86_400
_RECOVERY_SECONDS: Final = 86_400
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

    def refuse_unstored(self, outcome: Outcome) -> None:
        """Refuse the command because the log has not stored what it asks for."""
        unwritten = cannot_write(remedy="Look at its messages and its disk.")
        self.refuse(not_stored(outcome) if outcome.error is None else unwritten)

    def when_stored(self, finish: Callable[[Outcome], Row]) -> OnOutcome:
        """Return the callback of a record, which answers with ``finish()`` or a refusal."""

        def decided(outcome: Outcome) -> None:
            if outcome.accepted:
                self.report(finish(outcome))
            else:
                self.refuse_unstored(outcome)

        return decided

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
        sessions = tuple(user.sessions)
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

    def finish(outcome: Outcome) -> None:
        if outcome.accepted:
            hub.bans.when_enforced(enforced)
        else:
            command.refuse_unstored(outcome)

    def enforced(closed: Mapping[str, int]) -> None:
        slices.run(hub.later, _end_privileges(command, set(subjects), sum(closed[subject] for subject in subjects)))

    for subject in others:
        hub.moderation.impose("ban", subject, seconds=request.seconds, reason=request.reason)
    hub.moderation.impose("ban", last, seconds=request.seconds, reason=request.reason, on_outcome=finish)


def _end_privileges(command: Command, subjects: set[str], closed: int) -> Iterator[None]:
    """End the invitations and link codes of banned names and keys, in slices."""
    hub, request = command.hub, command.request
    for users in slices.portions(hub.users.all(), _AT_ONCE):
        for user in users:
            if {user.key, *map(ed25519_fingerprint, user.keys)} & subjects:
                hub.link_codes.discard(user)
                hub.invitations.end_of_inviter(user)
        yield
    command.report({"banned": request.to, "until": command.until(request.seconds), "closed": closed})


def _unban(command: Command) -> None:
    hub, request = command.hub, command.request
    *others, last = subjects = _subjects(hub, request.to)
    was = _is_banned(hub, subjects)
    if not was:
        _check_known(command)
    for subject in others:
        hub.moderation.lift("ban", subject)
    on_outcome = command.when_stored(lambda _outcome: {"unbanned": request.to, "was_banned": was})
    hub.moderation.lift("ban", last, on_outcome=on_outcome)


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
    on_outcome = command.when_stored(lambda _outcome: {"muted": user.name, "until": command.until(seconds)})
    reason = command.request.reason
    command.hub.moderation.impose("mute", user.key, seconds=seconds, reason=reason, on_outcome=on_outcome)


def _unmute(command: Command) -> None:
    user = command.find_user()
    was = command.hub.moderation.get("mute", user.key) is not None
    on_outcome = command.when_stored(lambda _outcome: {"unmuted": user.name, "was_muted": was})
    command.hub.moderation.lift("mute", user.key, on_outcome=on_outcome)


def _op(command: Command) -> None:
    user = command.find_user()
    on_outcome = command.when_stored(lambda _outcome: {"operator": user.name})
    command.hub.moderation.impose("operator", user.key, on_outcome=on_outcome)


def _deop(command: Command) -> None:
    user = command.find_user()
    was = command.hub.moderation.is_operator(user)
    on_outcome = command.when_stored(lambda _outcome: {"user": user.name, "was_operator": was})
    command.hub.moderation.lift("operator", user.key, on_outcome=on_outcome)


def _release(command: Command) -> None:
    """Release a name. The messages of its owner stay theirs, under a name that nobody else can have."""
    user = command.find_user()
    name = user.name
    finish = command.when_stored(lambda outcome: {"released": name, "closed": outcome.closed})
    command.hub.release(user, OPERATOR, finish)


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

    def finish(_outcome: Outcome) -> Row:
        return {
            "user": text,
            "code": code,
            "until": command.until(seconds),
            "keeps_keys": request.keep,
            "new": user is None,
            "addresses": command.addresses,
            "key": hub.server_key,
        }

    on_outcome = command.when_stored(finish)
    code = hub.recoveries.issue(key, seconds, keep=request.keep, on_outcome=on_outcome)


def _invite(command: Command) -> None:
    hub, uses = command.hub, command.request.uses
    seconds = command.request.seconds or _INVITATION_SECONDS

    def finish(_outcome: Outcome) -> Row:
        return {
            "code": code,
            "uses": uses,
            "until": command.until(seconds),
            "addresses": command.addresses,
            "key": hub.server_key,
            "access": hub.limits.access,
        }

    code = hub.moderation.invite(uses, seconds, on_outcome=command.when_stored(finish))


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
