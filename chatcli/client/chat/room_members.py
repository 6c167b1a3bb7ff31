"""Who is in the rooms that the user looks at, by what the server answers and then tells of coming and going."""

from __future__ import annotations

from collections.abc import Iterable

from chatcli.protocol import frames as f


class Company:
    """The people in the rooms that were asked about on this connection."""

    def __init__(self) -> None:
        self._members: dict[str, dict[str, bool]] = {}  # by folded room: who, and whether they are here
        self._crowds: dict[str, int] = {}  # members of rooms with too many to name, by folded room

    def reconnected(self) -> None:
        """Begin on a new connection: nobody has told what happened meanwhile."""
        self._members.clear()
        self._crowds.clear()

    def heard(self, frames: Iterable[f.ServerFrame]) -> None:
        """Take what the server said."""
        for frame in frames:
            match frame:
                case f.People(to=room) if room:
                    self._listed(frame)
                case f.Presence():
                    self._moved(frame)
                case f.Happened(what="joined"):
                    self._members.get(frame.room.casefold(), {})[frame.user] = True
                case f.Happened(what="left" | "kicked" | "banned"):
                    self._members.get(frame.room.casefold(), {}).pop(frame.user, None)

    def here(self, room: str) -> int | None:
        """Return how many of a room are here, or None where that is not known."""
        members = self._members.get(room.casefold())
        return None if members is None else sum(members.values())

    def members(self, room: str) -> int | None:
        """Return how many belong to a room that has too many to say who is here, or None where it has not."""
        return self._crowds.get(room.casefold())

    def _listed(self, frame: f.People) -> None:
        room = frame.to.casefold()
        if frame.count > len(frame.people):
            self._crowds[room] = frame.count
        else:
            self._members[room] = {person.user: person.state != "gone" for person in frame.people}

    def _moved(self, frame: f.Presence) -> None:
        for members in self._members.values():
            for name in (*frame.here, *(person.user for person in frame.away)):
                if name in members:
                    members[name] = True
            for name in frame.gone:
                if name in members:
                    members[name] = False
