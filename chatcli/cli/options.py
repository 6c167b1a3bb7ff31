"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from chatcli.protocol.address import DEFAULT_HOST, DEFAULT_PORT, Address, parse_address
from chatcli.protocol.text import is_text

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


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

    name = "TEXT"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Refuse what is no text: Python smuggles bytes that are not UTF-8 through as surrogates."""
        text = str(value)
        if not text:
            self.fail("it is empty.", param, ctx)
        if not is_text(text):
            self.fail("it is not text in UTF-8.", param, ctx)
        return text


def server_option(command: Decorated) -> Decorated:
    """Add ``--server``."""
    return click.option(
        "--server",
        type=AddressType(),
        envvar="CHATCLI_SERVER",
        default=str(Address(DEFAULT_HOST, DEFAULT_PORT)),
        show_default=True,
        show_envvar=True,
        help="Where the server is.",
    )(command)


def login_name() -> str:
    """Return the name under which the person is logged in here.

    Raises:
        click.UsageError: the system does not know it.
    """
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        raise click.UsageError("This system does not know your login name: say who you are with --user.") from None
