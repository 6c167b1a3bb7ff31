"""The last ``chatcli serve`` over a data directory: its options and its pages, recorded there when it is ready."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final

import click
import msgspec

logger = logging.getLogger(__name__)

_FILE: Final = "serve.json"
_LONGEST: Final = 64 * 1024  # bytes of the file; a longer one is none of ours


def options_in_use(context: click.Context) -> list[str]:
    """Return the options of a running command that differ from their defaults, apart from ``--data``.

    It does not matter where they come from. Paths are absolute, so that the options mean the same everywhere.
    """
    words: list[str] = []
    for param in context.command.params:
        value = context.params.get(param.name or "")
        if param.name == "data" or value is None or value == param.get_default(context):
            continue
        if isinstance(param, click.Option) and param.is_flag:
            words += [param.opts[0]] if value else []
        else:
            words += [part for one in _values(value) for part in (param.opts[0], _written(param, one))]
    return words


def _values(value: object) -> tuple[object, ...]:
    return value if isinstance(value, tuple) else (value,)


def _written(param: click.Parameter, value: object) -> str:
    """Return the value of an option as it is written on the command line."""
    from chatcli.cli.options.types import DurationType

    if isinstance(param.type, click.Path):
        return str(Path(str(value)).absolute())
    if isinstance(param.type, DurationType) and isinstance(value, int):
        days, rest = divmod(value, 86_400)
        return f"{value}s" if rest else f"{days}d"
    return str(value)


class _Record(msgspec.Struct, omit_defaults=True):
    serve: list[str]
    pages: list[str] | None = None  # None from versions that had none


def record(directory: Path, options: list[str], pages: list[str]) -> None:
    """Record the options and the addresses of the page; if that fails, the server runs nevertheless."""
    from chatcli.store.files import atomic_write

    try:
        with atomic_write(directory / _FILE) as path:
            path.write_bytes(msgspec.json.encode(_Record(options, pages)) + b"\n")
    except OSError as error:
        logger.info("cannot record the options in %s: %s", directory / _FILE, error.strerror)


def recorded(directory: Path) -> list[str] | None:
    """Return the options that were recorded in a data directory; None if there are none that can be read."""
    found = _read(directory)
    return None if found is None else found.serve


def recorded_pages(directory: Path) -> list[str] | None:
    """Return the addresses of the page as recorded in a data directory; None if there are none that can be read."""
    found = _read(directory)
    return None if found is None else found.pages


def _read(directory: Path) -> _Record | None:
    try:
        with (directory / _FILE).open("rb") as file:
            return msgspec.json.decode(file.read(_LONGEST), type=_Record)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
