"""Explains wrong command lines, where click's own words do not help."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import Final

import click

from chatcli.cli.options.parser import ELSEWHERE, in_quotes

_CLOSE: Final = 0.7  # how much of an option, without its dashes, a mistake has in common with it
_ROOM: Final = "A room is written in quotes: '#ops'."  # or a shell takes its name for a comment
_ROOM_OPTIONS: Final = frozenset({"--in", "--room"})
#: click has no class for this mistake, only a sentence.
_EXTRA: Final = re.compile(r"Got unexpected extra arguments? \((.*)\)", re.DOTALL)


def explain(error: click.ClickException) -> str:
    """Return the sentence for an error, with a hint if there is one."""
    if isinstance(error, click.NoSuchOption):
        return _no_such_option(error)
    if isinstance(error, click.BadParameter) and isinstance(error.param, click.Argument) and not error.param_hint:
        error.param_hint = f"'{_metavar(error.param)}'"
    if isinstance(error, click.BadOptionUsage) and error.option_name in _ROOM_OPTIONS:
        return f"{error.format_message()} {_ROOM}"
    if not isinstance(error, click.UsageError) or error.ctx is None:
        return error.format_message()
    if extra := _EXTRA.match(error.message):
        return _HINTS_EXTRA.get(error.ctx.command.name or "", _drop)(error.ctx, extra[1])
    hint = _HINTS.get((error.ctx.command.name or "", type(error), _parameter(error)))
    return error.format_message() if hint is None else f"{error.format_message()} {hint(error.ctx)}"


def _parameter(error: click.UsageError) -> str:
    """Return the parameter that an error is about, as click names it."""
    if not isinstance(error, click.BadParameter):
        return ""
    return str(error.param.name if error.param else error.param_hint)


def _room(_: click.Context) -> str:
    return _ROOM


def _text(context: click.Context) -> str:
    return f"{_ROOM} {_piped()}{in_quotes(context, context.params['to'][0], 'hi')}"


def _piped() -> str:
    """Return advice on sending standard input, if there may be something on it."""
    try:
        piped = sys.stdin is not None and not sys.stdin.isatty()
    except ValueError:  # closed
        piped = False
    return 'To send standard input, write "-" as the text, or --lines to send it line by line. ' if piped else ""


def _question(context: click.Context) -> str:
    return in_quotes(context, context.params["to"], "Deploy to prod?")


#: Added to click's sentence, by command, exception and parameter.
_HINTS: Final[dict[tuple[str, type[click.UsageError], str], Callable[[click.Context], str]]] = {
    ("send", click.MissingParameter, "to"): _room,
    ("send", click.MissingParameter, "'TEXT'"): _text,
    ("ask", click.MissingParameter, "to"): _room,
    ("ask", click.MissingParameter, "question"): _question,
    ("history", click.MissingParameter, "of"): _room,
}


def _more_than_a_question(context: click.Context, extra: str) -> str:
    to, question = context.params["to"], context.params["question"]
    if " " in question or question.endswith("?"):  # it is complete: the rest can only be choices
        return "There is something after the question. Choices are written --choice yes --choice no."
    return f"There is more than one question. {in_quotes(context, to, question, extra)}"


def _more_than_join(context: click.Context, extra: str) -> str:
    option = "--room" if extra.strip("'\"").startswith("#") else "--user"
    return f"{_drop(context, extra)} Did you mean {option}?"


def _drop(context: click.Context, extra: str) -> str:
    arguments = [_metavar(one) for one in context.command.params if isinstance(one, click.Argument)]
    accepted = f"one {' and one '.join(arguments)}" if arguments else "options only"
    return f'{context.command_path} takes {accepted}: drop "{extra}".'


#: The sentence on arguments that are too many, by command; the others have :func:`_drop`.
_HINTS_EXTRA: Final[dict[str, Callable[[click.Context, str], str]]] = {
    "ask": _more_than_a_question,
    "join": _more_than_join,
}


def _no_such_option(error: click.NoSuchOption) -> str:
    sentence = f"No such option '{error.option_name}'."
    if error.option_name in ELSEWHERE:
        return f"{sentence} The server is given with {ELSEWHERE[error.option_name]}."
    near = [name for name in error.possibilities or () if _is_near(error.option_name, name)]
    return f"{sentence} Did you mean {' or '.join(near)}?" if near else sentence


def _is_near(written: str, option: str) -> bool:
    from chatcli.protocol.values.spelling import nearest

    written, option = written.lstrip("-"), option.lstrip("-")
    return option.startswith(written) or bool(nearest(written, [option], _CLOSE))


def _metavar(argument: click.Argument) -> str:
    """Return the name of an argument, without the marks of how often it is given."""
    found = re.search("[A-Z]+", argument.metavar or "")
    return found[0] if found else (argument.name or "").upper()
