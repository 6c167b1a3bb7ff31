"""What the operators have decided: bans, mutes, operators, invitations; kept in the log, held in memory."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Callable, Iterable
from typing import Final, Literal, Protocol, TypeVar

import msgspec

from chatcli.errors import Refused, StoreError
from chatcli.protocol import codes
from chatcli.protocol.keys import ed25519_fingerprint
from chatcli.protocol.names import Name
from chatcli.server.batcher import TickBatcher
from chatcli.server.security.spoken_codes import new_code, plain_code
from chatcli.store.interface import Log
from chatcli.store.records import OnWritten, Ruling, ignore

Kind = Literal["ban", "mute", "operator", "invitation", "room_ban", "room_mute", "room_invitation"]

_INVITATION_SYLLABLES: Final = 10  # 59 bits: open for days, not for ten minutes


class _Numbered(Protocol):
    id: int


def subject(room: _Numbered, user: _Numbered) -> str:
    """Return under what a ruling about a user in a room is kept."""
    return f"{room.id}:{user.id}"


class Decision(msgspec.Struct, frozen=True):
    """What stands beside a ruling's subject.

    Attributes:
        at: when it was made, in milliseconds since 1970-01-01 UTC.
        until: when it ends; None for never.
        uses: of an invitation, how many are left.
        reason: as the operator put it; of an invitation to a room, who gave it.
        by: of an invitation to a room, the id of that user; 0 where an older version has written it.
    """

    at: int
    until: int | None = None
    uses: int = 0
    reason: str = ""
    by: int = 0


class Rulings:
    """All rulings.

    Subjects are names as they are compared, fingerprints of keys, digests of invitations, or the ids of a room and of a
    user with a colon between them.

    Args:
        log: where they are kept.
        batcher: so that they are written at the end of it.
        clock: the time in milliseconds since 1970-01-01 UTC.
    """

    def __init__(self, log: Log, loaded: Iterable[Ruling], batcher: TickBatcher, clock: Callable[[], int]) -> None:
        self._log = log
        self._batcher = batcher
        self._clock = clock
        self._decisions: dict[tuple[str, str], Decision] = {
            (ruling.kind, ruling.subject): msgspec.json.decode(ruling.value or "", type=Decision) for ruling in loaded
        }
        self._on_disk = dict(self._decisions)
        self._newest: dict[tuple[str, str], object] = {}  # of the changes to a ruling that are being written
        self._by_kind: dict[str, dict[str, None]] = {}  # the subjects
        self._by_room: dict[tuple[str, str], dict[str, None]] = {}  # the same, by kind and the id of a room
        self._banned: dict[str, set[int]] = {}  # by the id of a user, those of the rooms that have banned them
        for kind, about in self._decisions:
            self._index(kind, about)

    @property
    def mutes(self) -> bool:
        """Whether anyone at all is muted: asked for every message."""
        return bool(self._by_kind.get("mute"))

    @property
    def in_rooms(self) -> bool:
        """Whether anyone at all is muted in a room or banned from one: asked for every message to one."""
        return bool(self._by_kind.get("room_ban") or self._by_kind.get("room_mute"))

    def get(self, kind: Kind, subject: str) -> Decision | None:
        """Return the ruling on a subject, if there is one and it has not ended."""
        decision = self._decisions.get((kind, subject))
        if decision is not None and decision.until is not None and decision.until <= self._clock():
            self.lift(kind, subject)
            return None
        return decision

    def all(self, kind: Kind) -> dict[str, Decision]:
        """Return the rulings of a kind, by subject."""
        found = {subject: self.get(kind, subject) for subject in tuple(self._by_kind.get(kind, ()))}
        return {subject: decision for subject, decision in found.items() if decision is not None}

    def lift_in(self, rooms: Iterable[int], kind: Kind) -> None:
        """Take back what there is of a kind about anyone in these rooms, given by their ids."""
        for room in rooms:
            for key in tuple(self._by_room.get((kind, str(room)), ())):
                self.lift(kind, key)

    def banned_from(self, user: int) -> set[int]:
        """Return the ids of the rooms from which a user, given by id, is banned."""
        rooms = tuple(self._banned.get(str(user), ()))
        return {room for room in rooms if self.get("room_ban", f"{room}:{user}") is not None}

    def make(
        self,
        kind: Kind,
        subject: str,
        *,
        seconds: float | None = None,
        uses: int = 0,
        reason: str = "",
        by: int = 0,
        settled: OnWritten = ignore,
    ) -> None:
        """Make a ruling, in place of any on the same subject.

        It holds at once, and no longer if it turns out that it cannot be written.

        Args:
            kind: what it is.
            subject: whom or what it is about.
            seconds: for how long; None for ever.
            uses: of an invitation.
            reason: as the operator put it.
            by: of an invitation to a room, the id of who gave it.
            settled: told once it is on disk, or why it is not.
        """
        now = self._clock()
        until = None if seconds is None else now + int(seconds * 1000)
        self._put(kind, subject, Decision(now, until, uses, reason, by), settled)

    def lift(self, kind: Kind, subject: str, *, settled: OnWritten = ignore) -> None:
        """Take a ruling back, if there is one."""
        self._put(kind, subject, None, settled)

    def _put(self, kind: Kind, subject: str, decision: Decision | None, settled: OnWritten = ignore) -> None:
        change = self._newest[kind, subject] = object()

        def written(error: StoreError | None) -> None:
            if error is None:
                _set(self._on_disk, kind, subject, decision)
            if self._newest.get((kind, subject)) is change:  # else it is for a later one to say how it stands
                del self._newest[kind, subject]
                _set(self._decisions, kind, subject, self._on_disk.get((kind, subject)))
                self._index(kind, subject)
            settled(error)

        _set(self._decisions, kind, subject, decision)
        self._index(kind, subject)
        value = None if decision is None else msgspec.json.encode(decision).decode()
        self._log.append_change(Ruling(kind, subject, value), written)
        self._batcher.schedule()

    def _index(self, kind: str, about: str) -> None:
        """Note what there is, or is not any more: nobody goes through all rulings because one of them has changed."""
        there = (kind, about) in self._decisions
        _put_into(self._by_kind, kind, about, there=there)
        if kind in ("room_ban", "room_mute"):
            room, _, user = about.partition(":")
            _put_into(self._by_room, (kind, room), about, there=there)
            if kind == "room_ban":
                banned = self._banned.setdefault(user, set())
                (banned.add if there else banned.discard)(int(room))
                if not banned:
                    del self._banned[user]

    def check_ban(self, name: Name, key: bytes) -> None:
        """Keep the banned out.

        Raises:
            Refused: the name or the key is banned.
        """
        if not self._by_kind.get("ban"):
            return
        for subject in (name.key, ed25519_fingerprint(key)):
            decision = self.get("ban", subject)
            if decision is not None:
                raise Refused(codes.BANNED, f"You are banned from this server{details(decision)}.")

    def check_mute(self, key: str) -> None:
        """Keep the muted silent.

        Raises:
            Refused: the name, as it is compared, is muted.
        """
        decision = self.get("mute", key)
        if decision is not None:
            raise Refused(codes.MUTED, f"You may read here, but not write{details(decision)}.")

    def invite(self, uses: int, seconds: float, *, settled: OnWritten = ignore) -> str:
        """Return the code of a new invitation."""
        code = new_code(_INVITATION_SYLLABLES)
        self.make("invitation", _digest(code), seconds=seconds, uses=uses, settled=settled)
        return code

    def invites(self, code: str) -> bool:
        """Return whether the code is one of an invitation that can be used."""
        decision = self.get("invitation", _digest(code)) if code else None
        return decision is not None and decision.uses > 0

    def check_invitation(self, code: str) -> None:
        """Keep out who has no invitation.

        Raises:
            Refused: there is no code, or it is not one that can be used.
        """
        if not code:
            text = "This server takes new names by invitation only: ask its operator for one, and join with --invite."
            raise Refused(codes.INVITATION_REQUIRED, text)
        if not self.invites(code):
            raise Refused(codes.BAD_CODE, "That invitation is wrong, used up or too old: ask for another one.")

    def use_invitation(self, code: str) -> None:
        """Use an invitation once.

        Raises:
            Refused: as :meth:`check_invitation`.
        """
        self.check_invitation(code)
        digest = _digest(code)
        decision = self._decisions["invitation", digest]
        if decision.uses > 1:
            self._put("invitation", digest, msgspec.structs.replace(decision, uses=decision.uses - 1))
        else:
            self.lift("invitation", digest)


Group = TypeVar("Group")


def _put_into(groups: dict[Group, dict[str, None]], group: Group, about: str, *, there: bool) -> None:
    subjects = groups.setdefault(group, {})
    if there:
        subjects[about] = None
    else:
        subjects.pop(about, None)
    if not subjects:
        del groups[group]


def _set(decisions: dict[tuple[str, str], Decision], kind: Kind, subject: str, decision: Decision | None) -> None:
    if decision is None:
        decisions.pop((kind, subject), None)
    else:
        decisions[kind, subject] = decision


def details(decision: Decision) -> str:
    """Return until when and why, as far as that was said."""
    until = ""
    if decision.until is not None:
        moment = datetime.datetime.fromtimestamp(decision.until / 1000, datetime.UTC)
        until = f" until {moment:%Y-%m-%d %H:%M} UTC"
    return until + (f" ({decision.reason})" if decision.reason else "")


def _digest(code: str) -> str:
    """Return what is kept of a code: who reads the log must not be able to use it."""
    return hashlib.sha256(plain_code(code).encode()).hexdigest()
