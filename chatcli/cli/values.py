"""What may stand behind an option or in a setting: addresses, times, keys and names, read from what people write."""

from __future__ import annotations

import time

import click

from chatcli.errors import InputError
from chatcli.protocol.address import Address, parse_address
from chatcli.protocol.text import is_text


class AddressType(click.ParamType[Address]):
    """An address as people write it: HOST, HOST:PORT or [IPV6]:PORT."""

    name = "HOST[:PORT]"

    def convert(
        self,
        value: object,
        param: click.Parameter | None,  # noqa: ARG002 (click's signature)
        ctx: click.Context | None,  # noqa: ARG002 (click's signature)
    ) -> Address:
        """Read the address.

        Raises:
            InputError: it is none; the sentence says how to write one.
        """
        return value if isinstance(value, Address) else parse_address(str(value))


class TextType(click.ParamType[str]):
    """Text that can be sent, and is not empty."""

    def __init__(self, name: str = "TEXT") -> None:
        self.name = name

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Refuse what is no text: Python smuggles bytes that are not UTF-8 through as surrogates."""
        text = str(value)
        if not text:
            self.fail("it is empty.", param, ctx)
        if not is_text(text):
            self.fail("it is not text in UTF-8.", param, ctx)
        return text


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
        from chatcli.protocol.names import check_room_name

        return check_room_name(str(value)).text


class DurationType(click.ParamType[int]):
    """A length of time, in seconds."""

    name = "TIME"

    def convert(
        self,
        value: object,
        param: click.Parameter | None,  # noqa: ARG002 (click's signature)
        ctx: click.Context | None,  # noqa: ARG002 (click's signature)
    ) -> int:
        """Read it.

        Raises:
            InputError: it is none; the sentence says how to write one.
        """
        from chatcli.protocol.durations import parse_duration

        return value if isinstance(value, int) else parse_duration(str(value))


class FingerprintType(click.ParamType[str]):
    """The fingerprint of a key, as ``serve`` and ``key show`` print it."""

    name = "SHA256:…"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Check that it is written like one."""
        from chatcli.protocol.keys import is_fingerprint

        text = str(value).strip()
        if not is_fingerprint(text):
            self.fail(f'"{text}" is no fingerprint; one is "SHA256:" and 43 characters.', param, ctx)
        return text


class SeqType(click.ParamType[int]):
    """A message's place in the log."""

    name = "SEQ"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Check that it is one."""
        text = str(value)
        if not (text.isascii() and text.isdigit() and 0 < int(text[:20]) < 2**63):
            self.fail(f'"{text}" is no place in the log; chatcli history --seq shows that of each message.', param, ctx)
        return int(text)


class MomentType(click.ParamType[int]):
    """A time in the past, in milliseconds since 1970-01-01 UTC: so long ago, or a date and a time of day."""

    name = "TIME"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read it; a date without a zone is meant as the clock here shows it."""
        import datetime

        from chatcli.protocol.durations import parse_duration

        text = str(value).strip()
        try:
            if text[-1:].isalpha() and text[-1:] not in "zZ":
                return int((time.time() - parse_duration(text)) * 1000)
            return max(0, int(datetime.datetime.fromisoformat(text).timestamp() * 1000))
        except (ValueError, OverflowError, OSError, InputError):
            self.fail(
                f'"{text}" is no time; write how long ago, as in 2h, or when, as in 2026-11-22T10:00Z.', param, ctx
            )
