"""What happens in rooms: what it means for the user, and whether it is worth a line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from chatcli.client.chat import phrases
from chatcli.client.chat.contacts import Contacts
from chatcli.client.chat.events import Event, Notice
from chatcli.client.chat.replies import Answers
from chatcli.protocol import frames as f
from chatcli.protocol.names import fold


class Happenings:
    """Notes what happens in the user's rooms.

    Args:
        contacts: where it is noted.
        answers: what the user has asked for is told by the answer.
    """

    def __init__(self, contacts: Contacts, answers: Answers) -> None:
        self._contacts = contacts
        self._answers = answers

    def together(self, frames: Iterable[f.ServerFrame]) -> Iterator[f.ServerFrame | list[f.Happened]]:
        """Yield frames in their order, but those of people who enter or leave the same room at once as one list."""
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
        """Take what happened in a room: one thing, or the same to several; return what to show."""
        told = [frame for frame in frames if self._is_told(frame)]
        return [Notice(phrases.happened(told, self._contacts.user))] if told else []

    def _is_told(self, frame: f.Happened) -> bool:
        told = self._to_user(frame) if frame.user == self._contacts.user else self._to_other(frame)
        return told and frame.by != self._contacts.user  # the answer to it says so

    def _to_user(self, frame: f.Happened) -> bool:
        """Note what happened to the user; return whether it is worth a line."""
        known = fold(frame.room) in self._contacts.rooms
        by_answer = self._answers.concern(frame.room)
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

    def _to_other(self, frame: f.Happened) -> bool:
        """Note what happened to someone else, or to the room; return whether it is worth a line.

        Who comes and who leaves is, if the user has talked with them or is in the room just now.
        """
        match frame.what:
            case "joined":
                self._contacts.add_people(frame.user)
                self._contacts.add_member(frame.user, frame.room, entered=True)
            case "left" | "kicked" | "banned":
                self._contacts.remove_member(frame.user, frame.room)
        if frame.what not in ("joined", "left"):
            return True
        return frame.user in self._contacts.partners or self._contacts.conversations.is_current(frame.room)
