"""Runs a conversation: puts the link, the chat and a view together, and connects again when the link breaks."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, Protocol

from chatcli.client.chat.ambiguity import Origin
from chatcli.client.chat.chat import Chat
from chatcli.client.chat.events import Event, Notice, Trouble
from chatcli.client.errors import as_exception
from chatcli.client.interactive.cache_writer import EVERY, Noting
from chatcli.client.transport.aio import GOODBYE, Connection, LinkState, connect
from chatcli.client.transport.reconnect import RetryPolicy, backoff, retry_async
from chatcli.errors import InputError, Refused, ServerUnavailable, ServerUnreachable
from chatcli.protocol import codes
from chatcli.protocol.frames import Ack, Bye, ClientFrame, Send, Sent, ServerBye, ServerFrame, Welcome
from chatcli.protocol.text import printable_line

if TYPE_CHECKING:
    from chatcli.client.identity.credentials import Login
    from chatcli.client.identity.trust import TrustReason
    from chatcli.client.outbox.store import Outbox

_HOW_TO_TALK: Final = 'Write "name: text" or "#room: text"; "help" shows more, "exit" leaves.'
_PUT_BACK: Final = "The server's log was put back, or is another one: what was said last may not be in it any more."
_LONG: Final = 1.0  # seconds without an answer, after which a message is kept on disk
_BETWEEN_MEASURES: Final = 5.0  # seconds


class View(Protocol):
    """Where the user reads."""

    def draw(self, events: list[Event]) -> None:
        """Show events now."""

    async def show(self, events: list[Event]) -> None:
        """Show events, taking as long as it takes not to flicker; return when they are shown."""


class Talk:
    """A conversation from the first welcome to the goodbye.

    Args:
        login: the server to connect to again, and the key to prove there; no new key of a server is accepted.
        chat: what was said and what it means.
        view: where the user reads.
        patience: seconds for what is not sent yet, once the user leaves.
        greeted: the first connection, and its welcome.
        outbox: where what waits to be sent is kept, if it is to survive the client. The chat has taken up what is left.
        changed: called whenever ``state`` or the chat may have changed; without it no round trip is measured.

    Attributes:
        state: how the client is connected.
        standing: why the server is trusted.
    """

    def __init__(
        self,
        login: Login,
        chat: Chat,
        view: View,
        patience: float,
        greeted: tuple[Connection, Welcome],
        outbox: Outbox | None = None,
        changed: Callable[[], None] | None = None,
    ) -> None:
        self.standing: TrustReason = "plain"
        self._outbox = outbox
        self._noting = Noting(login.server, chat, counting=changed is not None)
        self._changed = changed
        self._keeping: asyncio.TimerHandle | None = None
        self._saying_again: asyncio.TimerHandle | None = None
        self._waits = backoff()  # before what the server could not store is said again
        self._apart = LinkState("connecting")  # the state while there is no connection
        self._login = login.without_prompt()
        self._chat = chat
        self._view = view
        self._patience = patience
        self._leave = asyncio.Event()
        self._hurry = asyncio.Event()  # the user did something: try to connect now
        self._showing = asyncio.Lock()  # from showing messages to acknowledging them
        self._failure: Exception | None = None
        self._parting = False  # what comes now is not shown any more
        self._all_sent = asyncio.Event()  # and all that waited for the user has come
        self._connection: Connection | None = None
        self._unanswered: list[Event] = []  # what to show of it, as soon as it can be asked once more
        self._begin(*greeted)

    @property
    def state(self) -> LinkState:
        """How the client is connected."""
        return self._apart if self._connection is None else self._connection.state

    def typed(self, line: str, origin: Origin = "typed") -> None:
        """Take a line from the user."""
        events, frames = self._chat.typed(line, origin)
        self._view.draw(events)
        self._say(*frames)
        if self._connection is not None:
            self._say(*self._chat.curious())
        if self._connection is None and not all(isinstance(frame, Send) for frame in frames):
            self._view.draw([Notice("Not connected at the moment: trying again. Ask once more then.")])
            self._chat.unanswered()  # that was said just now
        self._note_outbox()
        self._keep_soon()
        self._hurry.set()
        if self._changed is not None and self._connection is not None:
            self._connection.measure()
        self._tell()
        if self._chat.leaving:
            self._leave.set()

    def greet(self, hints: Sequence[str] = (_HOW_TO_TALK,)) -> None:
        """Tell a person who they are, how to talk, which rooms are theirs, and who is here."""
        self._view.draw([Notice(f"You are {self._chat.contacts.user} on {self._login.server}."), *map(Notice, hints)])
        if self._outbox is not None and (count := len(self._outbox.waiting)):
            what = "1 message from before is" if count == 1 else f"{count} messages from before are"
            self._view.draw([Notice(f"{what} being sent.")])
        if self._chat.contacts.rooms:
            rooms = sorted(map(printable_line, self._chat.contacts.rooms.values()), key=str.casefold)
            self._view.draw([Notice(f"You are in {', '.join(rooms)}.")])
        self.typed("who")

    def fail(self, error: Exception) -> None:
        """Leave at once: what is shown has nowhere to go any more."""
        self._failure = error
        self._leave.set()

    def leave(self) -> None:
        """Leave as soon as everything said was sent."""
        self._chat.leaving = True
        self._leave.set()

    async def run(self) -> None:
        """Talk until the user leaves.

        Raises:
            Refused: the server does not want us any more.
            ServerUnavailable: the user left, and something was not sent.
        """
        listening = asyncio.create_task(self._listen(), name="listen")
        leaving = asyncio.create_task(self._leave.wait(), name="leave")
        measuring = asyncio.create_task(self._measure(), name="measure")
        noting = asyncio.create_task(self._note(), name="note")
        try:
            await asyncio.wait({listening, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if not listening.done() and self._failure is None:
                await self._say_goodbye(listening)
            if listening.done():
                listening.result()
            if self._failure is not None:
                raise self._failure
            if unanswered := [*self._unanswered, *self._chat.unanswered()]:
                self._view.draw(unanswered)
            self._check_all_was_sent()
        finally:
            for task in (listening, leaving, measuring, noting):
                task.cancel()
            await asyncio.gather(listening, leaving, measuring, noting, return_exceptions=True)
            self._noting.end()
            self._put_away()
            if self._connection is not None:
                await self._connection.close()

    async def _say_goodbye(self, listening: asyncio.Task[None]) -> None:
        self._note_outbox()
        if self._chat.outbox and self._connection is None:
            self._view.draw([Notice(f"Waiting for the server, {self._patience:g} seconds at most.")])
        sent = asyncio.create_task(self._all_sent.wait(), name="all-sent")
        await asyncio.wait({listening, sent}, timeout=self._patience, return_when=asyncio.FIRST_COMPLETED)
        sent.cancel()
        if not listening.done():
            self._check_all_was_sent()
        # What was shown is acknowledged before the goodbye, and nothing is shown behind it: so nothing comes twice.
        async with self._showing:
            self._parting = True
            self._say(Bye())
        if self._connection is not None:
            await asyncio.wait({listening}, timeout=GOODBYE)

    def _check_all_was_sent(self) -> None:
        if self._chat.outbox:
            count = len(self._chat.outbox)
            unsent = "1 message was" if count == 1 else f"{count} messages were"
            self._keep()
            later = (
                ""
                if self._outbox is None
                else f' Joining there again as "{self._chat.contacts.user}" sends what is left.'
            )
            if self._connection is None or not self._chat.unstored:
                raise ServerUnreachable(f"{unsent} not sent: the server at {self._login.server} did not answer.{later}")
            server = self._login.server
            raise ServerUnavailable(f"{unsent} not sent: {server} cannot store it now.{later}", codes.STORAGE)

    def _say(self, *frames: ClientFrame) -> None:
        # Without a connection nothing is lost: the next one begins with what is in the outbox.
        if self._connection is not None:
            self._connection.send(*frames)

    def _say_again_later(self, taken: bool) -> None:
        """Have said again before long what the server could not store; at once where it takes something again."""
        if taken:
            self._waits = backoff()
            self._say(*self._chat.say_again())
        if self._chat.postponed and self._saying_again is None:
            self._saying_again = asyncio.get_running_loop().call_later(next(self._waits), self._say_again)

    def _say_again(self) -> None:
        self._saying_again = None
        self._say(*self._chat.say_again())

    def _note_outbox(self) -> None:
        if self._chat.waits or not self._chat.live:
            self._all_sent.clear()
        else:
            self._all_sent.set()

    def _keep_soon(self) -> None:
        """Have what waits on disk: at once where there is no connection, else if it goes on waiting."""
        if self._outbox is None or not self._chat.outbox:
            return
        if self._connection is None:
            self._keep()
        elif self._keeping is None:
            self._keeping = asyncio.get_running_loop().call_later(_LONG, self._keep)

    def _keep(self) -> None:
        if self._keeping is not None:
            self._keeping.cancel()
            self._keeping = None
        if self._outbox is None:
            return
        try:
            self._outbox.store(self._chat.outbox.values())
        except InputError as error:
            self._outbox.close()
            self._outbox = None  # said once is enough
            self._view.draw([Trouble(error)])

    def _put_away(self) -> None:
        for timer in (self._keeping, self._saying_again):
            if timer is not None:
                timer.cancel()
        if self._outbox is not None:
            self._forget_sent()
            self._outbox.close()

    def _forget_sent(self) -> None:
        if self._outbox is not None and not self._chat.outbox:
            self._outbox.clear()

    def _tell(self) -> None:
        """Have it seen what has changed."""
        if self._changed is not None:
            self._changed()

    async def _measure(self) -> None:
        """Find out now and then how long an answer takes, if anybody wants to know."""
        while self._changed is not None:
            if self._connection is not None:
                self._connection.measure()
                self._changed()
            await asyncio.sleep(_BETWEEN_MEASURES)

    async def _note(self) -> None:
        """Keep for commands what this client knows anyhow."""
        while True:
            await asyncio.sleep(EVERY)
            self._noting.look(connected=self._connection is not None)

    def _begin(self, connection: Connection, welcome: Welcome) -> Connection:
        self._connection = connection
        with contextlib.suppress(InputError):  # said by whoever connects the next time
            self.standing = self._login.trust.reason(self._login.server, connection.channel)
        connection.send(*self._chat.welcomed(welcome))
        if self._changed is not None:
            connection.measure()
        return connection

    async def _listen(self) -> None:
        connection = self._connection
        while connection is not None:
            try:
                await self._take_all(connection)
            except ServerUnavailable as error:
                lost = error
                self._connection = None
                self._unanswered += self._chat.unanswered()
                self._note_outbox()
                self._keep_soon()
                await connection.close()
                self._view.draw(
                    [Notice(f"Connection lost: {error} Trying again; what you type meanwhile is sent then.")]
                )
            except Refused as refusal:
                if refusal.code == codes.LEFT and self._parting:
                    return
                raise
            connection = self._begin(*await self._connect_again(lost))
            self._view.draw([Notice("Connected again."), *self._unanswered])
            self._unanswered = []
            self._tell()

    async def _take_all(self, connection: Connection) -> None:
        while True:
            await self._take(connection, await connection.receive())

    async def _take(self, connection: Connection, frames: list[ServerFrame]) -> None:
        """Show what came, then acknowledge it: what was not shown comes again."""
        events, following = self._chat.heard(frames)
        shown = self._chat.shown
        self._say_again_later(any(isinstance(frame, Sent) for frame in frames))
        self._note_outbox()
        self._forget_sent()
        async with self._showing:
            if not self._parting:
                connection.send(*following)
                if events:
                    await self._view.show(events)
                if shown is not None:
                    connection.send(Ack(shown))
        self._tell()
        if isinstance(frames[-1], ServerBye):
            raise as_exception(frames[-1])

    async def _connect_again(self, lost: ServerUnavailable) -> tuple[Connection, Welcome]:
        return await retry_async(self._connect, RetryPolicy(), wait=self._wait_to_connect, after=lost)

    async def _wait_to_connect(self, seconds: float) -> None:
        self._hurry.clear()
        self._apart = LinkState("waiting", until=asyncio.get_running_loop().time() + seconds)
        self._tell()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._hurry.wait()
        self._apart = LinkState("connecting")
        self._tell()

    async def _connect(self) -> tuple[Connection, Welcome]:
        connection, welcome = await connect(self._login, self._chat.hello())
        if not self._chat.put_back(welcome):
            return connection, welcome
        await connection.close()
        self._view.draw([Notice(_PUT_BACK)])
        raise ServerUnavailable(_PUT_BACK)  # this connection goes on after a message that the log no longer has
