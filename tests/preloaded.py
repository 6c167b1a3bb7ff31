"""Starts the program by forking a process that has imported it, because an import costs more than most tests.

The child runs the same ``chatcli.cli.main.main`` with its own streams, environment and, on a terminal,
session. What an import costs and loads is tested with an interpreter of its own (``tests/cli/test_starting.py``).
"""

from __future__ import annotations

import array
import atexit
import contextlib
import fcntl
import functools
import gc
import importlib
import io
import json
import os
import pkgutil
import re
import runpy
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any, Final, NoReturn

from chatcli import zone

_SIZE: Final = struct.Struct("!i")  # bytes of a request
_STATUS: Final = struct.Struct("!ii")  # process id and exit status, the latter 0 when the program starts
_VALUES: Final = "_VALUES"  # a variable for the forked process only
_lock = threading.Lock()


def values(constants: Mapping[str, object]) -> dict[str, str]:
    """Return an environment in which constants have other values, for instance shorter waits.

    Args:
        constants: the values by path, as in ``{"chatcli.client.tui.app:_PATIENCE": 0.5}``.
    """
    return {_VALUES: json.dumps(constants)}


class Process:
    """A forked program, with the interface of :class:`subprocess.Popen` that tests use.

    Attributes:
        pid: the process id.
        returncode: the exit status, None until the program is known to have ended.
        stdin: the other end of its standard input, if that is a pipe; so with the other two.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self.pid, _ = self._receive()
        self.returncode: int | None = None
        self.stdin: IO[bytes] | None = None
        self.stdout: IO[bytes] | None = None
        self.stderr: IO[bytes] | None = None

    def _receive(self) -> tuple[int, int]:
        data = self._connection.recv(_STATUS.size, socket.MSG_WAITALL)
        if len(data) < _STATUS.size:
            raise AssertionError("the process that starts programs has ended")
        pid, status = _STATUS.unpack(data)
        return pid, status

    def poll(self) -> int | None:
        """Return the status, or None while the program runs or another thread waits for its end."""
        if not self._lock.acquire(blocking=False):
            return None
        try:
            return self._status(0.0)
        finally:
            self._lock.release()

    def wait(self, timeout: float | None = None) -> int:
        """Wait until the program has ended, and return its status."""
        with self._lock:
            status = self._status(timeout)
        if status is None:
            raise subprocess.TimeoutExpired("chatcli", timeout or 0)
        return status

    def _status(self, timeout: float | None) -> int | None:
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
            with contextlib.suppress(ProcessLookupError):  # it has ended meanwhile
                os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill the program."""
        self.send_signal(signal.SIGKILL)


def run(arguments: Sequence[str], stdin: bytes, env: Mapping[str, str], timeout: float) -> tuple[int, bytes, bytes]:
    """Run ``chatcli`` to its end, and return its status, output and errors."""
    process = start_in_pipes(arguments, env)
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    with ThreadPoolExecutor(3) as threads:
        reading = [threads.submit(stream.read) for stream in (process.stdout, process.stderr)]
        threads.submit(_feed, process.stdin, stdin)
        try:
            status = process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        out, err = (data.result(timeout) for data in reading)
    process.stdout.close()
    process.stderr.close()
    return status, out, err


def _feed(stream: IO[bytes], data: bytes) -> None:
    with contextlib.suppress(BrokenPipeError), stream:
        stream.write(data)


def start_in_pipes(arguments: Sequence[str], env: Mapping[str, str]) -> Process:
    """Start ``chatcli`` with its streams in pipes."""
    inward, outward, errors = os.pipe(), os.pipe(), os.pipe()
    streams = (inward[0], outward[1], errors[1])
    process = start(arguments, streams, env)
    for descriptor in streams:
        os.close(descriptor)
    process.stdin = os.fdopen(inward[1], "wb")
    process.stdout, process.stderr = os.fdopen(outward[0], "rb"), os.fdopen(errors[0], "rb")
    return process


def start(arguments: Sequence[str], streams: tuple[int, int, int], env: Mapping[str, str]) -> Process:
    """Start ``chatcli``; a terminal as its standard input becomes the controlling one of a new session."""
    ours, theirs = socket.socketpair()
    request = {"arguments": [*arguments], "env": {**env}, "cwd": str(Path.cwd()), "umask": _umask()}
    data = json.dumps(request).encode()
    descriptors = array.array("i", [*streams, theirs.fileno()]).tobytes()
    with _lock:
        _control().sendmsg([_SIZE.pack(len(data)) + data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)])
    theirs.close()
    return Process(ours)


def _umask() -> int:
    """Return the mask of new files, without changing it for a moment, which threads would notice."""
    status = Path("/proc/self/status")
    if not status.exists():  # not Linux
        os.umask(mask := os.umask(0o077))
        return mask
    found = re.search(r"^Umask:\s*(\d+)$", status.read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1], 8)


@functools.cache
def _control() -> socket.socket:
    """Start the process that forks, once for each process that runs tests."""
    from tests.support import environment

    ours, theirs = socket.socketpair()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.preloaded", str(theirs.fileno())],
        pass_fds=[theirs.fileno()],
        env=environment(),
        cwd=Path(__file__).parents[1],
        start_new_session=True,
    )
    theirs.close()
    atexit.register(process.wait)
    atexit.register(ours.close)
    return ours


def _serve(control: socket.socket) -> None:
    """Fork programs until the control connection ends."""
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
        data, rights, _, _ = control.recvmsg(_SIZE.size, socket.CMSG_SPACE(4 * descriptors.itemsize))
        if not data:
            return
        descriptors.frombytes(rights[0][2])
        *streams, connection = descriptors
        request = json.loads(control.recv(_SIZE.unpack(data)[0], socket.MSG_WAITALL))
        if os.fork() == 0:
            control.close()
            _supervise(request, streams, socket.socket(fileno=connection))
        for descriptor in descriptors:
            os.close(descriptor)


def _supervise(request: dict[str, Any], streams: list[int], connection: socket.socket) -> NoReturn:
    """Fork the program, and report its process id and, later, its status."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = os.fork()
    if pid == 0:
        connection.close()
        _become(request, streams)
        _run(request["arguments"])
    for descriptor in {0, 1, 2, *streams}:
        os.close(descriptor)
    connection.sendall(_STATUS.pack(pid, 0))
    _, status = os.waitpid(pid, 0)
    connection.sendall(_STATUS.pack(pid, os.waitstatus_to_exitcode(status)))
    os._exit(0)


def _become(request: dict[str, Any], streams: list[int]) -> None:
    """Set up the streams, the environment and the session of a new program."""
    if os.isatty(streams[0]):
        os.setsid()
        fcntl.ioctl(streams[0], termios.TIOCSCTTY, 0)
    for descriptor, stream in enumerate(streams):
        os.dup2(stream, descriptor)
    for stream in set(streams):
        os.close(stream)
    sys.stdin = _reopened(0, sys.stdin)
    sys.stdout = _reopened(1, sys.stdout)
    sys.stderr = _reopened(2, sys.stderr)
    os.chdir(request["cwd"])
    os.umask(request["umask"])
    os.environ.clear()
    os.environ.update(request["env"])
    time.tzset()
    zone._zone = zone._Zone()
    for path, value in json.loads(os.environ.pop(_VALUES, "{}")).items():
        module, _, names = path.partition(":")
        *owners, name = names.split(".")
        owner: object = importlib.import_module(module)
        for one in owners:
            owner = getattr(owner, one)
        setattr(owner, name, tuple(value) if isinstance(value, list) else value)


def _reopened(descriptor: int, stream: Any) -> io.TextIOWrapper:  # noqa: ANN401 (as the streams of sys are)
    binary = open(descriptor, "rb" if descriptor == 0 else "wb", closefd=False)  # noqa: SIM115 (open to the end)
    lines = descriptor == 2 or os.isatty(descriptor)
    return io.TextIOWrapper(binary, encoding=stream.encoding, errors=stream.errors, line_buffering=lines)


def _run(arguments: list[str]) -> NoReturn:
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
