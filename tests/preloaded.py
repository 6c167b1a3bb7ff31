"""Starts the program by forking a process that has imported it already: an import costs more than most tests.

It is the same ``chatcli.cli.main.main``, in a process of its own with its own session, terminal and environment.
"""

from __future__ import annotations

import array
import atexit
import functools
import gc
import importlib
import json
import os
import pkgutil
import runpy
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from chatcli import zone

_STATUS = struct.Struct("!ii")  # process id and exit status, the latter 0 when the program starts


class Process:
    """A forked program, with the interface of :class:`subprocess.Popen` that tests use."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.pid, _ = self._receive()
        self.returncode: int | None = None

    def _receive(self) -> tuple[int, int]:
        data = self._connection.recv(_STATUS.size, socket.MSG_WAITALL)
        if len(data) < _STATUS.size:
            raise AssertionError("the process that starts programs has ended")
        pid, status = _STATUS.unpack(data)
        return pid, status

    def poll(self) -> int | None:
        """Return the status, or None while the program runs."""
        return self._wait(0.0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait until the program has ended, and return its status."""
        status = self._wait(timeout)
        if status is None:
            raise subprocess.TimeoutExpired("chatcli", timeout or 0)
        return status

    def _wait(self, timeout: float | None) -> int | None:
        if self.returncode is None:
            self._connection.settimeout(timeout)
            try:
                _, self.returncode = self._receive()
            except (BlockingIOError, TimeoutError):
                return None
            self._connection.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the program has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill the program."""
        self.send_signal(signal.SIGKILL)


def start(arguments: list[str], terminal: int, env: dict[str, str]) -> Process:
    """Start ``chatcli`` on a terminal that becomes the controlling one of a new session."""
    ours, theirs = socket.socketpair()
    request = json.dumps({"arguments": arguments, "env": env, "cwd": str(Path.cwd())}).encode()
    descriptors = array.array("i", [terminal, theirs.fileno()])
    control = _control()
    control.sendmsg(
        [struct.pack("!i", len(request)) + request], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors.tobytes())]
    )
    theirs.close()
    return Process(ours)


@functools.cache
def _control() -> socket.socket:
    """Start the process that forks, once for each process that runs tests."""
    from tests.support import environment

    ours, theirs = socket.socketpair()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.preloaded", str(theirs.fileno())],
        pass_fds=[theirs.fileno()],
        env=environment(),
        start_new_session=True,
    )
    theirs.close()
    atexit.register(process.wait)
    atexit.register(ours.close)
    return ours


def _serve(control: socket.socket) -> None:
    """Fork programs until nobody asks for any more."""
    import chatcli.cli.commands
    import chatcli.client.interactive.plain
    import chatcli.client.tui.app

    for module in pkgutil.iter_modules(chatcli.cli.commands.__path__, "chatcli.cli.commands."):
        importlib.import_module(module.name)
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        descriptors = array.array("i")
        data, rights, _, _ = control.recvmsg(4, socket.CMSG_SPACE(2 * descriptors.itemsize))
        if not data:
            return
        descriptors.frombytes(rights[0][2])
        terminal, connection = descriptors
        request = json.loads(_exactly(control, struct.unpack("!i", data)[0]))
        if os.fork() == 0:
            control.close()
            _supervise(request, terminal, socket.socket(fileno=connection))
        os.close(terminal)
        os.close(connection)


def _exactly(control: socket.socket, size: int) -> bytes:
    return control.recv(size, socket.MSG_WAITALL)


def _supervise(request: dict[str, Any], terminal: int, connection: socket.socket) -> None:
    """Fork the program, and report its process id and, later, its status."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = os.fork()
    if pid == 0:
        connection.close()
        _become(terminal, request["cwd"], request["env"])
        _run(request["arguments"])
    os.close(terminal)
    connection.sendall(_STATUS.pack(pid, 0))
    _, status = os.waitpid(pid, 0)
    connection.sendall(_STATUS.pack(pid, os.waitstatus_to_exitcode(status)))
    os._exit(0)


def _become(terminal: int, cwd: str, env: dict[str, str]) -> None:
    """Have the session, the terminal and the environment of a program that was just started."""
    import fcntl
    import termios

    os.setsid()
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
    for descriptor in (0, 1, 2):
        os.dup2(terminal, descriptor)
    os.close(terminal)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    time.tzset()
    zone._zone = zone._Zone()
    sys.stdin = _reopened(0, sys.stdin)
    sys.stdout = _reopened(1, sys.stdout)
    sys.stderr = _reopened(2, sys.stderr)


def _reopened(descriptor: int, stream: Any) -> Any:  # noqa: ANN401 (as the streams of sys are)
    mode = "r" if descriptor == 0 else "w"
    return open(descriptor, mode, 1, encoding=stream.encoding, errors=stream.errors, closefd=False)


def _run(arguments: list[str]) -> None:
    """Run the program as ``python -m chatcli`` does, and end the process."""
    sys.argv = ["chatcli", *arguments]
    status = 0
    try:
        runpy.run_module("chatcli", run_name="__main__", alter_sys=True)
    except SystemExit as leaving:
        if isinstance(leaving.code, str):
            print(leaving.code, file=sys.stderr)  # noqa: T201 (as the interpreter does)
        status = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except BaseException:  # noqa: BLE001 (as the interpreter does)
        sys.excepthook(*sys.exc_info())
        status = 1
    finally:
        try:
            for thread in threading.enumerate():
                if thread is not threading.current_thread() and not thread.daemon:
                    thread.join()
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(status)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
