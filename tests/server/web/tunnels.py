"""A stand-in for a client's tunnel: carries the bytes of a socket to a server in a WebSocket."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Any, Self

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from chatcli.protocol.values.address import Address
from tests.support import DEADLINE


class Tunnels:
    """Listens, and opens a WebSocket for each connection, without TLS: two threads must not share its state.

    Args:
        server: the server's address.
        headers: of each request that opens one.
    """

    def __init__(self, server: Address, headers: dict[str, str] | None = None) -> None:
        self._url = f"ws://{server.host}:{server.port}/-/ws"
        self._headers = headers or {}
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = Address("127.0.0.1", self._listener.getsockname()[1])
        self._threads = [threading.Thread(target=self._accept)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(DEADLINE)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                caller = self._listener.accept()[0]
                thread = threading.Thread(target=self._carry, args=(caller,))
                self._threads.append(thread)
                thread.start()

    def _carry(self, caller: socket.socket) -> None:
        with caller, contextlib.suppress(OSError, InvalidStatus):
            options: dict[str, Any] = {"additional_headers": self._headers, "compression": None, "proxy": None}
            with connect(self._url, **options) as websocket:
                back = threading.Thread(target=self._carry_back, args=(websocket, caller))
                back.start()
                with contextlib.suppress(OSError, ConnectionClosed):
                    while data := caller.recv(65536):
                        websocket.send(data)
                websocket.close()
                back.join(DEADLINE)

    def _carry_back(self, websocket: ClientConnection, caller: socket.socket) -> None:
        with contextlib.suppress(OSError, ConnectionClosed):
            while True:
                data = websocket.recv()
                caller.sendall(data if isinstance(data, bytes) else data.encode())
        with contextlib.suppress(OSError):
            caller.shutdown(socket.SHUT_RDWR)
