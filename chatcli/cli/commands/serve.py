"""``chatcli serve``: runs a server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from time import struct_time

    from chatcli.server.app import Serving, Settings

from chatcli.cli.options import candidates
from chatcli.cli.options.types import DurationType, TextType
from chatcli.protocol.address import DEFAULT_HOST, DEFAULT_PORT, Address, is_loopback

#: As :data:`chatcli.protocol.frames.MAX_TEXT`, which is not imported for --help and for completion.
MAX_TEXT = 32 * 1024
_MAX_TEXT_ALLOWED = 1024 * 1024
_LAST_LINES = 1.0  # seconds for what was logged last to be written


@click.command("serve", context_settings={"auto_envvar_prefix": "CHATCLI_SERVE"})
@click.option(
    "--host",
    "hosts",
    multiple=True,
    default=(DEFAULT_HOST,),
    show_default=True,
    show_envvar=True,
    envvar="CHATCLI_SERVE_HOST",
    help="Address to listen on, or a name of one; may be given several times.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=DEFAULT_PORT,
    show_default=True,
    show_envvar=True,
    help="Port to listen on; 0 picks a free one.",
)
@click.option(
    "--data",
    type=TextType("DIR"),
    shell_complete=candidates.directories,
    show_envvar=True,
    help="Directory of the log.  [default: chatcli in the user's data directory]",
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"], case_sensitive=False),
    default="warning",
    show_default=True,
    show_envvar=True,
    help="What is logged on standard error.",
)
@click.option(
    "--max-text",
    type=click.IntRange(1, _MAX_TEXT_ALLOWED),
    default=MAX_TEXT,
    show_default=True,
    show_envvar=True,
    help="Bytes of text in one message.",
)
@click.option(
    "--keep",
    type=DurationType(),
    show_envvar=True,
    help="How long messages are kept, as in 30d or 12w; then they are deleted. The units are s, m (minutes), h, d"
    " and w.  [default: for ever]",
)
@click.option(
    "--max-connections",
    type=click.IntRange(1),
    default=10_000,
    show_default=True,
    show_envvar=True,
    help="Connections open at once.",
)
@click.option(
    "--access",
    type=click.Choice(["open", "invite"]),
    default="open",
    show_default=True,
    show_envvar=True,
    help='Who may take a free name: anyone, or those with an invitation from "chatcli admin invite".',
)
@click.option(
    "--message-rate",
    type=click.IntRange(0),
    default=500,
    show_default=True,
    show_envvar=True,
    help="Messages a second from one connection in the long run; whoever says more is read more slowly. 0: any number.",
)
@click.option(
    "--message-burst",
    type=click.IntRange(1),
    default=20_000,
    show_default=True,
    show_envvar=True,
    help="Messages from one connection that may come at once before --message-rate counts.",
)
@click.option(
    "--address-connections",
    type=click.IntRange(1),
    default=500,
    show_default=True,
    show_envvar=True,
    help="Connections open at once from one address; like the next two, this machine's own are exempt.",
)
@click.option(
    "--address-failures",
    type=click.IntRange(1),
    default=20,
    show_default=True,
    show_envvar=True,
    help="Wrong proofs and codes from one address in a minute.",
)
@click.option(
    "--address-names",
    type=click.IntRange(1),
    default=200,
    show_default=True,
    show_envvar=True,
    help="New names from one address in an hour.",
)
@click.option(
    "--tls-cert",
    type=click.Path(),
    metavar="FILE",
    show_envvar=True,
    help="Certificate of your own, in PEM, with those that lead to its authority behind it; SIGHUP reads it again."
    "  [default: one that the server makes]",
)
@click.option(
    "--tls-key",
    type=click.Path(),
    metavar="FILE",
    show_envvar=True,
    help="The key of --tls-cert, in PEM.",
)
@click.option(
    "--insecure",
    is_flag=True,
    show_envvar=True,
    help="Take connections without TLS from other machines too. Everyone on the way can then read and alter what is"
    " said over them.",
)
def command(
    hosts: tuple[str, ...],
    port: int,
    data: str | None,
    log_level: str,
    max_text: int,
    keep: int | None,
    max_connections: int,
    tls_cert: str | None,
    tls_key: str | None,
    insecure: bool,
    **allowances: int | str,
) -> None:
    """Run a chat server until Ctrl-C or SIGTERM.

    Listens on this machine only, unless told otherwise with --host: "--host 0.0.0.0" takes connections from the
    network. What is said is kept in the data directory; starting again over the same directory goes on where it
    stopped.

    Other machines reach it with TLS only. Clients know it by its key, which it makes on first start and keeps in the
    data directory, and whose fingerprint it prints.
    """
    import logging
    from pathlib import Path

    from chatcli.cli.environment import default_directory
    from chatcli.cli.output.server_log import LogOutput
    from chatcli.server import app
    from chatcli.server.limits import Limits

    output = LogOutput()
    form = logging.Formatter("%(asctime)s %(levelname)s %(message)s")
    form.converter = _local_time
    output.setFormatter(form)
    logging.basicConfig(level=log_level.upper(), handlers=[output])
    limits = Limits(
        text=max_text, frame=max(Limits().frame, 2 * max_text), connections=max_connections, **_limits(allowances)
    )
    where = Path(data) if data else default_directory()
    cert, key = (None if file is None else Path(file) for file in (tls_cert, tls_key))
    settings = app.Settings(Address(hosts[0], port), where, limits, cert, key, insecure, keep, hosts[1:])
    try:
        app.run(settings, lambda serving: output.write(_ready(serving, settings)))
    finally:
        output.drain(_LAST_LINES)


def _local_time(moment: float | None) -> struct_time:
    """Return a time in the zone of this machine, whichever that is by now."""
    import time

    from chatcli import zone

    zone.current()
    return time.localtime(moment)


def _limits(options: dict[str, int | str]) -> dict[str, Any]:
    """Return the options that are limits, under the names that these have."""
    names = {
        "address_connections": "connections_per_address",
        "address_failures": "proofs",
        "address_names": "names",
    }
    return {names.get(option, option): value for option, value in options.items()}


def _ready(serving: Serving, settings: Settings) -> str:
    """Return where the server listens, its key, what is deleted, and what others paste to join or to be invited.

    Behind that stands what is not as it should be, a line for each.
    """
    from chatcli.cli.environment import program, reachable
    from chatcli.protocol.text import command_line

    bound, fingerprint, warnings = serving
    listening = " and ".join(map(str, bound))
    first, *others = dict.fromkeys(address for each in bound for address in reachable(each))
    pin = () if is_loopback(first.host) else ("--pin", fingerprint)
    join = [command_line(*program(first), "join", "--server", str(first), *pin)]
    if others:
        join.append(f"It can also be reached at {', '.join(map(str, others))}.")
    if settings.limits.access == "invite":
        data = str(settings.data.absolute())
        invite = command_line(*program(Address(DEFAULT_HOST, 0)), "admin", "invite", "--data", data)
        join += ["Newcomers need an invitation, which this prints:", invite]
    kept = "" if settings.keep is None else f"; messages older than {_age(settings.keep)} are deleted"
    insecure = "Insecure: what other machines say without TLS can be read and altered on the way."
    serving_on = f"Serving on {listening}, key {fingerprint}{kept}. To join:"
    return "\n".join([serving_on, *join, *([insecure] if settings.insecure else []), *warnings])


def _age(seconds: int) -> str:
    """Return how old something may become: in days, as people say who keep things for months."""
    from chatcli.protocol.durations import duration_text

    days, rest = divmod(seconds, 86_400)
    return duration_text(seconds) if rest else f"{days}d"
