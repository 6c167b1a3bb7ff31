"""Sinks of a listener: messages are printed, or a command is run for each."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import select
import signal
import stat
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, Protocol

from chatcli.cli.output.streams import STDOUT, detail, has_output, notice, warn
from chatcli.cli.output.tables import change_text, message_cells, message_text, tabbed
from chatcli.client.feed.listener import ChangeDelivery, Delivery
from chatcli.client.transport.descriptors import blocking
from chatcli.client.transport.reconnect import backoff
from chatcli.protocol.records import json_line, moment, of_change, of_delivery

if TYPE_CHECKING:
    from chatcli.client.feed.listener import Item, Listener
    from chatcli.client.identity.credentials import Login
    from chatcli.protocol.frames import Message

_STDOUT: Final = 1
_STDERR: Final = 2
_AT_ONCE: Final = 50  # messages in one write
_PIECE: Final = 4096  # bytes that a pipe takes without waiting, once it takes any (PIPE_BUF of Linux)
_FIRST, _LONGEST = 1.0, 60.0  # seconds between two runs of a command for the same message
_GRACE: Final = 5.0  # seconds for the command to end after a signal
_MOST_TEXT: Final = 100_000  # bytes of it in the environment: Linux takes 128 KiB in one variable


class Sink(Protocol):
    """The destination of messages."""

    async def handle(self, received: Sequence[Item]) -> None:
        """Print messages or run a command for each, and acknowledge each of them to the listener.

        Of a name that has another key or another owner, a notice or a JSON record is printed.

        Raises:
            OSError: standard output is closed or full.
            InputError: the listener's position cannot be kept.
        """


class Output:
    """Standard output, written without delaying signals or the connection if its reader is slow."""

    def __init__(self) -> None:
        self._is_file = stat.S_ISREG(os.fstat(_STDOUT).st_mode)
        self._poll = select.poll()
        self._poll.register(_STDOUT, select.POLLOUT)
        self.written = 0  # bytes of the last or current call of write

    async def write(self, data: bytes) -> None:
        """Write ``data`` whole.

        Raises:
            OSError: standard output is closed or full.
        """
        self.written = 0
        while rest := memoryview(data)[self.written :]:
            if not self._is_file and not self._poll.poll(0):
                await self._writable()
            try:
                self.written += os.write(_STDOUT, rest if self._is_file else rest[:_PIECE])
            except BlockingIOError:  # non-blocking, and another process has filled it meanwhile
                await self._writable()
            except OSError as error:
                error.filename = STDOUT
                raise

    async def _writable(self) -> None:
        loop, ready = asyncio.get_running_loop(), asyncio.Event()
        try:
            loop.add_writer(_STDOUT, ready.set)
        except OSError:  # a device that cannot be waited for: it accepts every write
            return
        try:
            await ready.wait()
        finally:
            loop.remove_writer(_STDOUT)


def watch_output(gone: Callable[[], None]) -> None:
    """Call a function in the running loop once standard output is closed at the other end."""
    loop = asyncio.get_running_loop()
    poll = select.poll()
    poll.register(_STDOUT, 0)  # only what is always reported: that the other end is closed

    def watch() -> None:
        poll.poll()
        if not loop.is_closed():
            loop.call_soon_threadsafe(gone)

    # Not awaited: nothing else ends the waiting. It owns nothing, and goes with the process.
    threading.Thread(target=watch, name="stdout", daemon=True).start()


class Printer:
    """Prints messages: as ``history`` does for people, in columns separated by tabs, or as JSON."""

    def __init__(self, listener: Listener, *, as_json: bool) -> None:
        self._listener = listener
        self._output = Output()
        self._encoding = sys.stdout.encoding
        if as_json:
            self._line = _as_json
        else:
            self._line = _for_people if os.isatty(_STDOUT) else _in_columns

    async def handle(self, received: Sequence[Item]) -> None:
        """Print messages in portions, so that after an interruption it is known which may have been printed."""
        for start in range(0, len(received), _AT_ONCE):
            part = received[start : start + _AT_ONCE]
            self._listener.record_delivery(part[-1].seq)
            texts = [self._line(one) for one in part]
            lines = [f"{text}\n".encode(self._encoding, "backslashreplace") if text else b"" for text in texts]
            try:
                await self._output.write(b"".join(lines))
            except asyncio.CancelledError:  # lines that the reader has got whole are not printed again
                ends = itertools.accumulate(map(len, lines))
                whole = [one.seq for one, end in zip(part, ends, strict=True) if end <= self._output.written]
                if whole:
                    self._listener.acknowledge(whole[-1])
                raise
            self._listener.acknowledge(part[-1].seq)


def _as_json(item: Item) -> str:
    if isinstance(item, ChangeDelivery):
        return json_line(of_change(item.change))
    return json_line(of_delivery(item.message, replayed=item.replayed))


def _for_people(item: Item) -> str:
    return _notified(item) if isinstance(item, ChangeDelivery) else message_text(item.message, {})


def _in_columns(item: Item) -> str:
    return _notified(item) if isinstance(item, ChangeDelivery) else tabbed(message_cells(item.message))


def _notified(item: ChangeDelivery) -> str:
    """Print a notice of a change on standard error; return an empty line for standard output."""
    notice(change_text(item.change))
    return ""


class ExecSink:
    """Runs a command for each message, one at a time, and again until it ends with status 0.

    Args:
        listener: the source of the messages, which are acknowledged to it.
        command: for the shell. It never contains any part of a message.
        login: the listener's login.
    """

    def __init__(self, listener: Listener, command: str, login: Login) -> None:
        self._listener = listener
        self._command = command
        self._login = login

    async def handle(self, received: Sequence[Item]) -> None:
        """Run the command for each message."""
        for one in received:
            if isinstance(one, Delivery):
                await self._run_until_done(one.message, replayed=one.replayed)
            else:
                _notified(one)
                self._listener.acknowledge(one.seq)

    async def _run_until_done(self, message: Message, *, replayed: bool) -> None:
        for wait in backoff(_FIRST, _LONGEST):
            self._listener.record_delivery(message.seq)
            self._listener.flush()
            detail(f"Running the command for message {message.seq}.")
            failure = await self._run(message, replayed=replayed)
            if not failure:
                self._done(message)
                return
            warn(f"The command {failure} for message {message.seq}: it is run again in {wait:.1f} s.")
            await asyncio.sleep(wait)
            replayed = True

    def _done(self, message: Message) -> None:
        self._listener.acknowledge(message.seq)
        self._listener.flush()

    async def _run(self, message: Message, *, replayed: bool) -> str:
        """Run the command once; return its failure in words, or nothing."""
        try:
            process = await self._start(message, replayed=replayed)
        except OSError as error:
            return f"cannot be started ({error.strerror})"
        try:
            status = await process.wait()
        except asyncio.CancelledError:
            if await _end(process) == 0:
                self._done(message)
            raise
        return _failure(status)

    async def _start(self, message: Message, *, replayed: bool) -> asyncio.subprocess.Process:
        # A file, not a pipe: writing it never waits, whether the command reads all of it or nothing.
        with tempfile.TemporaryFile() as stdin, blocking(_STDOUT) as stdout, blocking(_STDERR) as stderr:
            stdin.write(f"{json_line(of_delivery(message, replayed=replayed))}\n".encode())
            stdin.seek(0)
            return await asyncio.create_subprocess_exec(
                "/bin/sh",
                "-c",
                self._command,
                stdin=stdin,
                stdout=stdout if has_output() else asyncio.subprocess.DEVNULL,
                stderr=stderr,
                env=self._environment(message, replayed=replayed),
                process_group=0,
            )

    def _environment(self, message: Message, *, replayed: bool) -> dict[bytes, bytes]:
        """Return the variables; if the command calls chatcli, that uses the same server and name."""
        environment = {name: value for name, value in os.environb.items() if name != b"CHATCLI_AT"}
        values = {
            "SEQ": str(message.seq),
            "ID": message.id,
            "FROM": message.sender,
            "TO": message.to,
            "TEXT": message.text,
            "TIME": moment(message.at),
            "RE": "" if message.re is None else str(message.re),
            "REPLAYED": "1" if replayed else "",
            "USER": self._listener.stream.user,
            "SERVER": str(self._login.server),
        }
        if self._login.trust.pin is not None:
            values["PIN"] = self._login.trust.pin
        return environment | {f"CHATCLI_{name}".encode(): _in_environment(value) for name, value in values.items()}


def _in_environment(value: str) -> bytes:
    """Return a text fit for a variable: without NUL, and cut to the length that the system allows."""
    data = value.replace("\0", "\N{SYMBOL FOR NULL}").encode()
    return data if len(data) <= _MOST_TEXT else data[:_MOST_TEXT].decode(errors="ignore").encode()


async def _end(process: asyncio.subprocess.Process) -> int | None:
    """End a command with its whole process group; return its status."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        try:
            async with asyncio.timeout(_GRACE):
                return await process.wait()
        except TimeoutError:
            continue
    return process.returncode


def _failure(status: int) -> str:
    """Return the failure of a command in words; empty for status 0."""
    if status >= 0:
        return f"ended with status {status}" if status else ""
    try:
        return f"was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"was ended by signal {-status}"
