"""Disks in memory, and such as are full or read-only: file systems where we may mount any, or what comes close."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

_MEGABYTE = 1024 * 1024
_MEMORY = Path("/dev/shm")


def use_memory() -> None:
    """Put temporary files where nothing waits for a disk, unless somebody has said where, or there is no such place.

    What was written survives the processes that the tests kill, as it does elsewhere; no test cuts the power.
    """
    if "TMPDIR" not in os.environ and _serves(_MEMORY):
        os.environ["TMPDIR"] = str(_MEMORY)
        tempfile.tempdir = None  # as it is until somebody asks for it


def _serves(directory: Path) -> bool:
    """Return whether tests have room there and may start programs; containers often have neither."""
    if sys.platform != "linux" or not os.access(directory, os.W_OK | os.X_OK):
        return False
    return not os.statvfs(directory).f_flag & os.ST_NOEXEC and shutil.disk_usage(directory).free >= 1024 * _MEGABYTE


@contextlib.contextmanager
def mounted(directory: Path, megabytes: int = 2) -> Iterator[bool]:
    """Mount a small file system on a directory, which is made; give whether we may do that."""
    directory.mkdir()
    may = _runs("mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0700", "tmpfs", str(directory))
    try:
        yield may
    finally:
        if may:
            assert _runs("umount", str(directory)) or _runs("umount", "--lazy", str(directory))


@contextlib.contextmanager
def little_room(directory: Path) -> Iterator[None]:
    """Make a directory, and let no program that the block starts write a megabyte into it."""
    with mounted(directory, 1) as may:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        if not may:
            resource.setrlimit(resource.RLIMIT_FSIZE, (_MEGABYTE, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)


def make_read_only(directory: Path) -> None:
    """Let nothing be written to a file system that was mounted, or to a directory where we may mount none."""
    if not _runs("mount", "-o", "remount,ro", str(directory)):
        for path in directory.iterdir():
            path.chmod(0o400)
        directory.chmod(0o500)


def make_writable(directory: Path) -> None:
    """Take that back."""
    if not _runs("mount", "-o", "remount,rw", str(directory)):
        directory.chmod(0o700)
        for path in directory.iterdir():
            path.chmod(0o600)


def _runs(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False, timeout=20).returncode == 0
    except FileNotFoundError:
        return False


class Disk(Protocol):
    """Where a server keeps its data."""

    data: Path

    def fill(self, process: int) -> None:
        """Leave no room to the process that runs the server."""

    def make_room(self, process: int) -> None:
        """Leave it some again."""


class SmallDisk:
    """A file system of its own, which is filled by a large file."""

    def __init__(self, mount: Path) -> None:
        self.data = mount / "data"
        self._ballast = mount / "ballast"

    def fill(self, process: int) -> None:  # noqa: ARG002 (the others')
        """Leave no room to anyone."""
        with contextlib.suppress(OSError), self._ballast.open("wb", buffering=0) as ballast:
            while ballast.write(bytes(4096)):
                pass

    def make_room(self, process: int) -> None:  # noqa: ARG002 (as above)
        """Leave some again."""
        self._ballast.unlink()


class LimitedFiles:
    """A directory in which a process may write to the first byte of a file only."""

    def __init__(self, directory: Path) -> None:
        self.data = directory / "data"

    def fill(self, process: int) -> None:
        """Limit the process."""
        resource.prlimit(process, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))

    def make_room(self, process: int) -> None:
        """Lift the limit."""
        resource.prlimit(process, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


@contextlib.contextmanager
def small_disk(tmp_path: Path) -> Iterator[Disk]:
    """Give a disk that can be really full, or what comes closest where we may not mount any."""
    with mounted(tmp_path / "disk") as may:
        yield SmallDisk(tmp_path / "disk") if may else LimitedFiles(tmp_path / "disk")


@contextlib.contextmanager
def limited_files(tmp_path: Path) -> Iterator[Disk]:
    """Give a directory where a process can be kept from writing."""
    yield LimitedFiles(tmp_path)


#: What opens a disk.
OpenDisk = Callable[[Path], contextlib.AbstractContextManager[Disk]]
