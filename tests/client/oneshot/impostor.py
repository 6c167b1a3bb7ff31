"""A port with a server that is not, or not quite, a chatcli server."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from typing import Any

from chatcli.protocol.values.address import Address
from tests.support import DEADLINE


class Impostor:
    """A port with a server that is not, or not quite, a chatcli server."""

    def __init__(self, *answers: Callable[[socket.socket], None]) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(DEADLINE)
        self.address = Address("127.0.0.1", self._listener.getsockname()[1])
        self._answers = answers
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        for answer in self._answers:
            with self._listener.accept()[0] as connection:
                answer(connection)

    def __enter__(self) -> Address:
        self._thread.start()
        return self.address

    def __exit__(self, *_: object) -> None:
        self._thread.join()
        self._listener.close()


class Line:
    """An impostor's end of a connection, after the welcome."""

    def __init__(self, connection: socket.socket, silence: int = 60, revision: int = 0) -> None:
        self._connection = connection
        self._lines = connection.makefile("rb")
        self.hears("hello")
        limits = {"text": 1000, "frame": 4000, "silence": silence}
        self.says("welcome", user="a", head=0, cursor=0, server="x", limits=limits, revision=revision)

    def hears(self, tag: str) -> dict[str, Any]:
        """Return the next frame, which must be this one."""
        frame = self.next()
        assert frame["t"] == tag
        return frame

    def next(self) -> dict[str, Any]:
        """Return the next frame."""
        frame: dict[str, Any] = json.loads(self._lines.readline())
        return frame

    def rest(self) -> list[str]:
        """Return the tags of all frames until the other end hangs up."""
        return [json.loads(line)["t"] for line in self._lines]

    def says(self, tag: str, **fields: object) -> None:
        """Send one frame."""
        self._connection.sendall(json.dumps({"t": tag, **fields}).encode() + b"\n")

    def takes(self) -> None:
        """Answer a message as stored."""
        self.says("sent", id=self.hears("send")["id"], seq=7, at=1, outcome="stored")

    def tells(self, user: str, seq: int, to: str = "") -> None:
        """Send a receipt."""
        self.says("receipt", user=user, seq=seq, to=to)
