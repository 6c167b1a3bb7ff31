"""Wires the server together and runs it until it is told to stop."""

from __future__ import annotations

import asyncio
import errno
import logging
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from chatcli.errors import ServeError
from chatcli.protocol import codes
from chatcli.protocol.address import Address
from chatcli.server.hub import Hub
from chatcli.server.limits import Limits
from chatcli.server.listeners.tcp import TcpConnection
from chatcli.server.turn import Turn
from chatcli.store.log import Committed
from chatcli.store.sqlite import SqliteLog

logger = logging.getLogger(__name__)

_TICK: Final = 0.5  # seconds between looks at the deadlines
_COMMITS: Final = 2.5  # seconds that a stop leaves for what is being written
_GOODBYES: Final = 1.0  # and for what was said last to leave
_BACKLOG: Final = 1024  # connections that the kernel keeps until they are taken
_SPARE_FILES: Final = 64  # descriptors that are not connections


@dataclass(frozen=True, slots=True)
class Settings:
    """What ``chatcli serve`` is told."""

    address: Address
    data: Path
    limits: Limits = field(default_factory=Limits)


Ready = Callable[[list[Address]], None]


def run(settings: Settings, ready: Ready) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        settings: where, and over which data.
        ready: told the addresses really bound, once connections are taken.

    Raises:
        ServeError: the port cannot be had.
        StoreError: the data directory cannot be used.
    """
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(settings, ready))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 (it does not exist everywhere)
    except ImportError:
        return None
    return uvloop.new_event_loop


async def _serve(settings: Settings, ready: Ready) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    server = Server(settings)
    try:
        ready(await server.start())
        await stop.wait()
    finally:
        await server.stop()


class Server:
    """A running server: the hub, its log and its listeners."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._listeners: list[asyncio.Server] = []
        self._ticking: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self.hub: Hub | None = None

    async def start(self) -> list[Address]:
        """Open the log, take connections, and return the addresses really bound.

        Raises:
            ServeError: the port cannot be had.
            StoreError: the data directory cannot be used.
        """
        limits = _fitting(self._settings.limits)
        sockets = _bind(self._settings.address)
        try:
            hub = self.hub = Hub(
                self._open_log,
                limits,
                Turn(self._loop.call_soon),
                self._loop.call_later,
                lambda: time.time_ns() // 10**6,
            )
        except BaseException:
            for bound in sockets:
                bound.close()
            raise
        for bound in sockets:
            listener = await self._loop.create_server(lambda: TcpConnection(hub), sock=bound, backlog=_BACKLOG)
            self._listeners.append(listener)
        self._tick()
        return [Address(*bound.getsockname()[:2]) for bound in sockets]

    def _open_log(self, committed: Committed) -> SqliteLog:
        return SqliteLog(self._settings.data, post=self._loop.call_soon_threadsafe, committed=committed)

    def _tick(self) -> None:
        assert self.hub is not None  # noqa: S101 (started only once it is there)
        self._ticking = self._loop.call_later(_TICK, self._tick)
        self.hub.tick(_TICK)

    async def stop(self) -> None:
        """Take no more, finish what is being written, say goodbye to everyone, and let go of the log."""
        hub = self.hub
        if hub is None:
            return
        for listener in self._listeners:
            listener.close()
        if self._ticking is not None:
            self._ticking.cancel()
        for session in tuple(hub.sessions):
            session.stop_listening()
        hub.log.commit(cursors=True)
        await self._wait(_COMMITS, lambda: hub.log.idle)
        for session in tuple(hub.sessions):
            session.close(codes.STOPPING, "The server is stopping.")
        await self._wait(_GOODBYES, lambda: not hub.sessions)
        for session in tuple(hub.sessions):
            session.abort()
        hub.log.close()

    async def _wait(self, seconds: float, done: Callable[[], bool]) -> None:
        deadline = self._loop.time() + seconds
        # Looked at, not told of: only a stop wants to know, and it ends.
        while not done() and self._loop.time() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.005)


def _bind(address: Address) -> list[socket.socket]:
    """Bind every address that the host stands for, all to the same port."""
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        raise ServeError(f'There is no host "{address.host}": name an address of this machine with --host.') from None
    sockets: list[socket.socket] = []
    port = address.port
    try:
        for family, _, _, _, name in dict.fromkeys(found):
            both = family == socket.AF_INET6 and name[0] == "::" and socket.has_dualstack_ipv6()
            bound = socket.create_server((str(name[0]), port), family=family, backlog=_BACKLOG, dualstack_ipv6=both)
            sockets.append(bound)
            port = bound.getsockname()[1]
    except OSError as error:
        for bound in sockets:
            bound.close()
        raise ServeError(_why_not(error, Address(address.host, port))) from None
    return sockets


def _why_not(error: OSError, address: Address) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {address.port} is in use on {address.host}: stop what uses it, or choose another with --port."
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"You may not use port {address.port}: choose one above 1023 with --port."
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{address.host} is not an address of this machine: choose another with --host."
    return f"Cannot listen on {address}: {error.strerror}."


def _fitting(limits: Limits) -> Limits:
    """Raise the limit of open files to what is allowed, and the limit of connections no further than that."""
    if sys.platform == "win32":
        return limits
    import resource  # noqa: PLC0415 (not on Windows)
    from dataclasses import replace  # noqa: PLC0415

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = limits.connections + _SPARE_FILES
    if soft < wanted:
        soft = min(wanted, hard) if hard != resource.RLIM_INFINITY else wanted
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft < wanted:
        connections = max(1, soft - _SPARE_FILES)
        logger.warning("This machine allows %d open files: %d connections at most (ulimit -n).", soft, connections)
        return replace(limits, connections=connections)
    return limits
