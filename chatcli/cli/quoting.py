"""Commands that name rooms or take a text, which a shell may have taken for something else than was meant."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import click

_ROOMS: Final = frozenset({"to", "of", "--in", "--room"})  # arguments and options that hold one
_HINT: Final = "A room is written in quotes: '#ops'."
_LONGEST_EXAMPLE: Final = 60  # characters
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


def _missing(error: click.MissingParameter | click.BadOptionUsage) -> str | None:
    """Return which argument is missing, or behind which option something is."""
    if isinstance(error, click.BadOptionUsage):
        return error.option_name
    return error.param.name if error.param else None


class TextCommand(RoomCommand):
    """A command whose two arguments are for whom, and a text: one word of the shell, which may begin with a dash."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the command line; say how a text is written that came in pieces, or not at all."""
        options, words = self._parted(ctx, args)
        try:
            return super().parse_args(ctx, [*options, "--", *words])
        except click.MissingParameter as error:
            if len(words) != 1:
                raise
            raise click.UsageError(f"{error.format_message()} {_in_quotes(words[0], 'hi')}", ctx) from None
        except click.UsageError as error:
            if len(words) <= 2 or type(error) is not click.UsageError:
                raise
            raise click.UsageError(f"There is more than one text. {_in_quotes(*words)}", ctx) from None

    def _parted(self, ctx: click.Context, args: list[str]) -> tuple[list[str], list[str]]:
        """Return the options, each followed by its value, and the words in between.

        What begins with a dash and comes next after the first word is the text, unless it is an option or nearly one.
        """
        known = {
            name: option
            for option in self.get_params(ctx)
            for name in (*option.opts, *option.secondary_opts)
            if name.startswith("-")
        }
        options: list[str] = []
        words: list[str] = []
        rest = iter(args)
        for word in rest:
            name, with_value, _ = word.partition("=")
            if word == "--":
                words += rest
            elif word == "-" or not word.startswith("-"):
                words.append(word)
            elif name in known:
                options.append(word)
                if not with_value and _takes_value(known[name]):
                    options.append(_value(rest, name, ctx))
            elif len(words) == 1 and not _is_nearly(name, list(known)):
                words.append(word)
            else:
                options.append(word)
        return options, words


def _takes_value(option: click.Parameter) -> bool:
    return isinstance(option, click.Option) and not option.is_flag


def _value(rest: Iterator[str], option: str, ctx: click.Context) -> str:
    try:
        return next(rest)
    except StopIteration:
        raise click.BadOptionUsage(option, f"Option '{option}' requires an argument.", ctx) from None


def _is_nearly(name: str, options: list[str]) -> bool:
    """Return whether somebody has mistyped an option, rather than written a text."""
    import difflib

    return " " not in name and name.startswith("--") and bool(difflib.get_close_matches(name, options, 1, _CLOSE))


def _in_quotes(to: str, *texts: str) -> str:
    """Return how to write a text."""
    import shlex

    text = " ".join(texts)
    if len(text) > _LONGEST_EXAMPLE:
        text = "the text"
    quoted = shlex.quote(text) if set(text) & set('"$`\\!') else f'"{text}"'
    return f"Put the text in quotes: chatcli send {shlex.quote(to)} {quoted}"
