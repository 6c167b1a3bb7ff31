"""What to say of a command line that is wrong, where click's own words do not help."""

from __future__ import annotations

import re
from typing import Final

import click

#: Options that others have for what an option of ours does.
_ELSEWHERE: Final = {"--host": "--server HOST:PORT", "--port": "--server HOST:PORT"}
_CLOSE: Final = 0.7  # how much of an option, without its dashes, a mistake has in common with it
_EXTRA: Final = re.compile(r"Got unexpected extra arguments? \((.*)\)", re.DOTALL)


def sentence(error: click.ClickException) -> str:
    """Return what is wrong, and what would be right."""
    if isinstance(error, click.NoSuchOption):
        return _no_such_option(error)
    if isinstance(error, click.BadParameter) and isinstance(error.param, click.Argument) and not error.param_hint:
        error.param_hint = f"'{_called(error.param)}'"
    if isinstance(error, click.UsageError) and error.ctx is not None and (extra := _EXTRA.match(error.message)):
        return _too_much(error.ctx, extra[1])
    return error.format_message()


def is_anothers(option: str) -> bool:
    """Return whether other programs have that option, and ours has another name."""
    return option in _ELSEWHERE


def _no_such_option(error: click.NoSuchOption) -> str:
    said = f"No such option '{error.option_name}'."
    if error.option_name in _ELSEWHERE:
        return f"{said} The server is given with {_ELSEWHERE[error.option_name]}."
    near = [name for name in error.possibilities or () if _is_near(error.option_name, name)]
    return f"{said} Did you mean {' or '.join(near)}?" if near else said


def _is_near(written: str, option: str) -> bool:
    import difflib

    written, option = written.lstrip("-"), option.lstrip("-")
    return option.startswith(written) or difflib.SequenceMatcher(None, written, option).ratio() >= _CLOSE


def _called(argument: click.Argument) -> str:
    """Return the name of an argument, without what says how often it is given."""
    found = re.search("[A-Z]+", argument.metavar or "")
    return found[0] if found else (argument.name or "").upper()


def _too_much(context: click.Context, extra: str) -> str:
    arguments = [_called(one) for one in context.command.params if isinstance(one, click.Argument)]
    takes = f"one {' and one '.join(arguments)}" if arguments else "options only"
    return f'{context.command_path} takes {takes}: drop "{extra}".{_instead(context, extra)}'


def _instead(context: click.Context, extra: str) -> str:
    """Return how ``join`` is given what people write behind it."""
    if context.command.name != "join":
        return ""
    option = "--room" if extra.strip("'\"").startswith("#") else "--user"
    return f" Did you mean {option}?"
