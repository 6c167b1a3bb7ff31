"""``chatcli bench``: its output, its confirmation and its cleanup, never a speed."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Final

import pytest

from tests.here import run_here
from tests.support import Program, ThreadServer, chatcli, eventually

SHORT: Final = ("--duration", "0.2s", "--clients", "2")


def processes_in(folder: Path) -> list[int]:
    """Return the processes with temporary files in a directory."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environment = (process / "environ").read_bytes()
        except OSError:
            continue
        if f"TMPDIR={folder}".encode() in environment.split(b"\0"):
            found.append(int(process.name))
    return found


def test_rows_in_a_pipe(tmp_path: Path) -> None:
    """Scenario, figure and value, separated by tabs, in that order; the own server is gone at the end."""
    done = chatcli("bench", "--scenario", "connect", "--scenario", "pairs", *SHORT, TMPDIR=str(tmp_path))
    assert done.returncode == 0
    assert all("generator" in line for line in done.stderr.splitlines())  # which may have been the limit
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert [row[0] for row in rows] == sorted([row[0] for row in rows], reverse=True)
    names = ["per_second", *(f"latency_{one}" for one in ("p50", "p90", "p99", "max"))]
    names += ["server_cpu", "generator_cpu", "memory"]
    assert [row[1] for row in rows] == 2 * names
    assert all(float(row[2]) >= 0 for row in rows)
    assert list(tmp_path.iterdir()) == []
    assert processes_in(tmp_path) == []


def test_comparison(server: ThreadServer, tmp_path: Path) -> None:
    """The earlier run's figures and the ratio are beside the new ones; a missing figure is a dash."""
    where = ["--server", str(server.address), "--yes", "--quiet", *SHORT]
    earlier = run_here("bench", "--scenario", "pairs", "--json", *where)
    assert (earlier.returncode, earlier.stderr) == (0, "")
    before = json.loads(earlier.stdout)
    assert (before["scenario"], before["window"], before["server_cpu"], before["memory"]) == ("pairs", 50, None, None)
    (tmp_path / "before").write_text(earlier.stdout)
    for scenario, known in (("pairs", True), ("paced", False)):
        again = run_here("bench", "--scenario", scenario, "--compare", str(tmp_path / "before"), *where)
        rows = {row[1]: row[2:] for row in (line.split("\t") for line in again.stdout.splitlines())}
        value, past, ratio = rows["per_second"]
        if known:
            assert float(past) == before["per_second"]
            assert float(ratio) == pytest.approx(float(value) / float(past), rel=0.01)
        else:
            assert (past, ratio) == ("-", "-")


def test_server_of_yours_needs_yes(server: ThreadServer) -> None:
    """Without a terminal --yes is needed, and the configured server is never measured."""
    done = run_here("bench", *SHORT, "--server", str(server.address))
    assert done.returncode == 2
    assert f"full load on the server at {server.address}" in done.stderr
    assert "--yes" in done.stderr
    assert server.run(lambda: server.hub.log.head) == 0
    done = run_here("bench", "--scenario", "pairs", *SHORT, CHATCLI_SERVER=str(server.address))
    assert done.returncode == 0
    assert server.run(lambda: server.hub.log.head) == 0


def test_server_through_a_tunnel(server: ThreadServer) -> None:
    """One that was reached without TLS shows its key in the tunnel."""
    where = ["--server", str(server.address), "--accept-new", "--yes", *SHORT]
    done = run_here("bench", "--scenario", "pairs", "--via", "ws", "--json", *where)
    assert done.returncode == 0, done.stderr
    row = json.loads(done.stdout)
    assert (row["via"], row["tls"]) == ("ws", True)
    assert row["received"] == row["sent"] > 0


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (("--server", "https://chat.example"), "give --server HOST:PORT, and --via ws"),
        (("--scenario", "pairs", "--speakers", "1"), "--speakers is for room: drop it."),
        (("--scenario", "room", "--messages", "5"), "--messages is for catch-up: drop it."),
        (("--scenario", "connect", "--rate", "5"), "--rate is for paced: drop it."),
        (("--scenario", "idle", "--window", "5"), "--window is for pairs and room: drop it."),
        (
            ("--scenario", "room", "--clients", "5", "--speakers", "6"),
            "--speakers: the room has 5 members, and 6 cannot speak in it.",
        ),
        (("--compare", os.devnull), "--compare: the file is empty."),
    ],
)
def test_invalid_options(said: tuple[str, ...], sentence: str) -> None:
    """They are refused before anything is started."""
    done = run_here("bench", *said)
    assert (done.returncode, done.stdout) == (2, "")
    assert sentence in done.stderr


def test_help() -> None:
    """It says that only a named server is measured, and that what is made there stays."""
    shown = " ".join(run_here("bench", "--help").stdout.split())
    assert "--server HOST[:PORT] Measure this server instead of starting one. --at" in shown
    assert "(bench-...) stay on that server, with all messages. Its rate limits hold" in shown


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_interrupt(tmp_path: Path, number: signal.Signals, status: int) -> None:
    """No process and no file is left, and the results so far are printed."""
    with Program(
        "bench", "--scenario", "pairs", "--scenario", "idle", "--json", "--duration", "1s", TMPDIR=str(tmp_path)
    ) as program:
        eventually(lambda: program.out, "the first scenario")
        eventually(lambda: len(processes_in(tmp_path)) >= 3, "the next server and its load")
        assert program.end(number) == status
    assert [json.loads(line)["scenario"] for line in program.out][:1] == ["pairs"]
    eventually(lambda: not processes_in(tmp_path), "the end of all processes")
    assert list(tmp_path.iterdir()) == []


def test_load_ends_with_its_parent(tmp_path: Path) -> None:
    """They end although it is killed; the test ends the orphaned server."""
    with Program("bench", "--scenario", "idle", "--duration", "60s", TMPDIR=str(tmp_path)) as program:
        eventually(lambda: len(processes_in(tmp_path)) >= 3, "the server and its load")
        program.process.kill()
        program.process.wait()
        eventually(lambda: len(processes_in(tmp_path)) == 1, "the end of the load")
        (server,) = processes_in(tmp_path)
        os.kill(server, signal.SIGTERM)
        eventually(lambda: not processes_in(tmp_path), "the end of the server")
