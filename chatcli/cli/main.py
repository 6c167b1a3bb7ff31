"""The ``chatcli`` command: finds the sub-command, and turns each error into one sentence and an exit status."""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import sys
import threading
from typing import TYPE_CHECKING, Final, NoReturn

import click

from chatcli import __version__
from chatcli.cli.output.streams import STDOUT, flush, give_up, open_closed_streams, read_and_write_whole, warn
from chatcli.errors import ChatError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

#: The sub-commands and their lines in ``chatcli --help``, in that order; see :func:`module_of`.
COMMANDS: Final = {
    "serve": "Run a server.",
    "join": "Join the chat and talk.",
    "send": "Send a message to people and rooms.",
    "outbox": "List messages that wait to be sent.",
    "ask": "Ask a person or a room; wait for the answer.",
    "listen": "Print messages, or run a command for each.",
    "who": "Show who is here, in a room, or one person.",
    "rooms": "List the rooms that you may see.",
    "conversations": "List your conversations, and what is unread.",
    "read": "Mark conversations as read.",
    "history": "Print a conversation, the oldest first.",
    "search": "Find messages by their words.",
    "status": "Show your server, and your unread messages.",
    "key": "Show your key, or share your name.",
    "forget": "Forget a server, and all data about it.",
    "admin": "Administer the server on this machine.",
    "bench": "Measure what a server holds.",
    "completion": "Print the script for Tab in your shell.",
}

#: Commands in a folder of their own.
_WITHIN: Final = {"conversations": "unread.conversations", "read": "unread.read"}

#: Commands that never connect to a named server.
_HERE: Final = frozenset({"serve", "admin", "outbox", "completion", "forget"})

#: Objects allocated before the garbage collector runs: more than a start makes, of which nearly nothing is garbage.
_GC_THRESHOLD: Final = 50_000


def module_of(command: str) -> str:
    """Return the name of a command's module."""
    return f"chatcli.cli.commands.{_WITHIN.get(command, command)}"


class LazyGroup(click.Group):
    """A group that imports a command when it is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's signature)
        """Return the names of the commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 (click's signature)
        """Import the command of that name."""
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(module_of(cmd_name)).command
        assert isinstance(command, click.Command)  # noqa: S101 (what each of these modules is for)
        return command

    def invoke(self, ctx: click.Context) -> object:
        """Run the command. If nobody reads its output, drop what is left of it: click would try again at exit."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            give_up()
            raise

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; if there is none of that name, the error names a similar one."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError:
            from chatcli.protocol.values.spelling import nearest

            if args[0] == "help":
                click.echo(ctx.get_help())
                ctx.exit()
            near = nearest(args[0], COMMANDS)
            hint = f'Did you mean "{near}"?' if near else f"There are {', '.join(COMMANDS)}."
            raise click.UsageError(f'There is no command "{args[0]}". {hint}', ctx) from None

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        """Complete the name of a command without importing any."""
        from click.shell_completion import CompletionItem

        names = [CompletionItem(name, help=text) for name, text in COMMANDS.items() if name.startswith(incomplete)]
        return names + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 (as above)
        """List the commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 (as above)
        """List the exit statuses, the same for all commands."""
        from chatcli.cli.exit_status import EXIT_STATUSES

        with formatter.section("Exit status"):
            formatter.write_dl([(str(status), meaning) for status, meaning in EXIT_STATUSES.items()])


def _named_servers(context: click.Context, option: click.Parameter, start: str) -> list[CompletionItem[str]]:
    from chatcli.cli.options.candidates import named_servers

    return named_servers(context, option, start)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, "-V", "--version", message="chatcli %(version)s")
@click.option(
    "--at",
    metavar="NAME",
    shell_complete=_named_servers,
    help="A server by its name in config.toml; also after the command.",
)
@click.pass_context
def cli(context: click.Context, at: str | None) -> None:
    """Chat in the terminal: one command, one durable log, nothing lost.

    \b
    On one terminal:   chatcli serve
    On another:        chatcli join --user alice
    From a script:     chatcli send alice "the build is done"
    To read it later:  chatcli history alice
    """
    if at is None:
        return
    if not at:
        raise click.UsageError("--at: it is empty.")
    if context.invoked_subcommand in _HERE:
        raise click.UsageError(f"{context.invoked_subcommand} is for this machine: drop --at.")


def main() -> NoReturn:
    """Run the command line; the process ends here."""
    gc.set_threshold(_GC_THRESHOLD)
    open_closed_streams()
    read_and_write_whole()
    _end(_complete() if "_CHATCLI_COMPLETE" in os.environ else _run())


def _complete() -> int:
    """Answer the shell that has called, and return the exit status."""
    from chatcli.cli.completion.engine import answer

    try:
        answer(cli)
    except OSError:  # nobody reads it
        give_up()
    return 0


def _end(status: int) -> NoReturn:
    """End the process without the interpreter's clean-up, which would take milliseconds.

    Nothing is lost: files, sockets and databases are closed where they were opened. Threads that still run are waited
    for, and so is what a tunnel has yet to send; there are no other exit handlers.
    """
    if threading.active_count() > 1:
        sys.exit(status)
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            with contextlib.suppress(OSError):  # nobody reads it; where that matters, the command has said so
                stream.flush()
    os._exit(status)


def _run() -> int:
    """Run the command line, and return the exit status; errors have been reported."""
    try:
        try:
            status = cli.main(prog_name="chatcli", standalone_mode=False)
        except (click.exceptions.Exit, SystemExit) as leave:
            status = _exit_code(leave)
        flush()
    except click.ClickException as error:
        _explain(error)
        status = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        warn("Interrupted.")
        status = 130
    except ChatError as error:
        from chatcli.cli.exit_status import exit_status

        warn(str(error))
        status = exit_status(error)
    except OSError as error:
        what = (
            "Standard output cannot be written"
            if error.filename == STDOUT
            else "Something could not be read or written"
        )
        give_up()
        if not isinstance(error, BrokenPipeError):  # the reader has closed it
            warn(f"{what}: {error.strerror or error}.")
        status = 1
    return status if isinstance(status, int) else 0


def _exit_code(leave: click.exceptions.Exit | SystemExit) -> int:
    code = leave.exit_code if isinstance(leave, click.exceptions.Exit) else leave.code
    return code if isinstance(code, int) else 1


def _explain(error: click.ClickException) -> None:
    if isinstance(error, click.exceptions.NoArgsIsHelpError) and error.ctx is not None:
        click.echo(error.ctx.get_help(), err=True)
        return
    from chatcli.cli.usage_hints import explain

    warn(explain(error))
    if isinstance(error, click.UsageError) and error.ctx is not None:
        click.echo(f'Try "{error.ctx.command_path} --help".', err=True)
