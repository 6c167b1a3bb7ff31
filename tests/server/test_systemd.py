"""Notifications to systemd, read from a socket like systemd's."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from chatcli.server.systemd import SystemdNotifier
from tests.support import DEADLINE, Program


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """A socket for notifications, and its name in ``NOTIFY_SOCKET``."""
    name = str(tmp_path / "notify") if request.param == "path" else f"@chatcli-test-{tmp_path.name}-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind("\0" + name[1:] if name.startswith("@") else name)
        listening.settimeout(DEADLINE)
        yield listening, name


def told(manager: socket.socket) -> dict[str, str]:
    """Return the next notification."""
    return dict(line.split("=", 1) for line in manager.recv(4096).decode().split("\n"))


def test_ready_reloading_stopping(manager: tuple[socket.socket, str], tmp_path: Path) -> None:
    """The notifications come in this order, with the addresses and the time of the reload."""
    listening, name = manager
    with Program("serve", "--data", str(tmp_path / "data"), "--port", "0", NOTIFY_SOCKET=name) as program:
        ready = told(listening)
        address = ready["STATUS"].removeprefix("Serving on ")
        assert ready == {"READY": "1", "STATUS": f"Serving on {address}"}
        socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2]))).close()
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        program.process.send_signal(signal.SIGHUP)
        reloading = told(listening)
        assert reloading["RELOADING"] == "1"
        assert before <= int(reloading["MONOTONIC_USEC"]) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        assert told(listening) == ready
        assert program.end(signal.SIGTERM) == 0
        assert told(listening) == {"STOPPING": "1", "STATUS": "Stopping"}


def test_watchdog(manager: tuple[socket.socket, str], tmp_path: Path) -> None:
    """The event loop notifies it again and again, from the server's process only."""
    listening, name = manager
    serve = ["serve", "--data", str(tmp_path / "data"), "--port", "0"]
    with Program(*serve, NOTIFY_SOCKET=name, WATCHDOG_USEC="100000") as program:
        assert "READY" in told(listening)
        assert [told(listening) for _ in range(3)] == [{"WATCHDOG": "1"}] * 3
        program.process.send_signal(signal.SIGTERM)
        while "STOPPING" not in told(listening):
            pass
        assert program.end() == 0
    with Program(*serve, NOTIFY_SOCKET=name, WATCHDOG_USEC="1", WATCHDOG_PID="1") as program:
        while "READY" not in told(listening):  # the first server fed it while it stopped
            pass
        assert program.end(signal.SIGTERM) == 0
        assert "STOPPING" in told(listening)


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"NOTIFY_SOCKET": ""},
        {"NOTIFY_SOCKET": "/nowhere/at/all"},
        {"NOTIFY_SOCKET": "/" + "x" * 200},
        {"NOTIFY_SOCKET": "vsock:2:1234", "WATCHDOG_USEC": "5"},
        {"NOTIFY_SOCKET": "@", "WATCHDOG_USEC": "soon"},
    ],
)
def test_without_a_supervisor(variables: dict[str, str]) -> None:
    """Without an address, without a listener, or with a bad address, the server goes on."""
    supervisor = SystemdNotifier(variables)
    supervisor.ready("Serving")
    supervisor.reloading()
    supervisor.start_watchdog(lambda _seconds, _call: pytest.fail("there is no watchdog"))
    supervisor.stopping()


def test_supervisor_that_does_not_read(tmp_path: Path) -> None:
    """If its queue is full, notifications are dropped."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        supervisor = SystemdNotifier({"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "1"})
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as filling:
            filling.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while True:
                    filling.sendto(b"x", str(tmp_path / "notify"))
        supervisor.ready("Serving")
        assert listening.recv(10) == b"x"
