"""The environment of a tunnel: the proxy on the way to a server, and the headers that open a gate."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from chatcli.client.identity.trust import is_loopback
from chatcli.errors import InputError
from chatcli.protocol.values.address import SCHEMES, Address, canonical_host, parse_address

if TYPE_CHECKING:
    from collections.abc import Iterator

HEADER_VARIABLE: Final = "CHATCLI_HTTP_HEADER"

_UNSPECIFIED: Final = ("0.0.0.0", "::")  # noqa: S104 (a connection to them is one to this machine)
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2
_VALUE: Final = re.compile(r"[\t\x20-\x7e]+")
_OWN_HEADERS: Final = frozenset(
    {"connection", "content-length", "host", "transfer-encoding", "upgrade", "proxy-authorization"}
)
_OWN_BEGINNING: Final = "sec-websocket-"


class Proxy(Struct, frozen=True):
    """A proxy that is asked for a connection to a server.

    Attributes:
        address: its address; the scheme says whether it is spoken to in TLS.
        variable: the environment variable that names it.
        credentials: a name and a password as HTTP's ``Basic`` has them; empty if there are none.
    """

    address: Address
    variable: str
    credentials: str = ""

    def __str__(self) -> str:
        return f"The proxy {self.address}, which {self.variable} names,"


def proxy_for(server: Address) -> Proxy | None:
    """Return the proxy on the way to a server; None for a direct way, as to this machine.

    Raises:
        InputError: the variable names no proxy that can be used.
    """
    if is_loopback(server.host) or server.host in _UNSPECIFIED:
        return None
    for variable in _variables(server.scheme):
        if value := os.environ.get(variable, "").strip():
            direct = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
            return None if _is_direct(server, direct) else _parse_proxy(value, variable)
    return None


def _variables(scheme: str) -> list[str]:
    lower, upper = f"{scheme}_proxy", f"{scheme.upper()}_PROXY"
    # To a CGI script, a caller of the web server gives HTTP_PROXY by a header called "Proxy".
    return [lower] if scheme == "http" and "REQUEST_METHOD" in os.environ else [lower, upper]


def _parse_proxy(value: str, variable: str) -> Proxy:
    """Parse an address of a proxy. A sentence must not repeat it, as there may be a password in it.

    Raises:
        InputError: it is none.
    """
    from base64 import b64encode
    from urllib.parse import unquote

    scheme, separator, rest = value.partition("://")
    if not separator:
        scheme, rest = "http", value
    scheme = scheme.lower()
    if scheme not in SCHEMES or "://" in rest:
        raise InputError(f"{variable} names a proxy that does not speak HTTP: write http://HOST:PORT, or unset it.")
    person, _, place = rest.rstrip("/").rpartition("@")
    try:
        address = parse_address(place, SCHEMES[scheme])
    except InputError:
        raise InputError(f"{variable} is not the address of a proxy: write http://HOST:PORT, or unset it.") from None
    name, _, password = person.partition(":")
    secret = f"{unquote(name)}:{unquote(password)}" if person else ""
    return Proxy(address._replace(scheme=scheme), variable, b64encode(secret.encode()).decode())


def _is_direct(server: Address, exceptions: str) -> bool:
    """Return whether a server is among the exceptions in ``NO_PROXY``."""
    entries = filter(None, re.split(r"[,\s]+", exceptions.lower()))
    return any(entry == "*" or _matches(server, entry) for entry in entries)


def _matches(server: Address, entry: str) -> bool:
    """Return whether an entry of ``NO_PROXY`` is a server's network, address or name, or the end of its name."""
    if "/" in entry:
        return _is_in(server.host, entry)
    if entry.count(":") == 1 or entry.startswith("["):
        host, _, port = entry.rpartition(":")
        if port.isdecimal() and port.lstrip("0") != str(server.port):
            return False
        entry = host.strip("[]") if port.isdecimal() else entry.strip("[]")
    name = _canonical(entry.removeprefix("*").removeprefix("."))
    host = server.host.partition("%")[0]
    return name in (server.host, host) or (bool(name) and host.endswith(f".{name}"))


def _canonical(host: str) -> str:
    try:
        return canonical_host(host)
    except ValueError:
        return host


def _is_in(host: str, network: str) -> bool:
    import ipaddress

    try:
        return ipaddress.ip_address(host.partition("%")[0]) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


def headers_in_environment() -> list[tuple[str, str]]:
    """Return the headers in ``CHATCLI_HTTP_HEADER``, for each its name and its value.

    Raises:
        InputError: a line of it is no header, or one that the tunnel sets itself. The sentence shows no value.
    """
    return list(_headers(os.environ.get(HEADER_VARIABLE, "")))


def _headers(text: str) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        name, _, value = (part.strip() for part in line.partition(":"))
        if not (name or value):
            continue
        if not (_NAME.fullmatch(name) and _VALUE.fullmatch(value)):
            raise InputError(f'{HEADER_VARIABLE}, line {number}: that is no header; write "Name: value".')
        if name.lower() in _OWN_HEADERS or name.lower().startswith(_OWN_BEGINNING):
            raise InputError(f"{HEADER_VARIABLE}, line {number}: chatcli sets {name} itself; leave it out.")
        yield name, value
