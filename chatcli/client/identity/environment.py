"""The login name of the person at this machine, and new message ids."""

from __future__ import annotations

import os
import time

from chatcli.protocol.values.ids import uuid7


def login_name() -> str:
    """Return the name under which the person is logged in on this machine; empty if the system knows none."""
    import getpass  # only commands without a name wait for it

    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""


def new_id() -> str:
    """Return a new UUID of version 7 in its canonical form."""
    return uuid7(time.time_ns() // 10**6, os.urandom(10))
