"""Builds the server of its parts, and runs it until a signal stops it."""

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
from importlib import import_module
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Final, NamedTuple

from chatcli.errors import InputError, StoreError
from chatcli.gateway.web.origins import Origins
from chatcli.protocol import codes
from chatcli.protocol.values.address import Address
from chatcli.server.batcher import TickBatcher
from chatcli.server.certificate_watch import CertificateWatch
from chatcli.server.handlers.operator_reports import Reports
from chatcli.server.handlers.operators import Operators
from chatcli.server.handlers.table import handlers
from chatcli.server.hub import Hub
from chatcli.server.limits import Limits
from chatcli.server.listeners.admin import AdminListener
from chatcli.server.listeners.own_names import own_names
from chatcli.server.listeners.rejections import Rejections
from chatcli.server.listeners.sockets import BACKLOG, bind
from chatcli.server.listeners.tcp import Service, TcpConnection, limit_unsent
from chatcli.server.listeners.tls import HandshakeQueue
from chatcli.server.metrics import Metrics
from chatcli.server.security.audit import Audit
from chatcli.server.security.certificates import Certificates
from chatcli.server.slices import Result
from chatcli.server.state.users import warm_up
from chatcli.server.systemd import SystemdNotifier
from chatcli.server.web.page import files as page_files
from chatcli.server.web.site import Site
from chatcli.store.batch import Batch
from chatcli.store.interface import Log
from chatcli.store.sqlite_log import SqliteLog

logger = logging.getLogger(__name__)

_TICK: Final = 0.5  # seconds between checks of the deadlines
_DAY: Final = 86_400.0  # seconds between warnings about the certificate
_COMMIT_SECONDS: Final = 2.5  # that a stop waits for what is being written
_GOODBYE_SECONDS: Final = 1.0  # that it waits then for the connections to close
# From each listening socket uvloop accepts one connection in each iteration of the loop, and each iteration costs
# something. So it gets several descriptors of each socket: callers who come together are served together.
_ACCEPTED_AT_ONCE: Final = 8
_STDIN: Final = 0
_SPARE_FILES: Final = 128  # descriptors that are not connections
_FOR_HTTP: Final = "chatcli.server.web.connection"
_SWITCH: Final = 0.0002  # seconds that the log's writer waits for the interpreter between two statements, about


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The options of ``chatcli serve``.

    Attributes:
        address: where to listen.
        data: the directory of the log, and of the server's own key.
        limits: what clients may do.
        tls_cert: the operator's certificate, in PEM; without it the server makes its own.
        tls_key: the key that belongs to it.
        insecure: whether other machines may connect without TLS.
        keep: the age in seconds at which messages are deleted; None for never.
        hosts: where else to listen, on the same port.
        proxies: those who are believed on whose behalf they call.
        web_names: names under which browsers reach the server, each with a port if it is not the server's.
        web: whether browsers get the page of the chat.
    """

    address: Address
    data: Path
    limits: Limits = field(default_factory=Limits)
    tls_cert: Path | None = None
    tls_key: Path | None = None
    insecure: bool = False
    keep: int | None = None
    hosts: tuple[str, ...] = ()
    proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    web_names: tuple[str, ...] = ()
    web: bool = True

    def __post_init__(self) -> None:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise InputError("A certificate needs its key, and a key its certificate: give --tls-cert and --tls-key.")


class Serving(NamedTuple):
    """A server that has started.

    Attributes:
        addresses: where it listens.
        fingerprint: of its key.
        certificate: the SHA-256 of its certificate, as browsers show it.
        names: the host names in that certificate.
        warnings: sentences about an address that is missing, or a certificate that is about to expire.
    """

    addresses: list[Address]
    fingerprint: str
    certificate: str
    names: tuple[str, ...]
    warnings: list[str]


def run(settings: Settings, on_ready: Callable[[Serving], None]) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        settings: where, and over which data.
        on_ready: called once connections are accepted.

    Raises:
        ServeError: the port is not available, or the certificate is not usable.
        StoreError: the data directory is not usable.
    """
    os.umask(0o077)  # whatever is made in the data directory is for its owner
    sys.setswitchinterval(_SWITCH)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(settings, on_ready))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 (it does not exist everywhere)
    except ImportError:
        return None
    return uvloop.new_event_loop


async def _serve(settings: Settings, on_ready: Callable[[Serving], None]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    notifier = SystemdNotifier(os.environ)
    on_terminal = os.isatty(_STDIN)
    server = await Server.start(settings)
    status = f"Serving on {' and '.join(map(str, server.addresses))}"

    def hang_up() -> None:
        if on_terminal and not os.isatty(_STDIN):
            stop.set()  # its terminal was closed
            return
        notifier.reloading()
        server.certificates.reload(lambda: notifier.ready(status))

    try:
        loop.add_signal_handler(signal.SIGHUP, hang_up)
        on_ready(_serving(server))
        # What HTTP needs takes a while to load: the first such caller must not keep the others waiting for that.
        threading.Thread(target=_load, args=(settings,), name="loading", daemon=True).start()
        notifier.ready(status)
        notifier.start_watchdog(loop.call_later)
        await stop.wait()
    finally:
        notifier.stopping()
        await server.stop()


def _serving(server: Server) -> Serving:
    identity = server.certificates.identity
    return Serving(
        addresses=server.addresses,
        fingerprint=server.hub.server_key,
        certificate=identity.channel.hex(":").upper(),
        names=identity.chain[0].names,
        warnings=[*(f"Not served: {reason}" for reason in server.missing), *server.certificates.faults()],
    )


def _load(settings: Settings) -> None:
    import_module(_FOR_HTTP)
    if settings.web:
        page_files.load()


class Server:
    """A running server.

    Attributes:
        hub: its hub.
        certificates: its certificate.
        addresses: where it listens.
        missing: a sentence for each address where it should listen and does not.
    """

    def __init__(
        self,
        *,
        hub: Hub,
        operators: Operators,
        certificates: CertificateWatch,
        listeners: list[asyncio.Server],
        admin_listener: AdminListener,
        addresses: list[Address],
        missing: list[str],
        keep: int | None,
    ) -> None:
        self.hub = hub
        self.certificates = certificates
        self.addresses = addresses
        self.missing = missing
        self._operators = operators
        self._listeners = listeners
        self._admin_listener = admin_listener
        self._keep = keep
        self._loop = asyncio.get_running_loop()
        self._ticking: asyncio.Handle = self._loop.call_soon(self._tick)
        self._warning = self._loop.call_later(_DAY, self._warn_daily)

    @classmethod
    async def start(cls, settings: Settings) -> Server:
        """Open the log and listen.

        Raises:
            ServeError: the port is not available, or the certificate is not usable.
            StoreError: the data directory is not usable.
        """
        loop = asyncio.get_running_loop()
        warm_up()

        def committed(batch: Batch, error: StoreError | None) -> None:
            hub.committed(batch, error)  # made below, of the log; the loop runs this later

        def set_key(fingerprint: str) -> None:
            hub.server_key = fingerprint
            site.origins = _origins(settings, certificates, addresses[0].port)

        with contextlib.ExitStack() as opened:
            sockets, missing = bind((settings.address.host, *settings.hosts), settings.address.port)
            for bound in sockets:
                opened.callback(bound.close)
            log = SqliteLog(settings.data, post=loop.call_soon_threadsafe, on_commit=committed)
            opened.callback(log.close)
            # Only now: the log's lock keeps others from making a key in the same directory.
            certificates = Certificates(settings.data, _certificate_files(settings))
            hub = _make_hub(log, _fitting(settings.limits), certificates.identity.fingerprint)
            addresses = [Address(*bound.getsockname()[:2]) for bound in sockets]
            audit = Audit(settings.data / "audit.log", loop.call_soon_threadsafe)
            operators = Operators(hub, audit, Reports(certificates, addresses, hub.clock()))
            opened.callback(operators.close)
            site = Site(
                hub=hub,
                handlers=handlers(operators),
                metrics=Metrics(hub, _in_thread),
                in_thread=_in_thread,
                insecure=settings.insecure,
                origins=_origins(settings, certificates, addresses[0].port),
                proxies=settings.proxies,
                page=page_files.LoadedPage(_in_thread) if settings.web else None,
            )
            server = cls(
                hub=hub,
                operators=operators,
                certificates=CertificateWatch(certificates, loop.call_soon_threadsafe, set_key),
                admin_listener=await _listen_for_commands(settings.data, operators),
                listeners=await _listen(sockets, _make_service(site, certificates)),
                addresses=addresses,
                missing=missing,
                keep=settings.keep,
            )
            opened.pop_all()  # from here on stop() closes everything
        return server

    def _tick(self) -> None:
        self._ticking = self._loop.call_later(_TICK, self._tick)
        self.hub.tick(_TICK)
        if self._keep is not None:
            now = self.hub.clock()
            self.hub.log.prune(now - self._keep * 1000, now)

    def _warn_daily(self) -> None:
        self._warning = self._loop.call_later(_DAY, self._warn_daily)
        self.certificates.warn()

    async def stop(self) -> None:
        """Accept no more, finish what is being written, say goodbye to everyone, and close the log."""
        hub = self.hub
        for listener in self._listeners:
            listener.close()
        self._admin_listener.close()  # while the lock is still held: the socket is surely our own
        self._ticking.cancel()
        self._warning.cancel()
        for connection in tuple(hub.connections):
            connection.stop_reading()
        hub.log.commit(positions=True)
        await self._wait(_COMMIT_SECONDS, lambda: _all_written(hub))
        for connection in tuple(hub.connections):
            connection.close(codes.STOPPING, "The server is stopping.")
        await self._wait(_GOODBYE_SECONDS, lambda: not hub.connections)
        for connection in tuple(hub.connections):
            connection.abort()
        self._admin_listener.abort()
        self._operators.close()
        hub.log.close()

    async def _wait(self, seconds: float, done: Callable[[], bool]) -> None:
        deadline = self._loop.time() + seconds
        # Polled: only a stop needs to know, and it ends.
        while not done() and self._loop.time() < deadline:  # noqa: ASYNC110 (see above)
            await asyncio.sleep(0.005)


def _all_written(hub: Hub) -> bool:
    """Commit what was queued meanwhile, such as when someone was last seen; return whether the log is idle."""
    hub.log.commit()
    return hub.log.idle


def _certificate_files(settings: Settings) -> tuple[Path, Path] | None:
    certificate, key = settings.tls_cert, settings.tls_key
    return (certificate, key) if certificate is not None and key is not None else None


def _make_hub(log: Log, limits: Limits, server_key: str) -> Hub:
    loop = asyncio.get_running_loop()
    return Hub(
        log=log,
        limits=limits,
        batcher=TickBatcher(loop.call_soon, log.commit),
        later=loop.call_later,
        clock=lambda: time.time_ns() // 10**6,
        seconds=loop.time,
        server_key=server_key,
    )


def _origins(settings: Settings, certificates: Certificates, port: int) -> Origins:
    return Origins(own_names(certificates.identity.chain[0].names, settings.web_names, os.environ, port), port)


def _make_service(site: Site, certificates: Certificates) -> Service:
    counts = site.hub.counts
    handshakes = HandshakeQueue(counts)
    return Service(
        site=site,
        certificates=certificates,
        handshakes=handshakes,
        rejections=Rejections(certificates, handshakes, counts),
    )


def _in_thread(
    function: Callable[[], Result], on_done: Callable[[Result], None], on_failure: Callable[[Exception], None]
) -> None:
    """Run a function in another thread: see :class:`~chatcli.server.slices.InThread`."""

    def finish(done: asyncio.Future[Result]) -> None:
        try:
            on_done(done.result())
        except Exception as error:  # noqa: BLE001 (passed on)
            on_failure(error)

    asyncio.get_running_loop().run_in_executor(None, function).add_done_callback(finish)


async def _listen_for_commands(data: Path, operators: Operators) -> AdminListener:
    listener = AdminListener(data, operators)
    try:
        await listener.start()
    except OSError as error:
        # People can chat all the same.
        reason = error.strerror or error
        logger.warning("There is no admin socket in %s (%s), so chatcli admin will not work.", data, reason)
    return listener


async def _listen(sockets: list[socket.socket], service: Service) -> list[asyncio.Server]:
    loop = asyncio.get_running_loop()
    copies = _ACCEPTED_AT_ONCE - 1 if type(loop).__module__.startswith("uvloop") else 0
    listeners = []
    for bound in sockets:
        limit_unsent(bound)
        # Connections inherit it; without it asyncio, unlike uvloop, would let the system wait for more to send.
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for descriptor in (bound, *(bound.dup() for _ in range(copies))):
            listener = await loop.create_server(lambda: TcpConnection(service), sock=descriptor, backlog=BACKLOG)
            listeners.append(listener)
    return listeners


def _fitting(limits: Limits) -> Limits:
    """Return the limits with no more connections than there can be open files, after raising that number."""
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
