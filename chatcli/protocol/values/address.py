"""Server addresses: ``HOST``, ``HOST:PORT``, ``[::1]:PORT``, and the canonical spelling of each.

``chat.test.``, ``CHAT.test`` and ``chat.test`` are one host, and so are ``0:0::1`` and ``::1``, or a name in Unicode
and in ASCII (RFC 5891). Certificates, resolvers and file names all need the same spelling.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

from chatcli.errors import InputError

DEFAULT_HOST: Final = "127.0.0.1"
DEFAULT_PORT: Final = 8080

_LONGEST_NAME: Final = 253  # characters (RFC 1035, section 2.3.4)
_LONGEST_LABEL: Final = 63
_NEVER: Final = frozenset(" #/:@[]")  # in a name; IDNA maps some letters to these
_BASES: Final = {"0x": 16, "0": 8}


class Address(NamedTuple):
    """A host name or IP address, and a TCP port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str, default_port: int = DEFAULT_PORT) -> Address:
    """Parse an address into its canonical spelling; an IPv6 address with a port needs brackets.

    Raises:
        InputError: the host is missing or invalid, or the port is not a number from 1 to 65535.
    """
    text = text.strip()
    if "://" in text:
        raise InputError(f'"{text}" is not an address; write HOST or HOST:PORT, without "{text.partition("//")[0]}//".')
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
        if ":" in host:
            return Address(host, number)  # connecting to it fails with a sentence that says enough
        raise InputError(
            f'"{text}" is not an address ({error}); write HOST or HOST:PORT, as in "127.0.0.1:8080".'
        ) from None


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
