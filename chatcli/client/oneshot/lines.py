"""Sends lines as they come: in order and each once, over as many connections as it takes, in bounded memory."""

from __future__ import annotations

import contextlib
import os
import select
import stat
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from chatcli.client import diagnostics
from chatcli.client.errors import as_exception
from chatcli.client.identity.credentials import Login
from chatcli.client.identity.environment import new_id
from chatcli.client.oneshot.splitter import LONGEST, Cutter, Line
from chatcli.client.outbox.batch import check_recipients
from chatcli.client.outbox.leftovers import empty_spool
from chatcli.client.outbox.store import Outbox
from chatcli.client.storage.files import outbox_directory
from chatcli.client.transport.backoff import backoff
from chatcli.client.transport.blocking import TIMEOUT, broken_sentence, logged_in
from chatcli.errors import ChatError, InputError, Refused, ServerUnavailable, ServerUnreachable, UnknownServer
from chatcli.protocol import codes
from chatcli.protocol.frames import Bye, ClientFrame, Error, Ping, Send, Sent, ServerFrame, Welcome
from chatcli.protocol.in_flight import MAX_BYTES, MAX_MESSAGES

if TYPE_CHECKING:
    from chatcli.client.identity.key import Identity
    from chatcli.client.identity.trust import Trust
    from chatcli.client.transport.blocking import Connection
    from chatcli.protocol.address import Address

_CHUNK: Final = 64 * 1024  # bytes of the input taken at a time
_MOST_KEPT: Final = 100_000  # messages kept on disk in one go, before whoever writes the input has to wait
_BETWEEN_LOOKS: Final = 1.0  # seconds between looks at whether somebody still writes the input
_SILENCE: Final = 60.0  # seconds, until the server says otherwise

#: What is refused for what it says; the next line may be taken.
_FAULTS: Final = frozenset(
    {codes.TEXT_TOO_LONG, codes.EMPTY_TEXT, codes.BAD_ID, codes.ID_TAKEN, codes.INVALID, codes.UNKNOWN_REPLY}
)
#: What passes: the same is said again, later.
_PASSING: Final = frozenset({codes.STORAGE, codes.TOO_MANY})


class Ears(NamedTuple):
    """Who is told what.

    Attributes:
        answered: of each message, what the server said of it; None where it was kept on disk.
        refused: of a line, why it cannot be sent, with the messages that it would have been.
        lost: of each message that is given up, why, and whether the server may have it.
        notice: of each loss of the server, and of its return.
    """

    answered: Callable[[Send, Sent | ChatError | None], None]
    refused: Callable[[list[Send], Refused], None]
    lost: Callable[[Send, ChatError, bool], None]
    notice: Callable[[str], None]


class Lines:
    """The lines of an input on their way to their recipients.

    Args:
        server: where to.
        user: who sends.
        recipients: to whom; who refuses gets no more.
        source: descriptor of the input.
        timeout: seconds for what is not sent when the input ends.
        trust: which servers to speak to.
        identity: the user's key.
        ears: who is told what.
        spool: keep on disk what comes while the server cannot be reached.
    """

    def __init__(
        self,
        server: Address,
        user: str,
        recipients: Sequence[str],
        source: int,
        timeout: float,
        trust: Trust,
        identity: Identity,
        ears: Ears,
        *,
        spool: bool = False,
    ) -> None:
        self._server = server
        self._login = Login(server=server, user=user, trust=trust, identity=identity)
        self._recipients = list(recipients)
        self._source = source
        self._timeout = timeout
        self._ears = ears
        self._cutter = Cutter()
        self._limits = (LONGEST, 2 * LONGEST)  # bytes of a text and of a frame, until the server says otherwise
        self._cutter.limit(*self._limits)
        self._open: dict[str, tuple[Send, int]] = {}  # what is not answered, and of which line it is
        self._open_bytes = 0
        self._said: set[str] = set()  # ids of what of it was said on some connection, so that the server may have it
        self._unsaid: deque[Send] = deque()  # what of it is to be said on this connection
        self._careful = False  # the server could not write something: one message at a time
        self._unreadable: InputError | None = None  # why the input has ended
        self._ended = False
        self._until: float | None = None  # by when all must be sent, once the input has ended
        self._away = False  # the server is, and it was said
        self._ever = False  # the server was there
        self._progress = False  # something was answered on this connection
        self._told = False  # that there is something which is no text
        self._box: Outbox | None = None
        self._spool = spool
        self._kept = 0  # messages in the box
        self._waking, self._wake = os.pipe()
        os.set_blocking(self._wake, False)

    def stop(self) -> None:
        """Take no more of the input; may be called by the handler of a signal."""
        with contextlib.suppress(OSError):  # it is over anyway
            os.write(self._wake, b"!")

    def run(self) -> None:
        """Send until the input ends and all of it is answered, or nobody is left who takes it.

        What is raised says how many lines were not sent, and of how many that is not known.

        Raises:
            ServerUnavailable: there is no server at the beginning, or none in time at the end, or what was to be kept
                meanwhile cannot be.
            ServerNotTrusted: the server is not the one that was meant.
            Refused: the server refuses the user.
            InputError: the input cannot be read.
        """
        try:
            self._run()
            if self._unreadable is not None:
                raise self._unreadable
        except ChatError as error:
            error.args = (f"{error}{self._given_up(error)}",)
            raise
        finally:
            for descriptor in (self._waking, self._wake):
                os.close(descriptor)
            if self._box is not None:
                self._box.close()

    def _run(self) -> None:
        waits = backoff()
        while True:
            self._progress = False
            try:
                self._connected()
            except UnknownServer as unknown:
                self._login.trust.confirm(self._server, unknown)
                continue
            except (OSError, ServerUnavailable) as error:
                self._lost(error)
            else:
                if not self.finished():
                    self._give_up()
                return
            if self._progress:
                waits = backoff()
            if not self._wait(next(waits)):
                return

    def _connected(self) -> None:
        """Send over one connection until all is sent; what was kept on disk goes first."""
        if self._box is not None:
            self._box.close()
            self._box, self._kept = None, 0
        seconds = min(TIMEOUT, max(self._left(), 0.1))
        login = self._login
        empty_spool(login.server, login.user, login.trust, login.identity, asking=False, seconds=seconds)
        deadline = time.monotonic() + min(TIMEOUT, max(self._left(), 0.1))
        with logged_in(login, "send", deadline) as connection:
            connection.send()  # the proof alone: how long a line may be is not known yet
            welcome = connection.welcome or connection.receive(Welcome)
            self._login = login.without_prompt()
            if not self._ever and len(self._recipients) > 1:
                self._check(connection)
            self._ever = True
            self._until = self._until if self._ended else None
            self._limits = welcome.limits.text, welcome.limits.frame
            self._cutter.limit(*self._limits)
            self._unsaid = deque(send for send, _ in self._open.values())
            if not self._open:
                self._back()
            _Session(self, connection, float(welcome.limits.silence)).run()

    def _check(self, connection: Connection) -> None:
        """Find out, before anything is sent, whether the user may write to all recipients.

        Raises:
            ChatError: they may not.
        """
        if refused := check_recipients(connection, self._recipients):
            error = next(iter(refused.values()))
            error.args = (" ".join(f"{to}: {why}" for to, why in refused.items()),)
            raise error

    # What a session asks of the lines

    def batch(self) -> list[Send]:
        """Return what to say now, as much as may be on its way."""
        if self._careful:
            batch = self._next_alone()
        else:
            batch = list(self._unsaid)
            self._unsaid.clear()
            while self.room() and (line := self._cutter.take()) is not None:
                batch += self._add(line)
        self._said.update(send.id for send in batch)
        return batch

    def _next_alone(self) -> list[Send]:
        """Return one message, unless there is one on its way."""
        if len(self._open) > len(self._unsaid):
            return []
        while not self._unsaid and (line := self._cutter.take()) is not None:
            self._unsaid.extend(self._add(line))
        return [self._unsaid.popleft()] if self._unsaid else []

    def room(self) -> bool:
        """Return whether more may be on its way."""
        return len(self._open) < MAX_MESSAGES and self._open_bytes < MAX_BYTES

    def take(self, frame: ServerFrame) -> None:
        """Take what the server says.

        Raises:
            ServerUnavailable: it cannot do it now.
        """
        if not isinstance(frame, (Sent, Error)) or frame.id not in self._open:
            return
        answer = frame if isinstance(frame, Sent) else as_exception(frame)
        self._said.discard(frame.id)
        if isinstance(frame, Error) and frame.code in _PASSING:
            self._careful = True
            raise ServerUnavailable(frame.text, frame.code)
        self._careful = False
        send, _ = self._open.pop(frame.id)
        self._open_bytes -= _size(send)
        self._progress = True
        self._back()
        if isinstance(frame, Error) and frame.code not in _FAULTS:
            if send.to not in self._recipients:
                return  # that was said
            self._recipients.remove(send.to)
        self._ears.answered(send, answer)

    def finished(self) -> bool:
        """Return whether the input has ended, and all of it is answered; or whether nobody takes it any more."""
        if not self._recipients:
            return True
        while self._ended and not self._open and (line := self._cutter.take()) is not None:
            self._unsaid.extend(self._add(line))
        return self._ended and not self._open

    def late(self) -> bool:
        """Return whether nothing more is written to the input, and the time is over."""
        return self._left() <= 0

    def hear(self, connection: Connection | None, seconds: float, *, read: bool) -> bool:
        """Wait until there is input, a signal, or something on the connection; return whether it is the last of these.

        Args:
            connection: the connection, if there is one.
            seconds: how long to wait at most.
            read: whether there is room for more input.
        """
        wanted: list[int | Connection] = [] if self._ended else [self._waking]
        if read and not self._ended:
            wanted.append(self._source)
        if connection is not None:
            wanted.append(connection)
        ready, _, _ = select.select(wanted, [], [], max(0.0, min(seconds, self._left())))
        if self._waking in ready:
            self._end()
        elif self._source in ready:
            self._read()
        return connection is not None and connection in ready

    # The input

    def _read(self) -> None:
        try:
            data = os.read(self._source, _CHUNK)
        except BlockingIOError:  # somebody else's doing, and somebody else has read it
            return
        except OSError as error:
            self._unreadable = InputError(f"Standard input cannot be read: {error.strerror or error}.")
            data = b""
        self._cutter.feed(data)
        if not data:
            self._end()

    def _end(self) -> None:
        self._cutter.end()
        self._ended = True
        self._until = self._until or time.monotonic() + self._timeout

    def _look_ahead(self) -> None:
        """Note, where there is no room to read on, that nothing is written behind what is there: so its time runs."""
        poll = select.poll()
        poll.register(self._source, 0)
        if stat.S_ISREG(os.fstat(self._source).st_mode) or poll.poll(0):
            self._until = self._until or time.monotonic() + self._timeout

    def _left(self) -> float:
        return _SILENCE if self._until is None else self._until - time.monotonic()

    def _add(self, line: Line) -> list[Send]:
        """Return what a line is to be sent as; nothing where it is too long, which is told."""
        if self._cutter.replaced and not self._told:
            self._told = True
            self._ears.notice("There are bytes in the input that are not UTF-8: they are replaced.")
        sends = [Send(new_id(), to, line.text or "") for to in self._recipients]
        if line.text is None:
            self._ears.refused(sends, Refused(codes.TEXT_TOO_LONG, self._too_long(line)))
            return []
        self._open.update((send.id, (send, line.number)) for send in sends)
        self._open_bytes += sum(map(_size, sends))
        return sends

    def _too_long(self, line: Line) -> str:
        text, frame = self._limits
        if line.size > text:
            return f"Line {line.number} was not sent: it has {line.size} bytes, and a message may have {text}."
        return f"Line {line.number} was not sent: with its control characters escaped it is longer than {frame} bytes."

    # Losing the server

    def _lost(self, error: OSError | ServerUnavailable) -> None:
        sentence = broken_sentence(self._server, error, uncertain=False)
        diagnostics.detail(lambda: sentence)
        if not (self._ever or self._spool):
            raise error if isinstance(error, ServerUnavailable) else ServerUnreachable(sentence)
        if not self._away:
            self._away = True
            reason = str(error) if isinstance(error, ServerUnavailable) else f"The connection to {self._server} broke."
            meanwhile = "; what comes meanwhile is kept in the outbox" if self._spool else ""
            self._ears.notice(f"{reason} Trying again until it is back{meanwhile}.")

    def _back(self) -> None:
        if self._away:
            self._away = False
            self._ears.notice(f"{self._server} is back.")

    def _wait(self, seconds: float) -> bool:
        """Wait before the next try; return whether there is to be one.

        Raises:
            ServerUnreachable: the time is over.
        """
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if self._spool:
                self._keep()
            if self.finished():
                return False
            if self.late():
                self._give_up()
                return False
            room = self._kept < _MOST_KEPT if self._spool else len(self._cutter) < _CHUNK
            if not room:
                self._look_ahead()
            self.hear(None, min(left, _BETWEEN_LOOKS), read=room)
        return True

    def _give_up(self) -> None:
        if not self._spool:
            raise ServerUnreachable(f"{self._server} did not answer in time.")
        self._keep()

    def _keep(self) -> None:
        """Put everything that is not answered into the outbox.

        Raises:
            ServerUnreachable: it cannot be kept there either.
        """
        sends = [send for send, _ in self._open.values()]
        while (line := self._cutter.take()) is not None:
            sends += self._add(line)
        if not sends:
            return
        try:
            self._box = self._box or Outbox(outbox_directory(), self._server, self._login.user, take_up=False)
            self._box.keep(sends, together=self._unchecked())
        except InputError as error:
            raise ServerUnreachable(f"What {self._server} has not taken was not kept either. {error}") from None
        self._kept += len(sends)
        self._open.clear()
        self._said.clear()
        self._open_bytes = 0
        for send in sends:
            self._ears.answered(send, None)

    def _unchecked(self) -> list[list[str]]:
        """Return the ids of each line's messages, if no server has said yet whether all recipients are known."""
        if self._ever or len(self._recipients) == 1:
            return []
        lines: dict[int, list[str]] = {}
        for send, number in self._open.values():
            lines.setdefault(number, []).append(send.id)
        return list(lines.values())

    def _given_up(self, error: ChatError) -> str:
        """Tell of everything that is not answered, and return in words how much that is; empty if there is nothing."""
        if self._spool and (self._ever or isinstance(error, ServerUnavailable)):
            with contextlib.suppress(ServerUnreachable):  # which is told, or what is told is worse
                self._keep()
        behind = "" if self._ended else ", and what comes behind,"
        self._cutter.end()
        while (line := self._cutter.take()) is not None:
            self._add(line)
        unsent: set[int] = set()
        unknown: set[int] = set()
        for send, number in self._open.values():
            told = send.id in self._said
            (unknown if told else unsent).add(number)
            self._ears.lost(send, error, told)
        doubt = f" Whether {_lines(len(unknown))} arrived is not known." if unknown else ""
        what = f"{_lines(len(unsent))}{behind} {'was' if len(unsent) == 1 and not behind else 'were'}"
        return f"{doubt} {what} not sent." if unsent else doubt


def _lines(count: int) -> str:
    return "1 line" if count == 1 else f"{count} lines"


def _size(send: Send) -> int:
    return len(send.text.encode())


class _Session:
    """One connection on which lines are sent."""

    def __init__(self, lines: Lines, connection: Connection, silence: float) -> None:
        self._lines = lines
        self._connection = connection
        self._silence = silence
        self._said = self._heard = time.monotonic()

    def run(self) -> None:
        """Return once all is sent, or the time for it is over.

        Raises:
            OSError: the connection broke, or nothing comes from the server any more.
            ChatError: as :meth:`Lines.run`.
        """
        while not self._lines.late():
            self._say(*self._lines.batch())
            if self._lines.finished():
                self._say(Bye())
                return
            ping = self._said + self._silence / 3 - time.monotonic()
            if ping <= 0:
                self._say(Ping())
            elif self._lines.hear(self._connection, ping, read=self._lines.room()):
                for frame in self._connection.receive_pending():
                    self._heard = time.monotonic()
                    self._lines.take(frame)
            if time.monotonic() - self._heard > self._silence:
                raise TimeoutError

    def _say(self, *frames: ClientFrame) -> None:
        if frames:
            self._said = time.monotonic()
            self._connection.deadline = self._said + self._silence
            self._connection.send(*frames)
