"""Finds the place of a time in a user's feed, by reading few messages."""

from __future__ import annotations

import asyncio
from typing import Final, NamedTuple

from chatcli.client.errors import as_exception
from chatcli.client.identity.credentials import Login
from chatcli.client.transport.aio import Connection, connect
from chatcli.client.transport.dialer import unreachable
from chatcli.errors import ServerUnreachable
from chatcli.protocol.frames import Live, Message, ServerBye

_PATIENCE: Final = 60.0  # seconds for the first messages after a place


class SeqTime(NamedTuple):
    """The place and the time of a message."""

    seq: int
    at: int


async def seq_at(login: Login, time: int, head: int) -> int:
    """Return the ``seq`` after which the user's messages since a time start.

    A binary search over the log, which reads the feed from the middle of what is left. Messages that an import, or a
    clock that was set back, has put out of the order of time make the result earlier or later than it might be.

    Args:
        login: the server and the user.
        time: in milliseconds since 1970-01-01 UTC.
        head: the newest message of the log.

    Raises:
        ServerUnavailable: the connection broke, or the log cannot be read now.
        Refused: the server refuses the user.
        ServerNotTrusted: the server is not the one that was meant.
        ProtocolError: the other end is not a chatcli server.
    """
    low, high = -1, head  # all up to low is older; nothing after high is; -1 is before everything
    while high - low > 1:
        middle = (low + high) // 2 if low >= 0 else 0
        found = await _read_after(login, middle)
        newer = next((index for index, one in enumerate(found) if one.at >= time), None)
        if newer is None and found:
            low = found[-1].seq
        elif not newer:  # the first of them is, or there are none
            high = middle
        else:
            return found[newer - 1].seq
    return high


async def first_newer(login: Login, time: int, upto: int) -> int | None:
    """Return the first of the user's messages up to a place that is newer than a time; None if there is none.

    Raises:
        As :func:`seq_at`.
    """
    if upto <= 0:
        return None
    found = await _read_after(login, await seq_at(login, time + 1, upto))
    return found[0].seq if found and found[0].seq <= upto and found[0].at > time else None


async def _read_after(login: Login, since: int) -> list[SeqTime]:
    """Return the first messages after a place; none at the end of the feed."""
    connection, _ = await connect(login, login.hello("listen", since))
    try:
        async with asyncio.timeout(_PATIENCE):
            return await _first(connection, since)
    except TimeoutError as error:
        raise ServerUnreachable(unreachable(login.server.name, error)) from None
    finally:
        await connection.close()


async def _first(connection: Connection, since: int) -> list[SeqTime]:
    while True:
        frames = await connection.receive()
        found = [SeqTime(frame.seq, frame.at) for frame in frames if isinstance(frame, Message) and frame.seq > since]
        if found or any(isinstance(frame, Live) for frame in frames):
            return found
        if isinstance(frames[-1], ServerBye):
            raise as_exception(frames[-1])
