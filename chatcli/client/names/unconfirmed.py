"""Changes of names after which nothing is written to the name until the user confirms it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from chatcli.protocol.frames import NameChange
from chatcli.protocol.values.names import fold

if TYPE_CHECKING:
    from chatcli.protocol.epochs import KnownLogs

#: After these someone else may read what is written to the name. A key that was added with one of the keys before is
#: only shown.
HELD: Final = frozenset(("recovered", "released", "taken"))
_MOST: Final = 1000  # names
_LONGEST: Final = 256  # characters: no name is longer


class Unconfirmed:
    """The newest change of each name that the user has yet to confirm.

    Attributes:
        told: the place in the log of the newest change that this client was told of, or where it began to be told; None
            if that is not known.
        epoch: that of the log which the places belong to; empty if it is not known.
    """

    def __init__(self) -> None:
        self.told: int | None = None
        self.epoch = ""
        self._changes: dict[str, NameChange] = {}  # by folded name, those that came first at the beginning

    def __bool__(self) -> bool:
        """Return whether there is a change to confirm."""
        return bool(self._changes)

    def add(self, change: NameChange) -> None:
        """Record a change; of a name the newest one counts."""
        self.told = max(self.told or 0, change.seq)
        if change.what not in HELD or max(len(change.user), len(change.by)) > _LONGEST:
            return
        before = self._changes.get(fold(change.user))
        if before is None or before.seq < change.seq:
            self._changes[fold(change.user)] = change
        if len(self._changes) > _MOST:
            del self._changes[next(iter(self._changes))]

    def add_all(self, changes: Iterable[NameChange]) -> None:
        """Record several changes."""
        for change in changes:
            self.add(change)

    def fit(self, logs: KnownLogs) -> None:
        """Fit the places to the log that is there now: a change that it has after them is a new one."""
        limit = logs.shared(self.epoch)
        self.epoch = logs.epoch
        if self.told is not None:
            self.told = min(self.told, limit)
        for name, change in self._changes.items():
            if change.seq > limit:
                self._changes[name] = replace(change, seq=limit)

    def find(self, name: str) -> NameChange | None:
        """Return the change of a name that is to be confirmed, or None."""
        return self._changes.get(fold(name)) if self._changes else None

    def confirm(self, change: NameChange) -> None:
        """Record that the user knows of a change."""
        if self._changes.get(fold(change.user)) == change:
            del self._changes[fold(change.user)]

    def all(self) -> dict[str, NameChange]:
        """Return the changes by folded name."""
        return dict(self._changes)
