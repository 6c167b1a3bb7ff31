"""Types of options and settings: addresses, times, keys and names, read from text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from chatcli.protocol.values.address import Address, parse_address
from chatcli.protocol.values.text import is_text

if TYPE_CHECKING:
    from ipaddress import IPv4Interface, IPv4Network, IPv6Interface, IPv6Network


class AddressType(click.ParamType[Address]):
    """An address as people write it: HOST, HOST:PORT, [IPV6]:PORT or https://HOST."""

    name = "HOST[:PORT]|URL"

    def convert(
        self,
        value: object,
        param: click.Parameter | None,  # noqa: ARG002 (click's signature)
        ctx: click.Context | None,  # noqa: ARG002 (click's signature)
    ) -> Address:
        """Read the address.

        Raises:
            InputError: the value is invalid; the sentence says how to write one.
        """
        return value if isinstance(value, Address) else parse_address(str(value))


class NetworkType(click.ParamType["IPv4Network | IPv6Network"]):
    """The address of a machine, or of a network of them."""

    name = "ADDRESS"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> IPv4Network | IPv6Network:
        """Read it."""
        import ipaddress

        text = str(value).strip()
        try:
            found = _as_ipv4(ipaddress.ip_interface(text))
            network = found.network
        except ValueError:
            example = '"192.0.2.7" or "10.0.0.0/8"'
            self.fail(f'"{text}" is not an IP address or a network; write one as in {example}.', param, ctx)
        if not network.prefixlen:
            self.fail(f'"{text}" is everyone, and everyone could claim any address: name the proxies.', param, ctx)
        if "%" in text:
            self.fail(f'"{text}" names an interface: write the address without it.', param, ctx)
        if found.ip != network.network_address:
            self.fail(f'"{text}" is one machine or a network: write "{found.ip}" or "{network}".', param, ctx)
        return network


def _as_ipv4(interface: IPv4Interface | IPv6Interface) -> IPv4Interface | IPv6Interface:
    """Return an IPv4 address that is written as one of IPv6 (RFC 4291, section 2.5.5.2) as what it is."""
    from ipaddress import IPv4Interface, IPv6Interface

    mapped = interface.ipv4_mapped if isinstance(interface, IPv6Interface) else None
    bits = interface.network.prefixlen - 96
    return interface if mapped is None or bits < 0 else IPv4Interface((mapped, bits))


class WebNameType(click.ParamType[str]):
    """A name under which browsers reach a server, and a port if it is not the server's."""

    name = "NAME[:PORT]"

    def convert(
        self,
        value: object,
        param: click.Parameter | None,  # noqa: ARG002 (click's signature)
        ctx: click.Context | None,  # noqa: ARG002 (click's signature)
    ) -> str:
        """Read it.

        Raises:
            InputError: it is no name; the sentence says how to write one.
        """
        from chatcli.protocol.values.authority import parse_web_name

        return str(parse_web_name(str(value)))


class TextType(click.ParamType[str]):
    """Text that can be sent, and is not empty."""

    def __init__(self, name: str = "TEXT") -> None:
        self.name = name

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text. Bytes that are not UTF-8 are refused: Python passes them on as surrogates."""
        text = str(value)
        if not text:
            self.fail("it is empty.", param, ctx)
        if not is_text(text):
            self.fail("it is not text in UTF-8.", param, ctx)
        return text


class WordsType(click.ParamType[tuple[str, ...]]):
    """Words or phrases, separated by commas; in ``config.toml`` a list of texts as well."""

    name = "WORD,..."

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """Return the words, without blanks around them."""
        written = value if isinstance(value, list | tuple) else str(value).split(",")
        words = tuple(" ".join(str(word).split()) for word in written if str(word).strip())
        if not all(map(is_text, words)):
            self.fail("it is not text in UTF-8.", param, ctx)
        if any(not any(map(str.isalnum, word)) for word in words):
            self.fail("a word has a letter or a digit in it.", param, ctx)
        return words


class NameType(TextType):
    """The name of a person or of a room; "me" is the user.

    :func:`chatcli.cli.options.shared.server_options` puts the user's name in its place.
    """


class RoomType(click.ParamType[str]):
    """The name of a room."""

    name = "#ROOM"

    def convert(
        self,
        value: object,
        param: click.Parameter | None,  # noqa: ARG002 (click's signature)
        ctx: click.Context | None,  # noqa: ARG002 (click's signature)
    ) -> str:
        """Check the name.

        Raises:
            InputError: it breaks a rule; the sentence says which.
        """
        from chatcli.protocol.values.names import check_room_name

        return check_room_name(str(value)).text


class DurationType(click.ParamType[int]):
    """A length of time, in seconds.

    Args:
        bare: a number without a unit means seconds; for short times that do no harm if minutes were meant.
    """

    name = "TIME"

    def __init__(self, *, bare: bool = False) -> None:
        self._bare = bare

    def convert(
        self,
        value: object,
        param: click.Parameter | None,  # noqa: ARG002 (click's signature)
        ctx: click.Context | None,  # noqa: ARG002 (click's signature)
    ) -> int:
        """Read it.

        Raises:
            InputError: the value is invalid; the sentence says how to write one.
        """
        from chatcli.protocol.values.durations import parse_duration

        if isinstance(value, int):
            return value
        text = str(value)
        return parse_duration(f"{text}s" if self._bare and text.isdecimal() else text)


class LapseType(click.ParamType[float]):
    """A length of time in seconds, which may have decimals."""

    name = "TIME"

    def convert(
        self,
        value: object,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> float:
        """Read it: a number with a unit, or one of seconds."""
        if isinstance(value, float):
            return value
        found = re.fullmatch(r"(\d{1,6}(?:\.\d{1,6})?)(s|m|h|)", str(value))
        seconds = float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[found[2]] if found else 0.0
        if not seconds:
            self.fail(f'"{value}" is not a time above 0; write 5s, 0.5s or 2m.', param, ctx)
        return seconds


class ExpiryType(DurationType):
    """A length of time, in seconds, or "never", which is 0."""

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read it; errors as in DurationType."""
        return 0 if str(value).lower() == "never" else super().convert(value, param, ctx)


class CredentialType(click.ParamType[str]):
    """The fingerprint of a key, or the id of a token."""

    name = "SHA256:…|ID"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Check that it is written like one; what may be a token itself is not repeated."""
        from chatcli.protocol.keys import is_fingerprint
        from chatcli.protocol.values.tokens import is_token_id

        text = str(value).strip()
        if not (is_fingerprint(text) or is_token_id(text)):
            self.fail(
                'that is neither a fingerprint ("SHA256:" and 43 characters) nor the id of a token (12 digits and '
                'letters): "chatcli key list" and "chatcli key tokens" show them.',
                param,
                ctx,
            )
        return text


class FingerprintType(click.ParamType[str]):
    """The fingerprint of a key, as ``serve`` and ``key show`` print it."""

    name = "SHA256:…"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Check that it is written like one."""
        from chatcli.protocol.keys import is_fingerprint

        text = str(value).strip()
        if not is_fingerprint(text):
            self.fail(f'"{text}" is not a fingerprint; one is "SHA256:" and 43 characters.', param, ctx)
        return text


class SeqType(click.ParamType[int]):
    """A message's place in the log."""

    name = "SEQ"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Check that it is one."""
        text = str(value)
        if not (text.isascii() and text.isdigit() and 0 < int(text[:20]) < 2**53):
            self.fail(f'"{text}" is not a place in the log: history --seq shows them.', param, ctx)
        return int(text)


class MomentType(click.ParamType[int]):
    """A time, in milliseconds since 1970-01-01 UTC: a time ago, a day, or a date and a time of day."""

    name = "TIME"

    def convert(
        self,
        value: object,
        param: click.Parameter | None,  # noqa: ARG002 (click's signature)
        ctx: click.Context | None,  # noqa: ARG002 (click's signature)
    ) -> int:
        """Read it; a date without a zone is meant as the clock here shows it.

        Raises:
            InputError: the value is invalid; the sentence says how to write one.
        """
        import time

        from chatcli.cli.options.times import parse_moment

        return value if isinstance(value, int) else parse_moment(str(value), time.time())
