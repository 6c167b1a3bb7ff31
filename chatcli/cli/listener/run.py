"""Listens until it is enough: so many messages, so long, until told to stop, or until nobody reads any more."""

from __future__ import annotations

import asyncio
import signal
from typing import Final, NamedTuple

from chatcli.cli.exit_status import NOT_IN_TIME
from chatcli.cli.listener.sinks import Hand, Printer, Runner, watch_output
from chatcli.cli.output.streams import give_up, note
from chatcli.client.feed.background_flush import BackgroundFlush
from chatcli.client.feed.filter import MessageFilter
from chatcli.client.feed.listener import Listener, Since, open_cursor
from chatcli.client.feed.observer import FeedObserver
from chatcli.client.feed.sources import check_sources
from chatcli.client.feed.stream import Stream
from chatcli.client.identity.credentials import Login
from chatcli.errors import ServerUnreachable

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Wish(NamedTuple):
    """What is asked of ``listen``.

    Attributes:
        login: who listens, and where.
        message_filter: the messages for it.
        since: where to begin; None for where it left off.
        name: of a cursor of its own; None for the user's.
        command: to be run for each message; None to print them.
        as_json: how they are printed.
        limit: after so many messages it is enough.
        timeout: after so many seconds, too.
        enter: enter the rooms that are listened to, where the user does not belong to them.
    """

    login: Login
    message_filter: MessageFilter
    since: Since
    name: str | None
    command: str | None
    as_json: bool
    limit: int | None
    timeout: float | None
    enter: bool


class Attendance:
    """One run of ``listen``."""

    def __init__(self, wish: Wish) -> None:
        self._wish = wish
        self._stopped = asyncio.Event()
        self._signal: int | None = None
        self._unread = False  # nobody reads standard output any more
        self._met = False  # the server has let us in
        self._left = wish.limit
        service = wish.command is not None or wish.name is not None
        self._flush = BackgroundFlush(wish.login)
        self._stream = Stream(wish.login, note, patient=service, on_connect=self._flush.start, own=wish.name is None)
        self._observer = FeedObserver(wish.login.server, wish.login.user, reading=wish.name is None)

    async def run(self) -> int:
        """Listen; return the exit status.

        Raises:
            KeyboardInterrupt: Ctrl-C.
            ChatError: the server cannot be reached, or does not want us, or the position cannot be kept.
            OSError: standard output cannot be written.
        """
        wish = self._wish
        must = wish.command is not None
        cursor = open_cursor(wish.login, wish.name, wish.message_filter.key(), required=must)
        listener = Listener(wish.login, self._stream, cursor, own=wish.name is None, message_filter=wish.message_filter)
        self._heed_signals()
        watch_output(self._nobody_reads)
        working = asyncio.create_task(self._work(listener), name="listen")
        stopped = asyncio.create_task(self._stopped.wait(), name="stopped")
        try:
            await asyncio.wait({working, stopped}, timeout=wish.timeout, return_when=asyncio.FIRST_COMPLETED)
            late = not working.done() and not stopped.done()
            working.cancel()
            stopped.cancel()
            await asyncio.wait({working, stopped})
            if not working.cancelled():
                working.result()
        except BrokenPipeError:
            self._nobody_reads()
        finally:
            await self._flush.stop()
            await listener.close()
            self._observer.write()
        return self._status(late=late)

    def _status(self, *, late: bool) -> int:
        if self._unread:
            give_up()
        if self._signal == signal.SIGINT:
            raise KeyboardInterrupt
        if not late or self._left == 0:
            return 0
        if not self._met:
            raise ServerUnreachable(f"{self._wish.login.server} did not answer in time.")
        return NOT_IN_TIME if self._left else 0

    def _heed_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:  # as behind nohup, and in the background of a script
                loop.add_signal_handler(number, self._stop, number)

    def _stop(self, number: int) -> None:
        self._signal = self._signal or number
        self._stopped.set()

    def _nobody_reads(self) -> None:
        self._unread = True
        self._stopped.set()

    async def _work(self, listener: Listener) -> None:
        wish = self._wish
        await listener.start(wish.since)
        self._met = True
        await check_sources(wish.login.without_prompt(), wish.message_filter, self._stream.rooms, enter=wish.enter)
        hand: Hand = Printer(listener, as_json=wish.as_json)
        if wish.command is not None:
            hand = Runner(listener, wish.command, wish.login)
        while self._left is None or self._left > 0:
            heard = (await listener.receive())[: self._left]
            await hand.take(heard)
            self._observer.record(name for one in heard for name in (one.message.sender, one.message.to))
            if self._left is not None:
                self._left -= len(heard)
        await self._flush.wait()


async def attend(wish: Wish) -> int:
    """Listen; return the exit status.

    Raises:
        KeyboardInterrupt: Ctrl-C.
        ChatError: the server cannot be reached, or does not want us, or the position cannot be kept.
        OSError: standard output cannot be written.
    """
    return await Attendance(wish).run()
