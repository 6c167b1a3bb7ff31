"""Makes message ids from the clock and the system's random numbers."""

from __future__ import annotations

import os
import time

from chatcli.protocol.ids import uuid7


def new_id() -> str:
    """Return a new UUID of version 7 in its canonical form."""
    return uuid7(time.time_ns() // 10**6, os.urandom(10))
