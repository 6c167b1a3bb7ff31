"""The limit on open files of this process and its children."""

from __future__ import annotations

import contextlib
import resource
from typing import Final

from chatcli.errors import InputError

_ENOUGH: Final = 1 << 20  # files, if there is no limit


def raise_open_files(needed: int) -> None:
    """Raise the limit on open files as far as allowed; an administrator may exceed the hard limit.

    Raises:
        InputError: the limit is lower than needed.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = hard if hard != resource.RLIM_INFINITY else max(soft, _ENOUGH)
    if needed > most:
        with contextlib.suppress(ValueError, OSError):  # only an administrator may
            resource.setrlimit(resource.RLIMIT_NOFILE, (needed, needed))
            return
        raise InputError(
            f"{needed:,} files would be open at once, and {most:,} may be: say fewer --clients, or have the limit "
            "raised (ulimit -Hn)."
        )
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
