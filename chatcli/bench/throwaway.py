"""A server for one measurement, in a temporary directory and without rate limits."""

from __future__ import annotations

import contextlib
import hashlib
import re
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from chatcli.bench.children import SignalsHeld, running
from chatcli.errors import ServeError
from chatcli.protocol.values.address import Address, parse_address

_PATIENCE: Final = 20.0  # seconds for it to start
_READY: Final = re.compile(r"^Serving on (\S+), key (\S+?)\.", re.MULTILINE)
_SPARE: Final = 1000  # connections that it accepts beside those of the load


class Throwaway(NamedTuple):
    """A server for one measurement.

    Attributes:
        address: its address.
        key: the fingerprint of its key.
        binding: SHA-256 of its certificate.
        pid: its process id.
    """

    address: Address
    key: str
    binding: bytes
    pid: int


@contextlib.contextmanager
def throwaway(connections: int) -> Iterator[Throwaway]:
    """Run a server that accepts at least this number of connections.

    Raises:
        ServeError: it does not start.
    """
    with contextlib.ExitStack() as stack:
        with SignalsHeld():  # until everything is on the stack
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chatcli-bench-")))
            data, log = folder / "data", folder / "log"
            options = ["--host", "127.0.0.1", "--port", "0", "--data", str(data), "--message-rate", "0"]
            options += ["--max-connections", str(connections + _SPARE)]
            for limit in ("connections", "failures", "names"):  # which do not exempt this machine in a tunnel
                options += [f"--address-{limit}", str(connections + _SPARE)]
            stderr = stack.enter_context(log.open("wb"))
            process = stack.enter_context(
                running("chatcli", ["serve", *options], stdin=subprocess.DEVNULL, stderr=stderr)
            )
        address, key = _ready(process, log)
        yield Throwaway(address, key, _binding(data), process.pid)


def _ready(process: subprocess.Popen[bytes], log: Path) -> tuple[Address, str]:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        text = log.read_text(errors="replace")
        if found := _READY.search(text):
            return parse_address(found[1]), found[2]
        if process.poll() is not None:
            raise ServeError(text.strip().rpartition("\n")[2].removeprefix("chatcli: ") or "The server did not start.")
        time.sleep(0.01)
    raise ServeError(f"The server did not start within {_PATIENCE:.0f} seconds.")


def _binding(data: Path) -> bytes:
    """Return SHA-256 of the certificate in a data directory."""
    certificate = ssl.PEM_cert_to_DER_cert((data / "server.crt").read_text())
    return hashlib.sha256(certificate).digest()
