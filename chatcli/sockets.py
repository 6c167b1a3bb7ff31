"""Addresses of Unix sockets, also in directories whose path is longer than a socket address may be."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_LONGEST: Final = 100  # bytes; systems allow 103 to 107
_DESCRIPTORS: Final = "/proc/self/fd"  # on Linux: a link to each open file
_TOO_LONG: Final = "the path is too long for a socket here: change to that directory and use --data ."


@contextlib.contextmanager
def socket_address(directory: Path, name: str) -> Iterator[str]:
    """Yield the address of a socket in a directory, valid inside the block.

    Raises:
        OSError: the directory does not exist, or its path is too long for this system.
    """
    path = str(directory / name)
    if len(os.fsencode(path)) <= _LONGEST:
        yield path
        return
    opened = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        short = f"{_DESCRIPTORS}/{opened}"
        if not Path(short).exists():
            raise OSError(errno.ENAMETOOLONG, _TOO_LONG)
        yield f"{short}/{name}"
    finally:
        os.close(opened)
