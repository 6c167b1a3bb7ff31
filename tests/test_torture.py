"""The torture, short: see ``python -m tests.torture --help`` for the long one."""

from __future__ import annotations

import subprocess
import sys

from tests.support import DEADLINE, environment


def test_nothing_is_lost_twice_or_out_of_order_while_the_server_is_killed_again_and_again() -> None:
    """Twenty clients and three kills in the middle of what they say: the balance is clean."""
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
