"""The report of ``chatcli bench``: a table and a histogram, with ratios to an earlier run if there is one."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from typing import IO, Any, Final, NamedTuple

import click
import msgspec

from chatcli.bench.histogram import Histogram, upper
from chatcli.bench.workers import Outcome
from chatcli.cli.output.layout import shortened
from chatcli.cli.output.records import Latency, Measured
from chatcli.cli.output.streams import flush, notice
from chatcli.cli.output.tables import columns, on_terminal, print_json, tabs
from chatcli.errors import ServerUnreachable

_ROWS: Final = 12  # of a histogram, if that is possible
_JOINED: Final = (1, 2, 4, 8, 16)  # buckets to a row; 16 is a doubling
_BAR: Final = 40  # columns of its longest bar
_MARGIN: Final = 22  # columns before a bar, and one after it
_TALKING: Final = ("pairs", "room", "paced")
_UNITS: Final = {"connect": "connections/s", "room": "deliveries/s"}
_LATENCIES: Final = {"connect": "until welcome", "catch-up": "until live"}


class Figure(NamedTuple):
    """One measured number; ``shown`` is its form for people, in its ``unit``."""

    name: str
    value: float
    shown: str
    unit: str


class Row(NamedTuple):
    """A figure, and the same of an earlier run if it was measured there."""

    figure: Figure
    before: Figure | None = None

    @property
    def ratio(self) -> str:
        """The figure divided by the earlier one."""
        return f"{self.figure.value / self.before.value:.3g}" if self.before else "-"


def read_earlier(file: IO[str]) -> list[Measured]:
    """Return the records of an earlier run.

    Raises:
        click.UsageError: the file is not output of ``--json``.
    """
    try:
        records = [msgspec.json.decode(line, type=dict[str, Any]) for line in file if line.strip()]
        # Versions before the first that measures WebSockets say nothing of the way.
        earlier = [msgspec.convert({"via": "tcp", **record}, Measured) for record in records]
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise click.UsageError('--compare: the file is not output of "chatcli bench --json".') from None
    if not earlier:
        raise click.UsageError("--compare: the file is empty.")
    return earlier


def show(outcome: Outcome, earlier: list[Measured] | None, *, as_json: bool, own: bool = True) -> None:
    """Print a measurement: as JSON, in a pipe as rows separated by tabs, on a terminal for people.

    Raises:
        ServerUnreachable: messages or connections are missing.
    """
    measured = record(outcome)
    if as_json:
        print_json(measured)
    else:
        before = None if earlier is None else _same(measured, earlier)
        rows = list(_rows(measured, before))
        if on_terminal():
            _print_for_people(outcome, measured, rows, compare=earlier is not None)
        else:
            _print_rows(measured.scenario, rows, compare=earlier is not None)
    flush()
    for remark in _remarks(outcome, own=own):
        notice(f"{measured.scenario}: {remark}")
    _expect_all(outcome)


def _expect_all(outcome: Outcome) -> None:
    """Raise if messages or connections are missing.

    Raises:
        ServerUnreachable: some are.
    """
    unanswered = outcome.sent - outcome.acknowledged
    if not (outcome.missing or unanswered > 0):
        return
    things = "connections" if outcome.load.scenario in ("idle", "connect") else "messages"
    acknowledged = f", and {unanswered:,} were not acknowledged" if unanswered > 0 else ""
    raise ServerUnreachable(
        f"{outcome.load.scenario}: the server has stopped answering: of {outcome.expected:,} {things} "
        f"{outcome.missing:,} did not come{acknowledged}. The measurement does not show what it holds."
    )


def _print_rows(scenario: str, rows: list[Row], *, compare: bool) -> None:
    for row in rows:
        before = f"{row.before.value:.10g}" if row.before else "-"
        more = (before, row.ratio) if compare else ()
        tabs((scenario, row.figure.name, f"{row.figure.value:.10g}", *more))


def _remarks(outcome: Outcome, *, own: bool) -> Iterator[str]:
    """Yield notes on the limits of a measurement."""
    if outcome.fell_short:
        why = "the server had not delivered the earlier messages yet" if outcome.held else "the generator is not faster"
        said = outcome.said / outcome.seconds
        yield f"{said:,.0f} messages a second were sent, not the {outcome.load.rate:,} of --rate: {why}."
    elif outcome.limited:
        yield "The generator was busy: it may have been the limit, not the server."
    if not own and outcome.load.scenario in _TALKING:
        yield "Its rate limits hold: --message-rate may have been the limit."


def record(outcome: Outcome) -> Measured:
    """Return the record that ``--json`` prints."""
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
        via=outcome.via,
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
    """Return the last earlier measurement under the same load."""

    def asked(one: Measured) -> tuple[object, ...]:
        return one.scenario, one.clients, one.window, one.speakers, one.rate, one.text, one.tls, one.via

    return next((one for one in reversed(earlier) if asked(one) == asked(measured)), None)


def figures(measured: Measured) -> Iterator[Figure]:
    """Yield the figures of a measurement."""
    if measured.per_second is not None:
        unit = _UNITS.get(measured.scenario, "messages/s")
        yield Figure("per_second", measured.per_second, f"{measured.per_second:,.0f}", unit)
    if measured.latency is not None:
        for name in measured.latency.__struct_fields__:
            value = getattr(measured.latency, name)
            yield Figure(f"latency_{name}", value, f"{value:,.3g}" if value < 100 else f"{value:,.0f}", "ms")
    if measured.server_cpu is not None:
        yield Figure("server_cpu", measured.server_cpu, f"{measured.server_cpu:.0f}", "% of a core")
    cores = "a core" if measured.workers == 1 else f"{measured.workers} cores"
    yield Figure(
        "generator_cpu", measured.generator_cpu, f"{measured.generator_cpu / measured.workers:.0f}", f"% of {cores}"
    )
    if measured.memory is not None:
        yield Figure("memory", measured.memory, f"{measured.memory / 2**20:.1f}", "MiB")
    if measured.memory_each is not None:
        yield Figure("memory_each", measured.memory_each, f"{measured.memory_each / 1024:.1f}", "KiB")


def _rows(measured: Measured, before: Measured | None) -> Iterator[Row]:
    """Yield each figure, with the earlier one if it can be compared."""
    past = {figure.name: figure for figure in figures(before) if figure.value} if before is not None else {}
    for figure in figures(measured):
        yield Row(figure, past.get(figure.name))


_WORDS: Final = {
    "per_second": "throughput",
    "server_cpu": "server, CPU",
    "generator_cpu": "generator, CPU",
    "memory": "server, memory",
    "memory_each": "for a connection",
}


def _print_for_people(outcome: Outcome, measured: Measured, rows: list[Row], *, compare: bool) -> None:
    space = shutil.get_terminal_size().columns
    click.echo(click.wrap_text(f"{measured.scenario}: {_load_text(measured)}", space, subsequent_indent="  "))
    lines = _beside(measured, rows) if compare else _alone(measured, rows)
    for line in columns(lines):
        click.echo(shortened(line, space))
    if measured.scenario == "room" and measured.latency is None:
        click.echo("  latency: nobody only listened")
    for line in _bars(outcome.latencies, min(_BAR, max(space - _MARGIN, 1))):
        click.echo(line)
    click.echo()


def _alone(measured: Measured, rows: list[Row]) -> list[list[str]]:
    return [[f"  {_word(measured, row)}", f"{row.figure.shown} {row.figure.unit}"] for row in rows]


def _beside(measured: Measured, rows: list[Row]) -> list[list[str]]:
    """Return the cells of a comparison; the unit of both columns is part of the name before them."""
    lines = [["", "", "before", "ratio"]]
    for row in rows:
        before = row.before.shown if row.before else "-"
        lines.append([f"  {_word(measured, row)}, {row.figure.unit}", row.figure.shown, before, row.ratio])
    return lines


def _word(measured: Measured, row: Row) -> str:
    what = _LATENCIES.get(measured.scenario, "send to receive")
    return _WORDS.get(row.figure.name) or f"{what}, {row.figure.name.removeprefix('latency_')}"


def _load_text(measured: Measured) -> str:
    """Return the load in words."""
    clients = f"{measured.clients:,}"
    things = {
        "pairs": f"{clients} pairs, {measured.window} messages each on their way",
        "room": f"{clients} members, {measured.speakers} speakers, {measured.window} messages each on their way",
        "paced": f"{clients} pairs, {measured.rate:,} messages a second" if measured.rate else "",
        "idle": f"{clients} connections",
        "connect": f"{clients} at once",
        "catch-up": f"{measured.sent:,} messages missed",
    }
    tls = ", through a WebSocket" if measured.via == "ws" else ", TLS" if measured.tls else ""
    return f"{things[measured.scenario]}, {measured.text} bytes{tls}, {measured.seconds:.1f} s"


def _bars(histogram: Histogram, longest: int) -> Iterator[str]:
    """Yield a small histogram, whose rows grow by the same factor: as small a one as their number allows.

    Args:
        histogram: of latencies.
        longest: columns of the longest bar.
    """
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
        yield f"  {'< ' + end:>10} {100 * count / total:5.1f} % {_block() * round(longest * count / most)}".rstrip()


def _block() -> str:
    """Return the character of bars that the terminal's encoding has."""
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
