"""What one-shot commands have left in the outbox because no server answered: sent by the next one that reaches it."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from chatcli.client import diagnostics
from chatcli.client.identity.credentials import Login
from chatcli.client.outbox.batch import SendBatch
from chatcli.client.outbox.store import Outbox, beginnings
from chatcli.client.storage.files import hold, outbox_directory
from chatcli.client.transport.blocking import with_retries
from chatcli.errors import ChatError, InputError, ServerNotTrusted, ServerUnavailable, ServerUnreachable
from chatcli.protocol.frames import Send
from chatcli.protocol.text import printable_line

if TYPE_CHECKING:
    from chatcli.client.identity.key import Identity
    from chatcli.client.identity.trust import Trust
    from chatcli.protocol.address import Address

_BETWEEN_LOOKS: Final = 0.02  # seconds


def keep(server: Address, user: str, messages: Sequence[Send]) -> None:
    """Keep messages until a command reaches the server, which then sends all of them, or none.

    Raises:
        InputError: they cannot be written.
    """
    box = Outbox(outbox_directory(), server, user, take_up=False)
    try:
        box.keep(messages, together=[[message.id for message in messages]])
    finally:
        box.close()


def send_left(
    server: Address, user: str, trust: Trust, identity: Identity | None, *, asking: bool, seconds: float
) -> None:
    """Send what waits for this server and user, in order, and each message once.

    Raises:
        As :func:`chatcli.client.outbox.leftovers.empty_spool`.
    """
    until = time.monotonic() + seconds
    directory = outbox_directory()
    starts = beginnings(server, user)
    start = starts[0]
    try:
        if not any(name.startswith(tuple(starts)) for name in os.listdir(directory)):
            return
        login = Login(server=server, user=user, trust=trust, identity=identity).with_identity()
        # Half of the time is for whoever sends the same now; the other half is for us, if they do not get done.
        with _turn(os.path.join(directory, f".{start}lock"), 0 if asking else seconds / 2) as ours:
            if ours or not asking:
                left = max(0.1, until - time.monotonic())
                _send(Outbox(directory, server, user), login, left, asking=asking)
    except (ServerUnreachable, ServerNotTrusted):
        raise
    except ChatError as error:
        if not asking and not isinstance(error, InputError):
            raise
        diagnostics.trouble(f"What waits to be sent was not sent: {error}")


def _send(box: Outbox, login: Login, seconds: float, *, asking: bool) -> None:
    batch = SendBatch(box.left, 0 if asking else seconds, together=box.together)
    try:
        if box.left:
            diagnostics.detail(lambda: f"Sending what waits in the outbox: {len(box.left)}.")
            with_retries(login, "send", batch.run, seconds)
    except ServerUnreachable:
        if not (asking and batch.answers):  # otherwise there is a server, and the next command sends the rest
            raise
    finally:
        try:
            _tell_refused(box, batch)
            box.settle(batch.answers)
        finally:
            box.close()
    for answer in batch.answers.values():
        if isinstance(answer, ServerUnavailable):
            raise answer


def _tell_refused(box: Outbox, batch: SendBatch) -> None:
    recipients = {message.id: message.to for message in box.left}
    for identity, answer in batch.answers.items():
        if isinstance(answer, ChatError) and not isinstance(answer, ServerUnavailable):
            recipient = printable_line(recipients[identity])
            diagnostics.trouble(f"{recipient}: {answer} This was kept before; chatcli outbox shows it.")


@contextlib.contextmanager
def _turn(path: str, seconds: float) -> Iterator[bool]:
    """Have others wait who are about to send the same, so that what they send then comes behind it.

    It is no more than order: nobody waits for ever, and what two send at once is taken once. Yields whether it is our
    turn, or nobody can have one here.
    """
    deadline = time.monotonic() + seconds
    descriptor = None
    ours = True
    with contextlib.suppress(OSError):
        while not (ours := (descriptor := hold(path, os.O_RDWR | os.O_CREAT)) is not None):
            if time.monotonic() >= deadline:
                break
            time.sleep(_BETWEEN_LOOKS)
    try:
        yield ours
    finally:
        if descriptor is not None:
            with contextlib.suppress(OSError):
                os.unlink(path)
            os.close(descriptor)
