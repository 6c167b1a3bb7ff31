"""Reports of measurements in a pipe, on terminals of any width, and with missing messages."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import msgspec
import pytest

from chatcli.bench.histogram import Histogram
from chatcli.cli.output import bench_report
from chatcli.errors import ServerUnreachable
from tests.bench.outcomes import an_outcome


def test_missing_messages(capsys: pytest.CaptureFixture[str]) -> None:
    """They are reported after the figures, with the status of an unresponsive server."""
    with pytest.raises(ServerUnreachable, match=r"of 200 messages 50 did not come, and 7 were not acknowledged"):
        bench_report.show(an_outcome(received=150, acknowledged=193), None, as_json=True)
    assert '"received":150' in capsys.readouterr().out


def test_remarks_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    """They go to standard error; the pipe gets figures only."""
    bench_report.show(an_outcome("pairs", generator=0.99), None, as_json=False)
    shown = capsys.readouterr()
    assert "The generator was busy" in shown.err
    assert all(len(line.split("\t")) == 3 for line in shown.out.splitlines())
    bench_report.show(an_outcome(said=150), None, as_json=True)
    shown = capsys.readouterr()
    assert "150 messages a second were sent, not the 200 of --rate" in shown.err
    assert '"limited":true' in shown.out


def test_allowances_of_another_server(capsys: pytest.CaptureFixture[str]) -> None:
    """A remark says that they may be what was measured."""
    bench_report.show(an_outcome(), None, as_json=True, own=False)
    assert "Its rate limits hold: --message-rate may have been the limit." in capsys.readouterr().err
    bench_report.show(an_outcome(), None, as_json=True)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("compare", [True, False])
def test_narrow_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, compare: bool) -> None:
    """No line breaks at 60 columns; columns have the same unit."""
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setattr(bench_report, "on_terminal", lambda: True)
    outcome = an_outcome("pairs", counted=1_234_567, workers=12)
    before = [bench_report.record(replace(outcome, counted=1_000_000, memory=40_000_000))] if compare else None
    bench_report.show(outcome, before, as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 60
    cells = [" ".join(line.split()) for line in lines]
    assert ("throughput, messages/s 1,234,567 1,000,000 1.23" in cells) is compare
    assert ("server, memory, MiB 47.7 38.1 1.25" in cells) is compare
    assert ("throughput 1,234,567 messages/s" in cells) is not compare


def test_no_latency(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A room in which all send has none, and the report says why."""
    monkeypatch.setattr(bench_report, "on_terminal", lambda: True)
    bench_report.show(an_outcome("room", latencies=Histogram()), None, as_json=False)
    assert "latency: nobody only listened" in capsys.readouterr().out


def test_report_of_an_older_version() -> None:
    """What says nothing of the way came by a connection."""
    record = bench_report.record(an_outcome())
    older = json.loads(msgspec.json.encode(record))
    del older["via"]
    assert bench_report.read_earlier(io.StringIO(f"{json.dumps(older)}\n")) == [record]
