"""Moderation: bans, mutes, operators and invitations, stored in the log and held in memory."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final, Literal, TypeVar

import msgspec

from chatcli.errors import Refused, StoreError
from chatcli.protocol import codes
from chatcli.protocol.keys import ed25519_fingerprint
from chatcli.server.security.spoken_codes import new_code, plain_code
from chatcli.store.records import OnWritten, Ruling, ignore

if TYPE_CHECKING:
    from chatcli.protocol.values.names import Name
    from chatcli.server.batcher import TickBatcher
    from chatcli.server.model import Room, User
    from chatcli.store.interface import Log

Kind = Literal[
    "ban", "mute", "operator", "invitation", "recovery", "service", "room_ban", "room_mute", "room_invitation"
]

CODE_SYLLABLES: Final = 10  # 59 bits: valid for days, not for ten minutes like a link code


def subject(room: Room, user: User) -> str:
    """Return the subject of a sanction of a user in a room."""
    return f"{room.id}:{user.id}"


class Sanction(msgspec.Struct, frozen=True, kw_only=True):
    """A sanction of a subject, as the log stores it; a ``service`` is a name for programs, which no key may claim.

    Attributes:
        at: when it was imposed, in milliseconds since 1970-01-01 UTC.
        until: when it ends; None for never.
        uses: the number of newcomers who can still use an invitation.
        reason: in the moderator's words; for an invitation to a room, the name of the inviter.
        by: the id of the inviter, for an invitation to a room; 0 if an older version has written it.
        keep: for a recovery code, whether the keys of the name stay valid.
    """

    at: int
    until: int | None = None
    uses: int = 0
    reason: str = ""
    by: int = 0
    keep: bool = False


class Moderation:
    """All sanctions, by kind and subject.

    A subject is a folded name, the fingerprint of a key, the digest of an invitation, or the ids of a room and a user
    with a colon between them.

    Args:
        log: stores them.
        rulings: those that the log held when it was opened.
        batcher: schedules the commit.
        clock: the time in milliseconds since 1970-01-01 UTC.
    """

    def __init__(self, log: Log, rulings: Iterable[Ruling], batcher: TickBatcher, clock: Callable[[], int]) -> None:
        self._log = log
        self._batcher = batcher
        self._clock = clock
        self._sanctions: dict[tuple[str, str], Sanction] = {
            (ruling.kind, ruling.subject): msgspec.json.decode(ruling.value or "", type=Sanction) for ruling in rulings
        }
        self._on_disk = dict(self._sanctions)
        self._newest: dict[tuple[str, str], object] = {}  # identifies the newest change that is being written
        self._by_kind: dict[str, dict[str, None]] = {}  # subjects
        self._by_room: dict[tuple[str, str], dict[str, None]] = {}  # subjects, by kind and the id of the room
        self._banned: dict[str, set[int]] = {}  # ids of rooms, by the id of the user whom they have banned
        for kind, about in self._sanctions:
            self._index(kind, about)

    @property
    def mutes(self) -> bool:
        """Whether anyone is muted on the server: checked for every message."""
        return bool(self._by_kind.get("mute"))

    @property
    def in_rooms(self) -> bool:
        """Whether anyone is muted in a room or banned from one: checked for every message to a room."""
        return bool(self._by_kind.get("room_ban") or self._by_kind.get("room_mute"))

    def get(self, kind: Kind, subject: str) -> Sanction | None:
        """Return the sanction of that kind on a subject, unless it has ended."""
        sanction = self._sanctions.get((kind, subject))
        if sanction is not None and sanction.until is not None and sanction.until <= self._clock():
            self.lift(kind, subject)
            return None
        return sanction

    def all(self, kind: Kind) -> dict[str, Sanction]:
        """Return all sanctions of a kind, by subject."""
        found = {subject: self.get(kind, subject) for subject in tuple(self._by_kind.get(kind, ()))}
        return {subject: sanction for subject, sanction in found.items() if sanction is not None}

    def is_operator(self, user: User) -> bool:
        """Return whether a user is an operator of the server."""
        return self.get("operator", user.key) is not None

    def manages(self, room: Room, user: User) -> bool:
        """Return whether a user owns a room, or is an operator, who may do in all rooms what their owners may."""
        return user in room.owners or self.is_operator(user)

    def banned_from(self, user: int) -> set[int]:
        """Return the ids of the rooms from which the user with that id is banned."""
        rooms = tuple(self._banned.get(str(user), ()))
        return {room for room in rooms if self.get("room_ban", f"{room}:{user}") is not None}

    def impose(
        self,
        kind: Kind,
        subject: str,
        *,
        seconds: float | None = None,
        uses: int = 0,
        reason: str = "",
        by: int = 0,
        keep: bool = False,
        on_written: OnWritten = ignore,
    ) -> None:
        """Impose a sanction, in place of any of that kind on the same subject.

        It is in force at once, and is undone if it cannot be written.

        Args:
            kind: the kind of sanction.
            subject: see :class:`Moderation`.
            seconds: until it ends; None for never.
            uses: see :class:`Sanction`.
            reason: see :class:`Sanction`.
            by: see :class:`Sanction`.
            keep: see :class:`Sanction`.
            on_written: called once it is on disk, or with the reason why it is not.
        """
        now = self._clock()
        until = None if seconds is None else now + int(seconds * 1000)
        sanction = Sanction(at=now, until=until, uses=uses, reason=reason, by=by, keep=keep)
        self._store(kind, subject, sanction, on_written)

    def lift(self, kind: Kind, subject: str, *, on_written: OnWritten = ignore) -> None:
        """Lift a sanction, if there is one."""
        self._store(kind, subject, None, on_written)

    def lift_in(self, rooms: Iterable[int], kind: Kind) -> None:
        """Lift all sanctions of a kind in the rooms with these ids."""
        for room in rooms:
            for key in tuple(self._by_room.get((kind, str(room)), ())):
                self.lift(kind, key)

    def _store(self, kind: Kind, subject: str, sanction: Sanction | None, on_written: OnWritten = ignore) -> None:
        change = self._newest[kind, subject] = object()

        def written(error: StoreError | None) -> None:
            if error is None:
                _set(self._on_disk, kind, subject, sanction)
            if self._newest.get((kind, subject)) is change:  # otherwise a later change decides
                del self._newest[kind, subject]
                _set(self._sanctions, kind, subject, self._on_disk.get((kind, subject)))
                self._index(kind, subject)
            on_written(error)

        _set(self._sanctions, kind, subject, sanction)
        self._index(kind, subject)
        value = None if sanction is None else msgspec.json.encode(sanction).decode()
        self._log.append_change(Ruling(kind, subject, value), written)
        self._batcher.schedule()

    def _index(self, kind: str, about: str) -> None:
        """Update the indexes after a change, so that nothing has to search all sanctions."""
        exists = (kind, about) in self._sanctions
        _update(self._by_kind, kind, about, exists=exists)
        if kind in ("room_ban", "room_mute"):
            room, _, user = about.partition(":")
            _update(self._by_room, (kind, room), about, exists=exists)
            if kind == "room_ban":
                banned = self._banned.setdefault(user, set())
                (banned.add if exists else banned.discard)(int(room))
                if not banned:
                    del self._banned[user]

    def check_ban(self, name: Name, key: bytes) -> None:
        """Raise if a name or a key is banned from the server.

        Raises:
            Refused: one of them is.
        """
        if not self._by_kind.get("ban"):
            return
        for subject in (name.key, ed25519_fingerprint(key)):
            sanction = self.get("ban", subject)
            if sanction is not None:
                raise Refused(codes.BANNED, f"You are banned from this server{details(sanction)}.")

    def check_mute(self, user: User) -> None:
        """Raise if a user is muted on the server.

        Raises:
            Refused: the user is.
        """
        sanction = self.get("mute", user.key)
        if sanction is not None:
            raise Refused(codes.MUTED, f"You may read here, but not write{details(sanction)}.")

    def invite(self, uses: int, seconds: float, *, on_written: OnWritten = ignore) -> str:
        """Return the code of a new invitation to the server."""
        code = new_code(CODE_SYLLABLES)
        self.impose("invitation", digest(code), seconds=seconds, uses=uses, on_written=on_written)
        return code

    def is_invitation(self, code: str) -> bool:
        """Return whether a code belongs to an invitation that can be used."""
        sanction = self.get("invitation", digest(code)) if code else None
        return sanction is not None and sanction.uses > 0

    def check_invitation(self, code: str) -> None:
        """Raise unless a code belongs to an invitation that can be used.

        Raises:
            Refused: the code is empty, wrong, used up or too old.
        """
        if not code:
            text = "This server takes new names by invitation only: ask its operator for one, and join with --invite."
            raise Refused(codes.INVITATION_REQUIRED, text)
        if not self.is_invitation(code):
            raise Refused(codes.BAD_CODE, "That invitation is wrong, used up or too old: ask for another one.")

    def use_invitation(self, code: str) -> None:
        """Use an invitation once.

        Raises:
            Refused: as :meth:`check_invitation`.
        """
        self.check_invitation(code)
        about = digest(code)
        sanction = self._sanctions["invitation", about]
        if sanction.uses > 1:
            self._store("invitation", about, msgspec.structs.replace(sanction, uses=sanction.uses - 1))
        else:
            self.lift("invitation", about)


Group = TypeVar("Group")


def _update(groups: dict[Group, dict[str, None]], group: Group, about: str, *, exists: bool) -> None:
    subjects = groups.setdefault(group, {})
    if exists:
        subjects[about] = None
    else:
        subjects.pop(about, None)
    if not subjects:
        del groups[group]


def _set(sanctions: dict[tuple[str, str], Sanction], kind: Kind, subject: str, sanction: Sanction | None) -> None:
    if sanction is None:
        sanctions.pop((kind, subject), None)
    else:
        sanctions[kind, subject] = sanction


def details(sanction: Sanction) -> str:
    """Return the end and the reason of a sanction, as far as there are any, to be appended to a sentence."""
    until = ""
    if sanction.until is not None:
        moment = datetime.datetime.fromtimestamp(sanction.until / 1000, datetime.UTC)
        until = f" until {moment:%Y-%m-%d %H:%M} UTC"
    return until + (f" ({sanction.reason})" if sanction.reason else "")


def digest(code: str) -> str:
    """Return the digest under which a code is stored: nobody can use the code after reading the log."""
    return hashlib.sha256(plain_code(code).encode()).hexdigest()
