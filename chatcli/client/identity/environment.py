"""The login name of the person at this machine or on GitHub, and new message ids."""

from __future__ import annotations

import os
import time

from chatcli.errors import InputError
from chatcli.protocol.values.ids import uuid7


def login_name() -> str:
    """Return the name under which the person is logged in: on GitHub in a codespace, elsewhere on this machine.

    It is empty if the system knows none.
    """
    if name := github_name():
        return name
    import getpass  # only commands without a name wait for it

    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""


def github_name() -> str:
    """Return the person's name on GitHub if this is their codespace, and if it can be one here; empty otherwise.

    On the machine of a codespace everyone is called the same.
    """
    if "CODESPACES" not in os.environ:
        return ""
    from chatcli.codespaces import owner
    from chatcli.protocol.values.names import check_name

    try:
        return check_name(owner(os.environ)).text
    except InputError:
        return ""


def new_id() -> str:
    """Return a new UUID of version 7 in its canonical form."""
    return uuid7(time.time_ns() // 10**6, os.urandom(10))
