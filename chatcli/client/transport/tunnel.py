"""Opens a tunnel: a connection whose bytes travel in a WebSocket, so that proxies which speak HTTP let them through.

The bytes are those of a connection to the server's own port, TLS with its certificate included: a proxy in between sees
no more of them than a router does, and pins, known keys and proofs hold. The blocking client and the one on asyncio get
a socket, whose other end :mod:`chatcli.client.transport.tunnel_pump` serves in a thread.

Imported only for addresses with a scheme.
"""

from __future__ import annotations

import contextlib
import logging
import selectors
import socket
import ssl
import time
from collections.abc import Callable, Generator
from importlib import import_module
from threading import Thread
from typing import TYPE_CHECKING, Final, NoReturn

from msgspec import Struct

from chatcli.client import diagnostics
from chatcli.client.identity.trust import is_loopback
from chatcli.client.transport import dialer, proxies, upgrade
from chatcli.client.transport.dialer import HungUp
from chatcli.client.transport.proxies import HEADER_VARIABLE, Proxy
from chatcli.client.transport.tunnel_tls import TlsLayers, indifferent, verifying
from chatcli.client.transport.upgrade import Head, NotHttp, read_head
from chatcli.errors import ChatError, ProtocolError, ServerNotTrusted, ServerUnreachable
from chatcli.protocol.values.address import WEBSOCKET_PATH, Address
from chatcli.protocol.values.text import printable_line

if TYPE_CHECKING:
    from websockets.client import ClientProtocol
    from websockets.protocol import Event

    from chatcli.client.transport.tls import Handshake, TlsAttempt

_CHUNK: Final = 64 * 1024  # bytes read at a time
_AT_LEAST: Final = 0.001  # seconds: zero would mean to wait for ever
_MOST_PRELIMINARY: Final = 10  # answers (1xx) before the one that counts
_LONGEST_MESSAGE: Final = 16 * 1024 * 1024  # bytes of a WebSocket message from the server
_HANG_UPS: Final = (
    ConnectionResetError,
    ConnectionAbortedError,
    BrokenPipeError,
    ssl.SSLEOFError,
    ssl.SSLZeroReturnError,
)
_LIBRARY: Final = "websockets.client"

#: The opening of a tunnel, which waits for input at each ``yield``.
Steps = Generator[None, None, None]


class Route(Struct, frozen=True):
    """The way to a server.

    Attributes:
        server: the server.
        proxy: the proxy that is asked for a connection; None if there is none.
        headers: headers that open a gate, each a name and a value. They are secrets.
    """

    server: Address
    proxy: Proxy | None
    headers: list[tuple[str, str]]

    @property
    def first(self) -> Address:
        """The address to connect to."""
        return self.server if self.proxy is None else self.proxy.address


def dial(server: Address, deadline: float, attempt: TlsAttempt) -> ssl.SSLSocket:
    """Return a connection to the server through a tunnel, in the server's own TLS.

    Args:
        server: the server's address.
        deadline: when to give up, by the monotonic clock.
        attempt: the handshake with the server.

    Raises:
        ServerUnreachable: there is no connection.
        ForeignAnswer: a web server or a proxy answers, and no chatcli server.
        ServerNotTrusted: something in between is not what it should be.
        InputError: the environment names no proxy that can be used, or no valid headers.
    """
    tunnel = open_tunnel(server, deadline)
    try:
        handshake = attempt.start(tunnel)
        tunnel = handshake.connection
        _finish(handshake, deadline)
    except BaseException as error:
        tunnel.close()
        if isinstance(error, OSError):
            raise inner_failure(server, attempt, error) from None
        raise
    return handshake.connection


def _finish(handshake: Handshake, deadline: float) -> None:
    with selectors.DefaultSelector() as selector:
        selector.register(handshake.connection, selectors.EVENT_READ)
        while events := handshake.advance():
            selector.modify(handshake.connection, events)
            left = deadline - time.monotonic()
            if left <= 0 or not selector.select(left):
                raise TimeoutError
    handshake.connection.settimeout(max(_AT_LEAST, deadline - time.monotonic()))


def inner_failure(server: Address, attempt: TlsAttempt, error: OSError) -> ChatError:
    """Return the exception for a handshake of the server's own TLS that failed within a tunnel."""
    if isinstance(error, TimeoutError):
        return ServerUnreachable(dialer.unreachable(server, error))
    if isinstance(error, _HANG_UPS):
        return HungUp(f"{server} closed the tunnel that it had opened: does the server behind it run? Try again.")
    explained = attempt.failure(error)
    if isinstance(explained, ProtocolError):
        return upgrade.foreign_websocket(server)
    return explained or ServerUnreachable(dialer.unreachable(server, error))


def start_opening(server: Address, deadline: float, report: Callable[[socket.socket | Exception], object]) -> None:
    """Open a tunnel in a thread that need not be waited for.

    Args:
        server: the server's address.
        deadline: when to give up, by the monotonic clock.
        report: called in that thread with the tunnel, or with the error.
    """

    def run() -> None:
        try:
            found: socket.socket | Exception = open_tunnel(server, deadline)
        except Exception as error:  # noqa: BLE001 (raised where the tunnel is waited for)
            found = error
        report(found)

    Thread(target=run, name="tunnel-opening", daemon=True).start()


def open_tunnel(server: Address, deadline: float) -> socket.socket:
    """Return a non-blocking socket whose other end is the server's, through whatever speaks HTTP in between.

    Args:
        server: the server's address.
        deadline: when to give up, by the monotonic clock.

    Raises:
        ServerUnreachable: there is no connection, or this machine has no descriptor left for it.
        ForeignAnswer: a web server or a proxy answers, and no chatcli server.
        ServerNotTrusted: a secret would go to someone for whom no authority vouches.
        InputError: the environment names no proxy that can be used, or no valid headers.
    """
    try:
        return _open(server, deadline)
    except OSError as error:
        raise ServerUnreachable(dialer.unreachable(server, error)) from None


def _open(server: Address, deadline: float) -> socket.socket:
    """Open a tunnel; errors as in :func:`open_tunnel`, and OSError if this machine is at fault."""
    route = _route(server)
    # The library is loaded while the network is waited for.
    Thread(target=import_module, args=(_LIBRARY,), name="tunnel-library", daemon=True).start()
    attempt = _TunnelAttempt(route)
    opening = attempt.openings[_connect(route, deadline, attempt)]
    diagnostics.detail(lambda: f"The tunnel to {server} is open.")
    return _pumped(opening)


def _pumped(opening: _Opening) -> socket.socket:
    """Return a socket whose bytes are carried through an open tunnel from now on.

    Raises:
        OSError: there is no descriptor left.
    """
    from chatcli.client.transport.tunnel_pump import Pump  # needs the library

    with contextlib.ExitStack() as on_failure:
        on_failure.enter_context(opening.connection)
        ours, theirs = socket.socketpair()
        on_failure.enter_context(ours)
        on_failure.enter_context(theirs)
        ours.setblocking(False)
        Pump(opening.connection, opening.tls, opening.protocol, theirs).start(opening.early)
        on_failure.pop_all()
    return ours


def _route(server: Address) -> Route:
    """Return the way to a server, as the environment describes it.

    Raises:
        InputError: it is described wrongly.
        ServerNotTrusted: the headers would be readable on the way.
    """
    route = Route(server, proxies.proxy_for(server), proxies.headers_in_environment())
    if route.headers and server.scheme == "http" and not is_loopback(server.host):
        raise ServerNotTrusted(
            f"Nothing was sent to {server}: {HEADER_VARIABLE} would be readable on the way. Write https://, or unset "
            "the variable."
        )
    if route.proxy is not None:
        diagnostics.detail(lambda: f"{route.proxy} is asked for a connection to {server}.")
    return route


def _connect(route: Route, deadline: float, attempt: _TunnelAttempt) -> socket.socket:
    try:
        return dialer.dial(route.first, deadline, attempt)
    except ServerUnreachable as error:
        if route.proxy is None or error is attempt.explained:
            raise
        if attempt.is_past_the_proxy:
            raise ServerUnreachable(dialer.unreachable(route.server, TimeoutError())) from None
        raise ServerUnreachable(f"{route.proxy.variable}: {error}") from None


class _NoTunnel(OSError):
    """An address answers, and opens no tunnel; ``reason`` is the exception for people."""

    def __init__(self, reason: ChatError) -> None:
        super().__init__(str(reason))
        self.reason = reason


class _TunnelAttempt:
    """An attempt to open a tunnel, by any of the addresses of a host.

    Attributes:
        openings: what was started, by the connection.
        explained: the newest exception that :meth:`failure` has returned.
    """

    def __init__(self, route: Route) -> None:
        self.openings: dict[socket.socket, _Opening] = {}
        self.explained: ChatError | None = None
        self._route = route

    @property
    def is_past_the_proxy(self) -> bool:
        """Whether a proxy has opened a connection: what is silent then is behind it."""
        return any(opening.is_past_the_proxy for opening in self.openings.values())

    def start(self, plain: socket.socket) -> _Opening:
        """Start on an established, non-blocking connection."""
        self.openings[plain] = opening = _Opening(self._route, plain)
        return opening

    def is_final(self, _error: OSError, /) -> bool:
        """Return False: another service says nothing about the other addresses."""
        return False

    def failure(self, error: Exception) -> ChatError | None:
        """Return the exception for an opening that failed; None if the opening is not at fault."""
        if isinstance(error, _NoTunnel):
            self.explained = error.reason
        elif isinstance(error, _HANG_UPS):
            who = self._route.server if self._route.proxy is None else self._route.proxy
            self.explained = HungUp(f"{who} broke the connection before the tunnel was open: try again.")
        else:
            return None
        return self.explained


class _Opening:
    """The opening of a tunnel on one connection: asks a proxy, begins TLS, and asks for the WebSocket.

    Attributes:
        connection: the connection.
        tls: the layers of TLS on it.
        protocol: the WebSocket, once it is open.
        early: frames that came along with the answer.
    """

    protocol: ClientProtocol

    def __init__(self, route: Route, connection: socket.socket) -> None:
        self.connection = connection
        self.tls = TlsLayers()
        self.early: list[Event] = []
        self._route = route
        self._asking = route.proxy  # None once it has let us through
        self._sending = bytearray()
        self._received = bytearray()
        self._is_done = False
        self._steps = self._all_steps()
        self._advance_by(b"")

    @property
    def is_past_the_proxy(self) -> bool:
        """Whether there is no proxy that has yet to open a connection."""
        return self._asking is None

    def advance(self) -> int:
        """Continue by what has come; return the events to wait for, or 0 once the tunnel is open.

        Raises:
            OSError: it has failed.
        """
        if not self._is_done and self._is_flushed():
            self._receive()
        if not self._is_flushed():
            return selectors.EVENT_WRITE
        return 0 if self._is_done else selectors.EVENT_READ

    def _is_flushed(self) -> bool:
        """Send as much as possible; return whether that was everything."""
        with contextlib.suppress(BlockingIOError):
            while self._sending:
                del self._sending[: self.connection.send(self._sending)]
        return not self._sending

    def _receive(self) -> None:
        """Read once: whoever never ends must not keep the dialler from looking at its clock."""
        try:
            data = self.connection.recv(_CHUNK)
        except BlockingIOError:
            return
        if not data:
            raise ConnectionResetError
        self._advance_by(data)

    def _advance_by(self, data: bytes) -> None:
        try:
            self._received += self.tls.decrypt(data)
            try:
                next(self._steps)
            except StopIteration:
                self._is_done = True
            self._sending += self.tls.encrypt()
            if self.tls.are_closed and not self._is_done:
                raise ConnectionResetError
        except _HANG_UPS:
            raise
        except ssl.SSLError as error:
            self._no_tls(error)

    def _no_tls(self, error: ssl.SSLError) -> NoReturn:
        """Raise the exception for a handshake that failed."""
        where = self._route.server if self._asking is None else self._asking.address
        if not isinstance(error, ssl.SSLCertVerificationError):
            raise _NoTunnel(upgrade.no_tls(where, error.reason or "")) from None
        secret = HEADER_VARIABLE if self._asking is None else self._asking.variable
        raise _NoTunnel(
            ServerNotTrusted(
                f"Nothing was sent to {where}: what {secret} holds must not go there, as no authority vouches for its "
                f"certificate ({printable_line(error.verify_message)}). Ask its operator, or name the authority in "
                "SSL_CERT_FILE."
            )
        ) from None

    def _all_steps(self) -> Steps:
        server, proxy = self._route.server, self._route.proxy
        if proxy is not None:
            yield from self._ask(proxy)
        if server.scheme == "https":
            yield from self._secure(server.host, secret=bool(self._route.headers))
        yield from self._upgrade()

    def _ask(self, proxy: Proxy) -> Steps:
        if proxy.address.scheme == "https":
            yield from self._secure(proxy.address.host, secret=bool(proxy.credentials))
        self._send(upgrade.connect_request(self._route.server, proxy))
        head = yield from self._head(upgrade.foreign_proxy(proxy))
        if not 200 <= head.status < 300:
            raise _NoTunnel(upgrade.proxy_refusal(self._route.server, proxy, head))
        del self._received[: head.length]
        self._asking = None

    def _secure(self, host: str, *, secret: bool) -> Steps:
        """Begin TLS; who is at the other end matters only if a secret will be sent there."""
        if self._received:  # of two in TLS, the client speaks first
            raise _NoTunnel(upgrade.no_tls(self._route.server, "it speaks first"))
        self.tls.add(verifying() if secret else indifferent(), host.partition("%")[0])
        while not self.tls.are_ready:
            yield

    def _upgrade(self) -> Steps:
        from websockets.client import ClientProtocol
        from websockets.uri import WebSocketURI

        server = self._route.server
        host, path = server.host.partition("%")[0], server.path + WEBSOCKET_PATH
        uri = WebSocketURI(server.scheme == "https", host, server.port, path, "")
        self.protocol = ClientProtocol(uri, max_size=_LONGEST_MESSAGE, logger=_no_log())
        request = self.protocol.connect()
        for name, value in [("User-Agent", upgrade.USER_AGENT), *self._route.headers]:
            request.headers[name] = value
        self.protocol.send_request(request)
        self._send(b"".join(self.protocol.data_to_send()))
        head = yield from self._head(upgrade.foreign_protocol(server))
        if head.status != 101:
            raise _NoTunnel(upgrade.foreign_answer(server, head))
        self.protocol.receive_data(bytes(self._received))
        if self.protocol.handshake_exc is not None:
            raise _NoTunnel(upgrade.no_websocket(server))
        _answer, *self.early = self.protocol.events_received()

    def _head(self, otherwise: ChatError) -> Generator[None, None, Head]:
        """Return the head of an answer that is not preliminary; it stays in what was received.

        Raises:
            _NoTunnel: the answer is not HTTP, or preliminary ones never end; the exception is ``otherwise``.
        """
        preliminary = 0
        while preliminary <= _MOST_PRELIMINARY:
            try:
                head = read_head(bytes(self._received))
            except NotHttp:
                break
            if head is None:
                yield
            elif 100 <= head.status < 200 and head.status != 101:
                del self._received[: head.length]
                preliminary += 1
            else:
                return head
        raise _NoTunnel(otherwise)

    def _send(self, data: bytes) -> None:
        self._sending += self.tls.encrypt(data)


def _no_log() -> logging.Logger:
    """Return a logger for the library that drops everything: it would log headers, and there are secrets in them."""
    logger = logging.Logger("tunnel")  # noqa: LOG001 (one of the tree could be enabled by a program)
    logger.disabled = True
    return logger
