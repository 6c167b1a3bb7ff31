"""Moderation: bans, mutes, operators and invitations, stored in the log and held in memory."""

from __future__ import annotations

import datetime
import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeVar

from chatcli.errors import Refused
from chatcli.protocol import codes
from chatcli.protocol.keys import ed25519_fingerprint
from chatcli.server import slices
from chatcli.server.security.spoken_codes import new_code, plain_code
from chatcli.store import sanction as stored
from chatcli.store.batch import ignore
from chatcli.store.records import Ruling
from chatcli.store.sanction import Sanction

if TYPE_CHECKING:
    from chatcli.protocol.frames import Happening
    from chatcli.protocol.values.names import Name
    from chatcli.server.batcher import TickBatcher
    from chatcli.server.model import Connection, Room, User
    from chatcli.server.throttle import Later
    from chatcli.store.batch import OnOutcome, Outcome
    from chatcli.store.interface import Log

logger = logging.getLogger(__name__)

Kind = Literal[
    "ban", "mute", "operator", "invitation", "recovery", "service", "room_ban", "room_mute", "room_invitation"
]

_ROUND: Final = 3600.0  # seconds between two searches for sanctions whose time is over
_FIRST_ROUND: Final = 90.0  # seconds after the start until the first of them
_LIFTED_AT_ONCE: Final = 100  # sanctions that are looked at in one tick of the loop
CODE_SYLLABLES: Final = 10  # 59 bits: valid for days, not for ten minutes like a link code


def subject(room: Room, user: User) -> str:
    """Return the subject of a sanction of a user in a room."""
    return f"{room.id}:{user.id}"


def ids_of(about: str) -> tuple[int, int]:
    """Return the ids of the room and the user in the subject of a sanction in a room.

    Raises:
        ValueError: the subject is damaged.
    """
    room, user = map(int, about.split(":"))
    return room, user


class News(NamedTuple):
    """The event in a room that goes with a decision.

    Attributes:
        event: the event; empty for none.
        by: the id of the user who has decided that; 0 if nobody has.
        reason: in their words.
    """

    event: Happening | Literal[""] = ""
    by: int = 0
    reason: str = ""


NO_NEWS: Final = News()


class Moderation:
    """All sanctions, by kind and subject; in the log, each is the value of a *ruling*.

    A sanction that is imposed or lifted here holds at once, before the log has it: :attr:`_sanctions` has what holds,
    :attr:`_on_disk` what the log has. They may differ while a request is being written.

    A subject is a folded name, the fingerprint of a key, the digest of an invitation, or the ids of a room and a user
    with a colon between them.

    Args:
        log: stores them.
        rulings: those that the log held when it was opened.
        batcher: schedules the commit.
        clock: the time in milliseconds since 1970-01-01 UTC.
        later: calls a function after a number of seconds.
    """

    def __init__(
        self, log: Log, rulings: Iterable[Ruling], *, batcher: TickBatcher, clock: Callable[[], int], later: Later
    ) -> None:
        self._log = log
        self._batcher = batcher
        self._clock = clock
        self._later = later
        self._sanctions: dict[tuple[str, str], Sanction] = {}
        for ruling in rulings:
            _set(self._sanctions, (ruling.kind, ruling.subject), _sanction(ruling))
        self._on_disk = dict(self._sanctions)
        self._newest: dict[tuple[str, str], object] = {}  # the newest request of each that is being written
        self._by_kind: dict[str, dict[str, None]] = {}  # subjects
        self._by_room: dict[tuple[str, str], dict[str, None]] = {}  # subjects, by kind and the id of the room
        self._banned: dict[str, set[int]] = {}  # ids of rooms, by the id of the user whom they have banned
        for kind, about in self._sanctions:
            self._index(kind, about)
        later(_FIRST_ROUND, self._lift_regularly)

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
        found = self._sanctions.get((kind, subject))
        return None if found is None or found.over(self._clock()) else found

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
        news: News = NO_NEWS,
        on_outcome: OnOutcome = ignore,
        cause: Connection | None = None,
    ) -> None:
        """Impose a sanction, in place of any of that kind on the same subject.

        It is in force at once, and is undone if it cannot be written.

        Args:
            kind: the kind of sanction.
            subject: see :class:`Moderation`.
            seconds: until it ends; None for never.
            uses: see :class:`chatcli.store.sanction.Sanction`.
            reason: likewise.
            by: likewise.
            keep: likewise.
            news: the event in the room that it concerns.
            on_outcome: called once it is on disk, or with the reason why it is not.
            cause: the connection that has asked for it.
        """
        now = self._clock()
        until = None if seconds is None else now + int(seconds * 1000)
        imposed = Sanction(at=now, until=until, uses=uses, reason=reason, by=by, keep=keep)
        self._store(Ruling(kind, subject, stored.encode(imposed), None, *news), imposed, on_outcome, cause)

    def lift(
        self,
        kind: Kind,
        subject: str,
        *,
        news: News = NO_NEWS,
        on_outcome: OnOutcome = ignore,
        cause: Connection | None = None,
    ) -> None:
        """Lift a sanction, if there is one; see :meth:`impose` for the other arguments."""
        self._store(Ruling(kind, subject, None, None, *news), None, on_outcome, cause)

    def lift_in(self, room: int, kind: Kind) -> None:
        """Lift all sanctions of a kind in the room with that id."""
        for about in tuple(self._by_room.get((kind, str(room)), ())):
            self.lift(kind, about)

    def _lift_regularly(self) -> None:
        self._later(_ROUND, self._lift_regularly)
        slices.run(self._later, self.lift_all_ended())

    def lift_all_ended(self) -> Iterator[None]:
        """Delete the sanctions whose time is over from the disk, some at a time."""
        for portion in slices.portions(tuple(self._sanctions.items()), _LIFTED_AT_ONCE):
            now = self._clock()
            for (kind, about), found in portion:
                if found.over(now) and self._on_disk.get((kind, about)) == found:
                    self._log.append_change(Ruling(kind, about, None, stored.encode(found)))
            self._batcher.schedule()
            yield

    def _store(self, ruling: Ruling, imposed: Sanction | None, on_outcome: OnOutcome, cause: Connection | None) -> None:
        key = ruling.kind, ruling.subject
        change = self._newest[key] = object()

        def finish(outcome: Outcome) -> None:
            if self._newest.get(key) is change:  # otherwise a later change decides
                del self._newest[key]
                self._follow(key)
            on_outcome(outcome)

        _set(self._sanctions, key, imposed)
        self._index(*key)
        self._log.append_change(ruling, finish, cause)
        self._batcher.schedule()

    def apply(self, ruling: Ruling) -> Sanction | None:
        """Follow a decision that the log has, and return it; one that was made here since then stays in force."""
        key = ruling.kind, ruling.subject
        found = _sanction(ruling)
        _set(self._on_disk, key, found)
        if key not in self._newest:
            self._follow(key)
        return found

    def _follow(self, key: tuple[str, str]) -> None:
        _set(self._sanctions, key, self._on_disk.get(key))
        self._index(*key)

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

    def invite(self, uses: int, seconds: float, *, on_outcome: OnOutcome = ignore) -> str:
        """Return the code of a new invitation to the server."""
        code = new_code(CODE_SYLLABLES)
        self.impose("invitation", digest(code), seconds=seconds, uses=uses, on_outcome=on_outcome)
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


def _sanction(ruling: Ruling) -> Sanction | None:
    """Return the sanction of a decision; None if it revokes one, or if it is damaged and does not hold."""
    if ruling.value is None:
        return None
    try:
        if ruling.kind.startswith("room_"):
            ids_of(ruling.subject)
        return stored.decode(ruling.value)
    except (ValueError, TypeError):
        logger.error("The log is damaged: a decision of the kind %s cannot be read, and does not hold.", ruling.kind)  # noqa: TRY400 (the trace says no more)
        return None


Group = TypeVar("Group")


def _update(groups: dict[Group, dict[str, None]], group: Group, about: str, *, exists: bool) -> None:
    subjects = groups.setdefault(group, {})
    if exists:
        subjects[about] = None
    else:
        subjects.pop(about, None)
    if not subjects:
        del groups[group]


def _set(sanctions: dict[tuple[str, str], Sanction], key: tuple[str, str], sanction: Sanction | None) -> None:
    if sanction is None:
        sanctions.pop(key, None)
    else:
        sanctions[key] = sanction


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
