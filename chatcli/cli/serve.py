"""``chatcli serve``: runs a server."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import click

from chatcli.cli.options import TextType
from chatcli.protocol.address import DEFAULT_HOST, DEFAULT_PORT, Address
from chatcli.protocol.frames import MAX_TEXT

_MAX_TEXT_ALLOWED = 1024 * 1024


@click.command("serve", context_settings={"auto_envvar_prefix": "CHATCLI_SERVE"})
@click.option("--host", default=DEFAULT_HOST, show_default=True, show_envvar=True, help="Address to listen on.")
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
    type=TextType(),
    show_envvar=True,
    metavar="DIR",
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
    "--max-connections",
    type=click.IntRange(1),
    default=10_000,
    show_default=True,
    show_envvar=True,
    help="Connections open at once.",
)
def command(host: str, port: int, data: str | None, log_level: str, max_text: int, max_connections: int) -> None:
    """Run a chat server until Ctrl-C or SIGTERM.

    Listens on this machine only, unless told otherwise with --host: "--host 0.0.0.0" takes connections from the
    network. What is said is kept in the data directory; starting again over the same directory goes on where it
    stopped.
    """
    from chatcli.server import app
    from chatcli.server.limits import Limits

    logging.basicConfig(level=log_level.upper(), format="%(asctime)s %(levelname)s %(message)s")
    limits = Limits(text=max_text, frame=max(Limits().frame, 2 * max_text), connections=max_connections)
    app.run(app.Settings(Address(host, port), Path(data) if data else _default_directory(), limits), _say_ready)


def _default_directory() -> Path:
    import platformdirs

    return Path(platformdirs.user_data_dir("chatcli", appauthor=False))


def _say_ready(bound: list[Address]) -> None:
    """Print one line: where the server listens, and what someone else pastes to join."""
    listening = " and ".join(map(str, bound))
    reachable = [address for each in bound for address in _reachable(each)]
    first, *others = dict.fromkeys(reachable)
    also = f" (or {', '.join(map(str, others))})" if others else ""
    click.echo(f"Serving on {listening}. To join: {_program(first)} join --server {first}{also}", err=True)


def _reachable(bound: Address) -> list[Address]:
    """Return the addresses under which others reach the server; for a wildcard, every one of this machine."""
    if bound.host not in ("0.0.0.0", "::"):  # noqa: S104 (compared, not bound)
        return [bound]
    import ifaddr

    own = [str(ip.ip) for adapter in ifaddr.get_adapters() for ip in adapter.ips if ip.is_IPv4]
    if bound.host == "::":
        own += [ip.ip[0] for adapter in ifaddr.get_adapters() for ip in adapter.ips if ip.is_IPv6]
    outside = [host for host in own if not host.startswith(("127.", "fe80:")) and host != "::1"]
    return [Address(host, bound.port) for host in outside or [DEFAULT_HOST]]


def _program(address: Address) -> str:
    """Return how to call this program: as it was called here, if that is the only way on this machine."""
    import shutil

    called = sys.argv[0]
    if not address.host.startswith("127.") or shutil.which("chatcli"):
        return "chatcli"
    if Path(called).name == "__main__.py":
        return f"{sys.executable} -m chatcli"
    return called
