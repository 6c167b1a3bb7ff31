"""Sends the lines of an input as they come: in order and each once, over as many connections as it takes."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from chatcli.client import diagnostics
from chatcli.client.oneshot.line_queue import Callbacks, LineQueue
from chatcli.client.oneshot.line_source import LineSource
from chatcli.client.outbox.batch import check_recipients
from chatcli.client.outbox.flush import flush_outbox
from chatcli.client.outbox.store import Outbox
from chatcli.client.storage.files import outbox_directory
from chatcli.client.transport.blocking import TIMEOUT, broken_sentence, logged_in
from chatcli.client.transport.reconnect import RetryPolicy
from chatcli.errors import ChatError, InputError, ServerUnavailable, ServerUnreachable, UnknownServer
from chatcli.protocol.frames import Bye, ClientFrame, Ping, Welcome

if TYPE_CHECKING:
    from chatcli.client.identity.credentials import Login
    from chatcli.client.transport.blocking import Connection
    from chatcli.protocol.values.address import Address

_MAX_STORED: Final = 100_000  # messages in the outbox while the server is away; then the input has to wait
_POLL: Final = 1.0  # seconds between two checks whether the input has a writer
_SILENCE: Final = 60.0  # seconds without a frame after which a connection is dead, until the server names its own


class LineSender:
    """The lines of an input on their way to their recipients.

    Args:
        login: the server, and who sends.
        descriptor: the descriptor of the input.
        recipients: the people and rooms that get each line; one who refuses gets no more.
        callbacks: are called with the outcomes.
        timeout: seconds for what is not sent when the input ends.
        spool: store what comes while the server cannot be reached in the outbox.

    Attributes:
        epoch: the epoch of the log of the newest connection; empty if it is not known.
    """

    def __init__(
        self,
        login: Login,
        descriptor: int,
        recipients: Sequence[str],
        callbacks: Callbacks,
        *,
        timeout: float,
        spool: bool = False,
    ) -> None:
        self._login = login
        self._source = LineSource(descriptor)
        self._queue = LineQueue(self._source, recipients, callbacks)
        self.epoch = ""
        self._notice = callbacks.notice
        self._timeout = timeout
        self._deadline: float | None = None  # for sending everything, once the input has ended
        self._is_away = False  # the server, and that was reported
        self._was_connected = False  # the server has accepted the user and every recipient
        self._has_progressed = False  # something was answered on this connection
        self._spool = _Spool(login.server.name, login.user) if spool else None

    def stop(self) -> None:
        """End the input; may be called by the handler of a signal."""
        self._source.stop()

    def run(self) -> None:
        """Send until the input ends and all of it is answered, or every recipient has refused.

        The sentence of an error counts the lines that were not sent, and those of which that is not known.

        Raises:
            ServerUnavailable: there is no server at the beginning, or none in time at the end, or the outbox cannot be
                written.
            ServerNotTrusted: the server is not the one that was meant.
            Refused: the server refuses the user.
            InputError: the input cannot be read.
        """
        try:
            self._run()
            if self._source.error is not None:
                raise self._source.error
        except ChatError as error:
            if self._spool is not None and (self._was_connected or isinstance(error, ServerUnavailable)):
                with contextlib.suppress(ServerUnreachable):  # the error is that one, or a worse one
                    self._store(self._spool)
            error.args = (f"{error}{self._queue.give_up(error)}",)
            raise
        finally:
            self._source.close()
            if self._spool is not None:
                self._spool.close()

    def _run(self) -> None:
        policy = RetryPolicy()
        while True:
            self._has_progressed = False
            try:
                self._send_on_a_connection()
            except UnknownServer as unknown:
                self._login.trust.confirm(self._login.server.name, unknown)
                continue
            except (OSError, ServerUnavailable) as error:
                self._report_loss(error)
                if self._has_progressed:
                    policy.succeeded()
                if not self._read_until_retry(policy.wait_after(error)):
                    return
            else:
                if not self._queue.is_finished():
                    self._stop_sending()
                return

    def _send_on_a_connection(self) -> None:
        """Connect, and send until all is sent or the time is over; the messages in the outbox go first."""
        if self._spool is not None:
            self._spool.close()
        flush_outbox(self._login, read_only=False, seconds=self._connecting_time())
        deadline = time.monotonic() + self._connecting_time()
        with logged_in(self._login, "send", deadline) as connection:
            connection.send()  # the proof alone: how long a line may be is not known yet
            welcome = connection.welcome or connection.receive(Welcome)
            self.epoch = welcome.epoch
            self._login = self._login.without_prompt()
            if not self._was_connected and len(self._queue.recipients) > 1:
                self._check_recipients(connection)
            self._was_connected = True
            if not self._source.ended:
                self._deadline = None
            self._queue.set_limits(welcome.limits.text, welcome.limits.frame)
            self._queue.disconnected()
            if not self._queue:
                self._report_return()
            self._send_lines(connection, float(welcome.limits.silence))

    def _check_recipients(self, connection: Connection) -> None:
        """Raise, before anything is sent, if the user may not write to one of the recipients."""
        if refused := check_recipients(connection, self._queue.recipients):
            error = next(iter(refused.values()))
            error.args = (" ".join(f"{to}: {why}" for to, why in refused.items()),)
            raise error

    def _send_lines(self, connection: Connection, silence: float) -> None:
        """Send lines and receive answers; return once all is sent, or the time for it is over."""
        received = time.monotonic()

        def send(*frames: ClientFrame) -> None:
            connection.deadline = time.monotonic() + silence
            connection.send(*frames)

        while self._left() > 0:
            if batch := self._queue.next_batch():
                send(*batch)
            if self._queue.is_finished():
                send(Bye())
                return
            if connection.until_ping() <= 0:
                send(Ping())
            elif self._wait(connection.until_ping(), connection, read=self._queue.has_room):
                for frame in connection.receive_pending():
                    received = time.monotonic()
                    if self._queue.receive(frame):
                        self._has_progressed = True
                        self._report_return()
            if time.monotonic() - received > silence:
                raise TimeoutError

    def _read_until_retry(self, seconds: float) -> bool:
        """Read input until the next attempt to connect is due; return whether there is to be one.

        Raises:
            ServerUnreachable: the time is over.
        """
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if self._spool is not None:
                self._store(self._spool)
            if self._queue.is_finished():
                return False
            if self._left() <= 0:
                self._stop_sending()
                return False
            has_room = self._source.has_room if self._spool is None else self._spool.has_room
            if not has_room and self._source.is_complete():
                self._start_countdown()
            self._wait(min(left, _POLL), None, read=has_room)
        return True

    def _wait(self, seconds: float, connection: Connection | None, *, read: bool) -> bool:
        is_readable = self._source.wait(min(seconds, self._left()), connection, read=read)
        if self._source.ended:
            self._start_countdown()
        return is_readable

    def _start_countdown(self) -> None:
        self._deadline = self._deadline or time.monotonic() + self._timeout

    def _left(self) -> float:
        return _SILENCE if self._deadline is None else self._deadline - time.monotonic()

    def _connecting_time(self) -> float:
        return min(TIMEOUT, max(self._left(), 0.1))

    def _report_loss(self, error: OSError | ServerUnavailable) -> None:
        server = self._login.server
        sentence = broken_sentence(server, error, uncertain=False)
        diagnostics.detail(lambda: sentence)
        if not self._was_connected and self._spool is None:
            raise error if isinstance(error, ServerUnavailable) else ServerUnreachable(sentence)
        if not self._is_away:
            self._is_away = True
            reason = str(error) if isinstance(error, ServerUnavailable) else f"The connection to {server} broke."
            meanwhile = "; new lines are kept in the outbox meanwhile" if self._spool is not None else ""
            self._notice(f"{reason} Trying again until it is back{meanwhile}.")

    def _report_return(self) -> None:
        if self._is_away:
            self._is_away = False
            self._notice(f"{self._login.server} is back.")

    def _stop_sending(self) -> None:
        """Store the messages without an answer; without an outbox that is an error."""
        if self._spool is None:
            raise ServerUnreachable(f"{self._login.server} did not answer in time.")
        self._store(self._spool)

    def _store(self, spool: _Spool) -> None:
        spool.store(self._queue, is_checked=self._was_connected or len(self._queue.recipients) == 1)


class _Spool:
    """Stores messages in the outbox while the server is away.

    Args:
        server: the server.
        user: the sender.
    """

    def __init__(self, server: Address, user: str) -> None:
        self._server = server
        self._user = user
        self._outbox: Outbox | None = None
        self._count = 0  # messages in it

    @property
    def has_room(self) -> bool:
        """Whether to read more lines."""
        return self._count < _MAX_STORED

    def store(self, queue: LineQueue, *, is_checked: bool) -> None:
        """Store every message of a queue without an answer.

        Args:
            queue: the queue; it reports the messages as stored.
            is_checked: the user may write to every recipient; otherwise the messages of a line belong together.

        Raises:
            ServerUnreachable: the outbox cannot be written.
        """
        messages = queue.read_all()
        if not messages:
            return
        try:
            self._outbox = self._outbox or Outbox(outbox_directory(), self._server, self._user, claim=False)
            self._outbox.store(messages, groups=[] if is_checked else queue.by_line())
        except InputError as error:
            sentence = f"The lines that {self._server} did not accept were not kept either. {error}"
            raise ServerUnreachable(sentence) from None
        self._count += len(messages)
        queue.stored()

    def close(self) -> None:
        """Close the outbox: another flush may send the messages from now on."""
        if self._outbox is not None:
            self._outbox.close()
            self._outbox, self._count = None, 0
