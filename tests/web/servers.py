"""``chatcli serve`` as a process that can be stopped, killed and started again at its port."""

from __future__ import annotations

import contextlib
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tests.support import Program, serving

if TYPE_CHECKING:
    from chatcli.protocol.values.address import Address


class WebServer:
    """A server on the loopback with a log of its own.

    Attributes:
        address: host and port, the same after a restart.
        data: the folder of its log.
        program: the process.
    """

    def __init__(self, data: Path, *options: str, **env: str) -> None:
        self.data = data
        self._options = options
        self._env = env
        self._stack = contextlib.ExitStack()
        self._start(0)

    def _start(self, port: int) -> None:
        running = serving(self.data, *self._options, port=port, env=self._env)
        self.program: Program
        self.address: Address
        self.program, self.address = self._stack.enter_context(running)

    @property
    def url(self) -> str:
        """The address of the page, without a slash at its end."""
        return f"http://{self.address}"

    def stop(self) -> None:
        """Stop it, as systemd does."""
        assert self.program.end(signal.SIGTERM) == 0
        self._stack.close()

    def kill(self) -> None:
        """Kill it, as a power cut does."""
        self._stack.close()

    def start(self) -> None:
        """Start it again, with the same log at the same port."""
        self._start(self.address.port)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
