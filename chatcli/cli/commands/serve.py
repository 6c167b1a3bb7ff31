"""``chatcli serve``: runs a server."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import click

from chatcli.cli.options import candidates
from chatcli.cli.options.shared import Decorated, as_record
from chatcli.cli.options.types import DurationType, NetworkType, TextType, WebNameType
from chatcli.protocol.values.address import DEFAULT_HOST, DEFAULT_PORT, Address

if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network
    from time import struct_time

    from chatcli.server.app import Serving, Settings
    from chatcli.server.limits import Limits

#: As :data:`chatcli.protocol.frames.MAX_TEXT`, which is not imported for --help and for completion.
MAX_TEXT: Final = 32 * 1024
_MAX_TEXT_ALLOWED: Final = 1024 * 1024
_LAST_LINES: Final = 1.0  # seconds for the last lines of the log to be written


class ServeOptions(NamedTuple):
    """The options of ``chatcli serve``; see ``--help``, and :class:`chatcli.server.limits.Limits`."""

    hosts: tuple[str, ...]
    port: int
    data: str | None
    log_level: str
    max_text: int
    keep: int | None
    max_connections: int
    access: Literal["open", "invite"]
    message_rate: int
    message_burst: int
    address_connections: int
    address_failures: int
    address_names: int
    tls_cert: str | None
    tls_key: str | None
    insecure: bool
    proxies: tuple[IPv4Network | IPv6Network, ...]
    web_names: tuple[str, ...]
    no_web: bool


def _option(*names: str, default: object = None, **attributes: Any) -> Callable[[Decorated], Decorated]:  # noqa: ANN401
    """Return a decorator that adds an option whose help shows its default and its variable."""
    return click.option(*names, default=default, show_default=default is not None, show_envvar=True, **attributes)


@click.command("serve", context_settings={"auto_envvar_prefix": "CHATCLI_SERVE"})
@_option(
    "--host",
    "hosts",
    multiple=True,
    default=(DEFAULT_HOST,),
    envvar="CHATCLI_SERVE_HOST",
    help="Address to listen on, or a host name; may be given several times.",
)
@_option("--port", type=click.IntRange(0, 65535), default=DEFAULT_PORT, help="Port to listen on; 0 picks a free one.")
@_option(
    "--data",
    type=TextType("DIR"),
    shell_complete=candidates.directories,
    help="Directory of the log.  [default: chatcli in the user's data directory]",
)
@_option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"], case_sensitive=False),
    default="warning",
    help="The least severe messages to log on standard error.",
)
@_option(
    "--max-text", type=click.IntRange(1, _MAX_TEXT_ALLOWED), default=MAX_TEXT, help="Bytes of text in one message."
)
@_option(
    "--keep",
    type=DurationType(),
    help="How long messages are kept, as in 30d or 12w, before they are deleted. The units are s, m (minutes), h, d"
    " and w.  [default: for ever]",
)
@_option("--max-connections", type=click.IntRange(1), default=10_000, help="Connections open at once.")
@_option(
    "--access",
    type=click.Choice(["open", "invite"]),
    default="open",
    help='Who may take a free name: anyone, or those with an invitation from "chatcli admin invite".',
)
@_option(
    "--message-rate",
    type=click.IntRange(0),
    default=500,
    help="Messages a second from one connection in the long run; a faster one is read more slowly. 0: no limit.",
)
@_option(
    "--message-burst",
    type=click.IntRange(1),
    default=20_000,
    help="Messages from one connection that may come at once before --message-rate counts.",
)
@_option(
    "--address-connections",
    type=click.IntRange(1),
    default=500,
    help="Connections open at once from one address. It, --address-failures and --address-names exempt this machine,"
    " but nobody who comes by HTTP.",
)
@_option(
    "--address-failures",
    type=click.IntRange(1),
    default=20,
    help="Wrong proofs and codes from one address in a minute.",
)
@_option("--address-names", type=click.IntRange(1), default=200, help="New names from one address in an hour.")
@_option(
    "--tls-cert",
    type=click.Path(),
    metavar="FILE",
    help="Certificate of your own, in PEM, followed by those that lead to its authority; SIGHUP reads it again."
    "  [default: one that the server makes]",
)
@_option("--tls-key", type=click.Path(), metavar="FILE", help="The key of --tls-cert, in PEM.")
@_option(
    "--insecure",
    is_flag=True,
    help="Accept connections without TLS from other machines too. Everyone on the way can then read and alter what is"
    " said over them.",
)
@_option(
    "--proxy",
    "proxies",
    type=NetworkType(),
    multiple=True,
    envvar="CHATCLI_SERVE_PROXY",
    help="IP address, or network, of a proxy in front of this server: the limits for each address hold for those whom"
    ' it names in "Forwarded" or "X-Forwarded-For", not for the proxy. May be given several times.',
)
@_option(
    "--web-name",
    "web_names",
    type=WebNameType(),
    multiple=True,
    envvar="CHATCLI_SERVE_WEB_NAME",
    help="Name under which browsers and proxies reach this server, if it is neither the name of this machine nor in the"
    " certificate. May be given several times.",
)
@_option(
    "--no-web",
    is_flag=True,
    help="Give browsers no page to chat on; they are only told what this is. HTTP and WebSockets stay.",
)
@as_record(ServeOptions)
def command(options: ServeOptions) -> None:
    """Run a chat server until Ctrl-C or SIGTERM.

    It listens on this machine only, unless --host says otherwise: "--host 0.0.0.0" accepts connections from the
    network. Messages are stored in the data directory; a new start with the same directory goes on with them.

    Other machines reach it with TLS only. Clients recognize it by its key, which it makes on its first start, stores in
    the data directory, and whose fingerprint it prints.
    """
    import logging

    from chatcli.cli.output.server_log import LogOutput
    from chatcli.cli.serve_greeting import greeting, pages
    from chatcli.cli.serve_record import options_in_use, record
    from chatcli.server import app

    output = LogOutput()
    form = logging.Formatter("%(asctime)s %(levelname)s %(message)s")
    form.converter = _local_time
    output.setFormatter(form)
    logging.basicConfig(level=options.log_level.upper(), handlers=[output])
    settings = _settings(options)
    words = options_in_use(click.get_current_context())

    def ready(serving: Serving) -> None:
        record(settings.data, words, pages(serving, settings))
        output.write(greeting(serving, settings))

    try:
        app.run(settings, ready)
    finally:
        output.drain(_LAST_LINES)


def _settings(options: ServeOptions) -> Settings:
    from pathlib import Path

    from chatcli.cli.environment import default_directory
    from chatcli.server.app import Settings

    host, *others = options.hosts
    cert, key = (None if file is None else Path(file) for file in (options.tls_cert, options.tls_key))
    return Settings(
        address=Address(host, options.port),
        data=Path(options.data) if options.data else default_directory(),
        limits=_limits(options),
        tls_cert=cert,
        tls_key=key,
        insecure=options.insecure,
        keep=options.keep,
        hosts=tuple(others),
        proxies=options.proxies,
        web_names=options.web_names,
        web=not options.no_web,
    )


def _limits(options: ServeOptions) -> Limits:
    from chatcli.server.limits import Limits

    return Limits(
        text=options.max_text,
        frame=max(Limits().frame, 2 * options.max_text),
        connections=options.max_connections,
        access=options.access,
        message_rate=options.message_rate,
        message_burst=options.message_burst,
        connections_per_address=options.address_connections,
        proofs=options.address_failures,
        names=options.address_names,
    )


def _local_time(moment: float | None) -> struct_time:
    """Return a time in the present zone of this machine, which may have changed."""
    import time

    from chatcli import zone

    zone.current()
    return time.localtime(moment)
