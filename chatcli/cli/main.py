"""The ``chatcli`` command: finds the sub-command, and turns every failure into one sentence and an exit status."""

from __future__ import annotations

import importlib
import sys
from typing import Final, NoReturn

import click

from chatcli import __version__
from chatcli.cli.output import flush, give_up, never_fail_on_characters, open_closed_streams, warn
from chatcli.cli.statuses import EXIT_STATUSES, exit_status
from chatcli.errors import ChatError

#: Sub-commands and the modules where they live, in the order of ``chatcli --help``.
COMMANDS: Final = {
    "serve": "chatcli.cli.serve",
    "join": "chatcli.cli.join",
    "send": "chatcli.cli.send",
    "who": "chatcli.cli.who",
    "rooms": "chatcli.cli.rooms",
    "history": "chatcli.cli.history",
    "search": "chatcli.cli.search",
    "key": "chatcli.cli.key",
    "admin": "chatcli.cli.admin",
}

#: Those that go to no other server.
_HERE: Final = frozenset({"serve", "admin"})


class LazyGroup(click.Group):
    """A group whose commands are imported when they are needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's signature)
        """Return the names of the commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 (click's signature)
        """Import the command of that name."""
        module = COMMANDS.get(cmd_name)
        if module is None:
            return None
        command = importlib.import_module(module).command
        assert isinstance(command, click.Command)  # noqa: S101 (what each of these modules is for)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; where there is none of that name, say which is close."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError:
            import difflib

            if args[0] == "help":
                click.echo(ctx.get_help())
                ctx.exit()
            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f'Did you mean "{near[0]}"?' if near else f"There are {', '.join(COMMANDS)}."
            raise click.UsageError(f'There is no command "{args[0]}". {hint}', ctx) from None

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 (as above)
        """Show the exit statuses that all commands share."""
        with formatter.section("Exit status"):
            formatter.write_dl([(str(status), meaning) for status, meaning in EXIT_STATUSES.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, "-V", "--version", message="chatcli %(version)s")
@click.option("--at", metavar="NAME", help="The server that config.toml calls so; behind the command, too.")
@click.pass_context
def cli(context: click.Context, at: str | None) -> None:
    """Chat in the terminal: one command, one durable log, nothing lost.

    \b
    On one terminal:   chatcli serve
    On another:        chatcli join --user alice
    From a script:     chatcli send alice "the build is done"
    What was said:     chatcli history alice
    """
    if at is None:
        return
    if not at:
        raise click.UsageError("--at: it is empty.")
    if context.invoked_subcommand in _HERE:
        raise click.UsageError(f"{context.invoked_subcommand} is about a server on this machine: leave --at away.")


def main() -> NoReturn:
    """Run the command line; the process ends here."""
    open_closed_streams()
    never_fail_on_characters()
    sys.exit(_run())


def _run() -> int:
    """Return the exit status; whatever went wrong has been said."""
    try:
        status = cli.main(prog_name="chatcli", standalone_mode=False)
        flush()
    except click.ClickException as error:
        _explain(error)
        status = error.exit_code
    except (click.exceptions.Exit, SystemExit) as leave:
        status = _exit_code(leave)
    except (click.Abort, KeyboardInterrupt):
        warn("Interrupted.")
        status = 130
    except ChatError as error:
        warn(str(error))
        status = exit_status(error)
    except OSError as error:
        give_up()
        if not isinstance(error, BrokenPipeError):  # whoever closed the pipe knows
            warn(f"Something could not be read or written: {error.strerror or error}.")
        status = 1
    return status if isinstance(status, int) else 0


def _exit_code(leave: click.exceptions.Exit | SystemExit) -> int:
    code = leave.exit_code if isinstance(leave, click.exceptions.Exit) else leave.code
    flush()
    return code if isinstance(code, int) else 1


def _explain(error: click.ClickException) -> None:
    if isinstance(error, click.exceptions.NoArgsIsHelpError) and error.ctx is not None:
        click.echo(error.ctx.get_help(), err=True)
        return
    warn(error.format_message())
    if isinstance(error, click.UsageError) and error.ctx is not None:
        click.echo(f'Try "{error.ctx.command_path} --help".', err=True)
