"""The sans-I/O core of the interactive client: lines and frames in, events and frames out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

from chatcli.client.chat import phrases
from chatcli.client.chat.addressing import Addressing, Held
from chatcli.client.chat.ambiguity import Meaning, Origin
from chatcli.client.chat.arrival import Arrival, CatchUp, Greeting, Restoration, UnreadAtStart
from chatcli.client.chat.commands import LOCAL, frame_for, named_or_current
from chatcli.client.chat.contacts import Contacts
from chatcli.client.chat.conversations import Conversations
from chatcli.client.chat.events import Answer, Effects, Event, Notice, Shown, Trouble, day
from chatcli.client.chat.incoming import Incoming
from chatcli.client.chat.outgoing import DeliveryStatus, Outgoing
from chatcli.client.chat.pager import HistoryPager, Page
from chatcli.client.chat.questions import OpenQuestions, Question, answer_to, answered_by, listed
from chatcli.client.chat.recent import RecentMessages, Snippet, conversation
from chatcli.client.chat.replies import Replies
from chatcli.client.chat.requests import PendingRequests
from chatcli.client.names.unconfirmed import Unconfirmed
from chatcli.client.reading.attention import Attention
from chatcli.client.reading.screen import Screen
from chatcli.errors import ChatError, InputError, Refused
from chatcli.protocol import codes
from chatcli.protocol import frames as f
from chatcli.protocol.epochs import KnownLogs
from chatcli.protocol.grammar import Command, Say, Unclear, command_help, help_lines, usage
from chatcli.protocol.values.names import is_room, name_before_release
from chatcli.protocol.values.text import is_text, printable_line


class NotSent(InputError):
    """A line was not sent; its text goes back into the input line."""

    def __init__(self, sentence: str, text: str) -> None:
        super().__init__(sentence)
        self.text = text


class Chat:
    """One user's conversations, over any number of connections.

    Args:
        user: the name that is asked for; empty if the user is yet to choose one.
        new_id: makes message ids.
        clock: returns the milliseconds since 1970-01-01 UTC.
        arrival: how the user comes in.
        elapsed: returns the seconds since a fixed moment.

    Attributes:
        conversations: those of the user.
        contacts: the people and rooms that the user knows of.
        questions: those that the user may answer.
        names: the changes of names that the user has yet to confirm.
        addressing: finds the meaning of lines.
        outgoing: the messages that the server has not stored.
        delivery: what became of those that it has stored.
        attention: what the user has read.
        at_start: the conversations that were unread when the user came in.
        screen: what the user has in view; the view tells it what it prints.
        first_error: the first thing that the user wanted and did not get.
    """

    def __init__(
        self,
        user: str,
        new_id: Callable[[], str],
        clock: Callable[[], int],
        arrival: Arrival | None = None,
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        arrival = arrival or Arrival()
        self.conversations = Conversations()
        self.contacts = Contacts(user, self.conversations)
        self.questions = OpenQuestions(self.contacts, clock, elapsed)
        self.outgoing = Outgoing()
        self.delivery = DeliveryStatus(self.contacts)
        self.first_error: ChatError | None = None
        self._new_id = new_id
        self._greeting = Greeting(arrival, elapsed)
        self._recent = RecentMessages(arrival.alerts)
        self.names = Unconfirmed()
        self.addressing = Addressing(
            self.contacts,
            self.questions,
            self._recent,
            names=self.names,
            today=lambda: day(clock()),
            scripted=arrival.scripted,
        )
        self._pager = HistoryPager(self._recent, lambda: day(clock()))
        self.at_start = UnreadAtStart(self.conversations)
        self.screen = Screen()
        self._requests = PendingRequests(
            self.contacts, self._pager, self.screen, arrival.rooms, watched=arrival.watched
        )
        self.attention = Attention(
            self.conversations.counts,
            lambda: (self.conversations.current, self.conversations.has_chosen),
            elapsed,
            watched=arrival.watched,
            is_away=lambda: self.contacts.is_away,
            in_view=self.screen.is_in_view,
        )
        self.conversations.on_open = self._opened
        self._replies = Replies(
            contacts=self.contacts,
            recent=self._recent,
            questions=self.questions,
            requests=self._requests,
            pager=self._pager,
            clock=clock,
        )
        self._incoming = Incoming(
            contacts=self.contacts,
            questions=self.questions,
            addressing=self.addressing,
            outgoing=self.outgoing,
            delivery=self.delivery,
            requests=self._requests,
            replies=self._replies,
            pager=self._pager,
            recent=self._recent,
            greeting=self._greeting,
            catch_up=CatchUp(separate=not arrival.scripted),
            attention=self.attention,
            at_start=self.at_start,
            names=self.names,
            today=lambda: day(clock()),
        )
        self._restoration = Restoration(self.contacts, self._greeting, self.outgoing, self.attention, self._drop_after)
        self._confirms = not arrival.scripted  # whether somebody can confirm that a name has changed hands
        self._connected = False
        if arrival.rooms:
            self.conversations.switch(arrival.rooms[-1])

    @property
    def is_waiting(self) -> bool:
        """Whether the server has not answered something that was sent or asked."""
        return bool(self.outgoing) or bool(self._requests)

    @property
    def live(self) -> bool:
        """Whether everything that was missed has come."""
        return self._incoming.live

    @property
    def position(self) -> int | None:
        """The place in the log of the newest message that came; None before the first welcome."""
        return self._greeting.position

    @property
    def epoch(self) -> str:
        """The epoch of the server's log; empty if it names none."""
        return self._greeting.logs.epoch

    # Connections

    def set_present(self, present: f.Present) -> None:
        """Set what the next hello asks for if the user is here already."""
        self._greeting.set_present(present)

    def set_epoch(self, epoch: str) -> None:
        """Set the epoch of the log which the numbers in messages of earlier runs belong to."""
        self._greeting.logs = KnownLogs(epoch)

    def hello(self) -> f.Hello:
        """Return the frame that greets the server, the first time and again."""
        told = self.names.told if self.names.epoch in ("", self.epoch) else 0
        return self._greeting.hello(self.contacts.user, told)

    def must_ask_again(self, welcome: f.Welcome) -> bool:
        """Return whether the server must be greeted once more, as its log is another one than that of the hello."""
        return self._restoration.must_ask_again(welcome)

    def connected(self, welcome: f.Welcome) -> list[f.ClientFrame]:
        """Start on a new connection; return what to send at once: what is unanswered, and who is here."""
        self._connected = True
        self._restoration.welcomed(welcome)
        self.outgoing.connected(welcome.limits)
        self.outgoing.is_behind = welcome.revision >= 1 and self._confirms
        self._restoration.lost(self._incoming.connected(welcome))
        self._restoration.fit_outgoing()
        self.names.fit(self._greeting.logs)
        self.attention.connected(speaks=welcome.revision >= 1)
        joins = self._requests.connected(welcome.rooms, welcome.revision)
        reads = self.attention.frames(now=True)
        return [*reads, *joins, *self.outgoing.next_batch(), self._requests.roster()]

    def pop_news(self) -> list[Event]:
        """Return the events to show of a new connection, once: those of another log."""
        news = self._restoration.pop_news()
        self._record_error(news)
        return news

    def disconnected(self) -> list[Event]:
        """Drop what was asked on a connection that is gone; return what to show of it."""
        self._connected = False
        events = self._requests.disconnected()
        self._record_error(events)
        return events

    def _drop_after(self, seq: int, position: int) -> Sequence[Snippet]:
        self.screen.drop_after(seq)
        return self._incoming.drop_after(seq, position)

    def retry(self) -> list[f.ClientFrame]:
        """Return the messages to send again after the server could not store them."""
        return [*self.outgoing.retry()] if self._connected else []

    def printing(self, event: Event, rows: int) -> None:
        """Record that an event is printed now, on this number of rows."""
        row = self.screen.advance(rows)
        if isinstance(event, Shown) and event.message.seq:
            of = conversation(event.message, self.contacts.user)
            self.screen.printed(of, event.message.seq, mine=event.mine, row=row)

    def shown(self, events: Iterable[Event]) -> None:
        """Record that events were printed, and what came again meanwhile that was printed before."""
        user = self.contacts.user
        for event in events:
            if not isinstance(event, Shown) or not event.message.seq or event.mine:
                continue
            of = conversation(event.message, user)
            self.attention.drawn(of, event.message.seq)
            if self.outgoing.was_typed(event.message.id):  # a note to oneself
                self.attention.opened(of)
        for tail in self._requests.pop_shown_tails():
            if self.conversations.has_chosen and self.conversations.is_current(tail.name):
                self.attention.shown_anew(tail.name, tail.newest)
        for of, before, seq in self._incoming.pop_repeated():
            self.screen.renumber(of, before, seq)
            self.attention.drawn(of, seq)

    def receive(self, frames: Iterable[f.ServerFrame]) -> Effects:
        """Record what the server has sent."""
        effects = self._incoming.receive(frames)
        self._record_error(effects.events)
        return effects

    # Conversations

    def _opened(self, name: str) -> None:
        self._requests.opened(name)  # before its position moves
        self.attention.opened(name)

    def opened(self) -> Effects:
        """Return the effects of a conversation that a key has opened."""
        return self._effects()

    # Lines

    def typed(self, line: str, origin: Origin = "typed") -> Effects:
        """Carry out a line that the user has typed.

        A line whose meaning is in doubt is held: it comes back, and the same line once more confirms it.
        """
        if not is_text(line):
            return self._effects([Trouble(InputError("Not sent: that is not text in UTF-8."))])
        try:
            meaning = self.addressing.resolve(line, origin)
            if isinstance(meaning, Held):
                return Effects(events=[Trouble(InputError(meaning.sentence))], returned=[line])
            return self._carry_out(meaning, line)
        except NotSent as error:
            return self._effects([Trouble(error)], returned=[error.text])
        except Refused as error:
            return self._effects([Trouble(error)], returned=[line])
        except InputError as error:
            return self._effects([Trouble(error)], returned=[line] if "\n" in line else [])

    def answer(self, question: Question, choice: int) -> Effects:
        """Answer a question with the number of a choice."""
        self.addressing.reset()
        self._pager.pop_next()
        if question not in self.questions.open():
            error = InputError("Not answered: the question was answered or withdrawn, or its time is over.")
            return self._effects([Trouble(error)])
        if reason := self.addressing.hold_answer(question, choice):
            return Effects(events=[Trouble(InputError(reason))])
        return self._effects(self._answer(question, choice))

    def ask_who(self) -> Effects:
        """Ask who is here, and show it."""
        return self._ask("who", "", None)

    def _carry_out(self, meaning: Meaning, line: str) -> Effects:
        if meaning is None:
            return self._effects()
        page = self._pager.pop_next()  # only the very next line can ask for it
        match meaning:
            case Unclear(sentence, is_text):
                raise NotSent(sentence, line) if is_text else InputError(sentence)
            case Say(to, text):
                return self._effects(self._send(to, text))
            case Command("exit"):
                return self._effects(leave=True)
            case Command(word, argument):
                events = self._command(word, argument, line)
                return self._ask(word, argument, page) if events is None else self._effects(events)

    def _command(self, word: str, argument: str, line: str) -> list[Event] | None:
        """Carry out a command; return None if it asks the server something, which is not done here."""
        match word:
            case "help":
                return [Answer(row) for row in (command_help(argument) if argument else help_lines())]
            case "answer":
                return self._answer_typed(argument)
            case "reply" | "msg" | "me" | "say":
                return self._send_by_command(word, argument, line)
            case "unread":
                return [self._mark_unread(argument)]
            case "edit":
                raise InputError("There is no editor here: it belongs to the input line of a terminal.")
        if word == "list" and self._requests.knows_less:
            self.at_start.dismiss()
            return self._replies.known_conversations()
        if word in ("who", "whois") and self._requests.knows_less and argument and not is_room(argument):
            word = "describe"
        return [LOCAL[word](argument, self.contacts)] if word in LOCAL else None

    def _send(self, to: str, text: str, re: int | None = None, *, stay: bool = False) -> list[Event]:
        """Send a message.

        Args:
            to: the person or room.
            text: the text.
            re: the place in the log of the message that this one answers.
            stay: whether the open conversation stays open, if there is one.
        """
        if (before := name_before_release(to)) is not None:
            raise Refused(codes.UNKNOWN_USER, phrases.nobodys(to, before))
        self.outgoing.add(f.Send(self._new_id(), to, text, re), self._greeting.logs.epoch)
        name = self.contacts.spelling(to)
        self.contacts.add_partner(name)
        if stay and self.conversations.current:
            self.attention.opened(self.conversations.touch(name))
        else:
            was_open = self.conversations.has_chosen and self.conversations.is_current(name)
            self.conversations.switch(name)
            if (known := self._requests.wrote(was_open=was_open)) is not None:
                self.attention.shown_anew(name, known.newest)
        return []

    def _send_by_command(self, word: str, argument: str, line: str) -> list[Event]:
        current = self.conversations.current
        if word == "reply":
            answered, text = self._recent.replied_to(argument)
            return self._send(answered.of, text, answered.seq)
        if word == "msg":
            to, text = (*argument.split(maxsplit=1), "")[:2]
            if not text.strip():
                raise InputError(usage("msg"))
            return self._send(to.rstrip(":"), text, stay=True)
        if word == "me" and current:
            return self._send(current, f"* {self.contacts.user} {argument}")
        # With a conversation open, the grammar has made a message of /say.
        raise NotSent(self.addressing.no_recipient().sentence, argument if word == "say" else line)

    def _mark_unread(self, argument: str) -> Event:
        """Mark the messages of a conversation as unread, from its newest one on or from an earlier one."""
        if not self.attention.can_mark_unread:
            raise InputError("This server cannot mark messages as unread: it is older than this client.")
        if argument.isdecimal() and argument.isascii():
            first = self._recent.numbered(int(argument[:9]))
        else:
            name = named_or_current("unread", argument, self.contacts)
            first = self._recent.newest_in(name, self.contacts.user)
        name = self.contacts.spelling(first.of)
        self.attention.mark_unread(name, first.seq)
        self.conversations.leave(name)
        return Notice(f'{printable_line(name)} is unread from "{first.start}" on, until you open it')

    def _answer_typed(self, argument: str) -> list[Event]:
        waiting = self.questions.open()
        if waiting and not argument:
            return [Answer(line) for line in listed(waiting)]
        return self._answer(*answered_by(argument, waiting))

    def _answer(self, question: Question, choice: int) -> list[Event]:
        self.outgoing.add(answer_to(question, choice, self._new_id()), self._greeting.logs.epoch)
        self.questions.answered(question.seq)
        return []

    def _ask(self, word: str, argument: str, page: Page | None) -> Effects:
        """Ask the server something.

        Args:
            word: the command.
            argument: its argument.
            page: the page that a command for older messages continues with, if it has no argument.
        """
        frames = None
        if word in ("history", "search") and not argument:
            frames = self._requests.ask_next_page(word, page)
        if frames is None:
            frame = frame_for(word, argument, self.conversations.current)
            if isinstance(frame, f.Join):
                # At once: what is typed before the answer comes is meant for the room.
                self.conversations.switch(self.contacts.spelling(frame.room))
            frames = self._requests.ask(frame, word, f"/{word} {argument}".rstrip())
        if self._connected:
            return self._effects(frames=frames)
        self._record_error(self._requests.disconnected())
        return self._effects([Notice("Not connected at the moment: trying again. Ask once more then.")])

    def _effects(
        self,
        events: Sequence[Event] = (),
        *,
        frames: Iterable[f.ClientFrame] = (),
        returned: Iterable[str] = (),
        leave: bool = False,
    ) -> Effects:
        """Return the effects of a line, with the messages to send now and the requests that follow from it."""
        self._record_error(events)
        # Requests first: the end of a conversation is shown before the user's own line.
        following = [*self._requests.following(), *self.outgoing.next_batch()] if self._connected else []
        return Effects(events=events, frames=[*frames, *following], returned=[*returned], leave=leave)

    def _record_error(self, events: Iterable[Event]) -> None:
        """Record the first error among events, unless there was one before."""
        if self.first_error is None:
            self.first_error = next((event.error for event in events if isinstance(event, Trouble)), None)
