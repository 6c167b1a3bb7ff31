"""The frames from the server: they update the parts of the chat, and some of them are shown."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from typing import Any, NamedTuple

from chatcli.client.chat import phrases
from chatcli.client.chat.addressing import Addressing
from chatcli.client.chat.arrival import CatchUp, Greeting, UnreadAtStart
from chatcli.client.chat.contacts import Contacts, by_name
from chatcli.client.chat.events import Backlog, Effects, Event, Notice, Trouble, when
from chatcli.client.chat.outgoing import DeliveryStatus, Outgoing
from chatcli.client.chat.pager import HistoryPager
from chatcli.client.chat.questions import OpenQuestions
from chatcli.client.chat.recent import RecentMessages, Snippet, conversation
from chatcli.client.chat.replies import Replies
from chatcli.client.chat.requests import PendingRequests
from chatcli.client.errors import as_exception
from chatcli.client.names.sentences import own_device, sentence
from chatcli.client.names.unconfirmed import Unconfirmed
from chatcli.client.reading.attention import Attention
from chatcli.errors import InputError, ServerUnavailable
from chatcli.protocol import codes
from chatcli.protocol import frames as f
from chatcli.protocol.values.mentions import mentions
from chatcli.protocol.values.names import fold, is_room


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
        """Record one event in a room, or the same one of several people; return the events."""
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


class Repeated(NamedTuple):
    """A message that has come again, maybe under another number.

    Attributes:
        of: its conversation.
        before: its place in the log when it came before.
        seq: its place now.
    """

    of: str
    before: int
    seq: int


class Incoming:
    """Records what the server sends in the parts of the client that it concerns.

    Attributes:
        live: whether everything that was missed has come.
    """

    def __init__(
        self,
        *,
        contacts: Contacts,
        questions: OpenQuestions,
        addressing: Addressing,
        outgoing: Outgoing,
        delivery: DeliveryStatus,
        requests: PendingRequests,
        replies: Replies,
        pager: HistoryPager,
        recent: RecentMessages,
        greeting: Greeting,
        catch_up: CatchUp,
        attention: Attention,
        at_start: UnreadAtStart,
        names: Unconfirmed,
        today: Callable[[], datetime.date],
    ) -> None:
        self.live = False
        self._contacts = contacts
        self._conversations = contacts.conversations
        self._counts = contacts.conversations.counts
        self._questions = questions
        self._addressing = addressing
        self._outgoing = outgoing
        self._delivery = delivery
        self._requests = requests
        self._replies = replies
        self._pager = pager
        self._recent = recent
        self._greeting = greeting
        self._catch_up = catch_up
        self._attention = attention
        self._at_start = at_start
        self._names = names
        self._today = today
        self._room_events = RoomEvents(contacts, requests)
        self._invitations: list[str] = []  # rooms of which the user is yet to be notified
        self._newest = 0  # place in the log of the newest message of this connection
        self._repeated: list[Repeated] = []
        self._has_unshown = False  # whether a message has come that is not shown yet
        self._handlers: dict[type, Callable[[Any], list[Event]]] = {
            f.Message: self._message,
            f.NameChange: self._name_changed,
            f.Live: self._live,
            f.Sent: self._sent,
            f.Presence: self._presence,
            f.Read: self._read,
            f.Pong: self._ponged,
            f.Receipt: delivery.seen,
            f.Happened: self._room_events.happened,
            f.Skipped: self._skipped,
            f.ConversationList: self._listed,
            f.People: self._people,
            f.Done: replies.done,
            f.Room: self._entered,
            f.RoomList: replies.room_list,
            f.HistoryPage: replies.history,
            f.Found: replies.found,
            f.ReceiptList: replies.receipts,
        }

    def connected(self, welcome: f.Welcome) -> list[str]:
        """Start on a new connection; return the rooms that the user does not belong to any more."""
        contacts = self._contacts
        self._catch_up.connected()
        self._counts.connected(welcome.cursor)
        if welcome.revision >= 1:
            self._counts.welcomed(welcome.read, {one.of: one.seq for one in welcome.reads})
        contacts.user = welcome.user
        contacts.reconnected()
        rooms = by_name(welcome.rooms)
        lost = [room for key, room in contacts.rooms.items() if key not in rooms]
        for room in lost:
            contacts.leave(room)
        contacts.rooms = rooms
        self._invitations = [room for room in welcome.invited if fold(room) not in contacts.other_rooms]
        contacts.other_rooms |= by_name(welcome.invited)
        return lost

    def drop_after(self, seq: int, position: int) -> list[Snippet]:
        """Forget the numbers after a place, which other messages have now; return what had them, as far as it is known.

        Args:
            seq: the place up to which this log and the one before it agree.
            position: the place after which the feed continues.
        """
        self._newest = min(self._newest, position)
        self._repeated.clear()
        self._catch_up.drop_places()
        self._questions.drop_after(seq)
        self._delivery.drop_after(seq)
        self._pager.drop_after(seq)
        return self._recent.drop_after(seq)

    def receive(self, frames: Iterable[f.ServerFrame]) -> Effects:
        """Record what the server has sent."""
        self._greeting.received()
        # Receipts come after presence: the receipts of a person come along with their arrival.
        frames = sorted(frames, key=lambda frame: isinstance(frame, f.Receipt))
        self._questions.close_answered(frame for frame in frames if isinstance(frame, f.Message))
        events: list[Event] = []
        returned: list[str] = []
        for frame in self._room_events.grouped(frames):
            if isinstance(frame, list):
                events += self._room_events.happened(*frame)
            elif isinstance(frame, f.Error):
                shown, texts = self._refused(frame)
                events += shown
                returned += texts
            elif (handle := self._handlers.get(type(frame))) is not None:
                events += handle(frame)
        if self._outgoing and not self._catch_up.is_behind and self._names:
            shown, texts = self._withdraw()
            events += shown
            returned += texts
        if not self._at_start.is_known and self._requests.can_tell:
            self._at_start.record()
            rows = self._at_start.rows()
            events += [Backlog(rows)] if rows and not self._requests.knows_less else []
        self._has_unshown = self._has_unshown or any(isinstance(frame, f.Message | f.NameChange) for frame in frames)
        is_shown = self._has_unshown and not self._catch_up.is_holding
        self._has_unshown = self._has_unshown and not is_shown
        return Effects(
            events=events,
            frames=[*self._outgoing.next_batch(), *self._requests.following()],
            ack=self._newest if is_shown else None,
            returned=returned,
        )

    def _live(self, frame: f.Live) -> list[Event]:
        self.live = self._counts.live = True
        self._outgoing.is_behind = False
        self._greeting.position = max(self._greeting.position or 0, frame.seq)
        told = self._names.told
        self._names.told = frame.seq if told is None else min(told, frame.seq)  # less in a log that was restored
        invitations, self._invitations = self._invitations, []
        return [*self._catch_up.caught_up(), *(Notice(phrases.invited(room)) for room in invitations)]

    def _skipped(self, frame: f.Skipped) -> list[Event]:
        self._counts.left_out(frame.to, frame.before)
        return self._catch_up.add(self._pager.left_out(frame), frame.before, frame.count)

    def _message(self, frame: f.Message) -> list[Event]:
        """Return the events of a message of the log.

        One that was shown comes again if it is sent again after a restore, and is not shown again: except a question,
        which is asked again. It is unread under its new number until the user looks.
        """
        self._greeting.position = self._newest = frame.seq
        of = conversation(frame, self._contacts.user)
        before, was_open = self._recent.mark_shown(frame.id, frame.seq), self._questions.has(frame.seq)
        self._contacts.add_people(frame.sender)
        self._contacts.add_partner(of)
        self._recent.add(frame, of)
        self._conversations.set_last(of, frame)
        is_open = self._questions.add(frame, of, live=not self._catch_up.is_behind)
        if before is not None and (was_open or not is_open):
            self._recent.add_again(frame, of, self._contacts.user)
            if frame.sender != self._contacts.user or of == frame.sender:
                self._count(frame, of, is_open=False)
                self._repeated.append(Repeated(of, before, frame.seq))
            return []
        if frame.sender == self._contacts.user and not is_open:
            return self._own_message(frame, of)
        return self._other_message(frame, of, is_open=is_open)

    def _name_changed(self, frame: f.NameChange) -> list[Event]:
        self._greeting.position = max(self._greeting.position or 0, frame.seq)  # earlier if another client was told
        self._newest = max(self._newest, frame.seq)
        self._names.add(frame)
        if self._conversations.is_current(frame.user):
            self._requests.ask_again()  # where the new owner is, or nobody
        if frame.what == "released":
            self._counts.is_outdated = True  # the server lists the former conversation under another name
        moment = when(frame.at, self._today())
        is_own = fold(frame.user) == fold(self._contacts.user)
        if not is_own or frame.what != "key":
            return self._catch_up.add([Notice(sentence(frame, moment))], frame.seq, 0)
        was_linked, self._greeting.was_linked = self._greeting.was_linked, False
        notices: list[Event] = [] if was_linked else [Notice(own_device(moment))]  # none for the device itself
        return self._catch_up.add(notices, frame.seq, 0)

    def _other_message(self, frame: f.Message, of: str, *, is_open: bool) -> list[Event]:
        user = self._contacts.user
        self._recent.add_received(frame, of)
        self._contacts.add_member(frame.sender, of)
        self._conversations.respell(of)
        self._count(frame, of, is_open=is_open)
        if not is_room(frame.to) and frame.sender != user and not frame.choices:
            self._conversations.add_writer(frame.sender)
            if self.live:
                self._requests.locate(frame.sender, here=True)
        notable = not self._conversations.is_muted(of) and (is_open or self._recent.is_for(frame, user))
        event = self._recent.as_event(frame, user, notable=notable, is_open=is_open)
        return self._catch_up.add([event], frame.seq, 1)

    def _count(self, frame: f.Message, of: str, *, is_open: bool) -> None:
        """Count a message as unread."""
        if (frame.choices and not is_open) or frame.answer is not None:
            self._conversations.touch(of)  # a question that is settled or over: nothing waits for the user
            return
        user = self._contacts.user
        mention = is_room(of) and frame.sender != user and mentions(frame.text, user)
        self._conversations.add_unread(of, frame.seq, mention=mention)

    def pop_repeated(self) -> list[Repeated]:
        """Return the messages that were on the screen before they came, once, unless others are held before them."""
        if self._catch_up.is_holding:
            return []
        repeated, self._repeated = self._repeated, []
        return repeated

    def _own_message(self, frame: f.Message, of: str) -> list[Event]:
        """Return the events of a message of the user's that the log repeats."""
        self._outgoing.remove(frame.id)
        self._conversations.touch(of)
        is_new = self._outgoing.mark_shown(frame.id)
        if is_new:
            self._delivery.repeated(frame.seq, of)
        if is_new and of == self._contacts.user:  # a note from another device, or from a script
            self._conversations.add_unread(of, frame.seq)
        shown: list[Event] = [self._recent.as_event(frame, self._contacts.user)] if is_new else []
        return self._catch_up.add(shown, frame.seq, int(bool(shown) and of == self._contacts.user))

    def _sent(self, frame: f.Sent) -> list[Event]:
        sent = self._outgoing.stored(frame.id)
        if sent is None:
            return []
        self._outgoing.mark_shown(frame.id)
        user, of = self._contacts.user, self._contacts.spelling(sent.to)
        if self._contacts.is_away:
            self._contacts.set_away(None)  # the message has ended it
            self._attention.opened(of)
        message = f.Message(
            seq=frame.seq,
            id=frame.id,
            sender=user,
            to=of,
            text=sent.text,
            at=frame.at,
            re=sent.re,
            answer=sent.answer,
        )
        self._questions.close_answered([message])
        self._recent.add(message, of)
        self._conversations.set_last(of, message)
        shown = self._catch_up.add_own(self._recent.as_event(message, user))
        if sent.answer is not None:
            return shown  # the person who asked waits on a connection that does not count as being here
        is_asked = self._requests.locate(of, here=frame.outcome == "delivered")
        return [*shown, *self._delivery.sent(frame, of, located=not is_asked)]

    def _refused(self, frame: f.Error) -> tuple[list[Event], list[str]]:
        """Return the events of a refusal, and the texts to put back into the input line."""
        if frame.id in self._outgoing and isinstance(as_exception(frame), ServerUnavailable):
            could_store = self._outgoing.postpone(frame.id or "")
            sentence = f"Not sent yet: {frame.text} Trying again until it is."
            return ([Notice(sentence)] if could_store else []), []
        shown = self._replies.refused(frame)
        if shown is None:
            return [], []
        unsent = self._outgoing.remove(frame.id)
        if unsent is None:
            return [Trouble(as_exception(shown))], []
        if unsent.answer is not None:
            self._questions.refused(unsent, frame)
            return [Trouble(as_exception(f.Error(frame.code, f"Not answered: {frame.text}", frame.id)))], []
        if frame.code in (codes.UNKNOWN_USER, codes.UNKNOWN_ROOM):
            self._contacts.forget(unsent.to)
            self._addressing.add_missing(unsent.to)
        error = f.Error(frame.code, f"Not sent: {frame.text}", frame.id, names=frame.names)
        return [Trouble(as_exception(error))], [self._addressing.line_for(unsent)]

    def _withdraw(self) -> tuple[list[Event], list[str]]:
        """Return the events and the texts of messages that are not sent, as their names may be somebody else's now.

        They were typed before that was known here. What the server has got already comes with what was missed.
        """
        events: list[Event] = []
        texts = []
        for message in self._outgoing.unsent():
            change = self._addressing.find_change(message.to)
            if change is None:
                continue
            self._outgoing.remove(message.id)
            reason = sentence(change, when(change.at, self._today()))
            events.append(Trouble(InputError(phrases.not_sent(message, reason))))
            if message.answer is None:
                texts.append(f"{message.to}: {message.text}")  # whichever conversation will be open then
            elif message.re is not None:
                self._questions.reopen(message.re)
        return events, texts

    def _people(self, frame: f.People) -> list[Event]:
        events = self._replies.people(frame)
        located = [frame.to] if frame.to else [*self._contacts.presence.gone]
        return [*events, *self._delivery.located(*located)]

    def _presence(self, frame: f.Presence) -> list[Event]:
        self._delivery.add_here(frame.here)
        return self._contacts.update_presence(frame)

    def _read(self, frame: f.Read) -> list[Event]:
        # Not the position: this connection continues after what it has received, wherever that was shown.
        if frame.of:
            self._attention.moved_elsewhere(frame.of, frame.seq, back=frame.back)
        else:
            self._counts.move_all(frame.seq)
        return []

    def _ponged(self, frame: f.Pong) -> list[Event]:
        self._attention.answered(frame.n)
        return []

    def _listed(self, frame: f.ConversationList) -> list[Event]:
        self._requests.listed(frame)
        events = self._replies.conversations(frame)
        if events:
            self._at_start.dismiss()
        return events

    def _entered(self, frame: f.Room) -> list[Event]:
        self._delivery.entered(frame.room.name)
        return self._replies.entered(frame)
