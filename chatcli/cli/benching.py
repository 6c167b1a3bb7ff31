"""Shows what ``chatcli bench`` has measured: a table and a histogram, beside an earlier run if there is one."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import IO, Final, NamedTuple, Self

import click
import msgspec

from chatcli.bench.histogram import Histogram, upper
from chatcli.bench.workers import Outcome
from chatcli.cli.listing import columns, on_terminal, print_json, tabs
from chatcli.cli.output import flush, quiet
from chatcli.cli.records import Latency, Measured

_ROWS: Final = 12  # of a histogram, if that is possible
_JOINED: Final = (1, 2, 4, 8, 16)  # buckets to a row; 16 is a doubling
_BAR: Final = 40  # columns of its longest bar
_UNITS: Final = {"connect": "connections/s", "room": "deliveries/s"}
_LATENCIES: Final = {"connect": "until welcome", "catch-up": "until live"}


class Progress:
    """A bar on standard error, if that is a terminal and --quiet was not said.

    Args:
        scenario: what is measured.
    """

    def __init__(self, scenario: str) -> None:
        self._stack = contextlib.ExitStack()
        self._scenario = scenario
        self._done = 0

    def __enter__(self) -> Self:
        shown = sys.stderr is not None and sys.stderr.isatty() and not quiet()
        self._bar = (
            self._stack.enter_context(
                click.progressbar(length=100, label=f"{self._scenario:8}", file=sys.stderr, show_eta=False)
            )
            if shown
            else None
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def share(self, done: float) -> None:
        """Say how much of it is done, from 0 to 1."""
        if self._bar is not None:
            self._bar.update(int(done * 100) - self._done)
            self._done = int(done * 100)


class Figure(NamedTuple):
    """One of the numbers that were measured; ``shown`` is how people read it."""

    name: str
    value: float
    shown: str


def read_earlier(file: IO[str]) -> list[Measured]:
    """Return what an earlier run has printed.

    Raises:
        click.UsageError: that is not what ``--json`` prints.
    """
    try:
        return [msgspec.json.decode(line, type=Measured) for line in file if line.strip()]
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise click.UsageError('--compare: that is not what "chatcli bench --json" prints.') from None


def show(outcome: Outcome, earlier: list[Measured] | None, *, as_json: bool) -> None:
    """Print what was measured: as JSON, in a pipe as rows parted by tabs, on a terminal for people."""
    measured = record(outcome)
    if as_json:
        print_json(measured)
    else:
        before = None if earlier is None else _same(measured, earlier)
        rows = list(_rows(measured, before, compare=earlier is not None))
        if on_terminal():
            _print_for_people(outcome, measured, rows, compare=earlier is not None)
        else:
            for figure, *others in rows:
                tabs((measured.scenario, figure.name, f"{figure.value:.10g}", *others))
    flush()


def record(outcome: Outcome) -> Measured:
    """Return what ``--json`` says of it."""
    load, seconds = outcome.load, outcome.seconds
    idle = load.scenario == "idle"
    return Measured(
        scenario=load.scenario,
        clients=load.clients,
        window=load.window if load.scenario in ("pairs", "room") else None,
        speakers=load.speakers if load.scenario == "room" else None,
        rate=load.rate if load.scenario == "paced" else None,
        text=load.text,
        tls=outcome.tls,
        seconds=round(seconds, 3),
        sent=outcome.sent,
        acknowledged=outcome.acknowledged,
        received=outcome.received,
        per_second=None if idle else round(outcome.counted / seconds, 1),
        latency=_latency(outcome.latencies),
        server_cpu=None if outcome.server is None else round(100 * outcome.server / seconds, 1),
        generator_cpu=round(100 * outcome.generator / seconds, 1),
        workers=outcome.workers,
        limited=outcome.limited,
        memory=outcome.memory,
        memory_each=round(outcome.grown / load.clients) if idle and outcome.grown is not None else None,
    )


def _latency(histogram: Histogram) -> Latency | None:
    if not histogram.counts:
        return None
    p50, p90, p99 = (histogram.at(share) / 1000 for share in (0.5, 0.9, 0.99))
    return Latency(p50, p90, p99, histogram.greatest / 1000)


def _same(measured: Measured, earlier: list[Measured]) -> Measured | None:
    """Return the last of the earlier ones that was asked for the same."""

    def asked(one: Measured) -> tuple[object, ...]:
        return one.scenario, one.clients, one.window, one.speakers, one.rate, one.text, one.tls

    return next((one for one in reversed(earlier) if asked(one) == asked(measured)), None)


def figures(measured: Measured) -> Iterator[Figure]:
    """Yield what was measured, figure by figure."""
    scenario = measured.scenario
    if measured.per_second is not None:
        yield Figure(
            "per_second", measured.per_second, f"{measured.per_second:,.0f} {_UNITS.get(scenario, 'messages/s')}"
        )
    if measured.latency is not None:
        for name in measured.latency.__struct_fields__:
            value = getattr(measured.latency, name)
            yield Figure(f"latency_{name}", value, f"{value:,.3g} ms" if value < 100 else f"{value:,.0f} ms")
    if measured.server_cpu is not None:
        yield Figure("server_cpu", measured.server_cpu, f"{measured.server_cpu:.0f} % of a core")
    cores = "a core" if measured.workers == 1 else f"{measured.workers} cores"
    yield Figure(
        "generator_cpu", measured.generator_cpu, f"{measured.generator_cpu / measured.workers:.0f} % of {cores}"
    )
    if measured.memory is not None:
        yield Figure("memory", measured.memory, f"{measured.memory / 2**20:.1f} MiB")
    if measured.memory_each is not None:
        yield Figure("memory_each", measured.memory_each, f"{measured.memory_each / 1024:.1f} KiB")


def _rows(measured: Measured, before: Measured | None, *, compare: bool) -> Iterator[tuple[Figure, *tuple[str, ...]]]:
    """Yield each figure, and with ``compare`` what it was and the ratio; "-" where there is none."""
    past = {figure.name: figure.value for figure in figures(before)} if before is not None else {}
    for figure in figures(measured):
        if not compare:
            yield (figure,)
        elif value := past.get(figure.name):
            yield figure, f"{value:.10g}", f"{figure.value / value:.3g}"
        else:
            yield figure, "-", "-"


_WORDS: Final = {
    "per_second": "throughput",
    "server_cpu": "server, CPU",
    "generator_cpu": "generator, CPU",
    "memory": "server, memory",
    "memory_each": "for a connection",
}


def _print_for_people(
    outcome: Outcome, measured: Measured, rows: list[tuple[Figure, *tuple[str, ...]]], *, compare: bool
) -> None:
    click.echo(f"{measured.scenario}: {_asked(measured)}")
    what = _LATENCIES.get(measured.scenario, "send to receive")
    lines = [["", "", "before", "ratio"]] if compare else []
    for figure, *others in rows:
        word = _WORDS.get(figure.name) or f"{what}, {figure.name.removeprefix('latency_')}"
        lines.append([f"  {word}", figure.shown, *others])
    for line in columns(lines):
        click.echo(line)
    for line in _bars(outcome.latencies):
        click.echo(line)
    if measured.limited:
        click.echo("  The generator was busy: it may have been the limit, not the server.")
    click.echo()


def _asked(measured: Measured) -> str:
    """Return what was asked for, in words."""
    clients = f"{measured.clients:,}"
    things = {
        "pairs": f"{clients} pairs, {measured.window} messages each on their way",
        "room": f"{clients} members, {measured.speakers} speakers, {measured.window} messages each on their way",
        "paced": f"{clients} pairs, {measured.rate:,} messages a second" if measured.rate else "",
        "idle": f"{clients} connections",
        "connect": f"{clients} at once",
        "catch-up": f"{measured.sent:,} messages missed",
    }
    tls = ", TLS" if measured.tls else ""
    return f"{things[measured.scenario]}, {measured.text} bytes{tls}, {measured.seconds:.1f} s"


def _bars(histogram: Histogram) -> Iterator[str]:
    """Yield a small histogram, whose rows grow by the same factor: as small a one as their number allows."""
    if not histogram.counts:
        return
    for joined in _JOINED:
        rows: dict[int, int] = {}
        for number, count in histogram.counts.items():
            rows[number // joined] = rows.get(number // joined, 0) + count
        if max(rows) - min(rows) < _ROWS:
            break
    total, most = sum(rows.values()), max(rows.values())
    for row in range(min(rows), max(rows) + 1):
        count = rows.get(row, 0)
        end = _time(upper(row * joined + joined - 1) + 1)
        yield f"  {'< ' + end:>10} {100 * count / total:5.1f} % {_block() * round(_BAR * count / most)}".rstrip()


def _block() -> str:
    """Return what bars are made of, in what the terminal's encoding has."""
    try:
        "█".encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except UnicodeEncodeError:
        return "#"
    return "█"


def _time(microseconds: int) -> str:
    """Return a length of time in the unit that suits it."""
    if microseconds < 1000:
        return f"{microseconds} us"
    milliseconds = microseconds / 1000
    return f"{milliseconds:.3g} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.3g} s"
