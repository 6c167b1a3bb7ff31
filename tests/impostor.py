"""A server on a real port that speaks the protocol and sends any frames."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable
from typing import Any, Self

from chatcli.protocol.values.address import Address
from tests.support import DEADLINE

#: Sends frames: dictionaries, or raw lines.
Say = Callable[..., None]

#: The reaction to the frames of each tag.
Answers = dict[str, Callable[[dict[str, Any], Say], None]]

_LIMITS = {"text": 32768, "frame": 65536, "silence": 60}
_KEY = "SHA256:" + "A" * 43


class Impostor:
    """Accepts connections without TLS, and welcomes everyone.

    Args:
        answers: the reactions to the frames of a tag; ``welcome`` is called after the welcome.
        welcome: fields of the welcome that differ.
        key: the claimed fingerprint.
        port: the port; a free one by default.
    """

    def __init__(
        self,
        answers: Answers | None = None,
        welcome: dict[str, Any] | None = None,
        key: str = _KEY,
        port: int = 0,
    ) -> None:
        self._answers = answers or {}
        self._welcome = welcome or {}
        self._key = key
        self._listener = socket.create_server(("127.0.0.1", port))
        self.address = Address("127.0.0.1", self._listener.getsockname()[1])
        self.heard: list[dict[str, Any]] = []
        self._callers: list[tuple[socket.socket, threading.Thread]] = []
        self._thread = threading.Thread(target=self._take, name="impostor")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(DEADLINE)
        self._listener.close()
        for caller, thread in self._callers:
            with contextlib.suppress(OSError):
                caller.shutdown(socket.SHUT_RDWR)
            thread.join(DEADLINE)
            caller.close()

    def _take(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                caller, _ = self._listener.accept()
                thread = threading.Thread(target=self._speak, args=(caller,), name="impostor's caller")
                self._callers.append((caller, thread))
                thread.start()

    def _speak(self, caller: socket.socket) -> None:
        def say(*frames: dict[str, Any] | bytes) -> None:
            lines = (frame if isinstance(frame, bytes) else json.dumps(frame).encode() for frame in frames)
            caller.sendall(b"".join(line + b"\n" for line in lines))

        user = ""
        with contextlib.suppress(OSError, ValueError), caller.makefile("rb") as lines:
            for line in lines:
                frame = json.loads(line)
                self.heard.append(frame)
                user = frame.get("user", user)
                if frame["t"] in self._answers:
                    self._answers[frame["t"]](frame, say)
                elif frame["t"] == "hello" and user:
                    say({"t": "challenge", "nonce": "A" * 43, "server": "x", "key": self._key})
                elif frame["t"] in ("hello", "prove"):
                    welcome = {"head": 0, "cursor": 0, "server": "x", "limits": _LIMITS, **self._welcome}
                    say({"t": "welcome", "user": user, **welcome})
                    if "welcome" in self._answers:
                        self._answers["welcome"](frame, say)
                elif frame["t"] == "ping":
                    say({"t": "pong", "n": frame.get("n", 0)})
                elif frame["t"] == "bye":
                    say({"t": "bye", "code": "left", "text": "Goodbye."})
                    break
        with contextlib.suppress(OSError):
            caller.shutdown(socket.SHUT_RDWR)
