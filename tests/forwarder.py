"""Proxies between client and server: a forwarder of a port, as of a hosted workspace, and a CONNECT proxy.

The forwarder ends TLS with a certificate of its own, or speaks plainly, and lets HTTP/1.1 and WebSocket through and
nothing else. The server sees a caller from 127.0.0.1 that asks for ``localhost``.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Final, Self

from chatcli.protocol.values.address import Address
from tests import certificates
from tests.support import DEADLINE

_CHUNK: Final = 64 * 1024
_LONGEST_HEAD: Final = 64 * 1024

Headers = list[tuple[str, str]]
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Request:
    """A request as a proxy has received it.

    Attributes:
        method: the method.
        target: the target.
        headers: the headers, with their names as they were written.
    """

    def __init__(self, head: bytes) -> None:
        first, *lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
        self.method, self.target, self.version = first.split(" ")
        self.headers: Headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]

    def get(self, name: str) -> str:
        """Return the value of a header; empty if there is none."""
        return next((value for own, value in self.headers if own.lower() == name.lower()), "")


class Proxy:
    """A proxy in a thread of its own.

    Args:
        context: the server's side of TLS; None to speak plainly.

    Attributes:
        port: the port, on 127.0.0.1.
        requests: all requests, the newest last.
        answer: what to answer to a request instead of passing it on, as raw bytes; None to pass it on.
        is_silent: whether to answer nothing at all.
        idle: seconds without a byte in either direction, after which a connection is closed; None for no limit.
    """

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.port = 0
        self.requests: list[Request] = []
        self.answer: bytes | Callable[[Request], bytes | None] | None = None
        self.is_silent = False
        self.idle: float | None = None
        self._context = context
        self._refuses = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._started: Future[None] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="proxy")

    def __enter__(self) -> Self:
        self._thread.start()
        self._started.result(DEADLINE)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(DEADLINE)
        assert not self._thread.is_alive()

    @property
    def connections(self) -> int:
        """The number of callers that are connected."""
        return len(self._writers)

    def drop_all(self) -> None:
        """Break all connections, as a proxy that is killed does."""
        asyncio.run_coroutine_threadsafe(self._drop(), self._loop).result(DEADLINE)

    def refuse(self, *, refuses: bool = True) -> None:
        """Accept no connection from now on, or accept them again on the same port."""
        self._refuses = refuses
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(DEADLINE)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._listener: asyncio.Server | None = None
        try:
            await self._listen()
        except OSError as error:
            self._started.set_exception(error)
            return
        self._started.set_result(None)
        await self._stop.wait()
        self._refuses = True
        await self._listen()
        # They end by themselves, some have yet to begin: asyncio reports those that are cancelled as failed.
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            await self._drop()
            await asyncio.wait(others, timeout=0.05)

    async def _listen(self) -> None:
        if self._refuses and self._listener is not None:
            self._listener.close()
            self._listener = None
        elif not self._refuses and self._listener is None:
            self._listener = await asyncio.start_server(
                self._serve_one, "127.0.0.1", self.port, ssl=self._context, limit=_LONGEST_HEAD, reuse_address=True
            )
            self.port = self._listener.sockets[0].getsockname()[1]

    async def _drop(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            await self._read_request(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError):
            pass
        finally:
            self._writers.discard(writer)
            await _close(writer)

    async def _read_request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = await reader.readexactly(3)
        if not (first.isalpha() and first.isupper()):
            writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        request = Request(first + await reader.readuntil(b"\r\n\r\n"))
        self.requests.append(request)
        answer = self.answer(request) if callable(self.answer) else self.answer
        if self.is_silent:
            await reader.read()
        elif answer is not None:
            writer.write(answer)
            if b" 101 " in answer[:16]:
                await reader.read()
        else:
            await self._pass_on(request, (reader, writer))

    async def _pass_on(self, request: Request, caller: Streams) -> None:
        raise NotImplementedError

    async def _copy_both_ways(self, one: Streams, other: Streams) -> None:
        """Copy in both directions until one of them ends, or nothing has come for too long."""
        tasks = [
            asyncio.create_task(self._copy(one[0], other[1])),
            asyncio.create_task(self._copy(other[0], one[1])),
        ]
        self._last = self._loop.time()
        try:
            while not any(task.done() for task in tasks):
                left = None if self.idle is None else self._last + self.idle - self._loop.time()
                if left is not None and left <= 0:
                    break
                await asyncio.wait(tasks, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await _close(other[1])

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(_CHUNK):
            self._last = self._loop.time()
            writer.write(data)
            await writer.drain()


class Forwarder(Proxy):
    """A forwarder of one port.

    Args:
        server: the server.
        folder: where to write the certificate; None to speak plainly.
        path: what its own addresses have before the server's paths, which do not see it.
    """

    def __init__(self, server: Address, folder: Path | None = None, path: str = "") -> None:
        super().__init__(None if folder is None else context_of(*certificates.make(folder, "forwarder")))
        self.server = server
        self._scheme = "http" if folder is None else "https"
        self._path = path

    @property
    def address(self) -> Address:
        """The address for clients."""
        return Address("127.0.0.1", self.port, self._scheme, self._path)

    async def _pass_on(self, request: Request, caller: Streams) -> None:
        local = f"localhost:{self.server.port}"
        is_upgrade = request.get("Upgrade").lower() == "websocket"
        if not request.target.startswith(self._path + "/"):
            caller[1].write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        try:
            server = await asyncio.open_connection(*self.server[:2])
        except OSError:
            caller[1].write(answer(502, "Bad Gateway"))
            return
        changed = {"host": local, "origin": f"http://{local}", **({} if is_upgrade else {"connection": "close"})}
        headers = [(name, changed.get(name.lower(), value)) for name, value in request.headers]
        headers += [("X-Forwarded-For", "203.0.113.7"), ("X-Forwarded-Proto", self._scheme)]
        if not is_upgrade and not request.get("Connection"):
            headers.append(("Connection", "close"))
        lines = [f"{request.method} {request.target.removeprefix(self._path)} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in headers]
        server[1].write("\r\n".join([*lines, "", ""]).encode("latin-1"))
        await self._copy_both_ways(caller, server)


class ConnectProxy(Proxy):
    """A proxy that opens connections for its callers, as those of companies do.

    Args:
        hosts: the hosts that it knows, and where each of them is.
        credentials: a name and a password, separated by a colon, that it wants; None for nothing.
        folder: where to write the certificate; None to speak plainly.
    """

    def __init__(self, hosts: dict[str, Address], credentials: str | None = None, folder: Path | None = None) -> None:
        super().__init__(None if folder is None else context_of(*certificates.make(folder, "proxy")))
        self.hosts = hosts
        self._wanted = "" if credentials is None else f"Basic {b64encode(credentials.encode()).decode()}"

    async def _pass_on(self, request: Request, caller: Streams) -> None:
        host, _, port = request.target.rpartition(":")
        where = self.hosts.get(host.strip("[]"))
        if request.method != "CONNECT":
            caller[1].write(answer(405, "Method Not Allowed"))
        elif self._wanted and request.get("Proxy-Authorization") != self._wanted:
            caller[1].write(answer(407, "Proxy Authentication Required"))
        elif where is None or where.port != int(port):
            caller[1].write(answer(502, "Bad Gateway"))
        else:
            server = await asyncio.open_connection(*where[:2])
            caller[1].write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await self._copy_both_ways(caller, server)


def answer(status: int, reason: str, *headers: str, body: str = "<h1>Sorry</h1>") -> bytes:
    """Return an answer of HTTP with a page."""
    lines = [f"HTTP/1.1 {status} {reason}", f"Content-Length: {len(body)}", "Connection: close", *headers, "", body]
    return "\r\n".join(lines).encode()


def context_of(certificate: Path, key: Path) -> ssl.SSLContext:
    """Return the server's side of TLS with a certificate, for HTTP/1.1 alone."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols(["http/1.1"])
    return context


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(1):
            await writer.wait_closed()
    writer.transport.abort()
