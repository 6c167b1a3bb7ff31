"""Questions to the user at the terminal, to be answered with yes or no."""

from __future__ import annotations

from typing import IO

import click

from chatcli.client.identity.trust import Ask

_TERMINAL = "/dev/tty"


def on_terminal() -> Ask | None:
    """Return a function that asks, or None if there is no terminal."""
    return _ask if _terminal_is_there() else None


def _terminal_is_there() -> bool:
    try:
        with open(_TERMINAL, "rb"):  # noqa: PTH123 (pathlib would be felt in the time that `send` takes)
            return True
    except OSError:
        return False


def _ask(question: str) -> bool:
    """Ask until the answer is yes or no. Standard input is not read: it may be the message."""
    question = f"{question} [yes/no] "
    with open(_TERMINAL, encoding="utf-8", errors="replace") as terminal:  # noqa: PTH123 (as above)
        while (answer := _answer(question, terminal)) is None:
            question = 'Please type "yes" or "no": '
    return answer


def _answer(question: str, terminal: IO[str]) -> bool | None:
    click.echo(question, err=True, nl=False)
    line = terminal.readline()
    if not line:  # end of input: not a yes
        click.echo(err=True)
        return False
    if "\x1b" in line:  # the terminal's answer to another program, or a key in a mode that was left on
        from chatcli.client.interactive.sequences import strip_sequences

        line = strip_sequences(line)
    return {"yes": True, "no": False}.get(line.strip().lower())
