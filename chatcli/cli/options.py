"""Options that several commands share."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar

import click

from chatcli.errors import Refused
from chatcli.protocol import codes
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


def user_option(text: str = "Who you are.  [default: your login name]") -> Callable[[Decorated], Decorated]:
    """Return what adds ``--user``."""
    return click.option("--user", type=TextType(), envvar="CHATCLI_USER", show_envvar=True, help=text)


def server_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add ``--server``, ``--pin`` and ``--accept-new``; the command gets ``server`` and ``trust``."""

    @functools.wraps(command)
    def trusting(*arguments: Any, pin: str | None, accept_new: bool, **options: Any) -> None:  # noqa: ANN401 (passed on)
        from chatcli.cli.asking import asker
        from chatcli.client.trust import Trust

        command(*arguments, trust=Trust(pin, accept_new=accept_new, ask=asker()), **options)

    for option in reversed(_SERVER_OPTIONS):
        option(trusting)
    return trusting


_SERVER_OPTIONS: Final = (
    click.option(
        "--server",
        type=AddressType(),
        envvar="CHATCLI_SERVER",
        default=str(Address(DEFAULT_HOST, DEFAULT_PORT)),
        show_default=True,
        show_envvar=True,
        help="Where the server is.",
    ),
    click.option(
        "--pin",
        type=FingerprintType(),
        envvar="CHATCLI_PIN",
        show_envvar=True,
        help="The fingerprint of the server's key: speak to no other.",
    ),
    click.option(
        "--accept-new",
        is_flag=True,
        help="Trust a server that is not known yet, whatever its key; without this, and without a terminal to ask on, "
        "it is refused.",
    ),
)


@contextlib.contextmanager
def naming(user: str | None) -> Iterator[str]:
    """Give the name to use, the login name if there is none; if that is refused, say where it came from.

    Raises:
        click.UsageError: the system does not know the login name.
        Refused: as the block raises it.
    """
    name = user or login_name()
    try:
        yield name
    except Refused as refusal:
        if user or refusal.code not in (codes.NAME_TAKEN, codes.BAD_NAME):
            raise
        raise Refused(
            refusal.code, f'{refusal} "{name}" is your login name here: say who you are with --user.'
        ) from None


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
