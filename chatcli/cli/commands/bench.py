"""``chatcli bench``: measures what a server holds."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import IO, TYPE_CHECKING, Final, NamedTuple

import click
from click.core import ParameterSource

from chatcli.cli.options.shared import Account, as_record, json_option, server_options
from chatcli.cli.options.types import LapseType
from chatcli.protocol.address import Address

if TYPE_CHECKING:
    from chatcli.bench.plan import Load, Scenario, Server
    from chatcli.bench.workers import Outcome

#: As :data:`chatcli.bench.plan.SCENARIOS`, which is not imported for --help and for completion.
SCENARIOS: Final = ("pairs", "room", "paced", "idle", "connect", "catch-up")
#: Options that not all scenarios have, and those that do.
_BELONGS_TO: Final = {
    "clients": ("pairs", "room", "paced", "idle", "connect"),
    "window": ("pairs", "room"),
    "speakers": ("room",),
    "rate": ("paced",),
    "text": ("pairs", "room", "paced", "catch-up"),
    "messages": ("catch-up",),
}
_SPEAKERS: Final = 4
_TIMEOUT: Final = 10.0  # seconds to reach a server


class BenchOptions(NamedTuple):
    """The options of ``chatcli bench``; see ``--help``."""

    scenarios: tuple[str, ...]
    duration: float
    clients: int | None
    window: int | None
    speakers: int | None
    rate: int
    text: int
    messages: int
    tls: bool
    yes: bool
    compare: IO[str] | None
    as_json: bool


@click.command("bench")
@click.option(
    "--scenario",
    "scenarios",
    type=click.Choice([*SCENARIOS, "all"]),
    multiple=True,
    default=("pairs", "room", "paced"),
    show_default=True,
    help="What to measure; may be given more than once.",
)
@click.option("--duration", type=LapseType(), default="5s", show_default=True, help="For how long, each.")
@click.option(
    "--clients",
    type=click.IntRange(1, 1_000_000),
    help="Pairs, members, or connections.  [default: 100 pairs, a room of 200, 50 pairs paced, 1000 idle, 64 at once]",
)
@click.option(
    "--window",
    type=click.IntRange(1, 10_000),
    help="Messages of a speaker that are on their way at once.  [default: 50 in pairs, 10 in a room]",
)
@click.option(
    "--speakers",
    type=click.IntRange(1),
    help="Those who speak, of the room's members.  [default: 4, or all but one]",
)
@click.option(
    "--rate",
    type=click.IntRange(1, 1_000_000),
    default=2000,
    show_default=True,
    help="Messages a second, with paced.",
)
@click.option("--text", type=click.IntRange(1, 32_768), default=100, show_default=True, help="Bytes in a message.")
@click.option(
    "--messages",
    type=click.IntRange(1, 10_000_000),
    default=100_000,
    show_default=True,
    help="Messages that were missed, with catch-up.",
)
@click.option("--tls", is_flag=True, help="Have the throw-away server spoken to in TLS.")
@click.option("--yes", is_flag=True, help="Do not ask before a server of yours is loaded; for scripts.")
@click.option(
    "--compare", type=click.File(), help="What --json has printed earlier, - for standard input: show ratios."
)
@json_option(
    "scenario, clients, window, speakers, rate, text, tls, seconds, sent, acknowledged, received, per_second, latency, "
    "server_cpu, generator_cpu, workers, limited, memory, memory_each."
)
@server_options
@as_record(BenchOptions, conflicts=[("--compare", "--json")])
def command(options: BenchOptions, account: Account) -> None:
    """Measure what a server holds: messages a second, how long they take, memory and CPU.

    Unless told otherwise with --server or --at, it starts a server of its own in a temporary directory (of TMPDIR,
    whose disk counts: every message is on it before it is acknowledged), without allowances, and removes it at the end.

    \b
    pairs     each speaker has a listener: direct messages
    room      a few speak in one room: deliveries to all its members
    paced     as many messages as --rate says: how long each takes
    idle      connections that are there: memory for each
    connect   dial, prove the key, be welcome, leave
    catch-up  one who missed many messages reads them

    With --server it is one of yours that is measured, as it is: the users and the room that are made for the run
    (bench-...) stay on that server, with all messages. Its allowances hold: what is measured may be what its
    --message-rate lets through. You are asked before, or say --yes.

    The processes that make the load are as many as there are cores but one. Where they were busier than 90 %, or did
    not keep the pace of --rate, that is said: they may have been the limit, not the server.

    A server that stops answering is told from what does not come within 20 seconds of the end; the status is then 5.

    \b
    chatcli bench
    chatcli bench --scenario all --json > before.jsonl
    chatcli bench --scenario all --compare before.jsonl
    """
    from chatcli.cli.output import bench_report

    earlier = bench_report.read_earlier(options.compare) if options.compare is not None else None
    loads = _loads(options)
    own = not _server_was_named(click.get_current_context())
    if options.tls and not own:
        raise click.UsageError(
            "--tls is for the server that bench starts: another one is used as its address wants it."
        )
    target = None if own else _reach(account, loads, agreed=options.yes)
    with _ending_on_signals():
        for load in loads:
            bench_report.show(_run(load, target, tls=options.tls), earlier, as_json=options.as_json, own=own)


def _describe_server_options() -> None:
    """Have --help say of the options that all commands share what holds for this one: only what is said counts."""
    for option in command.params:
        if isinstance(option, click.Option) and option.name in ("server", "at"):
            option.show_default = option.show_envvar = False
            if option.name == "server":
                option.help = "Measure this one, and start none."


_describe_server_options()


def _loads(options: BenchOptions) -> list[Load]:
    from chatcli.bench import plan

    scenarios = [one for one in plan.SCENARIOS if one in options.scenarios or "all" in options.scenarios]
    _refuse_options_of_others(scenarios)
    return [_load(scenario, options) for scenario in scenarios]


def _load(scenario: Scenario, options: BenchOptions) -> Load:
    """Return the load of one scenario.

    Raises:
        click.UsageError: the numbers do not fit together.
    """
    from chatcli.bench import plan

    clients = 1 if scenario == "catch-up" else options.clients or plan.CLIENTS[scenario]
    if scenario == "room" and clients < 2:
        raise click.UsageError("--clients: a room where somebody hears something has 2 members at least.")
    speakers = options.speakers or max(min(_SPEAKERS, clients - 1), 1)
    if scenario == "room" and speakers > clients:
        raise click.UsageError(f"--speakers: the room has {clients} members, and {speakers} cannot speak in it.")
    return plan.Load(
        scenario=scenario,
        clients=clients,
        window=options.window or plan.WINDOWS.get(scenario, 1),
        speakers=speakers,
        rate=options.rate,
        text=options.text,
        messages=options.messages,
        seconds=options.duration,
    )


def _refuse_options_of_others(scenarios: Sequence[str]) -> None:
    context = click.get_current_context()
    for name, those in _BELONGS_TO.items():
        given = context.get_parameter_source(name) is ParameterSource.COMMANDLINE
        if given and not set(those) & set(scenarios):
            raise click.UsageError(f"--{name} is for {' and '.join(those)}: drop it.")


def _server_was_named(context: click.Context) -> bool:
    """Return whether the command line says which server: what stands elsewhere is for talking, not for trying."""
    given = [context.get_parameter_source(name) is ParameterSource.COMMANDLINE for name in ("server", "at", "pin")]
    return any(given) or context.find_root().params.get("at") is not None


def _reach(account: Account, loads: Sequence[Load], *, agreed: bool) -> Server:
    """Return how to come in, once the server is trusted and the person agrees.

    Raises:
        ChatError: the server cannot be reached, or is not to be trusted.
        click.UsageError: there is nobody to ask.
    """
    import time

    from chatcli.bench.plan import Server
    from chatcli.client.identity.credentials import Login
    from chatcli.client.transport.blocking import connect
    from chatcli.errors import UnknownServer

    login = Login(server=account.server, trust=account.trust)
    try:
        opened = connect(login, time.monotonic() + _TIMEOUT)
    except UnknownServer as unknown:
        account.trust.confirm(account.server, unknown)
        opened = connect(login, time.monotonic() + _TIMEOUT)
    with opened.socket as connection:
        host, port = connection.getpeername()[:2]
    if not agreed:
        _ask(account.server, loads)
    key, binding = opened.channel
    return Server(host=host, port=port, tls=bool(binding), key=key, binding=binding)


def _ask(server: Address, loads: Sequence[Load]) -> None:
    seconds = sum(load.seconds for load in loads)
    what = (
        f"This loads the server at {server} for {seconds:g} seconds and more, as much as it takes: names that begin "
        "with bench- and very many messages stay in its log for good."
    )
    if not (sys.stdin is not None and sys.stdin.isatty() and sys.stderr is not None and sys.stderr.isatty()):
        raise click.UsageError(f"{what} If that is meant, say --yes.")
    click.echo(what, err=True)
    click.confirm("Go on?", abort=True, err=True)


def _run(load: Load, target: Server | None, *, tls: bool) -> Outcome:
    """Carry the load to that server, or to one of its own."""
    from chatcli.bench.plan import Server
    from chatcli.bench.throwaway import throwaway
    from chatcli.bench.workers import measure
    from chatcli.cli.output.bench_report import Progress

    with Progress(load.scenario) as progress:
        if target is not None:
            return measure(load, target, None, progress.share)
        with throwaway(2 * load.clients) as started:
            host, port = started.address
            server = Server(
                host=host, port=port, tls=tls, key=started.key if tls else "", binding=started.binding if tls else b""
            )
            return measure(load, server, started.pid, progress.share)


@contextlib.contextmanager
def _ending_on_signals() -> Iterator[None]:
    """Have SIGTERM and SIGHUP end the command as Ctrl-C does, so that nothing that was started runs on.

    The first one ends it; another does not keep it from clearing away, which takes seconds at most.
    """
    from chatcli.bench.children import ENDING

    ending = False

    def end(number: int, _frame: FrameType | None) -> None:
        nonlocal ending
        if ending:
            return
        ending = True
        raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    with contextlib.ExitStack() as stack:
        for number in ENDING:
            if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup has it
                stack.callback(signal.signal, number, signal.signal(number, end))
        yield
