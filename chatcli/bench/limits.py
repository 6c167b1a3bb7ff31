"""How many files this process, and what it starts, may have open."""

from __future__ import annotations

import contextlib
import resource
from typing import Final

from chatcli.errors import InputError

_ENOUGH: Final = 1 << 20  # where there is no limit


def raise_open_files(needed: int) -> None:
    """Raise the number of files that may be open, as far as one may; whoever may do more gets what is needed.

    Raises:
        InputError: that is not as many as are needed.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = hard if hard != resource.RLIM_INFINITY else max(soft, _ENOUGH)
    if needed > most:
        with contextlib.suppress(ValueError, OSError):  # for the system's administrator only
            resource.setrlimit(resource.RLIMIT_NOFILE, (needed, needed))
            return
        raise InputError(
            f"{needed:,} files would be open at once, and {most:,} may be: say fewer --clients, or have the limit "
            "raised (ulimit -Hn)."
        )
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
