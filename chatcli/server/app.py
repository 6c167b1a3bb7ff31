"""Wires the server together and runs it until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from chatcli.errors import InputError, StoreError
from chatcli.protocol import codes
from chatcli.protocol.address import Address
from chatcli.server.batcher import TickBatcher
from chatcli.server.handlers.operator_reports import Reports
from chatcli.server.handlers.operators import Operators
from chatcli.server.handlers.table import handlers
from chatcli.server.hub import Hub
from chatcli.server.limits import Limits
from chatcli.server.listeners.admin import AdminListener
from chatcli.server.listeners.farewells import Refusals
from chatcli.server.listeners.sockets import BACKLOG, bind
from chatcli.server.listeners.tcp import Service, TcpConnection, limit_unsent
from chatcli.server.listeners.tls import Handshakes
from chatcli.server.security.audit import Audit
from chatcli.server.security.certificates import Certificates, Identity
from chatcli.server.state.users import warm_up
from chatcli.server.systemd import Supervisor
from chatcli.store.interface import OnCommit
from chatcli.store.records import Batch
from chatcli.store.sqlite_log import SqliteLog

logger = logging.getLogger(__name__)

_TICK: Final = 0.5  # seconds between looks at the deadlines
_DAY: Final = 86_400.0  # seconds between looks at the certificate
_COMMITS: Final = 2.5  # seconds that a stop leaves for what is being written
_GOODBYES: Final = 1.0  # and for what was said last to leave
# From each socket that listens uvloop takes one caller a turn, and each turn of the loop costs something. So it gets
# each of ours under several descriptors: callers who come together are taken, heard and answered together.
_TAKEN_AT_ONCE: Final = 8
_STDIN: Final = 0
_SPARE_FILES: Final = 128  # descriptors that are not connections
_SWITCH: Final = 0.0002  # seconds that the log's writer waits for the interpreter between two statements, about


@dataclass(frozen=True, slots=True)
class Settings:
    """What ``chatcli serve`` is told.

    Attributes:
        address: where to listen.
        data: the directory of the log, and of the server's own key.
        limits: what clients may do.
        tls_cert: the operator's certificate, in PEM; without it the server makes its own.
        tls_key: the key that belongs to it.
        insecure: take connections without TLS from other machines too.
        hosts: where else to listen, on the same port.
        keep: so many seconds old a message may become; for ever, where there is none.
    """

    address: Address
    data: Path
    limits: Limits = field(default_factory=Limits)
    tls_cert: Path | None = None
    tls_key: Path | None = None
    insecure: bool = False
    keep: int | None = None
    hosts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise InputError("A certificate needs its key, and a key its certificate: give --tls-cert and --tls-key.")


class Serving(NamedTuple):
    """A server that has started.

    Attributes:
        addresses: those really bound.
        fingerprint: of its key.
        warnings: what is not as it should be: an address that is missing, a certificate that is about to expire.
    """

    addresses: list[Address]
    fingerprint: str
    warnings: list[str]


Ready = Callable[[Serving], None]


def run(settings: Settings, ready: Ready) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        settings: where, and over which data.
        ready: told so, once connections are taken.

    Raises:
        ServeError: the port cannot be had, or the certificate cannot be used.
        StoreError: the data directory cannot be used.
    """
    os.umask(0o077)  # whatever is made in the data directory is for its owner
    sys.setswitchinterval(_SWITCH)
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
    supervisor = Supervisor(os.environ)
    on_terminal = os.isatty(_STDIN)

    def hang_up() -> None:
        if on_terminal and not os.isatty(_STDIN):
            stop.set()  # its terminal was closed
            return
        supervisor.reloading()
        server.reload(lambda: supervisor.ready(status))

    try:
        bound = await server.start()
        status = f"Serving on {' and '.join(map(str, bound))}"
        loop.add_signal_handler(signal.SIGHUP, hang_up)
        ready(
            Serving(
                bound,
                server.fingerprint,
                [*(f"Not served: {why}" for why in server.missing), *server.certificate_faults()],
            )
        )
        supervisor.ready(status)
        supervisor.feed(loop.call_later)
        await stop.wait()
    finally:
        supervisor.stopping()
        await server.stop()


class Server:
    """A running server: the hub, its log and its listeners.

    Attributes:
        missing: why it does not listen at addresses at which it was to.
    """

    def __init__(self, settings: Settings) -> None:
        self.missing: list[str] = []
        self._settings = settings
        self._listeners: list[asyncio.Server] = []
        self._operators: Operators | None = None
        self._admin_listener: AdminListener | None = None
        self._ticking: asyncio.TimerHandle | None = None
        self._warning: asyncio.TimerHandle | None = None
        self._certificates: Certificates | None = None
        self._reloads: list[Callable[[], None]] = []  # whom to tell once the certificate was read again
        self._loop = asyncio.get_running_loop()
        self.hub: Hub | None = None

    async def start(self) -> list[Address]:
        """Open the log, take connections, and return the addresses really bound.

        Raises:
            ServeError: the port cannot be had, or the certificate cannot be used.
            StoreError: the data directory cannot be used.
        """
        limits = _fitting(self._settings.limits)
        warm_up()

        def committed(batch: Batch, error: StoreError | None) -> None:
            hub.committed(batch, error)  # made below, of the log; the loop runs this later

        sockets, self.missing = bind((self._settings.address.host, *self._settings.hosts), self._settings.address.port)
        try:
            log = self._open_log(committed)
        except BaseException:
            for bound in sockets:
                bound.close()
            raise
        try:
            # Only now: the log's lock keeps others from making a key in the same directory.
            certificates = self._certificates = Certificates(self._settings.data, self._files())
        except BaseException:
            log.close()
            for bound in sockets:
                bound.close()
            raise
        hub = self.hub = Hub(
            log=log,
            limits=limits,
            batcher=TickBatcher(self._loop.call_soon, log.commit),
            later=self._loop.call_later,
            clock=lambda: time.time_ns() // 10**6,
            seconds=self._loop.time,
            server_key=certificates.identity.fingerprint,
        )
        addresses = [Address(*bound.getsockname()[:2]) for bound in sockets]
        audit = Audit(self._settings.data / "audit.log", self._loop.call_soon_threadsafe)
        operators = Operators(hub, audit, Reports(certificates, addresses, hub.clock()))
        self._operators = operators
        await self._listen_for_commands(operators)
        handshakes = Handshakes()
        service = Service(
            hub=hub,
            handlers=handlers(operators),
            certificates=certificates,
            handshakes=handshakes,
            refusals=Refusals(certificates, handshakes),
            insecure=self._settings.insecure,
        )
        more = _TAKEN_AT_ONCE - 1 if type(self._loop).__module__.startswith("uvloop") else 0
        for bound in sockets:
            limit_unsent(bound)
            # Connections inherit it; without it asyncio, unlike uvloop, would let the system wait for more to send.
            bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for descriptor in (bound, *(bound.dup() for _ in range(more))):
                listener = await self._loop.create_server(
                    lambda: TcpConnection(service),
                    sock=descriptor,
                    backlog=BACKLOG,
                )
                self._listeners.append(listener)
        self._tick()
        self._warning = self._loop.call_later(_DAY, self._warn_daily)
        return addresses

    async def _listen_for_commands(self, operators: Operators) -> None:
        self._admin_listener = AdminListener(self._settings.data, operators)
        try:
            await self._admin_listener.start()
        except OSError as error:
            # People can chat all the same.
            where, why = self._settings.data, error.strerror or error
            logger.warning("There is no admin socket in %s (%s), so chatcli admin will not work.", where, why)

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the server's key; empty before the start."""
        return self.hub.server_key if self.hub is not None else ""

    def reload(self, done: Callable[[], None]) -> None:
        """Read the certificate again; those who are connected keep the one that they were shown.

        Args:
            done: called once it is shown to those who connect. A disk that does not answer holds up nothing else.
        """
        self._reloads.append(done)
        if len(self._reloads) == 1:
            self._read_certificate()

    def _read_certificate(self) -> None:
        certificates = self._certificates
        assert certificates is not None  # noqa: S101 (signals are taken once there is one)
        asked = len(self._reloads)

        def read() -> None:
            identity = certificates.read_again()
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._reloaded, identity, asked)

        # A daemon: nothing can end a read that waits for a disk, and the process ends all the same.
        threading.Thread(target=read, name="certificate", daemon=True).start()

    def _reloaded(self, identity: Identity, asked: int) -> None:
        assert self._certificates is not None  # noqa: S101 (as above)
        assert self.hub is not None  # noqa: S101 (as above)
        self._certificates.identity = identity
        self.hub.server_key = identity.fingerprint
        self._warn()
        done, self._reloads = self._reloads[:asked], self._reloads[asked:]
        for tell in done:
            tell()
        if self._reloads:  # the files may have changed while they were read
            self._read_certificate()

    def certificate_faults(self) -> list[str]:
        """Return what is wrong with the certificate today, or will be soon."""
        return self._certificates.faults(datetime.now(UTC)) if self._certificates is not None else []

    def _warn(self) -> None:
        for fault in self.certificate_faults():
            logger.warning("%s", fault)

    def _warn_daily(self) -> None:
        self._warning = self._loop.call_later(_DAY, self._warn_daily)
        self._warn()

    def _files(self) -> tuple[Path, Path] | None:
        certificate, key = self._settings.tls_cert, self._settings.tls_key
        return (certificate, key) if certificate is not None and key is not None else None

    def _open_log(self, on_commit: OnCommit) -> SqliteLog:
        return SqliteLog(self._settings.data, post=self._loop.call_soon_threadsafe, on_commit=on_commit)

    def _tick(self) -> None:
        assert self.hub is not None  # noqa: S101 (started only once it is there)
        self._ticking = self._loop.call_later(_TICK, self._tick)
        self.hub.tick(_TICK)
        if self._settings.keep is not None:
            self.hub.log.prune(self.hub.clock() - self._settings.keep * 1000)

    async def stop(self) -> None:
        """Take no more, finish what is being written, say goodbye to everyone, and let go of the log."""
        hub = self.hub
        if hub is None:
            return
        for listener in self._listeners:
            listener.close()
        if self._admin_listener is not None:
            self._admin_listener.close()  # while the lock is still held: the socket is surely our own
        for timer in filter(None, (self._ticking, self._warning)):
            timer.cancel()
        for session in tuple(hub.sessions):
            session.stop_reading()
        hub.log.commit(cursors=True)
        await self._wait(_COMMITS, lambda: _all_written(hub))
        for session in tuple(hub.sessions):
            session.close(codes.STOPPING, "The server is stopping.")
        await self._wait(_GOODBYES, lambda: not hub.sessions)
        for session in tuple(hub.sessions):
            session.abort()
        if self._admin_listener is not None:
            self._admin_listener.abort()
        if self._operators is not None:
            self._operators.close()
        hub.log.close()

    async def _wait(self, seconds: float, done: Callable[[], bool]) -> None:
        deadline = self._loop.time() + seconds
        # Looked at, not told of: only a stop wants to know, and it ends.
        while not done() and self._loop.time() < deadline:  # noqa: ASYNC110 (see above)
            await asyncio.sleep(0.005)


def _all_written(hub: Hub) -> bool:
    """Commit what was queued meanwhile, such as when someone was last seen; return whether the log is idle."""
    hub.log.commit()
    return hub.log.idle


def _fitting(limits: Limits) -> Limits:
    """Raise the limit of open files to what is allowed, and the limit of connections no further than that."""
    if sys.platform == "win32":
        return limits
    import resource  # noqa: PLC0415 (not on Windows)
    from dataclasses import replace  # noqa: PLC0415 (only here)

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
