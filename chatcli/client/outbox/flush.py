"""Flushing the outbox: the next command that reaches the server sends the messages that earlier ones have stored."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from chatcli.client import diagnostics
from chatcli.client.outbox.batch import SendBatch
from chatcli.client.outbox.store import Outbox, file_prefixes
from chatcli.client.storage.files import lock, outbox_directory, outbox_is_empty
from chatcli.client.transport.blocking import TIMEOUT, with_retries
from chatcli.errors import ChatError, InputError, ServerNotTrusted, ServerUnavailable, ServerUnreachable
from chatcli.protocol.values.text import printable_line

if TYPE_CHECKING:
    from chatcli.client.identity.credentials import Login
    from chatcli.protocol.frames import Send
    from chatcli.protocol.values.address import Address

_POLL: Final = 0.02  # seconds between two attempts to get the lock


def store_messages(server: Address, user: str, messages: Sequence[Send], *, epoch: str = "") -> None:
    """Store messages until a command reaches the server, which then sends all of them, or none.

    Args:
        server: the server.
        user: the sender.
        messages: the messages.
        epoch: that of the log which their numbers belong to, if it is known.

    Raises:
        InputError: they cannot be written.
    """
    outbox = Outbox(outbox_directory(), server, user, claim=False)
    try:
        epochs = {message.id: epoch for message in messages if message.re is not None and epoch}
        outbox.store(messages, groups=[[message.id for message in messages]], epochs=epochs)
    finally:
        outbox.close()


def flush_outbox(login: Login, *, read_only: bool, seconds: float = TIMEOUT) -> None:
    """Send the messages that wait for a server and a user, in order; without any, look at the directory alone.

    Args:
        login: the server, and who sends.
        read_only: the command sends no message itself. So it neither waits for another process that flushes, nor
            fails because a message cannot be sent.
        seconds: for the whole flush. A command that sends itself goes on for as long as answers keep coming.

    Raises:
        ServerUnreachable: the server does not answer.
        ServerNotTrusted: the server is not the one that was meant.
        ChatError: the messages could not be sent, and the command has more to send after them.
    """
    if outbox_is_empty():
        return
    until = time.monotonic() + seconds
    directory = outbox_directory()
    try:
        prefixes = file_prefixes(login.server.name, login.user)
        if not any(name.startswith(tuple(prefixes)) for name in os.listdir(directory)):
            return
        login = login.with_identity()
        # Half of the time is for another process that flushes; the other half is for us, if it does not get done.
        with _flush_lock(os.path.join(directory, f".{prefixes[0]}lock"), 0 if read_only else seconds / 2) as locked:
            if locked or not read_only:
                _flush(login, max(0.1, until - time.monotonic()), read_only=read_only)
    except (ServerUnreachable, ServerNotTrusted):
        raise
    except ChatError as error:
        if not read_only and not isinstance(error, InputError):
            raise
        diagnostics.trouble(f"The messages in the outbox were not sent: {error}")


def _flush(login: Login, seconds: float, *, read_only: bool) -> None:
    outbox = Outbox(outbox_directory(), login.server.name, login.user)
    batch = SendBatch(outbox.waiting, 0 if read_only else seconds, together=outbox.groups, epochs=outbox.epochs)
    epoch = next(reversed(outbox.epochs.values()), "")
    try:
        if outbox.waiting:
            diagnostics.detail(lambda: f"Sending the messages in the outbox: {len(outbox.waiting)}.")
            with_retries(login, "send", batch.run, seconds, epoch=epoch)
    except ServerUnreachable:
        if not (read_only and batch.answers):  # otherwise there is a server, and the next command sends the rest
            raise
    finally:
        try:
            _report_refused(outbox, batch)
            outbox.resolve(batch.answers)
        finally:
            outbox.close()
    for answer in batch.answers.values():
        if isinstance(answer, ServerUnavailable):
            raise answer


def _report_refused(outbox: Outbox, batch: SendBatch) -> None:
    recipients = {message.id: message.to for message in outbox.waiting}
    for identity, answer in batch.answers.items():
        if isinstance(answer, ChatError) and not isinstance(answer, ServerUnavailable):
            recipient = printable_line(recipients[identity])
            diagnostics.trouble(f'{recipient}: {answer} The message was in the outbox; "chatcli outbox" shows it.')


@contextlib.contextmanager
def _flush_lock(path: str, seconds: float) -> Iterator[bool]:
    """Lock out other processes that flush the same messages, so that theirs are sent after ours.

    Advisory: the lock keeps the order, never correctness, as the server accepts an id once. Yields whether the lock was
    acquired, or locking is unavailable.
    """
    deadline = time.monotonic() + seconds
    descriptor = None
    locked = True
    with contextlib.suppress(OSError):
        while not (locked := (descriptor := lock(path, os.O_RDWR | os.O_CREAT)) is not None):
            if time.monotonic() >= deadline:
                break
            time.sleep(_POLL)
    try:
        yield locked
    finally:
        if descriptor is not None:
            with contextlib.suppress(OSError):
                os.unlink(path)
            os.close(descriptor)
