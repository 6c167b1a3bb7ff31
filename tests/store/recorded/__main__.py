"""Compares the recording with what the log makes of it now: ``python -m tests.store.recorded [--write]``.

With ``--write`` it makes the recording anew, see :mod:`tests.store.recorded.recording` for when to do that, and prints
what has changed.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.store.recorded import digest, recording, runs
from tests.store.recorded.recording import Digests


def _apply() -> Digests:
    batches = recording.batches()
    with TemporaryDirectory() as directory:
        found = runs.run(Path(directory, "data"), batches, range(len(batches)))
    return Digests(tables=found.tables, batches=digest.running(found.outcomes))


def _differences(now: Digests, then: Digests | None) -> list[str]:
    if then is None:
        return ["There was no recording."]
    lines = [
        f"The outcomes differ from batch {number} on."
        for number, (one, other) in enumerate(zip(now.batches, then.batches, strict=False))
        if one != other
    ][:1]
    names = sorted({*now.tables, *then.tables})
    return lines + [f"Table {name} differs." for name in names if now.tables.get(name) != then.tables.get(name)]


def main(*arguments: str) -> int:
    """Compare, or renew, and print the differences; return the status to exit with."""
    if arguments not in ((), ("--write",)):
        sys.stderr.write("usage: python -m tests.store.recorded [--write]\n")
        return 2
    then = recording.digests() if recording.exists() else None
    lines = ["The stream is another one."] if arguments and recording.renew_stream() else []
    now = _apply()
    lines += _differences(now, then)
    if arguments:
        recording.renew_digests(now)
    sys.stdout.write("\n".join(lines or ["Nothing has changed."]) + "\n")
    return 1 if lines and not arguments else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
