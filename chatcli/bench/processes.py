"""CPU time and memory of processes, from the system."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, NamedTuple

_PROC: Final = Path("/proc")


class Usage(NamedTuple):
    """Resources of a process and its descendants.

    Attributes:
        cpu: CPU time in seconds.
        memory: resident memory in bytes.
    """

    cpu: float
    memory: int


def usage(pid: int | None) -> Usage | None:
    """Return the resources of a process, or None if they are unknown."""
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
    """Return the CPU time of a process, user and system, in clock ticks."""
    fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])
