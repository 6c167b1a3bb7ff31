"""What the system says of processes: how long they ran, how much memory they have."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, NamedTuple

_PROC: Final = Path("/proc")


class Usage(NamedTuple):
    """What a process and those that it has started have used.

    Attributes:
        cpu: seconds.
        memory: bytes, resident.
    """

    cpu: float
    memory: int


def usage(pid: int | None) -> Usage | None:
    """Return what a process uses, or None where that is not known."""
    if pid is None:
        return None
    try:
        family = _family(pid)
        ticks = sum(_ticks(member) for member in family)
        pages = sum(int((_PROC / str(member) / "statm").read_text().split()[1]) for member in family)
    except (OSError, ValueError, IndexError):
        return None
    return Usage(ticks / os.sysconf("SC_CLK_TCK"), pages * os.sysconf("SC_PAGE_SIZE"))


def _family(pid: int) -> list[int]:
    """Return the process and all its descendants."""
    found = [pid]
    for member in found:
        for task in (_PROC / str(member) / "task").iterdir():
            found += map(int, (task / "children").read_text().split())
    return found


def _ticks(pid: int) -> int:
    """Return for how many ticks of the clock a process ran, in its own code and in the system's."""
    fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])
