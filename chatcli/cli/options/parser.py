"""Command lines that end in a text: which words are options, which are recipients, and which are the text."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final, NamedTuple

import click

from chatcli.cli.options.types import TextType

#: Options of other programs, and the option of ours in their place.
ELSEWHERE: Final = {"--host": "--server HOST:PORT", "--port": "--server HOST:PORT"}

_LINES: Final = "With --lines, the texts come from standard input"
_LONGEST_EXAMPLE: Final = 60  # characters
_UNQUOTED: Final = "chatcli.unquoted"  # where click carries the words that may have been meant as one text
_CLOSE: Final = 0.7  # how much of an option a mistake has in common with it


class Command(click.Command):
    """A command that is named by all errors in its command line."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the command line.

        Raises:
            click.UsageError: it is wrong.
        """
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            error.ctx = error.ctx or ctx  # click leaves it out if an option has no value
            raise


class OptionalWord(click.Option):
    """An option that may be followed by its value, one of some words, by default the first; any other is no value."""

    def __init__(self, names: Sequence[str], words: Sequence[str], text: str) -> None:
        super().__init__(names, type=click.Choice(words), is_flag=False, flag_value=words[0], help=text)
        self.words = words


class CommandLine(NamedTuple):
    """The words of a command line.

    Attributes:
        options: options, each followed by its value.
        words: the words between them.
        after: the words after ``--``; None without it.
    """

    options: list[str]
    words: list[str]
    after: list[str] | None

    @property
    def has_message(self) -> bool:
        """Whether the text is the value of an option."""
        return any(option == "-m" or option.startswith("--message") for option in self.options)

    def recipients_and_text(self) -> tuple[list[str], str | None]:
        """Return the recipients, and the text that follows them, if there is one."""
        if self.words and self.after:
            return self.words, " ".join(self.after)
        words = self.words + (self.after or [])
        if len(words) > 1 and not (self.has_message or "--lines" in self.options):
            return words[:-1], words[-1]
        return words, None


class MessageCommand(Command):
    """A command with any number of recipients and, after them, a text: one word of the shell.

    click knows the recipients as an argument; the text is passed to the command as ``text``, None without one. All
    words after ``--`` are the text, if there are others before it.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the command line.

        Raises:
            click.UsageError: the text is missing, or is given twice.
        """
        if ctx.resilient_parsing:  # for completion: any word may still become a recipient
            return super().parse_args(ctx, args)
        line = self._split(ctx, args)
        to, text = line.recipients_and_text()
        super().parse_args(ctx, [*line.options, "--", *to])
        message = ctx.params.pop("message", None)
        if ctx.params.get("lines"):
            _refuse_texts(ctx, to, text or message)
        elif message and text is not None:
            raise click.UsageError("--message is the text: drop the other one.", ctx)
        elif message is None and text is None:
            raise click.MissingParameter(ctx=ctx, param_hint="'TEXT'", param_type="argument")
        elif message is None and any(word.startswith("-") for word in to[1:]):
            raise click.UsageError(f"There is more than one text. {in_quotes(ctx, *to, text or '')}", ctx)
        elif len(to) > 1 and not line.after:
            ctx.meta[_UNQUOTED] = [*to, *([text] if text else [])]
        ctx.params["text"] = message or (None if text is None else _convert(ctx, text))
        return []

    def _split(self, ctx: click.Context, args: list[str]) -> CommandLine:
        """Return the words of the command line, sorted.

        A word that begins with a dash is the text if it follows the first recipient, unless it is an option or nearly
        one; later on it is if it contains a space.
        """
        known = _options(self.get_params(ctx))
        line = CommandLine([], [], None)
        rest = deque(args)
        while rest:
            word = rest.popleft()
            name, with_value, _ = word.partition("=")
            if word == "--":
                return line._replace(after=list(rest))
            if word == "-" or not word.startswith("-"):
                line.words.append(word)
            elif name in known:
                line.options.extend([word] if with_value else _with_value(word, known[name], rest, ctx))
            elif (len(line.words) == 1 and not _is_nearly(name, list(known))) or (line.words and " " in word):
                line.words.append(word)
            else:
                line.options.append(word)
        return line


def _options(params: Sequence[click.Parameter]) -> dict[str, click.Parameter]:
    return {
        name: option for option in params for name in (*option.opts, *option.secondary_opts) if name.startswith("-")
    }


def _with_value(word: str, option: click.Parameter, rest: deque[str], ctx: click.Context) -> list[str]:
    """Return an option and its value, which is removed from ``rest``."""
    if isinstance(option, OptionalWord):
        value = rest.popleft() if rest and rest[0] in option.words else option.words[0]
        return [f"{word}={value}"]
    if not isinstance(option, click.Option) or option.is_flag:
        return [word]
    if not rest:
        raise click.BadOptionUsage(word, f"Option '{word}' requires an argument.", ctx)
    return [word, rest.popleft()]


def _is_nearly(name: str, options: list[str]) -> bool:
    """Return whether a word is a mistyped option rather than a text."""
    from chatcli.protocol.values.spelling import nearest

    if name in ELSEWHERE:
        return True
    return " " not in name and name.startswith("--") and bool(nearest(name, options, _CLOSE))


def _refuse_texts(ctx: click.Context, to: Sequence[str], text: str | None) -> None:
    """Raise if there is a text where only recipients belong.

    Raises:
        click.UsageError: there is one.
    """
    if text is not None:
        raise click.UsageError(f"{_LINES}: drop the other text.", ctx)
    if sentences := [word for word in to if any(" " in name.strip() for name in word.split(","))]:
        raise click.UsageError(f'{_LINES}: "{sentences[0]}" is not a name, drop it.', ctx)


def _convert(ctx: click.Context, text: str) -> str:
    try:
        return TextType().convert(text, None, ctx)
    except click.BadParameter as error:
        error.param_hint = "'TEXT'"
        raise


def unquoted() -> str:
    """Return advice on quoting all words after the first one as one text; empty if there is one text anyway."""
    context = click.get_current_context()
    words = context.meta.get(_UNQUOTED)
    return f"If those words are one text, put it in quotes:\n{_example(context, *words)}" if words else ""


def in_quotes(context: click.Context, to: str, *texts: str) -> str:
    """Return advice on quoting a text, with the command as it should be."""
    return f"Put the text in quotes:\n{_example(context, to, *texts)}"


def _example(context: click.Context, to: str, *texts: str) -> str:
    """Return the running command with the texts as one."""
    from chatcli.cli.options.shared import in_use
    from chatcli.protocol.values.text import command_line, printable_line, quoted

    text = " ".join(texts)
    if len(text) > _LONGEST_EXAMPLE:
        text = "the text"
    text = printable_line(text)
    last = quoted(text) if set(text) & set('"$`\\!') else f'"{text}"'
    return f"{command_line('chatcli', context.info_name or '', *in_use(context), to)} {last}"
