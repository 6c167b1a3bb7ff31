"""Fills the roster from the answers that a command receives, and sometimes from extra requests along with its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from chatcli.client.storage import roster
from chatcli.protocol import codes
from chatcli.protocol import frames as f

if TYPE_CHECKING:
    from chatcli.client.storage.roster import Roster
    from chatcli.protocol.values.address import Address

PATIENCE: Final = 0.25  # seconds for the extra answers, once the command has its own
_OURS: Final = 2**52 + 1  # the number of the extra requests; no command counts so far


class RosterObserver:
    """Observes the frames of one connection.

    Args:
        server: the server, by its name.
        user: the user who is logged in there.
    """

    def __init__(self, server: Address, user: str) -> None:
        self._server = server
        self._user = user
        self._open = 0  # extra requests without an answer
        self._to: dict[str, str] = {}  # recipients, by the id of the message
        self._people: list[tuple[str, str, int | None]] = []
        self._rooms: list[str] = []  # the user's, and those that they wrote to
        self._other_rooms: list[str] = []
        self._nobody: list[str] = []
        self._everyone: list[str] | None = None  # the people who are here, if the list is complete
        self._asked = False

    @property
    def is_waiting(self) -> bool:
        """Whether an extra request is not answered yet."""
        return self._open > 0

    def before_sending(self, frames: tuple[f.ClientFrame, ...]) -> tuple[f.ClientFrame, ...]:
        """Return the frames to send instead: with extra requests before a goodbye, if the roster is stale."""
        self._to.update((frame.id, frame.to) for frame in frames if isinstance(frame, f.Send))
        if not (frames and isinstance(frames[-1], f.Bye)) or self._asked:
            return frames
        if not roster.is_stale(self._server, self._user):
            return frames
        self._asked = True
        self._open = 2
        return *frames[:-1], f.Who(limit=roster.MAX_PEOPLE, n=_OURS), f.Rooms(n=_OURS), frames[-1]

    def receive(self, frame: f.ServerFrame) -> bool:
        """Learn from a frame of the server; return whether it answers an extra request."""
        match frame:
            case f.Welcome():
                self._rooms += (*frame.rooms, *frame.invited)
            case f.Sent():
                self._add_recipient(self._to.pop(frame.id, ""), frame.outcome)
            case f.Error() if frame.id and frame.code in (codes.UNKNOWN_USER, codes.UNKNOWN_ROOM):
                self._nobody.append(self._to.pop(frame.id, ""))
            case f.People():
                self._add_people(frame)
            case f.RoomList():
                self._other_rooms += (room.name for room in frame.rooms[: roster.MAX_ROOMS])
            case f.HistoryPage() | f.Found():
                self._people += ((name, "", None) for name in {message.sender for message in frame.messages})
        is_ours = getattr(frame, "n", None) == _OURS
        self._open -= is_ours
        return is_ours

    def store(self) -> None:
        """Store in the roster what is new."""
        roster.update(self._server, self._user, self._change)

    def _add_recipient(self, to: str, outcome: f.Outcome) -> None:
        if to.startswith(roster.ROOM):
            self._rooms.append(to)
        elif to:
            self._people.append((to, "here" if outcome == "delivered" else "", None))

    def _add_people(self, frame: f.People) -> None:
        self._people += (
            (one.user, one.state, one.since // 1000 if one.state == "gone" else None) for one in frame.people
        )
        if not frame.to and frame.count <= len(frame.people):
            self._everyone = [one.user for one in frame.people]

    def _change(self, known: Roster) -> None:
        if self._everyone is not None:
            known.set_present(self._everyone)
        for name, state, at in self._people:
            known.add_person(name, state, at)
        for room in (
            *self._other_rooms,
            *self._rooms,
        ):  # surplus ones are removed at the front
            known.add_room(room)
        for name in self._nobody:
            known.forget(name)
        if self._asked and not self._open:
            known.set_asked()
