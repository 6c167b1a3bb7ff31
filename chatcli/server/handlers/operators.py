"""What operators can do to a running server.

A command that changes something is answered once the change is on disk. What it does to those who are connected is done
then, too: where the log cannot be written, the command is refused and nothing has happened.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final, cast

import msgspec

from chatcli import __version__
from chatcli.errors import InputError, Refused, StoreError, UnknownRecipient
from chatcli.protocol import codes
from chatcli.protocol.address import Address
from chatcli.protocol.admin import Request, Row
from chatcli.protocol.keys import ed25519_fingerprint, is_fingerprint
from chatcli.protocol.names import check_name
from chatcli.protocol.text import printable_line
from chatcli.server import slices
from chatcli.server.security.audit import Audit
from chatcli.store.records import OnWritten

if TYPE_CHECKING:
    from chatcli.server.hub import Hub
    from chatcli.server.model import Connection, User
    from chatcli.server.security.certificates import Certificates

Answer = Callable[[list[Row] | Refused], None]

_INVITATION_SECONDS: Final = 7 * 86_400
_FROM_INSIDE: Final = frozenset({"kick", "ban", "unban", "mute", "unmute"})
_AT_ONCE: Final = 300  # people or connections that are looked at in one turn of the loop
_UNNOTED: Final = frozenset({"status"})  # done even if it cannot be noted: it is asked when the disk is full
_CANNOT_WRITE: Final = "The server cannot write its log, so nothing was changed: look at its messages and its disk."


def _ignore(_refusal: Refused | None) -> None:
    """Do nothing about what could not be noted."""


class _Asked:
    """A command that waits for its answer, which is given once."""

    __slots__ = ("_answer", "_refused")

    def __init__(self, answer: Answer, refused: Callable[[Refused], None]) -> None:
        self._answer = answer
        self._refused = refused

    def tell(self, *rows: Row) -> None:
        """Say what there is to tell."""
        self._answer(list(rows))

    def refuse(self, refusal: Refused) -> None:
        """Say that it was not done."""
        self._refused(refusal)

    def then(self, finish: Callable[[], Row]) -> OnWritten:
        """Return what the log is to call: it finishes the command, or refuses it because it could not be written."""

        def settled(error: StoreError | None) -> None:
            if error is None:
                self.tell(finish())
            else:
                self.refuse(Refused(codes.STORAGE, _CANNOT_WRITE))

        return settled


class Admin:
    """Carries out commands.

    Args:
        hub: the middle of the server.
        audit: where they are noted.
        started: when the server started, in milliseconds since 1970-01-01 UTC.
        addresses: where it listens.
        certificates: what it shows.
    """

    def __init__(
        self, hub: Hub, audit: Audit, started: int, addresses: Sequence[Address], certificates: Certificates
    ) -> None:
        self._hub = hub
        self._audit = audit
        self._started = started
        self._addresses = [str(address) for address in addresses]
        self._certificates = certificates
        self._commands: dict[str, Callable[[Request, _Asked], None]] = {
            "status": self._status,
            "users": self._users,
            "kick": self._kick,
            "ban": self._ban,
            "unban": self._unban,
            "mute": self._mute,
            "unmute": self._unmute,
            "op": self._op,
            "deop": self._deop,
            "release": self._release,
            "invite": self._invite,
        }

    def do(self, by: str, request: Request, answer: Answer) -> None:
        """Carry out a command.

        Args:
            by: who has given it.
            request: the command.
            answer: told once, now or later, what there is to tell, or why it was not done.
        """
        # Where a refusal cannot be noted, at least the command was; that nothing came of it is what the answer says.
        asked = _Asked(answer, lambda refusal: self._audit.write(by, request, lambda _: answer(refusal), refusal.code))
        command = self._commands.get(request.do)
        if command is None:
            answer(Refused(codes.UNKNOWN_TAG, f'There is no command "{printable_line(request.do)}".'))
            return

        def carry_out() -> None:
            try:
                command(request, asked)
            except Refused as refusal:
                asked.refuse(refusal)

        def noted(refusal: Refused | None) -> None:
            if refusal is None:
                carry_out()
            else:
                answer(refusal)

        if request.do in _UNNOTED:
            self._audit.write(by, request, _ignore)
            carry_out()
        else:
            self._audit.write(by, request, noted)

    def close(self) -> None:
        """Let go of the audit log."""
        self._audit.close()

    def do_from_inside(self, operator: User, request: Request, answer: Answer) -> None:
        """Carry out a command that an operator gave in the chat.

        Raises:
            Refused: they are none, or it is not for them, or it makes no sense.
        """
        if self._hub.rulings.get("operator", operator.key) is None:
            raise Refused(codes.NOT_ALLOWED, "Only operators may do that.")
        if request.do not in _FROM_INSIDE:
            raise Refused(codes.NOT_ALLOWED, f'"{request.do}" is for whoever runs the server: chatcli admin.')
        try:
            checked = msgspec.convert(msgspec.to_builtins(request), Request)
        except msgspec.ValidationError as error:
            raise Refused(codes.INVALID, f"That command cannot be taken: {error}.") from None
        self.do(operator.name, checked, answer)

    def _find(self, name: str) -> User:
        user = self._hub.directory.find(name)
        if user is None:
            names = self._hub.directory.close_to(name, self._hub.presence.users())
            hint = f" Did you mean {' or '.join(names)}?" if names else ""
            text = f'Nobody called "{printable_line(name[:64])}" was ever here.{hint}'
            raise UnknownRecipient(codes.UNKNOWN_USER, text, names)
        return user

    def _close(self, code: str, text: str, concerned: Callable[[Connection, User], bool]) -> int:
        """Close the connections that something concerns; return how many there were."""
        found = [one for one in self._hub.sessions if one.user is not None and concerned(one, one.user)]
        for session in found:
            session.close(code, text)
        return len(found)

    # What there is to see

    def _status(self, _request: Request, asked: _Asked) -> None:
        hub = self._hub
        health = hub.log.health()
        asked.tell(
            {
                "version": __version__,
                "since": _time(self._started),
                "addresses": self._addresses,
                "key": hub.server_key,
                "certificate": " ".join(self._certificates.faults(datetime.datetime.now(datetime.UTC))) or "good",
                "certificate_expires": _time(int(self._certificates.expires.timestamp() * 1000)),
                "access": hub.limits.access,
                "connections": len(hub.sessions),
                "here": hub.presence.count,
                "users": hub.directory.count,
                "messages": hub.log.head,
                "waiting_bytes": hub.log.pending_bytes,
                "log": "writable" if health.error is None else health.error,
                "log_since": None if health.error is None else _time(health.since),
                "log_damaged": health.damaged,
                "log_bytes": health.bytes,
                "banned": sorted(hub.rulings.all("ban")),
                "invitations": len(hub.rulings.all("invitation")),
            }
        )

    def _users(self, _request: Request, asked: _Asked) -> None:
        connections = Counter(session.user.id for session in self._hub.sessions if session.user is not None)
        rows: list[Row] = []

        def take(users: list[User]) -> None:
            # Encoded at once: of all of them together it would take too long.
            encoded = (msgspec.Raw(msgspec.json.encode(self._row(user, connections[user.id]))) for user in users)
            rows.extend(cast("list[Row]", list(encoded)))

        def list_them() -> Iterator[None]:
            yield from slices.in_order(self._hub.directory.users(), lambda user: user.key, _AT_ONCE, take)
            asked.tell(*rows)

        slices.run(self._hub.later, list_them())

    def _row(self, user: User, connections: int) -> Row:
        rulings = self._hub.rulings
        keys = [ed25519_fingerprint(key) for key in user.keys]
        return {
            "user": user.name,
            "here": bool(user.joined),
            "connections": connections,
            "operator": rulings.get("operator", user.key) is not None,
            "muted": rulings.get("mute", user.key) is not None,
            "banned": any(rulings.get("ban", subject) is not None for subject in (user.key, *keys)),
            "keys": keys,
        }

    # What can be done to people

    def _kick(self, request: Request, asked: _Asked) -> None:
        user = self._find(request.to)
        text = f"An operator has sent you away{_because(request.reason)}."
        closed = self._close(codes.KICKED, text, lambda _, whose: whose is user)
        if not closed:
            raise Refused(codes.NOT_HERE, f"{user.name} is not here: there is no connection to close.")
        asked.tell({"user": user.name, "closed": closed})

    def _ban(self, request: Request, asked: _Asked) -> None:
        *others, last = subjects = self._subjects(request.to)
        if not (request.anyway or is_fingerprint(request.to) or self._is_banned(subjects)):
            self._check_known(request.to)
        rulings, seconds, reason = self._hub.rulings, request.seconds, request.reason

        def settled(error: StoreError | None) -> None:
            if error is None:
                slices.run(self._hub.later, self._put_out(request, set(subjects), asked))
            else:
                asked.refuse(Refused(codes.STORAGE, _CANNOT_WRITE))

        for subject in others:
            rulings.make("ban", subject, seconds=seconds, reason=reason)
        rulings.make("ban", last, seconds=seconds, reason=reason, settled=settled)

    def _put_out(self, request: Request, subjects: set[str], asked: _Asked) -> Iterator[None]:
        """Close what is open under what was just banned, and end what those whom it concerns have given."""
        text = f"You have been banned from this server{_because(request.reason)}: speak with its operator."
        closed = 0
        for sessions in slices.portions(tuple(self._hub.sessions), _AT_ONCE):
            for one in sessions:
                if one.user is not None and {one.user.key, ed25519_fingerprint(one.key)} & subjects:
                    one.close(codes.BANNED, text)
                    closed += 1
            yield
        for users in slices.portions(self._hub.directory.users(), _AT_ONCE):
            for user in users:
                if {user.key, *map(ed25519_fingerprint, user.keys)} & subjects:
                    self._hub.links.drop(user)  # whoever is out may have asked for a code
                    self._hub.rooms.invitations.end_of_inviter(user)
            yield
        asked.tell({"banned": request.to, "until": self._until(request.seconds), "closed": closed})

    def _unban(self, request: Request, asked: _Asked) -> None:
        *others, last = subjects = self._subjects(request.to)
        was = self._is_banned(subjects)
        if not was:
            self._check_known(request.to)
        for subject in others:
            self._hub.rulings.lift("ban", subject)
        finish = asked.then(lambda: {"unbanned": request.to, "was_banned": was})
        self._hub.rulings.lift("ban", last, settled=finish)

    def _is_banned(self, subjects: Sequence[str]) -> bool:
        return any(self._hub.rulings.get("ban", subject) is not None for subject in subjects)

    def _check_known(self, who: str) -> None:
        """Raise unless somebody of that name was ever here, or the key is somebody's."""
        if not is_fingerprint(who):
            self._find(who)
        elif not any(who in map(ed25519_fingerprint, user.keys) for user in self._hub.directory.users()):
            raise UnknownRecipient(codes.UNKNOWN_USER, f"Nobody has the key {who} here, and it is not banned.", [])

    def _subjects(self, who: str) -> list[str]:
        """Return what a ban is about: a key alone, or a name and the keys that it belongs to."""
        if is_fingerprint(who):
            return [who]
        try:
            name = check_name(who)
        except InputError as error:
            raise Refused(codes.BAD_NAME, str(error)) from None
        user = self._hub.directory.claimed(name.key)
        return [name.key, *(ed25519_fingerprint(key) for key in (user.keys if user is not None else ()))]

    def _mute(self, request: Request, asked: _Asked) -> None:
        user, seconds = self._find(request.to), request.seconds
        finish = asked.then(lambda: {"muted": user.name, "until": self._until(seconds)})
        self._hub.rulings.make("mute", user.key, seconds=seconds, reason=request.reason, settled=finish)

    def _unmute(self, request: Request, asked: _Asked) -> None:
        user = self._find(request.to)
        was = self._hub.rulings.get("mute", user.key) is not None
        finish = asked.then(lambda: {"unmuted": user.name, "was_muted": was})
        self._hub.rulings.lift("mute", user.key, settled=finish)

    def _op(self, request: Request, asked: _Asked) -> None:
        user = self._find(request.to)
        self._hub.rulings.make("operator", user.key, settled=asked.then(lambda: {"operator": user.name}))

    def _deop(self, request: Request, asked: _Asked) -> None:
        user = self._find(request.to)
        was = self._hub.rulings.get("operator", user.key) is not None
        finish = asked.then(lambda: {"user": user.name, "was_operator": was})
        self._hub.rulings.lift("operator", user.key, settled=finish)

    def _release(self, request: Request, asked: _Asked) -> None:
        """Make a name free: what was said to and by the one before stays theirs, under a name that nobody can take."""
        user = self._find(request.to)
        name = user.name

        def finish() -> Row:
            text = f"The name {name} has been released by an operator."
            return {"released": name, "closed": self._close(codes.KICKED, text, lambda _, whose: whose is user)}

        for kind in ("mute", "operator"):
            self._hub.rulings.lift(kind, user.key)  # whoever takes the name next starts anew
        self._hub.rename(user, f"{name} (released {user.id})", asked.then(finish))

    def _invite(self, request: Request, asked: _Asked) -> None:
        seconds = request.seconds or _INVITATION_SECONDS

        def finish() -> Row:
            return {
                "code": code,
                "uses": request.uses,
                "until": self._until(seconds),
                "addresses": self._addresses,
                "key": self._hub.server_key,
                "access": self._hub.limits.access,
            }

        code = self._hub.rulings.invite(request.uses, seconds, settled=asked.then(finish))

    def _until(self, seconds: int | None) -> str | None:
        return None if seconds is None else _time(self._hub.clock() + seconds * 1000)


def _because(reason: str) -> str:
    return f" ({reason})" if reason else ""


def _time(milliseconds: int) -> str:
    return datetime.datetime.fromtimestamp(milliseconds / 1000, datetime.UTC).isoformat(timespec="seconds")
