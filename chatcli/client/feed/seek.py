"""Finds the place in a user's feed where a time begins, by looking at few messages."""

from __future__ import annotations

import asyncio
from typing import Final, NamedTuple

from chatcli.client.errors import as_exception
from chatcli.client.identity.credentials import Login
from chatcli.client.transport.aio import Connection, connect
from chatcli.client.transport.dialer import unreachable
from chatcli.errors import ServerUnreachable
from chatcli.protocol.frames import Live, Message, ServerBye

_PATIENCE: Final = 60.0  # seconds for the beginning of a feed to be read


class Seen(NamedTuple):
    """A message's place and time."""

    seq: int
    at: int


async def place_of(login: Login, time: int, head: int) -> int:
    """Return the ``seq`` behind which the user's messages since a time begin.

    Halves the log again and again, and reads the beginning of the feed there. Messages that an import or a clock which
    was set back has put out of the order of time make it begin earlier or later than it might.

    Args:
        login: who asks, and where.
        time: in milliseconds since 1970-01-01 UTC.
        head: the newest message of the log.

    Raises:
        ServerUnavailable: the connection broke, or the log cannot be read now.
        Refused: the server does not want us.
        ServerNotTrusted: it is not the one that was meant.
        ProtocolError: what answers there is no chatcli server.
    """
    before, behind = -1, head  # what follows the first is older, or not looked at; what follows the second is not
    while behind - before > 1:
        middle = (before + behind) // 2 if before >= 0 else 0
        seen = await _seen(login, middle)
        newer = next((index for index, one in enumerate(seen) if one.at >= time), None)
        if newer is None and seen:
            before = seen[-1].seq
        elif not newer:  # the first of them is, or there are none
            behind = middle
        else:
            return seen[newer - 1].seq
    return behind


async def newer_than(login: Login, time: int, upto: int) -> int | None:
    """Return the first of the user's messages up to a place that was said after a time; None if there is none.

    Raises:
        As :func:`place_of`.
    """
    if upto <= 0:
        return None
    seen = await _seen(login, await place_of(login, time + 1, upto))
    return seen[0].seq if seen and seen[0].seq <= upto and seen[0].at > time else None


async def _seen(login: Login, since: int) -> list[Seen]:
    """Return some messages that follow a place; none if none does."""
    connection, _ = await connect(login, login.hello("listen", since))
    try:
        async with asyncio.timeout(_PATIENCE):
            return await _first(connection, since)
    except TimeoutError as error:
        raise ServerUnreachable(unreachable(login.server, error)) from None
    finally:
        await connection.close()


async def _first(connection: Connection, since: int) -> list[Seen]:
    while True:
        frames = await connection.receive()
        seen = [Seen(frame.seq, frame.at) for frame in frames if isinstance(frame, Message) and frame.seq > since]
        if seen or any(isinstance(frame, Live) for frame in frames):
            return seen
        if isinstance(frames[-1], ServerBye):
            raise as_exception(frames[-1])
