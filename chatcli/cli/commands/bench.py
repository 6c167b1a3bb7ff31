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
from chatcli.protocol.values.address import Address

if TYPE_CHECKING:
    from chatcli.bench.plan import Load, Scenario, Server, Via
    from chatcli.bench.workers import Outcome
    from chatcli.client.transport.blocking import Opened

#: As in :data:`chatcli.bench.plan.SCENARIOS`, which is not imported for --help and for completion.
SCENARIOS: Final = ("pairs", "room", "paced", "idle", "connect", "catch-up")
#: Options of some scenarios only, and these scenarios.
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
    via: Via
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
@click.option(
    "--duration", type=LapseType(), default="5s", show_default=True, help="How long to measure each scenario."
)
@click.option(
    "--clients",
    type=click.IntRange(1, 1_000_000),
    help="Pairs, members, or connections.  [default: 100 pairs, a room of 200, 50 pairs paced, 1000 idle, 64 at once]",
)
@click.option(
    "--window",
    type=click.IntRange(1, 10_000),
    help="Messages of a speaker in flight at once.  [default: 50 in pairs, 10 in a room]",
)
@click.option(
    "--speakers",
    type=click.IntRange(1),
    help="Members of the room who speak.  [default: 4, or all but one]",
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
    help="Missed messages, with catch-up.",
)
@click.option("--tls", is_flag=True, help="Use TLS with the server that bench starts.")
@click.option(
    "--via",
    type=click.Choice(["tcp", "ws"]),
    default="tcp",
    show_default=True,
    help="ws: TLS within a WebSocket within HTTP, as clients of https:// addresses do; compare it with --tls.",
)
@click.option("--yes", is_flag=True, help="Do not ask before loading a server of yours; for scripts.")
@click.option(
    "--compare", type=click.File(), help="Output of --json from an earlier run, - for standard input: show ratios."
)
@json_option(
    "scenario, clients, window, speakers, rate, text, tls, via, seconds, sent, acknowledged, received, per_second, "
    "latency, server_cpu, generator_cpu, workers, limited, memory, memory_each."
)
@server_options
@as_record(BenchOptions, conflicts=[("--compare", "--json")])
def command(options: BenchOptions, account: Account) -> None:
    """Measure what a server holds: messages a second, how long they take, memory and CPU.

    Without --server or --at, it starts a server of its own, without rate limits, in a temporary directory (in TMPDIR,
    whose disk matters: every message is on it before it is acknowledged), and removes it at the end.

    \b
    pairs     each speaker has a listener: direct messages
    room      a few speak in one room: deliveries to all its members
    paced     messages at --rate: how long each takes
    idle      idle connections: memory for each
    connect   connect, prove the key, be welcomed, leave
    catch-up  a user who missed many messages reads them

    With --server, a server of yours is measured: the users and the room that are made for the run (bench-...) stay on
    that server, with all messages. Its rate limits hold: the result may be what its --message-rate lets through. You
    are asked before, unless you say --yes.

    With --via ws the connections go through a WebSocket, as those to an https:// address do, but without TLS around it,
    which is a proxy's work. Callers by HTTP are never exempt from the limits for an address: connect is slower by that.

    The load is made by one process for each core but one. If they were busy for more than 90 % of the time, or did not
    keep up with --rate, a note says so: they may have been the limit, not the server.

    If messages are missing 20 seconds after the end, the server has stopped answering; the status is then 5.

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
    target = None if own else _reach(account, loads, options.via, agreed=options.yes)
    with _ending_on_signals():
        for load in loads:
            bench_report.show(
                _run(load, target, tls=options.tls, via=options.via), earlier, as_json=options.as_json, own=own
            )


def _describe_server_options() -> None:
    """Change the help of the shared options: only the command line chooses a server here."""
    for option in command.params:
        if isinstance(option, click.Option) and option.name in ("server", "at"):
            option.show_default = option.show_envvar = False
            if option.name == "server":
                option.help = "Measure this server instead of starting one."
                option.metavar = "HOST[:PORT]"  # only its own port is measured


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
        raise click.UsageError("--clients: a room needs 2 members at least.")
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
    """Return whether the command line names a server. Other sources do not count: they are for chatting."""
    given = [context.get_parameter_source(name) is ParameterSource.COMMANDLINE for name in ("server", "at", "pin")]
    return any(given) or context.find_root().params.get("at") is not None


def _reach(account: Account, loads: Sequence[Load], via: Via, *, agreed: bool) -> Server:
    """Return the server to measure, once it is trusted and the user agrees.

    Raises:
        ChatError: the server cannot be reached, or is not to be trusted.
        click.UsageError: there is nobody to ask.
    """
    from chatcli.bench.plan import Server

    if account.server.name.scheme:
        raise click.UsageError(
            "bench measures a server at its own port: give --server HOST:PORT, and --via ws for a tunnel."
        )
    opened = _open(account, account.server.name)
    channel = opened.channel
    with opened.socket as connection:
        host, port = connection.getpeername()[:2]
    if via == "ws" and not channel.binding:  # it was reached without TLS, which a tunnel has
        opened = _open(account, Address(host, port, "http"))
        opened.socket.close()
        channel = opened.channel
    if not agreed:
        _ask(account.server.name, loads)
    tls = bool(channel.binding)
    return Server(host=host, port=port, tls=tls, via=via, key=channel.server_key, binding=channel.binding)


def _open(account: Account, address: Address) -> Opened:
    """Return a connection to a server, once it is trusted."""
    import time

    from chatcli.client.identity.credentials import Login, Server
    from chatcli.client.transport.blocking import connect
    from chatcli.errors import UnknownServer

    login = Login(server=Server.at(address), trust=account.trust)
    try:
        return connect(login, time.monotonic() + _TIMEOUT)
    except UnknownServer as unknown:
        account.trust.confirm(address, unknown)
        return connect(login, time.monotonic() + _TIMEOUT)


def _ask(server: Address, loads: Sequence[Load]) -> None:
    seconds = sum(load.seconds for load in loads)
    what = (
        f"This puts full load on the server at {server} for at least {seconds:g} seconds. Names that begin with bench- "
        "and very many messages stay in its log for good."
    )
    if not (sys.stdin is not None and sys.stdin.isatty() and sys.stderr is not None and sys.stderr.isatty()):
        raise click.UsageError(f"{what} To go on, say --yes.")
    click.echo(what, err=True)
    click.confirm("Go on?", abort=True, err=True)


def _run(load: Load, target: Server | None, *, tls: bool, via: Via) -> Outcome:
    """Measure that server, or one that is started for it."""
    from msgspec.structs import replace

    from chatcli.bench.plan import Server
    from chatcli.bench.throwaway import throwaway
    from chatcli.bench.workers import measure
    from chatcli.cli.output.progress import Progress

    with Progress(load.scenario) as progress:
        if target is not None:
            return measure(load, target, None, progress.share)
        with throwaway(2 * load.clients) as started:
            host, port = started.address[:2]
            server = Server(host=host, port=port, via=via)
            if tls or via == "ws":
                server = replace(server, tls=True, key=started.key, binding=started.binding)
            return measure(load, server, started.pid, progress.share)


@contextlib.contextmanager
def _ending_on_signals() -> Iterator[None]:
    """Make SIGTERM and SIGHUP end the command as Ctrl-C does, so that all started processes end, too.

    The first signal ends it. Further ones do not interrupt the clean-up, which takes seconds at most.
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
