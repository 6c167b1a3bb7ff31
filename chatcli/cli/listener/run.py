"""One run of ``chatcli listen``, up to its exit status."""

from __future__ import annotations

import asyncio
import signal
from typing import Final

from chatcli.cli.exit_status import NOT_IN_TIME
from chatcli.cli.listener.options import ListenOptions
from chatcli.cli.listener.sinks import ExecSink, Printer, Sink, watch_output
from chatcli.cli.output.streams import give_up, notice
from chatcli.client.feed.background_flush import BackgroundFlush
from chatcli.client.feed.filter import MessageFilter
from chatcli.client.feed.listener import Delivery, Item, Listener, open_cursor
from chatcli.client.feed.observer import FeedObserver
from chatcli.client.feed.sources import check_sources
from chatcli.client.feed.stream import Stream
from chatcli.client.identity.credentials import Login
from chatcli.errors import ServerUnreachable

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class ListenRun:
    """One run of ``listen``: until its limits are reached, it is stopped, or nobody reads its output any more.

    Args:
        login: the listener's login.
        options: which messages it gets, and what to do with them.
    """

    def __init__(self, login: Login, options: ListenOptions) -> None:
        self._login = login
        self._options = options
        self._filter = MessageFilter(options.sources, options.senders, options.places, mentions=options.mentions)
        self._stopped = asyncio.Event()
        self._signal: int | None = None
        self._output_closed = False
        self._is_connected = False
        self._remaining = options.limit
        own = options.name is None
        self._flush = BackgroundFlush(login)
        self._stream = Stream(login, notice, patient=options.is_service, on_connect=self._flush.start, own=own)
        self._observer = FeedObserver(login.server.name, login.user, reading=options.mark_read)

    async def run(self) -> int:
        """Listen, and return the exit status.

        Raises:
            KeyboardInterrupt: Ctrl-C was pressed.
            ChatError: the server cannot be reached, or refuses the user, or the position cannot be stored.
            OSError: standard output cannot be written.
        """
        options = self._options
        name, required = options.name, options.exec_command is not None
        cursor = open_cursor(self._login, name, self._filter.key(), required=required)
        listener = Listener(
            self._login,
            self._stream,
            cursor,
            own=name is None,
            message_filter=self._filter,
            mark_read=options.mark_read,
        )
        self._handle_signals()
        watch_output(self._close_output)
        working = asyncio.create_task(self._work(listener), name="listen")
        stopped = asyncio.create_task(self._stopped.wait(), name="stopped")
        try:
            await asyncio.wait({working, stopped}, timeout=options.timeout, return_when=asyncio.FIRST_COMPLETED)
            late = not working.done() and not stopped.done()
            working.cancel()
            stopped.cancel()
            await asyncio.wait({working, stopped})
            if not working.cancelled():
                working.result()
        except BrokenPipeError:
            self._close_output()
        finally:
            await self._flush.stop()
            await listener.close()
            self._observer.write()
        return self._status(late=late)

    def _first(self, received: list[Item]) -> list[Item]:
        """Return the items up to the last message that is wanted."""
        count = 0
        for place, one in enumerate(received, 1):
            count += isinstance(one, Delivery)
            if count == self._remaining:
                return received[:place]
        return received

    def _status(self, *, late: bool) -> int:
        if self._output_closed:
            give_up()
        if self._signal == signal.SIGINT:
            raise KeyboardInterrupt
        if not late or self._remaining == 0:
            return 0
        if not self._is_connected:
            raise ServerUnreachable(f"{self._login.server} did not answer in time.")
        return NOT_IN_TIME if self._remaining else 0

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup, and in the background of a script
                loop.add_signal_handler(number, self._stop, number)

    def _stop(self, number: int) -> None:
        self._signal = self._signal or number
        self._stopped.set()

    def _close_output(self) -> None:
        self._output_closed = True
        self._stopped.set()

    async def _work(self, listener: Listener) -> None:
        options = self._options
        await listener.start(options.since)
        self._is_connected = True
        await check_sources(self._login.without_prompt(), self._filter, self._stream.rooms, enter=options.enter)
        sink: Sink = Printer(listener, as_json=options.as_json)
        if options.exec_command is not None:
            sink = ExecSink(listener, options.exec_command, self._login)
        while self._remaining is None or self._remaining > 0:
            received = self._first(await listener.receive())
            await sink.handle(received)
            messages = [one.message for one in received if isinstance(one, Delivery)]
            self._observer.record(name for message in messages for name in (message.sender, message.to))
            if self._remaining is not None:
                self._remaining -= len(messages)
        await self._flush.wait()
