"""Options that several commands share."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import click
from click.core import ParameterSource

from chatcli.cli.options import candidates
from chatcli.cli.options.resolution import default_name, login_name, resolve_options
from chatcli.cli.options.settings import SETTINGS
from chatcli.cli.options.types import ExpiryType, NameType, SeqType, TextType
from chatcli.cli.output.streams import LOUDNESS, detail, warn
from chatcli.errors import Refused, UnknownAsker
from chatcli.protocol import codes

if TYPE_CHECKING:
    from pathlib import Path

    from chatcli.client.identity.credentials import Login, Server
    from chatcli.client.identity.token import Token
    from chatcli.client.identity.trust import Trust

_DATA: Final = "chatcli.data"  # key of click's ``meta``: the directory given to a group, for its sub-command

_ONESELF: Final = "me"  # nobody can be called so

#: Settings that a shell completes.
_COMPLETED: Final = {"at": candidates.named_servers, "server": candidates.servers, "user": candidates.own_names}

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


def json_option(fields: str) -> Callable[[Decorated], Decorated]:
    """Return a decorator that adds ``--json``; its help names the fields of each object."""
    return click.option("--json", "as_json", is_flag=True, help=f"One JSON object a line: {fields}")


def web_option(command: Decorated) -> Decorated:
    """Add ``--web``."""
    text = "Print an address to open in a browser instead, and on a terminal its QR code."
    return click.option("--web", is_flag=True, help=text)(command)


def before_option(command: Decorated) -> Decorated:
    """Add ``--before``."""
    return click.option("--before", type=SeqType(), help="Only messages before this place in the log.")(command)


def seq_option(command: Decorated) -> Decorated:
    """Add ``--seq``."""
    text = "Begin each line with the message's place in the log, for --reply-to and --before."
    return click.option("--seq", "show_seq", is_flag=True, help=text)(command)


def setting_option(key: str, help_text: str = "") -> Callable[[Decorated], Decorated]:
    """Return a decorator that adds the option of a setting."""
    setting = SETTINGS[key]
    return click.option(
        setting.flag,
        type=setting.type,
        default=setting.default,
        show_default=setting.default is not None,
        envvar=setting.variable,
        show_envvar=True,
        shell_complete=_COMPLETED.get(key),
        help=help_text or setting.help,
    )


def user_option(
    text: str = "Who you are.  [default: your login name, or GITHUB_USER in a codespace]",
) -> Callable[[Decorated], Decorated]:
    """Return a decorator that adds ``--user``."""
    return setting_option("user", text)


#: What a token of each scope that people can make is good for.
SCOPES: Final = {"send": "sending messages", "read": "reading", "all": "all but keys, tokens and moderation"}


def token_options(*, expires: str, scopes: Mapping[str, str]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator that adds ``--label``, ``--to``, ``--scope`` and ``--expires``.

    Args:
        expires: the time for which a token is valid by default.
        scopes: the meaning of each scope.
    """
    *others, last = scopes.values()
    alternatives = f"{', '.join(others)}, or {last}"
    options = (
        click.option("--label", type=TextType(), help='What it is for, as in "deploy hook".'),
        click.option(
            "--to",
            multiple=True,
            metavar="NAME|#ROOM",
            type=TextType(),
            shell_complete=candidates.people_and_rooms,
            help="A person or a room that it is limited to; may be given several times.  [default: everywhere]",
        ),
        click.option(
            "--scope",
            type=click.Choice(list(scopes)),
            default="send",
            show_default=True,
            help=f"What it is good for: {alternatives}.",
        ),
        click.option(
            "--expires",
            "seconds",
            type=ExpiryType(),
            default=expires,
            show_default=True,
            help='How long it is valid, or "never".',
        ),
    )

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def data_option(group: Decorated) -> Decorated:
    """Add ``--data`` to a group of commands over a server's data directory."""
    return click.option(
        "--data",
        type=TextType("DIR"),
        shell_complete=candidates.directories,
        envvar="CHATCLI_SERVE_DATA",
        show_envvar=True,
        expose_value=False,
        callback=_remember,
        help="Directory of the server's log.  [default: the one that serve uses]",
    )(group)


def data_option_within(command: Decorated) -> Decorated:
    """Also accept ``--data`` after the sub-command."""
    return click.option(
        "--data",
        type=TextType("DIR"),
        shell_complete=candidates.directories,
        expose_value=False,
        callback=_remember,
        help="Directory of the server's log; the same as before the command.",
    )(command)


def _remember(context: click.Context, _option: click.Parameter, directory: str | None) -> None:
    if directory is not None:
        context.meta[_DATA] = directory


def data_directory() -> Path:
    """Return the data directory of the running command."""
    from pathlib import Path

    from chatcli.cli.environment import default_directory

    directory = click.get_current_context().meta.get(_DATA)
    return default_directory() if directory is None else Path(directory)


class Account(NamedTuple):
    """The server that a command goes to, and the user.

    Attributes:
        server: the server.
        user: the user's name; None for the login name.
        trust: decides whether the server is the right one.
    """

    server: Server
    user: str | None
    trust: Trust

    @property
    def name(self) -> str:
        """The name to use at the server.

        Raises:
            click.UsageError: the system does not know the login name.
            InputError: ``CHATCLI_TOKEN`` is no token.
        """
        return self.user or default_name()

    @property
    def token(self) -> Token | None:
        """The token in the environment, which takes the place of the key.

        Raises:
            InputError: it is none.
        """
        if "CHATCLI_TOKEN" not in os.environ:
            return None
        from chatcli.client.identity.token import token_in_environment

        return token_in_environment()

    def require_key(self) -> None:
        """Raise if there is a token in the environment: the command needs a key.

        Raises:
            click.UsageError: there is.
        """
        if self.token is not None:
            command = click.get_current_context().command_path
            raise click.UsageError(
                f'"{command}" needs your key, and CHATCLI_TOKEN holds a token, which is for programs: run it without, '
                f'as in "env -u CHATCLI_TOKEN {command}".'
            )

    @contextlib.contextmanager
    def login(self) -> Iterator[Login]:
        """Yield the login of this account; if the server refuses a login name, the error says where it comes from.

        Raises:
            click.UsageError: the system does not know the login name.
            Refused: raised by the block.
        """
        from chatcli.client.identity.credentials import Login

        try:
            yield Login(server=self.server, user=self.name, trust=self.trust, token=self.token)
        except Refused as refusal:
            unknown = isinstance(refusal, UnknownAsker)
            if (
                self.user
                or self.token is not None
                or not (unknown or refusal.code in (codes.NAME_TAKEN, codes.BAD_NAME))
            ):
                raise
            from chatcli.client.identity.environment import github_name

            whence = "on GitHub" if self.name == github_name() else "here"
            sentence = f'{refusal} "{self.name}" is your login name {whence}: say who you are with --user.'
            if unknown:
                raise UnknownAsker(refusal.code, sentence, []) from None
            raise Refused(refusal.code, sentence + _to_be(refusal.names), names=refusal.names) from None


def _to_be(names: list[str]) -> str:
    """Return a sentence with the command after which one has the first of these names here; empty without any."""
    from chatcli.protocol.values.text import quoted

    return f' To be {names[0]} here: "export CHATCLI_USER={quoted(names[0])}".' if names else ""


def server_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add ``--server``, ``--at``, ``--pin`` and ``--accept-new``; the command gets an ``account``.

    Options that are not given are taken from ``config.toml``.
    """

    @functools.wraps(command)
    def resolving(*arguments: Any, **options: Any) -> None:  # noqa: ANN401 (passed on)
        from chatcli.client.identity.credentials import Server
        from chatcli.client.identity.trust import Trust

        listen_to_remarks()
        context = click.get_current_context()
        resolved = resolve_options(context, options)
        del resolved["at"]
        _name_oneself(context, resolved)
        trust = Trust(resolved.pop("pin"), accept_new=resolved.pop("accept_new"), ask=asker())
        account = Account(server=Server.at(resolved.pop("server")), user=resolved.pop("user", None), trust=trust)
        command(*arguments, account=account, **resolved)

    for key in ("accept-new", "pin", "at", "server"):
        setting_option(key)(resolving)
    return loudness_options(resolving)


def as_record(
    record: Callable[..., tuple[Any, ...]], conflicts: Sequence[tuple[str, str]] = ()
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator that passes the options of a command as one record, its first argument.

    Args:
        record: made of the options; an account is passed beside it.
        conflicts: options that exclude each other, as they are written.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def gathering(**options: Any) -> None:  # noqa: ANN401 (checked by click)
            _refuse_conflicts(conflicts, options)
            account = {"account": options.pop("account")} if "account" in options else {}
            command(record(**options), **account)

        return gathering

    return decorate


def _refuse_conflicts(conflicts: Sequence[tuple[str, str]], options: Mapping[str, object]) -> None:
    """Raise if two options exclude each other.

    Raises:
        click.UsageError: they do.
    """
    context = click.get_current_context()
    given = {flag for param in context.command.params if options.get(param.name or "") for flag in param.opts}
    for one, other in conflicts:
        if {one, other} <= given:
            raise click.UsageError(f"{one} excludes {other}: drop one of them.", context)


def asker() -> Callable[[str], bool] | None:
    """Return a function that asks the user, or None if nobody would see the question."""
    if sys.stderr is None or not sys.stderr.isatty():
        return None
    from chatcli.cli.output.confirm import on_terminal

    return on_terminal()


def _name_oneself(context: click.Context, options: dict[str, Any]) -> None:
    """Replace "me" by the user's name in all names of people."""

    def named(said: str) -> str:
        words = [word.strip() for word in said.split(",")]
        if _ONESELF not in words:
            return said
        own = options.get("user") or login_name()
        if not options.get("user") and "CHATCLI_TOKEN" in os.environ:
            raise click.UsageError(f'"{_ONESELF}" is not known here, only to the token: say who you are with --user.')
        return ",".join(own if word == _ONESELF else word for word in words)

    for param in context.command.params:
        said = options.get(param.name or "")
        if said and isinstance(param.type, NameType):
            options[param.name or ""] = named(said) if isinstance(said, str) else tuple(map(named, said))


def listen_to_remarks() -> None:
    """Print the client's diagnostics on standard error, details only with ``--verbose``."""
    from chatcli.client import diagnostics

    verbose = click.get_current_context().meta.get(LOUDNESS, 0) > 0
    diagnostics.listen(trouble=warn, detail=detail if verbose else None)


def loudness_options(command: Decorated) -> Decorated:
    """Add ``--quiet`` and ``--verbose``; see :func:`chatcli.cli.output.streams.note` and ``detail``."""
    for short, name, loudness, text in (
        ("-v", "--verbose", 1, "Describe each step on standard error."),
        ("-q", "--quiet", -1, "Print nothing but errors; the exit status says the rest."),
    ):
        option = click.option(
            short, name, is_flag=True, expose_value=False, callback=_set_loudness(loudness), help=text
        )
        option(command)
    return command


def _set_loudness(loudness: int) -> Callable[[click.Context, click.Parameter, bool], None]:
    def remember(context: click.Context, _option: click.Parameter, given: bool) -> None:
        if not given:
            return
        if context.meta.get(LOUDNESS, loudness) != loudness:
            raise click.UsageError("--quiet and --verbose are opposites: give one of them.", context)
        context.meta[LOUDNESS] = loudness

    return remember


def in_use(context: click.Context | None = None) -> list[str]:
    """Return ``--server``, ``--at`` and ``--user`` as they were given to a command, by default the running one."""
    context = context or click.get_current_context()
    given = {name: context.params[name] for name in ("server", "at", "user") if _is_typed(context, name)}
    if "at" not in given and (at := context.find_root().params.get("at")):
        given["at"] = at
    return [word for name, value in given.items() for word in (f"--{name}", str(value))]


def _is_typed(context: click.Context, name: str) -> bool:
    return name in context.params and context.get_parameter_source(name) is ParameterSource.COMMANDLINE
