"""Commands that name rooms or take a text, which a shell may have taken for something else than was meant."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Sequence
from typing import Final, NamedTuple

import click

from chatcli.cli.options.types import TextType

_ROOMS: Final = frozenset({"to", "of", "--in", "--room"})  # arguments and options that hold one
_HINT: Final = "A room is written in quotes: '#ops'."
_ALONE: Final = "With --lines, the texts come from standard input"
_LONGEST_EXAMPLE: Final = 60  # characters
_UNQUOTED: Final = "chatcli.unquoted"  # where click carries how the line is written if it was one text
_CLOSE: Final = 0.7  # how much of an option a mistake has in common with it


class RoomCommand(click.Command):
    """A command that names rooms: where such a name is missing, a shell may have taken it for a comment."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the command line; say how a room is written where there might have been one."""
        try:
            return super().parse_args(ctx, args)
        except (click.MissingParameter, click.BadOptionUsage) as error:
            if _missing(error) not in _ROOMS:
                raise
            raise click.UsageError(f"{error.format_message()} {_HINT}", ctx) from None


def _missing(error: click.UsageError) -> str | None:
    """Return which argument is missing, or behind which option something is."""
    if isinstance(error, click.BadOptionUsage):
        return error.option_name
    return error.param.name if isinstance(error, click.MissingParameter) and error.param else None


class OptionalWord(click.Option):
    """An option behind which one of a few words may stand: nothing else is taken for its value."""

    def __init__(self, names: Sequence[str], word: str, text: str) -> None:
        super().__init__(names, type=click.Choice([word]), is_flag=False, flag_value=word, help=text)
        self.word = word


class Parted(NamedTuple):
    """What stands on a command line.

    Attributes:
        options: each followed by its value.
        words: what stands between them.
        behind: the words behind ``--``; None where there is none.
    """

    options: list[str]
    words: list[str]
    behind: list[str] | None


class TextCommand(RoomCommand):
    """A command whose arguments end in a text: one word of the shell, which may begin with a dash."""

    def part(self, ctx: click.Context, args: list[str]) -> Parted:
        """Return what stands on the command line.

        What begins with a dash and comes next after the first word is the text, unless it is an option or nearly one;
        so is what comes later and has a space in it.
        """
        known = {
            name: option
            for option in self.get_params(ctx)
            for name in (*option.opts, *option.secondary_opts)
            if name.startswith("-")
        }
        options: list[str] = []
        words: list[str] = []
        rest = deque(args)
        while rest:
            word = rest.popleft()
            name, with_value, _ = word.partition("=")
            if word == "--":
                return Parted(options, words, list(rest))
            if word == "-" or not word.startswith("-"):
                words.append(word)
            elif name in known:
                options += _with_value(word, known[name], rest, ctx) if not with_value else [word]
            elif (len(words) == 1 and not _is_nearly(name, list(known))) or (words and " " in word):
                words.append(word)
            else:
                options.append(word)
        return Parted(options, words, None)


class SeveralCommand(TextCommand):
    """A command whose arguments are for whom, as many as there are, and behind them a text.

    The text is not among click's arguments: it is handed to the command as ``text``, None where there is none. Behind
    ``--`` all words are the text, if others are in front of it.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the command line; say how a text is written that came in pieces, or not at all."""
        if ctx.resilient_parsing:  # a shell wants to know what may follow: any word may be a recipient yet
            return click.Command.parse_args(self, ctx, args)
        options, words, behind = self.part(ctx, args)
        alone = bool({"--lines"} & set(options))
        flagged = _has_message(options)
        text: str | None = None
        if words and behind:
            to, text = words, " ".join(behind)
        else:
            to = words = words + (behind or [])
            if len(words) > 1 and not (alone or flagged):
                to, text = words[:-1], words[-1]
        try:
            click.Command.parse_args(self, ctx, [*options, "--", *to])
        except click.MissingParameter:
            raise click.UsageError(f"Missing argument 'TO'. {_HINT}", ctx) from None
        if alone and text is not None:
            raise click.UsageError(f"{_ALONE}: leave the other away.", ctx)
        text = _one_text(ctx, text, flagged=flagged, alone=alone)
        if not alone and text is None:
            sentence = f"Missing argument 'TEXT'. {_HINT} {_piped()}{in_quotes(words[0], 'hi')}"
            raise click.UsageError(sentence, ctx)
        if alone and (several := [word for word in to if any(" " in name.strip() for name in word.split(","))]):
            raise click.UsageError(f'{_ALONE}: "{several[0]}" is no name, so leave it away.', ctx)
        if any(word.startswith("-") for word in to[1:]) and not flagged:
            raise click.UsageError(f"There is more than one text. {in_quotes(*words)}", ctx)
        if len(to) > 1 and not (behind or alone):
            ctx.meta[_UNQUOTED] = f"If those words are one text, put it in quotes:\n{_example(*words)}"
        ctx.params["text"] = None if text is None else _text(text, ctx)
        return []


def _has_message(options: list[str]) -> bool:
    return any(option == "-m" or option.startswith("--message") for option in options)


def _one_text(ctx: click.Context, text: str | None, *, flagged: bool, alone: bool) -> str | None:
    """Return the text, wherever it stands."""
    if flagged and (alone or text is not None):
        raise click.UsageError("--message is the text: leave the other away.", ctx)
    return ctx.params.pop("message", None) or text


def _text(text: str, ctx: click.Context) -> str:
    try:
        return TextType().convert(text, None, ctx)
    except click.BadParameter as error:
        error.param_hint = "'TEXT'"
        raise


def _piped() -> str:
    """Return how to send what comes on standard input, where something may."""
    try:
        piped = sys.stdin is not None and not sys.stdin.isatty()
    except ValueError:  # closed
        piped = False
    return 'What comes on standard input is sent with "-" as the text, or line by line with --lines. ' if piped else ""


def unquoted() -> str:
    """Return what to say where all behind the first word may have been meant as the text; nothing where it was not."""
    return str(click.get_current_context().meta.get(_UNQUOTED, ""))


def _with_value(word: str, option: click.Parameter, rest: deque[str], ctx: click.Context) -> list[str]:
    """Return an option and the value that follows it; that is taken from the rest."""
    if isinstance(option, OptionalWord):
        if rest and rest[0] == option.word:
            rest.popleft()
        return [f"{word}={option.word}"]
    if not isinstance(option, click.Option) or option.is_flag:
        return [word]
    if not rest:
        raise click.BadOptionUsage(word, f"Option '{word}' requires an argument.", ctx)
    return [word, rest.popleft()]


def _is_nearly(name: str, options: list[str]) -> bool:
    """Return whether somebody has mistyped an option, rather than written a text."""
    import difflib

    from chatcli.cli.usage_hints import is_anothers

    if is_anothers(name):
        return True
    return " " not in name and name.startswith("--") and bool(difflib.get_close_matches(name, options, 1, _CLOSE))


def in_quotes(to: str, *texts: str) -> str:
    """Return how to write a text."""
    return f"Put the text in quotes:\n{_example(to, *texts)}"


def _example(to: str, *texts: str) -> str:
    """Return the running command with the texts as one."""
    from chatcli.cli.options.shared import in_use
    from chatcli.protocol.text import command_line, printable_line, quoted

    text = " ".join(texts)
    if len(text) > _LONGEST_EXAMPLE:
        text = "the text"
    text = printable_line(text)
    last = quoted(text) if set(text) & set('"$`\\!') else f'"{text}"'
    return f"{command_line('chatcli', click.get_current_context().info_name or '', *in_use(), to)} {last}"
