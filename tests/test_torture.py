"""The torture, short: see ``python -m tests.torture --help`` for the long one."""

from __future__ import annotations

import subprocess
import sys

from tests.support import DEADLINE, environment


def test_repeated_kills() -> None:
    """Twenty clients and three kills of the server: nothing is lost, repeated or out of order."""
    short = ["--clients=20", "--rooms=4", "--messages=3000", "--kills=3", "--rate=0", "--seed=1"]
    done = subprocess.run(
        [sys.executable, "-m", "tests.torture", *short],
        capture_output=True,
        text=True,
        timeout=DEADLINE * 3,
        env=environment(),
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "acknowledged 3000," in done.stdout
    assert "lost 0, duplicated 0, out of order 0, astray 0" in done.stdout
    assert " 3 kills," in done.stdout


def test_listener_during_restarts() -> None:
    """Through three restarts each line comes once and in order, and the position is at most one behind."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.torture.scripting", "--restarts=3", "--messages=60"],
        capture_output=True,
        text=True,
        timeout=DEADLINE * 3,
        env=environment(),
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "60 lines, 3 restarts: all well\n"), done.stderr
