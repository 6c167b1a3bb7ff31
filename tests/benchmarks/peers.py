"""Compares chatcli with other servers in one run: ``python -m tests.benchmarks.peers``.

The load is that of ``chatcli bench``, in IRC for two IRC servers from Debian, ngircd (C) and InspIRCd (C++), which
store nothing; chatcli has each message on disk before it acknowledges it. Each figure is measured with each server in
turn, in a few rounds, each time with a new server; medians are printed. Options set durations, rounds and rows.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from chatcli.bench.children import running_command
from chatcli.bench.plan import Load, Scenario, Server
from chatcli.bench.throwaway import throwaway
from chatcli.bench.workers import Outcome, measure
from chatcli.errors import ChatError

_IRC: Final = "tests.benchmarks.irc:dialect"
_PATIENCE: Final = 10.0  # seconds for a server to listen

#: No look-ups, no limits, no penalty for fast clients; everything else is the default.
_NGIRCD: Final = """
[Global]
Name = peer.bench.example
Info = a peer
AdminEMail = nobody@bench.example
Listen = 127.0.0.1
Ports = {port}
MotdPhrase = -
[Limits]
MaxConnections = 0
MaxConnectionsIP = 0
MaxJoins = 0
MaxNickLength = 20
MaxPenaltyTime = 0
PingTimeout = 300
[Options]
DNS = no
Ident = no
PAM = no
"""
_INSPIRCD: Final = """
<server name="peer.bench.example" description="a peer" network="bench">
<admin name="nobody" nick="nobody" email="nobody@bench.example">
<bind address="127.0.0.1" port="{port}" type="clients">
<power diepass="unused" restartpass="unused">
<connect allow="*" timeout="30" pingfreq="300" threshold="1000000000" commandrate="1000000000" fakelag="no"
 hardsendq="100M" softsendq="100M" recvq="1M" localmax="100000" globalmax="100000" limit="100000"
 resolvehostnames="no" useident="no" maxconnwarn="no">
<performance softlimit="100000" somaxconn="4096" clonesonconnect="no" timeskipwarn="0">
<limits maxnick="30">
<log method="file" type="* -USERINPUT -USEROUTPUT" level="default" target="{folder}/log">
<pid file="{folder}/pid">
"""


GROWTH: Final = (10, 100, 1000, 5000)  # pairs
_LONGER: Final = 6.0  # seconds at least, so that each of thousands sends a few times


class Peer(NamedTuple):
    """Another server.

    Attributes:
        name: of its program, and of its package in Debian.
        config: its configuration, with places for the port and the directory.
        command: the command that runs it in the foreground.
        at_once: registrations in flight before a load: few for a short accept queue, many where each needs long.
    """

    name: str
    config: str
    command: list[str]
    at_once: int


PEERS: Final = (
    Peer("ngircd", _NGIRCD, ["ngircd", "-n", "-f", "{config}"], 8),
    Peer("inspircd", _INSPIRCD, ["inspircd", "--runasroot", "--nofork", "--nolog", "--config", "{config}"], 1024),
)


class Target(NamedTuple):
    """A running server to measure."""

    server: Server
    pid: int


class Row(NamedTuple):
    """One line of the table.

    Attributes:
        name: the name of the row.
        load: the load.
        servers: the servers; all if empty.
        figure: the name of the figure, and the function that reads it from the outcome.
    """

    name: str
    load: Load
    servers: tuple[str, ...]
    figure: tuple[tuple[str, Callable[[Outcome], float]], ...]


def rate(outcome: Outcome) -> float:
    """Return the rate per second."""
    return outcome.counted / outcome.seconds


def cost(outcome: Outcome) -> float:
    """Return the server's CPU time per counted item, in microseconds."""
    return 1_000_000 * (outcome.server or 0) / max(outcome.counted, 1)


def rows(seconds: float) -> list[Row]:
    """Return the lines of the table."""

    def load(scenario: Scenario, clients: int, window: int = 1, speakers: int = 1, *, longer: bool = False) -> Load:
        lasting = max(seconds, _LONGER) if longer else seconds
        return Load(
            scenario=scenario,
            clients=clients,
            window=window,
            speakers=speakers,
            rate=2000,
            text=100,
            messages=100_000,
            seconds=lasting,
        )

    talk = (("messages/s", rate), ("server, µs each", cost))
    deliver = (("deliveries/s", rate), ("server, µs each", cost))
    come = (("connections/s", rate), ("server, µs each", cost))
    waits = (
        ("p50, ms", lambda one: one.latencies.at(0.5) / 1000),
        ("p99, ms", lambda one: one.latencies.at(0.99) / 1000),
    )
    ours, in_tls = ("chatcli",), ("chatcli", "chatcli, TLS")
    pairs, room = load("pairs", 100, 50), load("room", 200, 10, 4)
    return [
        Row("pairs: 100, window 50", pairs, (), talk),
        Row("room: 200, 4 speakers, window 10", room, (), deliver),
        Row("room: 200, 1 speaker, window 1", load("room", 200), (), deliver),
        Row("paced: 2,000 messages/s, 50 pairs", load("paced", 50), (), waits),
        Row("connect: 64 at once", load("connect", 64), (), come),
        Row(
            "idle: 5,000",
            load("idle", 5000),
            (),
            (("KiB each", lambda one: (one.grown or 0) / 1024 / one.load.clients),),
        ),
        Row("catch-up: 100,000 missed", load("catch-up", 1), ours, (("messages/s", rate),)),
        Row("TLS, pairs: 100, window 50", pairs, in_tls, talk),
        Row("TLS, room: 200, 4 speakers, window 10", room, in_tls, deliver),
        Row("TLS, connect: 64 at once", load("connect", 64), in_tls, come),
        *(
            Row(f"growth: {number:,} pairs, window 10", load("pairs", number, 10, longer=True), (), talk)
            for number in GROWTH
        ),
    ]


@contextlib.contextmanager
def chatcli(load: Load, *, tls: bool) -> Iterator[Target]:
    """Run chatcli."""
    with throwaway(2 * load.clients) as started:
        host, port = started.address[:2]
        key, binding = (started.key, started.binding) if tls else ("", b"")
        yield Target(Server(host=host, port=port, tls=tls, key=key, binding=binding), started.pid)


@contextlib.contextmanager
def running(peer: Peer) -> Iterator[Target]:
    """Run another server."""
    with tempfile.TemporaryDirectory(prefix="chatcli-peer-") as folder:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        Path(folder).chmod(0o755)  # it may change its user
        config = Path(folder) / "config"
        config.write_text(peer.config.format(port=port, folder=folder))
        config.chmod(0o644)
        command = [part.format(config=config) for part in peer.command]
        environment = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin"}
        silent = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        with running_command(command, environment, **silent) as process:
            _wait(peer, port)
            yield Target(Server(host="127.0.0.1", port=port, dialect=_IRC, at_once=peer.at_once), process.pid)


def _wait(peer: Peer, port: int) -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise SystemExit(f"{peer.name} did not start.")


def start(name: str, load: Load) -> contextlib.AbstractContextManager[Target]:
    """Return the class that runs the server of that name."""
    if name.startswith("chatcli"):
        return chatcli(load, tls=name.endswith("TLS"))
    return running(next(peer for peer in PEERS if peer.name == name))


def is_installed(peer: Peer) -> bool:
    """Return whether the program is installed."""
    return shutil.which(peer.name, path=f"{os.environ['PATH']}:/usr/sbin") is not None


def installed() -> list[str]:
    """Return the installed servers, and report how to install missing ones."""
    found = ["chatcli"]
    for peer in PEERS:
        if is_installed(peer):
            found.append(peer.name)
        else:
            sys.stderr.write(f"{peer.name} is not here: apt-get install {peer.name} (and stop what that starts).\n")
    return found


def once(name: str, row: Row, figures: dict[str, list[float]], *, as_json: bool) -> None:
    """Measure one row with one server."""
    try:
        with start(name, row.load) as target:
            outcome = measure(row.load, target.server, target.pid, lambda _: None)
    except ChatError as error:
        sys.stderr.write(f"{row.name}, {name}: {error}\n")
        return
    said = {what: read(outcome) for what, read in row.figure}
    for what, value in said.items():
        figures.setdefault(what, []).append(value)
    busy = f"generator {100 * outcome.generator / outcome.seconds / outcome.workers:.0f} %"
    whole = "" if outcome.received >= outcome.expected else f", {outcome.expected - outcome.received} missing"
    if as_json:
        sys.stdout.write(json.dumps({"row": row.name, "server": name, **said, "generator": outcome.generator}) + "\n")
    sys.stderr.write(f"{row.name:40} {name:14} {_short(said)}, {busy}{whole}\n")


def _short(said: dict[str, float]) -> str:
    return ", ".join(f"{value:,.4g} {what}" for what, value in said.items())


def main() -> None:
    """Measure, and print a table of medians."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--seconds", type=float, default=3.0)
    options.add_argument("--only", default="", help="rows that begin with this")
    options.add_argument("--servers", help="of these, parted by commas")
    options.add_argument("--json", action="store_true", help="print each run, and no table")
    chosen = options.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # with no server left running
    there = chosen.servers.split(",") if chosen.servers else installed()
    wanted = [row for row in rows(chosen.seconds) if row.name.startswith(chosen.only)]
    if unknown := set(there) - {"chatcli", *(peer.name for peer in PEERS)}:
        options.error(f"--servers: there are chatcli, {', '.join(peer.name for peer in PEERS)}, and no {min(unknown)}.")
    if missing := [peer.name for peer in PEERS if peer.name in there and not is_installed(peer)]:
        options.error(f"--servers: {missing[0]} is not installed.")
    if not wanted:
        options.error(f'--only: no row begins with "{chosen.only}".')
    found: dict[tuple[str, str], dict[str, list[float]]] = {}
    for _ in range(chosen.rounds):
        for row in wanted:
            for name in row.servers or there:
                once(name, row, found.setdefault((row.name, name), {}), as_json=chosen.json)
    if not chosen.json:
        for row in wanted:
            _print(row, list(row.servers or there), found)


def _print(row: Row, names: list[str], found: dict[tuple[str, str], dict[str, list[float]]]) -> None:
    """Print the medians of a row, and the ratio to chatcli."""
    for what, _ in row.figure:
        cells = {
            name: statistics.median(values) for name in names if (values := found.get((row.name, name), {}).get(what))
        }
        shown = [f"{name} {value:,.4g}" for name, value in cells.items()]
        mine = cells.get("chatcli")
        ratios = [
            f"{mine / value:.2f} × {name}" if not name.startswith("chatcli") else f"{value / mine:.2f} × plain"
            for name, value in cells.items()
            if mine and name != "chatcli" and value
        ]
        sys.stdout.write(f"| {row.name} | {what} | {' | '.join(shown)} | {', '.join(ratios)} |\n")


if __name__ == "__main__":
    main()
