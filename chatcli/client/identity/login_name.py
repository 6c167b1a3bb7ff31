"""The name under which the person is logged in on this machine."""

from __future__ import annotations

import getpass


def login_name() -> str:
    """Return it; empty where the system knows none."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""
