"""Disks in memory, full disks and read-only disks: file systems if we may mount them, else an approximation."""

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
    """Put temporary files into memory, if the system allows that and TMPDIR is not set.

    Written files survive killed processes there as on a disk; no test cuts the power.
    """
    if "TMPDIR" not in os.environ and _serves(_MEMORY):
        os.environ["TMPDIR"] = str(_MEMORY)
        tempfile.tempdir = None  # so that it is determined anew


def _serves(directory: Path) -> bool:
    """Return whether a directory has enough space and allows programs; containers often have neither."""
    if sys.platform != "linux" or not os.access(directory, os.W_OK | os.X_OK):
        return False
    return not os.statvfs(directory).f_flag & os.ST_NOEXEC and shutil.disk_usage(directory).free >= 1024 * _MEGABYTE


@contextlib.contextmanager
def mounted(directory: Path, megabytes: int = 2) -> Iterator[bool]:
    """Make a directory and mount a small file system on it; yield whether that is allowed."""
    directory.mkdir()
    may = _runs("mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0700", "tmpfs", str(directory))
    try:
        yield may
    finally:
        if may:
            assert _runs("umount", str(directory)) or _runs("umount", "--lazy", str(directory))


@contextlib.contextmanager
def little_room(directory: Path) -> Iterator[None]:
    """Make a directory into which programs started in the block cannot write a megabyte."""
    with mounted(directory, 1) as may:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        if not may:
            resource.setrlimit(resource.RLIMIT_FSIZE, (_MEGABYTE, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)


def make_read_only(directory: Path) -> None:
    """Make a mounted file system, or else a directory, read-only."""
    if not _runs("mount", "-o", "remount,ro", str(directory)):
        for path in directory.iterdir():
            path.chmod(0o400)
        directory.chmod(0o500)


def make_writable(directory: Path) -> None:
    """Make it writable again."""
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
    """A disk with a server's data directory."""

    data: Path

    def fill(self, process: int) -> None:
        """Leave no space to the server's process."""

    def make_room(self, process: int) -> None:
        """Leave it space again."""


class SmallDisk:
    """A file system that a large file can fill."""

    def __init__(self, mount: Path) -> None:
        self.data = mount / "data"
        self._ballast = mount / "ballast"

    def fill(self, process: int) -> None:  # noqa: ARG002 (the others')
        """Leave no space to any process."""
        with contextlib.suppress(OSError), self._ballast.open("wb", buffering=0) as ballast:
            while ballast.write(bytes(4096)):
                pass

    def make_room(self, process: int) -> None:  # noqa: ARG002 (as above)
        """Leave space again."""
        self._ballast.unlink()


class LimitedFiles:
    """A directory in which a process can be limited to the first byte of each file."""

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
    """Yield a disk that can be really full, or an approximation if we may not mount one."""
    with mounted(tmp_path / "disk") as may:
        yield SmallDisk(tmp_path / "disk") if may else LimitedFiles(tmp_path / "disk")


@contextlib.contextmanager
def limited_files(tmp_path: Path) -> Iterator[Disk]:
    """Yield a directory in which a process can be kept from writing."""
    yield LimitedFiles(tmp_path)


#: A context manager's function that opens a disk.
OpenDisk = Callable[[Path], contextlib.AbstractContextManager[Disk]]
