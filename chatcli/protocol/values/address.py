"""Server addresses: ``HOST``, ``HOST:PORT``, ``[::1]:PORT``, ``https://HOST``, and the canonical spelling of each.

``chat.test.``, ``CHAT.test`` and ``chat.test`` are one host, and so are ``0:0::1`` and ``::1``, or a name in Unicode
and in ASCII (RFC 5891). Certificates, resolvers and file names all need the same spelling. An address with a scheme is
that of a tunnel through HTTP: it may have a path, whose letters keep their case.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

from chatcli.errors import InputError

DEFAULT_HOST: Final = "127.0.0.1"
DEFAULT_PORT: Final = 8080
#: The schemes of HTTP, and their ports.
SCHEMES: Final = {"https": 443, "http": 80}
#: The path of the WebSocket that a tunnel opens, below that of the address.
WEBSOCKET_PATH: Final = "/-/ws"

_LONGEST_NAME: Final = 253  # characters (RFC 1035, section 2.3.4)
_LONGEST_LABEL: Final = 63
_NEVER: Final = frozenset(" #%/:?@[\\]")  # in a name; IDNA maps some letters to these
_BASES: Final = {"0x": 16, "0": 8}
_LONGEST_PATH: Final = 1024  # characters
_IN_PATHS: Final = frozenset(  # RFC 3986, section 3.3
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@/%"
)


class Address(NamedTuple):
    """A host name or IP address, and a TCP port; with a scheme, that of a tunnel through HTTP.

    Attributes:
        host: the name or the IP address.
        port: the port.
        scheme: ``https`` or ``http`` for a tunnel, empty for a server's own port.
        path: the path below which the tunnel begins; empty, or with a slash at its beginning and none at its end.
    """

    host: str
    port: int
    scheme: str = ""
    path: str = ""

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        if not self.scheme:
            return f"{host}:{self.port}"
        port = "" if self.port == SCHEMES.get(self.scheme) else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.path}"

    @property
    def key(self) -> str:
        """The spelling under which files of the server are stored: letters in small, but for those of a path."""
        return f"{self._replace(path='')}".lower() + self.path


def parse_address(text: str, default_port: int = DEFAULT_PORT, *, own_path: bool = False) -> Address:
    """Parse an address into its canonical spelling; an IPv6 address with a port needs brackets.

    Args:
        text: the address.
        default_port: the port if there is none; for an address with a scheme it is the scheme's.
        own_path: whether the path may end with that of the WebSocket itself, which nobody has to give.

    Raises:
        InputError: the host is missing or invalid, the port is not a number from 1 to 65535, or an address with a
            scheme has more than a host, a port and a path.
    """
    text = text.strip()
    if "://" in text:
        return _parse_url(text, own_path=own_path)
    if "@" in text:
        raise _with_a_user("", text)
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise InputError(f'"{text}" is not an address; an IPv6 address is written "[::1]:8080".')
        port = rest[1:]
    elif text.count(":") > 1:
        host, port = text, ""
    else:
        host, _, port = text.partition(":")
    if not host or host.startswith("#") or any(char.isspace() for char in host):
        raise InputError(f'"{text}" is not an address; write HOST or HOST:PORT, as in "127.0.0.1:8080".')
    number = _port(port) if port else default_port
    try:
        return Address(canonical_host(host), number)
    except ValueError as error:
        raise InputError(
            f'"{text}" is not an address ({error}); write HOST or HOST:PORT, as in "127.0.0.1:8080".'
        ) from None


def _with_a_user(scheme: str, text: str) -> InputError:
    """Return the exception for an address with a name: perhaps there is a password, which no sentence may repeat."""
    host = re.split("[/?#]", text.rpartition("@")[2])[0]
    return InputError(f"An address has no user name: write {scheme}{host}, and who you are with --user.")


def _parse_url(text: str, *, own_path: bool) -> Address:
    """Parse an address with a scheme.

    Raises:
        InputError: as :func:`parse_address`.
    """
    scheme, _, rest = text.partition("://")
    scheme = scheme.lower()
    place, slash, path = rest.partition("/")
    if "@" in place or ("@" in text and (scheme not in SCHEMES or not {"?", "#"}.isdisjoint(rest))):
        raise _with_a_user(f"{scheme}://" if scheme in SCHEMES else "", text)
    if scheme not in SCHEMES:
        raise InputError(f'"{text}" is not an address; write HOST:PORT, or https://HOST for a server behind a proxy.')
    if "?" in rest or "#" in rest:
        raise InputError(f'"{text}" is not the address of a server: leave out what begins with "?" or "#".')
    if not place or "://" in rest:
        raise InputError(
            f'"{text}" is not an address; write {scheme}://HOST, {scheme}://HOST:PORT or either with a /PATH.'
        )
    try:
        bare = parse_address(place, SCHEMES[scheme])
    except InputError:
        if "@" in path:  # after a password with a slash
            raise _with_a_user(f"{scheme}://", text) from None
        raise
    address = Address(bare.host, bare.port, scheme, _canonical_path(text, slash + path))
    if not own_path and address.path.endswith(WEBSOCKET_PATH):
        without = address._replace(path=address.path.removesuffix(WEBSOCKET_PATH))
        raise InputError(f"The client adds {WEBSOCKET_PATH} itself: write {without}.")
    return address


def _canonical_path(text: str, path: str) -> str:
    """Return the canonical spelling of a path: in ASCII, and without a slash at its end.

    Raises:
        InputError: it has a character that no path may have, a segment of dots, or is too long.
    """
    if not path.isascii():
        path = "".join(
            char if char.isascii() else "".join(f"%{byte:02X}" for byte in char.encode(errors="surrogatepass"))
            for char in path
        )
    path = re.sub(r"%[0-9a-fA-F]{2}", lambda found: found[0].upper(), path).rstrip("/")
    if not _IN_PATHS.issuperset(path) or re.search(r"%(?![0-9A-F]{2})", path):
        raise InputError(f'"{text}" is not an address: its path has a character that must be written with "%".')
    if len(path) > _LONGEST_PATH or not {".", ".."}.isdisjoint(path.replace("%2E", ".").split("/")):
        raise InputError(f'"{text}" is not an address: its path is too long, or has "." or ".." for a part.')
    return path


def canonical(address: Address) -> Address:
    """Return an address in its canonical spelling; an invalid one is returned unchanged."""
    try:
        return address._replace(host=canonical_host(address.host))
    except ValueError:
        return address


def canonical_host(host: str) -> str:
    """Return the canonical spelling of a host.

    Raises:
        ValueError: it is invalid; the message gives the reason.
    """
    if ":" in host:
        return _ipv6(host)
    name = (host if host.isascii() else _in_ascii(host)).removesuffix(".").lower()
    if not name.strip("."):
        raise ValueError("it has no name")
    if not name.isprintable() or not _NEVER.isdisjoint(name):
        raise ValueError("it has a character that no name may have")
    if len(name) > _LONGEST_NAME or any(not 0 < len(label) <= _LONGEST_LABEL for label in name.split(".")):
        raise ValueError("a part of the name is empty or too long")
    return _ipv4(name) or name


def other_spellings(address: Address) -> list[Address]:
    """Return other spellings of a canonical address that may have been used earlier."""
    host = address.host
    if ":" in host:
        return [address._replace(host=other) for other in _long_ipv6(host)]
    if _ipv4(host):
        return [address._replace(host=f"::ffff:{host}")]
    own = _in_own_letters(host)
    names = [own] if own != host else []
    return [address._replace(host=other) for name in (*names, host) for other in (name, f"{name}.") if other != host]


@lru_cache(1024)
def is_loopback(host: str) -> bool:
    """Return whether ``host`` is a loopback IP address; a name never is."""
    import ipaddress  # noqa: PLC0415 (`send` must start fast, and does not ask)

    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def _ipv6(host: str) -> str:
    import ipaddress  # noqa: PLC0415 (as above)

    try:
        address = ipaddress.IPv6Address(host)
    except ValueError:
        raise ValueError("it is not an IPv6 address") from None
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    # The interface distinguishes networks for link-local and multicast addresses only. It is case-sensitive.
    scope = f"%{address.scope_id}" if address.scope_id and (address.is_link_local or address.is_multicast) else ""
    return f"{ipaddress.IPv6Address(int(address))}{scope}"


def _long_ipv6(host: str) -> list[str]:
    import ipaddress  # noqa: PLC0415 (as above)

    bare, percent, scope = host.partition("%")
    try:
        exploded = ipaddress.IPv6Address(bare).exploded
    except ValueError:
        return []
    shorter = ":".join(f"{int(group, 16):x}" for group in exploded.split(":"))
    return [f"{one}{percent}{scope}" for one in (shorter, exploded)]


def _ipv4(name: str) -> str:
    """Return the IPv4 address that resolvers read in ``name``, as in ``127.1`` or ``0x7f000001``; empty if none.

    As in inet_aton(3): up to four numbers, octal with a leading zero, and the last fills the remaining bytes.
    """
    parts = [_number(part) for part in name.split(".")]
    numbers = [part for part in parts if part is not None]
    if len(numbers) != len(parts) or len(parts) > 4:
        return ""
    *first, last = numbers
    if any(number > 255 for number in first) or last >= 256 ** (4 - len(first)):
        return ""
    packed = sum(number << 24 - 8 * at for at, number in enumerate(first)) + last
    return ".".join(str(packed >> shift & 255) for shift in (24, 16, 8, 0))


def _number(text: str) -> int | None:
    if not (text and text.isascii() and text[0].isdigit() and text.isalnum()) or len(text) > len(str(2**32)) + 2:
        return None
    base = next((base for start, base in _BASES.items() if text.startswith(start) and text != start), 10)
    try:
        return int(text, base) if base != 8 else int(text[1:] or "0", 8)
    except ValueError:
        return None


def _in_ascii(host: str) -> str:
    try:
        # The encoding that Python gives resolvers; a final dot would be an empty label.
        return host.rstrip(".\u3002\uff0e\uff61").encode("idna").decode()
    except UnicodeError:
        raise ValueError("its letters cannot be part of a name") from None


def _in_own_letters(host: str) -> str:
    if "xn--" not in host:
        return host
    try:
        return host.encode().decode("idna").lower()
    except UnicodeError:
        return host


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= 65535):
        raise InputError(f'"{text}" is not a port; a port is a number from 1 to 65535.')
    return int(text)
