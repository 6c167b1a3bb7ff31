"""The server's metrics, as Prometheus' own parsers read them, and its health."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from chatcli.gateway.web.routes import Kind
from chatcli.server.metrics import Exposition, Metrics
from chatcli.store.interface import CommitTimes
from tests.admin import does
from tests.disks import Disk, small_disk
from tests.reference import ROOT
from tests.server.failures import here, says, status_of, until_refused
from tests.support import DEADLINE, ThreadServer, eventually, serving

_OPENMETRICS: Final = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2"


def expose(server: ThreadServer, accept: str = "") -> Exposition:
    """Return the metrics of a server."""
    found: Future[Exposition] = Future()
    server.run(
        lambda: Metrics(server.hub, lambda write, done, _: done(write())).expose(
            accept, found.set_result, found.set_exception
        )
    )
    made = found.result(DEADLINE)
    assert made is not None
    return made


def families(server: ThreadServer, accept: str = "") -> dict[str, Metric]:
    """Return the families of a server's metrics, by name."""
    body, kind = expose(server, accept)
    parse = parse_openmetrics if kind.startswith("application/openmetrics-text") else parse_text
    return {family.name: family for family in parse(body.decode())}


def values(server: ThreadServer, accept: str = "") -> dict[str, float]:
    """Return the values of a server's metrics, by name, with the label if there is one."""
    found = {}
    for family in families(server, accept).values():
        for sample in family.samples:
            found[" ".join([sample.name, *sample.labels.values()])] = sample.value
    return found


# What is counted


@pytest.mark.parametrize("accept", ["", _OPENMETRICS])
def test_people_messages_and_refusals(server: ThreadServer, data: Path, accept: str) -> None:
    """Each is counted where it belongs, in both formats."""
    with (
        server.joined("alice") as alice,
        server.joined("bob", tls=True) as bob,
        server.joined("carol", "listen") as carol,
        server.connect(),
    ):
        for caller in (alice, bob, carol):
            caller.asks("join", room="#ops")
        does(data, "token", to="prometheus", scope="metrics")
        alice.sends("bob", "one")
        alice.sends("#ops", "two")
        alice.hears("sent")
        alice.hears("sent")
        alice.sends("nobody", "three")
        alice.hears("error", code="unknown_user")
        carol.sends("bob", "four")
        carol.hears("message", text="two")
        carol.hears("sent")
        eventually(lambda: values(server)["chatcli_connections nothing"] == 1)
        found = values(server, accept)
        assert found["chatcli_connections lines"] == 3
        assert (found["chatcli_sessions join"], found["chatcli_sessions listen"]) == (2, 1)
        assert (found["chatcli_people"], found["chatcli_rooms"], found["chatcli_tokens"]) == (2, 1, 1)
        assert found["chatcli_messages_total"] == 3
        assert found["chatcli_messages_delivered_total"] == 4
        assert found["chatcli_refused_total unknown_user"] == 1
        assert found["chatcli_tls_handshakes_total"] == 1
        assert (found["chatcli_feeds live"], found["chatcli_feeds reading"], found["chatcli_feeds lagging"]) == (
            3,
            0,
            0,
        )
        assert found["chatcli_log_seq"] == server.hub.log.head
        assert found["chatcli_log_bytes"] > 0
        assert (found["chatcli_log_pending_bytes"], found["chatcli_log_writable"]) == (0, 1)
        assert found["chatcli_log_commit_seconds_bucket +Inf"] == found["chatcli_log_commit_seconds_count"] > 0
        assert found["chatcli_log_commit_seconds_sum"] > 0
        assert found["process_resident_memory_bytes"] > 0


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("", "text/plain; version=0.0.4; charset=utf-8"),
        ("*/*", "text/plain; version=0.0.4; charset=utf-8"),
        (_OPENMETRICS, "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        ("application/openmetrics-text; version=nine", "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        (
            "application/openmetrics-text;version=1;escaping=\x7f",
            "application/openmetrics-text; version=1.0.0; charset",
        ),
    ],
)
def test_type_of_the_content(server: ThreadServer, accept: str, kind: str) -> None:
    """It depends on what the caller can read, and repeats nothing that it has said."""
    assert expose(server, accept).content_type.startswith(kind)


def test_messages_are_counted_once(server: ThreadServer) -> None:
    """One that is repeated, or refused at the last moment, is not among those that were stored."""
    with server.joined("alice") as alice, server.joined("bob") as bob:
        identity = alice.sends("bob", "hi")
        alice.hears("sent")
        alice.sends("bob", "hi", identity)
        alice.hears("sent")
        bob.sends("alice", "mine", identity)
        bob.hears("message")
        bob.hears("error", code="id_taken")
        found = values(server)
        assert (found["chatcli_messages_total"], found["chatcli_messages_delivered_total"]) == (1, 1)
        assert found["chatcli_refused_total id_taken"] == 1


def test_refused_logins(server: ThreadServer) -> None:
    """Tokens that are wrong, and lines that are none."""
    with server.connect() as caller:
        caller.says("hello", version=1, purpose="send", token="cct_" + "x" * 33)
        caller.hears("bye", code="bad_token")
    with server.connect() as caller:
        caller.says_raw(b"{}\n")
        error = caller.hears("error")
    found = values(server)
    assert found["chatcli_refused_total bad_token"] == found[f"chatcli_refused_total {error['code']}"] == 1


def test_bounds_of_the_histogram() -> None:
    """A time belongs to the first bucket whose bound it does not exceed."""
    times = CommitTimes()
    for seconds in (0.0001, 0.0005, 0.00051, 10.0, 11.0):
        times.add(seconds)
    assert times.counts == [2, 1, *[0] * 11, 1, 1]
    assert times.seconds == pytest.approx(21.00111)


def test_table_of_metrics(server: ThreadServer) -> None:
    """``docs/metrics.md`` lists every metric, with its type, its labels and its meaning, and no other."""
    with server.joined("alice") as alice:
        alice.sends("nobody", "hi")
        alice.hears("error")
        server.run(lambda: server.hub.counts.requests.update([("metrics", 200)]))
        page = (ROOT / "docs/metrics.md").read_text()
        rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.*?) ?\| (.+) \|$", page, flags=re.MULTILINE)
        found = []
        for family in families(server).values():
            labels = sorted({label for sample in family.samples for label in sample.labels})
            name = f"{family.name}_total" if family.type == "counter" else family.name
            found.append((name, family.type, ", ".join(f"`{label}`" for label in labels), family.documentation))
    assert rows == found


def test_routes_of_requests() -> None:
    """``docs/metrics.md`` lists the values of the label ``route``."""
    (row,) = re.findall(
        r"^- `route`: .*?\n(?=- )", (ROOT / "docs/metrics.md").read_text(), flags=re.MULTILINE | re.DOTALL
    )
    assert re.findall(r"`(\w+)`", row) == ["route", *(kind.name.lower() for kind in Kind), "none"]


def test_library_is_imported_at_the_first_scrape_only() -> None:
    """It costs a sixth of a second, which a start need not take."""
    script = "import sys, chatcli.server.app, chatcli.server.metrics; sys.exit('prometheus_client' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


# Health


@contextmanager
def on_a_small_disk(tmp_path: Path) -> Iterator[tuple[Disk, ThreadServer]]:
    """Yield a server in this process, and its disk, which can be full."""
    with small_disk(tmp_path) as disk, ThreadServer(disk.data) as server:
        yield disk, server


def test_health_on_a_full_disk(tmp_path: Path) -> None:
    """It is bad once a write has failed, and good again with room on the disk, although nobody writes."""
    with on_a_small_disk(tmp_path) as (disk, server), server.joined("alice", "send") as alice:
        metrics = Metrics(server.hub, lambda write, done, _: done(write()))
        assert says(alice, "alice", "kept")
        assert server.run(metrics.healthy)
        disk.fill(0)
        until_refused(alice, "alice", [])
        assert not server.run(metrics.healthy)
        found = values(server)
        assert (found["chatcli_log_writable"], found["chatcli_refused_total storage"]) == (0, 1)
        disk.make_room(0)
        eventually(lambda: server.run(metrics.healthy))
        assert values(server)["chatcli_log_writable"] == 1


def test_status_after_a_full_disk(tmp_path: Path) -> None:
    """Operators see that the log can be written again before anybody tries, and the failure stands in the log once."""
    with small_disk(tmp_path) as disk, serving(disk.data) as (program, address), here(address, "bob") as bob:
        disk.fill(program.process.pid)
        until_refused(bob, "bob", [])
        assert status_of(disk.data)["log"] != "writable"
        disk.make_room(program.process.pid)
        eventually(lambda: status_of(disk.data)["log"] == "writable")
        assert sum("cannot write the log" in line for line in program.err) == 1
