"""Options that several commands share."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from chatcli.errors import InputError, Refused, UnknownAsker
from chatcli.protocol import codes
from chatcli.protocol.address import DEFAULT_HOST, DEFAULT_PORT, Address, parse_address
from chatcli.protocol.text import is_text

if TYPE_CHECKING:
    from pathlib import Path

_DATA: Final = "chatcli.data"  # where click carries the directory from a group to its sub-command

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


def json_option(fields: str) -> Callable[[Decorated], Decorated]:
    """Return what adds ``--json``, whose help names the fields of each object."""
    return click.option("--json", "as_json", is_flag=True, help=f"One JSON object a line: {fields}")


def before_option(command: Decorated) -> Decorated:
    """Add ``--before``."""
    return click.option("--before", type=SeqType(), help="Only what stands before this place in the log.")(command)


def seq_option(command: Decorated) -> Decorated:
    """Add ``--seq``."""
    text = "Put in front of each message its place in the log, for --reply-to and --before."
    return click.option("--seq", "show_seq", is_flag=True, help=text)(command)


def user_option(text: str = "Who you are.  [default: your login name]") -> Callable[[Decorated], Decorated]:
    """Return what adds ``--user``."""
    return click.option("--user", type=TextType(), envvar="CHATCLI_USER", show_envvar=True, help=text)


def data_option(group: Decorated) -> Decorated:
    """Add ``--data`` to a group of commands over a server's data directory."""
    return click.option(
        "--data",
        type=TextType(),
        metavar="DIR",
        envvar="CHATCLI_SERVE_DATA",
        show_envvar=True,
        expose_value=False,
        callback=_remember,
        help="Directory of the server's log.  [default: the one that serve uses]",
    )(group)


def data_option_within(command: Decorated) -> Decorated:
    """Add it to a command of such a group, for who writes it last."""
    return click.option(
        "--data",
        type=TextType(),
        metavar="DIR",
        expose_value=False,
        callback=_remember,
        help="Directory of the server's log; before the command it means the same.",
    )(command)


def _remember(context: click.Context, _option: click.Parameter, directory: str | None) -> None:
    if directory is not None:
        context.meta[_DATA] = directory


def data_directory() -> Path:
    """Return the directory that the running command is about."""
    from pathlib import Path

    from chatcli.cli.places import default_directory

    directory = click.get_current_context().meta.get(_DATA)
    return default_directory() if directory is None else Path(directory)


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
        unknown = isinstance(refusal, UnknownAsker)
        if user or not (unknown or refusal.code in (codes.NAME_TAKEN, codes.BAD_NAME)):
            raise
        sentence = f'{refusal} "{name}" is your login name here: say who you are with --user.'
        raise (UnknownAsker(refusal.code, sentence, []) if unknown else Refused(refusal.code, sentence)) from None


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
