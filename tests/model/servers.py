"""The server under test: in a thread, with small buffers, or as a process, which can be killed."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Protocol

from chatcli.protocol.values.address import Address
from chatcli.server.limits import Limits
from tests.support import Program, ThreadServer, pass_time


class Running(Protocol):
    """A server over a data directory."""

    address: Address
    ahead: int  # seconds by which its clock is ahead

    def __init__(self, data: Path) -> None: ...

    def ask_to_stop(self) -> None:
        """Start to stop it, as SIGTERM does."""

    def wait(self) -> None:
        """Wait until it has stopped, and check that it had no errors."""

    def kill(self) -> None:
        """End it at once."""


class InThread:
    """A server in a thread with a buffer of 16 KiB for each connection, which then reads from the log."""

    def __init__(self, data: Path) -> None:
        self._server = ThreadServer(data, Limits(unsent=16 * 1024))
        self._server.__enter__()
        self.address = self._server.address
        self.ahead = 0

    def pass_time(self, seconds: int) -> None:
        """Set its clock forward."""
        pass_time(self._server, seconds)
        self.ahead += seconds

    def ask_to_stop(self) -> None:
        """Start to stop it."""
        self._server.loop.call_soon_threadsafe(self._server._stop.set)

    def wait(self) -> None:
        """Wait until it has stopped."""
        self._server.__exit__()

    def kill(self) -> None:
        """Stop it: a thread cannot be killed."""
        self._server.stop()


class AsProcess:
    """A server as a process."""

    ahead = 0

    def __init__(self, data: Path) -> None:
        self._program = Program("serve", "--data", str(data), "--port", "0")
        self._program.complains("    ")
        bound = next(line for line in self._program.err if "--server " in line).split("--server ")[1].split()[0]
        host, _, port = bound.rpartition(":")
        self.address = Address(host, int(port))

    def ask_to_stop(self) -> None:
        """Start to stop it."""
        self._program.process.send_signal(signal.SIGTERM)

    def wait(self) -> None:
        """Wait until it has stopped."""
        status = self._program.end()
        self._program.__exit__()
        assert status == 0, self._program.err
        self._look_for_faults()

    def kill(self) -> None:
        """Kill it."""
        self._program.end(signal.SIGKILL)
        self._program.__exit__()
        self._look_for_faults()

    def _look_for_faults(self) -> None:
        assert not any("Traceback" in line for line in self._program.err), "\n".join(self._program.err)
