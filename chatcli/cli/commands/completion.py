"""``chatcli completion``: prints or installs the script with which a shell completes."""

from __future__ import annotations

import os

import click

from chatcli.cli.completion.scripts import SCRIPTS, place
from chatcli.cli.options.shared import loudness_options
from chatcli.cli.output.streams import notice
from chatcli.errors import InputError


@click.command("completion")
@click.argument("shell", required=False, type=click.Choice(tuple(SCRIPTS)))
@click.option("--install", is_flag=True, help="Write it to where that shell looks instead of printing it.")
@loudness_options
def command(shell: str | None, install: bool) -> None:
    """Print the script with which SHELL completes commands, options, people and rooms; without SHELL, for your own.

    With --install it is written to where the shell looks for such scripts; a note says what else is to be done. Your
    shell's settings are not changed. Names come from what your commands have seen on this machine: no server is asked.

    \b
    chatcli completion --install
    eval "$(chatcli completion bash)"
    eval "$(chatcli completion zsh)"
    chatcli completion fish | source
    """
    shell = shell or _own_shell()
    if not install:
        click.echo(SCRIPTS[shell], nl=False)
        return
    path, advice = place(shell)
    _write(path, SCRIPTS[shell])
    click.echo(path)
    notice(advice)


def _own_shell() -> str:
    name = os.path.basename(os.environ.get("SHELL", ""))
    if name not in SCRIPTS:
        what = (
            f'Your shell is "{name}", which chatcli does not know'
            if name
            else "SHELL does not say which shell is yours"
        )
        raise click.UsageError(f"{what}: name one of {', '.join(SCRIPTS)}.")
    return name


def _write(path: str, script: str) -> None:
    """Write the script whole.

    Raises:
        InputError: it cannot be written there.
    """
    from chatcli.client.storage.files import make_directory

    temporary = f"{path}.{os.urandom(8).hex()}"
    try:
        make_directory(os.path.dirname(path))
        with open(temporary, "x", encoding="utf-8") as file:
            file.write(script)
        os.replace(temporary, path)
    except OSError as error:
        raise InputError(
            f"Cannot write {path} ({error.strerror or error}): print the script without --install, and put it "
            "where your shell looks."
        ) from None
