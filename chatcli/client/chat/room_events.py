"""Events in the user's rooms: what they change, and whether they are shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from chatcli.client.chat import phrases
from chatcli.client.chat.contacts import Contacts
from chatcli.client.chat.events import Event, Notice
from chatcli.client.chat.replies import PendingRequests
from chatcli.protocol import frames as f
from chatcli.protocol.names import fold


class RoomEvents:
    """Records what happens in rooms.

    Args:
        contacts: where it is recorded.
        requests: the user's own; what they have asked for is shown with the answer to it.
    """

    def __init__(self, contacts: Contacts, requests: PendingRequests) -> None:
        self._contacts = contacts
        self._requests = requests

    def grouped(self, frames: Iterable[f.ServerFrame]) -> Iterator[f.ServerFrame | list[f.Happened]]:
        """Yield frames in their order; frames of people who enter or leave the same room at once come as one list."""
        for crowd, several in groupby(frames, self._crowd):
            if crowd is None:
                yield from several
            else:
                yield [frame for frame in several if isinstance(frame, f.Happened)]

    def _crowd(self, frame: f.ServerFrame) -> tuple[str, str] | None:
        if isinstance(frame, f.Happened) and frame.what in ("joined", "left") and frame.user != self._contacts.user:
            return frame.room, frame.what
        return None

    def happened(self, *frames: f.Happened) -> list[Event]:
        """Record one event in a room, or the same one of several people; return what to show."""
        shown = [frame for frame in frames if self._record(frame)]
        return [Notice(phrases.happened(shown, self._contacts.user))] if shown else []

    def _record(self, frame: f.Happened) -> bool:
        """Record an event; return whether it is shown."""
        is_own = frame.user == self._contacts.user
        is_shown = self._record_own(frame) if is_own else self._record_other(frame)
        return is_shown and frame.by != self._contacts.user  # the answer to the user's request says it

    def _record_own(self, frame: f.Happened) -> bool:
        known = fold(frame.room) in self._contacts.rooms
        by_answer = self._requests.is_about(frame.room)
        match frame.what:
            case "joined":
                if known or by_answer:
                    return False
                self._contacts.enter(frame.room)
            case "left" if by_answer or not known:
                return False
            case "left" | "kicked" | "banned":
                self._contacts.leave(frame.room)
            case "invited":
                self._contacts.other_rooms[fold(frame.room)] = frame.room
            case "uninvited":
                self._contacts.other_rooms.pop(fold(frame.room), None)
        return True

    def _record_other(self, frame: f.Happened) -> bool:
        match frame.what:
            case "joined":
                self._contacts.add_people(frame.user)
                self._contacts.add_member(frame.user, frame.room, entered=True)
            case "left" | "kicked" | "banned":
                self._contacts.remove_member(frame.user, frame.room)
        if frame.what not in ("joined", "left"):
            return True
        # Joins and leaves are shown only of people whom the user has talked with, or in the open room.
        return frame.user in self._contacts.partners or self._contacts.conversations.is_current(frame.room)
