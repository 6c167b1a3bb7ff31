"""The lines that ``chatcli serve`` prints once it listens: where, with which key, and how to join."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from chatcli.cli.environment import invited_page, is_forwarded, is_here, program, reachable
from chatcli.codespaces import codespace
from chatcli.protocol.values.address import DEFAULT_HOST, SCHEMES, Address, is_loopback
from chatcli.protocol.values.authority import Authority, parse_authority
from chatcli.protocol.values.durations import duration_text
from chatcli.protocol.values.text import command_line

if TYPE_CHECKING:
    from chatcli.server.app import Serving, Settings

_HTTPS: Final = SCHEMES["https"]


def greeting(serving: Serving, settings: Settings) -> str:
    """Return where the server listens, its key, and the ways to join; after them, a line for each warning."""
    bound, fingerprint = serving.addresses, serving.fingerprint
    listening = " and ".join(map(str, bound))
    first, *others = dict.fromkeys(address for each in bound for address in reachable(each))
    pin = () if is_loopback(first.host) else ("--pin", fingerprint)
    join = [command_line(*program(first), "join", "--server", str(first), *pin)]
    if found := pages(serving, settings):
        join += _in_browser(serving, settings, found)
    if others:
        join.append(f"It can also be reached at {', '.join(map(str, others))}.")
    join += _forwarded(serving)
    if settings.limits.access == "invite":
        data = str(settings.data.absolute())
        invite = command_line(*program(Address(DEFAULT_HOST, 0)), "admin", "invite", "--data", data)
        join += ["Newcomers need an invitation, which this prints:", invite]
    kept = "" if settings.keep is None else f"; messages older than {_age(settings.keep)} are deleted"
    insecure = "Insecure: what other machines say without TLS can be read and altered on the way."
    serving_on = f"Serving on {listening}, key {fingerprint}{kept}. To join:"
    return "\n".join([serving_on, *join, *([insecure] if settings.insecure else []), *serving.warnings])


def pages(serving: Serving, settings: Settings) -> list[str]:
    """Return the addresses of the page; none if the server has no page."""
    if not settings.web:
        return []
    page = invited_page(serving.addresses, os.environ)
    direct = _is_direct(serving, settings)
    names = settings.web_names or (serving.names if direct and settings.tls_cert is not None else ())
    return list(_pages(names, page.port if direct else _HTTPS)) or [f"{page}/"]


def _is_direct(serving: Serving, settings: Settings) -> bool:
    """Return whether browsers on other machines reach the server with nothing between."""
    page = invited_page(serving.addresses, os.environ)
    return not (is_here(page) or settings.proxies or _forwarded_host(serving))


def _in_browser(serving: Serving, settings: Settings, found: list[str]) -> list[str]:
    """Return the addresses of the page, and the ways past a browser's warning of the server's own certificate."""
    shown = [f"In a browser: {' or '.join(found)}"]
    if not _is_direct(serving, settings) or settings.tls_cert is not None:
        return shown
    return [*shown, *_past_the_warning(serving, invited_page(serving.addresses, os.environ))]


def _pages(names: Iterable[str], port: int) -> Iterator[str]:
    """Yield the address of the page under each name.

    Args:
        names: names of the server, each with a port if browsers reach it at another one; wildcards are left out.
        port: the port of the others.
    """
    for name in names:
        if found := parse_authority(name):
            at = found.port or port
            yield f"https://{Authority(found.host, None if at == _HTTPS else at)}/"


def _past_the_warning(serving: Serving, page: Address) -> list[str]:
    """Return the ways past a browser's warning, and around it."""
    tunnel = ""
    if any(is_forwarded(address) for address in serving.addresses):  # else it would end where nobody listens
        port = page.port
        tunnel = f', nor at http://localhost:{port}/ after "ssh -L {port}:localhost:{port} {page.host}"'
    return [
        "The browser warns of this server's certificate. Continue if it shows this SHA-256 fingerprint:",
        f"    {serving.certificate}",
        f"There is no warning with a certificate of an authority (--tls-cert){tunnel}.",
    ]


def _forwarded(serving: Serving) -> list[str]:
    """Return in a codespace where its forwarded port is, how others join there, and how it becomes visible to them."""
    found = codespace(os.environ)
    port = _forwarded_port(serving)
    if found is None or port is None:
        return []
    url = f"https://{found.host(port)}"
    join = ("chatcli", "join", "--server", url, "--pin", serving.fingerprint)
    publish = ("gh", "codespace", "ports", "visibility", f"{port}:public", "-c", found.name)
    return [
        f"Others reach this codespace at {url}. To join from elsewhere:",
        command_line(*join),
        f"Until port {port} is public, only you can. This makes it so:",
        command_line(*publish),
    ]


def _forwarded_host(serving: Serving) -> str:
    """Return in a codespace the name of the forwarded port; else an empty one."""
    found = codespace(os.environ)
    port = _forwarded_port(serving)
    return found.host(port) if found is not None and port is not None else ""


def _forwarded_port(serving: Serving) -> int | None:
    """Return the port that a codespace would forward, if any."""
    return next((address.port for address in serving.addresses if is_forwarded(address)), None)


def _age(seconds: int) -> str:
    """Return an age in days if it is a whole number of them, as people say even for months."""
    days, rest = divmod(seconds, 86_400)
    return duration_text(seconds) if rest else f"{days}d"
