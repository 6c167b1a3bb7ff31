"""The text of ``config.toml``: its settings, and the lines of mistakes in it."""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

import click

from chatcli.cli.options.settings import SETTINGS, Setting
from chatcli.errors import InputError

_SERVERS: Final = "servers"  # the table of those that have a name

#: Python's messages for frequent mistakes, and ours.
_IN_PLAIN_WORDS: Final = {
    "Expected newline or end of document after a statement": (
        'There is more than one value here; text is written in quotes, as in clock = "12h"'
    ),
    "Invalid value": 'This is not a value; text is written in quotes, as in user = "alice"',
    "Illegal character '\\n'": "A quote is missing at the end of this line",
    "Unterminated string": "A quote is missing at the end of this line",
    "Cannot overwrite a value": "This is set already, further above",
}


class Reader:
    """Reads the settings in a text.

    Args:
        path: of the file, for sentences.
        data: its content.

    Raises:
        InputError: it is not text in UTF-8.
    """

    def __init__(self, path: str, data: bytes) -> None:
        self._path = path
        self._text = self._decoded(data)

    def settings(self) -> tuple[dict[str, object], dict[str, dict[str, object]]]:
        """Return the settings for all servers, and those of each server that has a name.

        Raises:
            InputError: the text has a mistake; the sentence names the line.
        """
        import tomllib

        try:
            table = tomllib.loads(self._text)
        except (ValueError, RecursionError) as error:  # of TOML, of a number with too many digits, of too much nesting
            raise self._unreadable(str(error)) from None
        servers = table.pop(_SERVERS, {})
        if not isinstance(servers, dict):
            raise self._mistake([_SERVERS], f"{_SERVERS} is not a setting: a server is named with [servers.NAME].")
        values = self._values(table, [])
        if {"at", "server"} <= values.keys():
            raise self._mistake(["at"], "at and server both say where the server is: keep one of them.")
        named = {name: self._server(name, said) for name, said in servers.items()}
        if "at" in values and values["at"] not in named:
            raise self._mistake(["at"], f'There is no server "{values["at"]}". {hint(str(values["at"]), list(named))}')
        return values, named

    def _server(self, name: str, said: object) -> dict[str, object]:
        place = [_SERVERS, name]
        if not isinstance(said, dict):
            raise self._mistake(place, f'"{name}" is not a server: one is named with [servers.NAME].')
        if "server" not in said:
            raise self._mistake(place, f'Nothing says where "{name}" is: add server = "HOST:PORT".')
        return self._values(said, place)

    def _values(self, table: dict[str, object], place: list[str]) -> dict[str, object]:
        return {
            SETTINGS[key].name: self._value(key, said, place)
            for key, said in table.items()
            if self._is_known(key, place)
        }

    def _is_known(self, key: str, place: list[str]) -> bool:
        known = [one for one in SETTINGS if not place or one != "at"]
        if key not in known:
            raise self._mistake(
                [*place, key], f'There is no setting "{key}"{" of a server" * bool(place)}. {hint(key, known)}'
            )
        return True

    def _value(self, key: str, said: object, place: list[str]) -> object:
        setting = SETTINGS[key]
        if isinstance(said, dict):
            hint = f" A server is named with [servers.{next(iter(said), 'NAME')}]." if key == "server" else ""
            raise self._mistake([*place, key], f"{key} is not a table.{hint}")
        if not self._has_form(setting, said):
            form = 'a list of texts, as in ["deploy", "prod"]' if setting.several else "text in quotes"
            form = "true or false, without quotes" if setting.switch else form
            raise self._mistake([*place, key], f"{key} is {form}.")
        try:
            return setting.type.convert(said, None, None)
        except (InputError, click.UsageError) as error:
            raise self._mistake(
                [*place, key], f"{key}: {error if isinstance(error, InputError) else error.message}"
            ) from None

    @staticmethod
    def _has_form(setting: Setting, said: object) -> bool:
        if setting.several and isinstance(said, list):
            return all(isinstance(one, str) for one in said)
        return isinstance(said, bool if setting.switch else str)

    def _decoded(self, data: bytes) -> str:
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            raise self._at(line, "this is not text in UTF-8.") from None

    def _mistake(self, place: list[str], sentence: str) -> InputError:
        return self._at(self._line(place), sentence)

    def _at(self, line: int | str, sentence: str) -> InputError:
        return InputError(f"{self._path}, line {line}: {sentence}")

    def _unreadable(self, message: str) -> InputError:
        """Return the error for text that is not TOML, from the message of Python."""
        what, _, where = message.rpartition(" (at ")
        numbers = [int(word) for word in where.strip("line )").replace(",", "").split() if word.isdigit()]
        line, *column = numbers or [self._text.rstrip().count("\n") + 1]
        place = f"{line}, column {column[0]}" if column else line
        return self._at(place, f"{_IN_PLAIN_WORDS.get(what, what)}.")

    def _line(self, place: list[str]) -> int:
        """Return the line on which a value begins: the first one with which the text so far contains it."""
        lines = self._text.split("\n")

        def contains(count: int) -> bool:
            return _contains(_parse_beginning(lines, count), place)

        counts = range(1, len(lines) + 1)
        return counts[bisect_left(counts, True, key=contains)]


def _parse_beginning(lines: list[str], count: int) -> dict[str, object]:
    """Return the table in the first ``count`` lines, and in the rest of a value that goes on below them."""
    import tomllib

    for end in range(count, len(lines)):
        try:
            return tomllib.loads("\n".join(lines[:end]))
        except tomllib.TOMLDecodeError:  # in the middle of a text or list of several lines
            continue
    return tomllib.loads("\n".join(lines))


def _contains(table: object, place: list[str]) -> bool:
    for key in place:
        table = table.get(key) if isinstance(table, dict) else None
    return table is not None


def hint(word: str, known: list[str]) -> str:
    """Return the known word that is nearest to ``word``, or all of them, as a sentence."""
    from chatcli.protocol.values.spelling import nearest

    near = nearest(word, known)
    return f'Did you mean "{near}"?' if near else f"There are: {', '.join(known) or 'none'}."
