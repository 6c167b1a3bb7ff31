"""An interactive session: connects the chat with a server and a view, and connects again when the connection breaks."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, Protocol

from chatcli.client.chat.ambiguity import Origin
from chatcli.client.chat.chat import Chat
from chatcli.client.chat.events import Effects, Event, Notice, Trouble
from chatcli.client.chat.questions import Question
from chatcli.client.errors import as_exception
from chatcli.client.interactive.cache_writer import INTERVAL, CacheWriter
from chatcli.client.interactive.link import Greeted, Link
from chatcli.client.interactive.outbox_keeper import OutboxKeeper
from chatcli.client.names.store import UnconfirmedFile
from chatcli.client.transport.aio import GOODBYE, Connection, LinkState, connect
from chatcli.client.transport.reconnect import backoff
from chatcli.errors import ChatError, InputError, Refused, ServerUnavailable, ServerUnreachable
from chatcli.protocol import codes
from chatcli.protocol.frames import Ack, Bye, ServerBye, Welcome
from chatcli.protocol.values.text import printable_line

if TYPE_CHECKING:
    from chatcli.client.identity.credentials import Login
    from chatcli.client.identity.trust import TrustReason
    from chatcli.client.outbox.store import Outbox

_HOW_TO_TALK: Final = 'Write "name: text" or "#room: text"; "help" shows more, "exit" leaves.'
_BETWEEN_MEASURES: Final = 5.0  # seconds
_BETWEEN_READS: Final = 0.1  # seconds from one look at what was read to the next, if nothing happens


class View(Protocol):
    """The place where the user reads."""

    def draw(self, events: Sequence[Event]) -> None:
        """Show events now."""

    async def show(self, events: Sequence[Event]) -> None:
        """Show events without flickering; return once they are shown."""

    def put_back(self, texts: Sequence[str]) -> None:
        """Put texts that were not sent back into the input line."""


class InteractiveSession:
    """A session from the first welcome to the goodbye.

    Args:
        login: the server to connect to again, and the key to prove there; no new key of a server is accepted.
        chat: the meaning of lines and frames.
        view: the place where the user reads.
        greeted: the first connection.
        patience: the seconds to wait for unsent messages once the user leaves.
        outbox: the file of unsent messages; None if they are not to survive the client. The chat has restored those of
            earlier visits.
        on_change: called when ``state`` or the chat may have changed; without it no round trip is measured.

    Attributes:
        trust_reason: the reason to trust the server.
    """

    def __init__(
        self,
        login: Login,
        chat: Chat,
        view: View,
        greeted: Greeted,
        *,
        patience: float,
        outbox: Outbox | None = None,
        on_change: Callable[[], None] | None = None,
    ) -> None:
        self.trust_reason: TrustReason = "plain"
        self._login = login.without_prompt()
        self._chat = chat
        self._view = view
        self._patience = patience
        self._keeper = OutboxKeeper(outbox, chat.outgoing, lambda error: view.draw([Trouble(error)]))
        self._unconfirmed = UnconfirmedFile(login.server.name, chat.contacts.user)
        self._unconfirmed.restore(chat.names)
        self._caches = CacheWriter(login.server.name, chat, counting=on_change is not None, epoch=greeted[1].epoch)
        self._link = Link(greeted[0], on_change)
        self._failure: Exception | None = None
        self._leave = asyncio.Event()  # the user wants to leave, or the session has failed
        self._nothing_waits = asyncio.Event()  # everything is sent and received, or the session has failed
        self._showing = asyncio.Lock()  # held from showing messages until they are acknowledged
        self._parting = False  # the goodbye is sent: nothing is shown any more
        self._unanswered: list[Event] = []  # to be shown once the user can ask again
        self._retry_waits = backoff()
        self._retry: asyncio.TimerHandle | None = None
        self._attending: asyncio.TimerHandle | None = None
        self._attends_next = False
        self._commands: Callable[[], bool] = lambda: False
        self._loop = asyncio.get_running_loop()
        self._connected(*greeted)

    @property
    def state(self) -> LinkState:
        """The state of the connection."""
        return self._link.state

    @property
    def is_leaving(self) -> bool:
        """Whether the session is about to end."""
        return self._leave.is_set()

    # The user

    def typed(self, line: str, origin: Origin = "typed") -> None:
        """Carry out a line that the user has typed."""
        self._apply(self._chat.typed(line, origin))

    def answer(self, question: Question, choice: int) -> None:
        """Answer a question with the number of a choice."""
        self._apply(self._chat.answer(question, choice))

    def opened(self) -> None:
        """Show a conversation that a key has opened."""
        self._apply(self._chat.opened())

    def touched(self, commands: Callable[[], bool] = lambda: False) -> None:
        """Record that the user has pressed a key, or typed a line, before that takes effect.

        Args:
            commands: returns whether the input line holds the beginning of a command, once the key has taken effect.
        """
        self._chat.attention.key_pressed()
        self._commands = commands
        if not self._attends_next:  # a thousand keys may come at once
            self._attends_next = True
            self._loop.call_soon(self._attend_next)

    def focused(self, *, has_focus: bool | None) -> None:
        """Record that the user's terminal has got the focus, or lost it; None if it does not say any more."""
        self._chat.attention.focus_changed(has_focus=has_focus)
        self.attend()

    def attend(self) -> None:
        """Tell the server what the user has read, now or as soon as it is due."""
        if self._failure is not None or self._parting:
            return
        if self._link.is_up:  # otherwise the next connection begins with it
            self._link.send(*self._chat.attention.frames())
            due = self._loop.time() + max(_BETWEEN_READS, self._chat.attention.due_in())
            if self._attending is None or self._attending.when() > due:
                self._cancel_attending()
                self._attending = self._loop.call_at(due, self._attend_later)
        self._link.notify()

    def _attend_next(self) -> None:
        self._attends_next = False
        if not self._commands():  # which may be the one that leaves the conversation
            self._chat.attention.key_took_effect()
        self.attend()

    def _attend_later(self) -> None:
        self._attending = None
        self.attend()

    def _cancel_attending(self) -> None:
        if self._attending is not None:
            self._attending.cancel()
            self._attending = None

    def greet(self, hints: Sequence[str] = (_HOW_TO_TALK,)) -> None:
        """Show the user's name, hints how to talk, their rooms, and who is here."""
        contacts = self._chat.contacts
        notices = [f"You are {contacts.user} on {self._login.server}.", *hints]
        if count := self._keeper.restored:
            what = "1 message from before is" if count == 1 else f"{count} messages from before are"
            notices.append(f"{what} being sent.")
        if contacts.rooms:
            rooms = sorted(map(printable_line, contacts.rooms.values()), key=str.casefold)
            notices.append(f"You are in {', '.join(rooms)}.")
        for notice in notices:
            self._view.draw([Notice(notice)])
        self._apply(self._chat.ask_who())

    def leave(self) -> None:
        """Leave as soon as everything is sent."""
        self._leave.set()

    def fail(self, error: Exception) -> None:
        """Leave at once, for an error that :meth:`run` raises."""
        self._failure = self._failure or error
        self._nothing_waits.set()
        self._leave.set()

    def _apply(self, effects: Effects) -> None:
        self._view.put_back(effects.returned)
        self._view.draw(effects.events)
        self._link.send(*effects.frames)
        self._update()
        self._link.hurry()
        self._link.measure()
        self.attend()
        if effects.leave:
            self.leave()

    def _update(self) -> None:
        """Bring what depends on unsent messages up to date."""
        self._schedule_retry()
        self._unconfirmed.save(self._chat.names)
        self._keeper.update(connected=self._link.is_up)
        if self._failure is None and (self._chat.is_waiting or not self._chat.live):
            self._nothing_waits.clear()
        else:
            self._nothing_waits.set()

    # From beginning to end

    async def run(self) -> None:
        """Run until the user leaves.

        Raises:
            Refused: the server has ended the session.
            ServerUnavailable: the user left, and something was not sent.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                receiving = tasks.create_task(self._receive_all(), name="receive")
                background = [
                    tasks.create_task(self._measure(), name="measure"),
                    tasks.create_task(self._write_caches(), name="caches"),
                ]
                await self._leave.wait()
                if self._failure is None:
                    await self._say_goodbye(receiving)
                for task in (receiving, *background):
                    task.cancel()
            if self._failure is not None:
                raise self._failure
            if unanswered := [*self._unanswered, *self._chat.disconnected()]:
                self._view.draw(unanswered)
            self._check_all_was_sent()
        finally:
            self._caches.close()
            self._keeper.close()
            self._cancel_attending()
            if self._retry is not None:
                self._retry.cancel()
            await self._link.close()

    async def _say_goodbye(self, receiving: asyncio.Task[None]) -> None:
        self._update()
        if self._chat.outgoing and not self._link.is_up:
            self._view.draw([Notice(f"Waiting for the server, {self._patience:g} seconds at most.")])
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._patience):
                await self._nothing_waits.wait()
        if self._failure is not None:
            return
        try:
            self._check_all_was_sent()
        except ServerUnavailable as error:
            self.fail(error)
            return
        # Messages that are shown are acknowledged before the goodbye, and none are shown after it: so none comes twice.
        async with self._showing:
            self._parting = True
            self._link.send(*self._chat.attention.frames(now=True), Bye())
        if self._link.is_up:
            await asyncio.wait({receiving}, timeout=GOODBYE)

    def _check_all_was_sent(self) -> None:
        count, server = len(self._chat.outgoing), self._login.server
        if not count:
            return
        unsent = "1 message was" if count == 1 else f"{count} messages were"
        self._keeper.write()
        user = self._chat.contacts.user
        later = f' Joining there again as "{user}" sends what is left.' if self._keeper.is_writing else ""
        if not self._link.is_up or not self._chat.outgoing.unstored:
            raise ServerUnreachable(f"{unsent} not sent: the server at {server} did not answer.{later}")
        raise ServerUnavailable(f"{unsent} not sent: {server} cannot store it now.{later}", codes.STORAGE)

    async def _measure(self) -> None:
        while True:
            self._link.measure()
            self._link.notify()
            await asyncio.sleep(_BETWEEN_MEASURES)

    async def _write_caches(self) -> None:
        while True:
            await asyncio.sleep(INTERVAL)
            self._caches.update(connected=self._link.is_up)

    # Connections

    def _connected(self, connection: Connection, welcome: Welcome) -> None:
        with contextlib.suppress(InputError):  # the next connection reports it
            self.trust_reason = self._login.trust.reason(self._login.server.name, connection.channel)
        connection.send(*self._chat.connected(welcome))
        if news := self._chat.pop_news():
            self._view.draw(news)
        self._link.measure()

    async def _receive_all(self) -> None:
        """Receive until the session ends; an error ends it."""
        try:
            while (connection := self._link.connection) is not None:
                lost = await self._receive_until_lost(connection)
                greeted = await self._link.reconnect(self._connect, lost)
                self._view.draw([Notice("Connected again."), *self._unanswered])
                self._unanswered = []
                self._connected(*greeted)
                self._link.notify()
        except Refused as refusal:
            if refusal.code == codes.ALREADY_HERE:  # the goodbye that would have said so went with the connection
                text = f"{refusal.reason[:-1]}, and has taken this place: {refusal.advice}"
                refusal = Refused(codes.TAKEN_OVER, text.removesuffix(": "))
            if refusal.code != codes.LEFT or not self._parting:
                self.fail(refusal)
        except (ChatError, OSError) as error:
            self.fail(error)

    async def _receive_until_lost(self, connection: Connection) -> ServerUnavailable:
        try:
            while True:
                await self._receive(connection)
        except ServerUnavailable as lost:
            self._link.connection = None
            self._unanswered += self._chat.disconnected()
            self._update()
            await connection.close()
            self._view.draw([Notice(f"Connection lost: {lost} Trying again; what you type meanwhile is sent then.")])
            return lost

    async def _receive(self, connection: Connection) -> None:
        """Show what comes, then acknowledge it: what was not shown comes again."""
        frames = await connection.receive()
        effects = self._chat.receive(frames)
        self._view.put_back(effects.returned)
        self._update()
        async with self._showing:
            if not self._parting:
                connection.send(*effects.frames)
                if effects.events:
                    await self._view.show(effects.events)
                self._chat.shown(effects.events)
                if effects.ack is not None:
                    connection.send(Ack(effects.ack))
        self._chat.attention.look()
        self.attend()
        if isinstance(frames[-1], ServerBye):
            raise as_exception(frames[-1])

    def _schedule_retry(self) -> None:
        """Send messages again after a while that the server could not store."""
        if not self._chat.outgoing.unstored:
            self._retry_waits = backoff()
        elif self._chat.outgoing and self._retry is None:
            self._retry = asyncio.get_running_loop().call_later(next(self._retry_waits), self._retry_now)

    def _retry_now(self) -> None:
        self._retry = None
        self._link.send(*self._chat.retry())

    async def _connect(self) -> Greeted:
        while True:
            connection, welcome = await connect(self._login, self._chat.hello())
            if not self._chat.must_ask_again(welcome):
                return connection, welcome
            await connection.close()
