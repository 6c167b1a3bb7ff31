"""Checks the lines of an archive, each by itself and in their order, without regard to any log."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Final

import msgspec
from msgspec import Struct

from chatcli.errors import InputError
from chatcli.protocol.keys import PUBLIC_KEY_BYTES, key_bytes
from chatcli.protocol.values.choices import check_choices
from chatcli.protocol.values.ids import id_bytes
from chatcli.protocol.values.names import Name, check_name, check_room_name, name_before_release
from chatcli.protocol.values.text import device_label
from chatcli.store.archive import format as archive

_KINDS: Final = ("open", "private", "announcement")
_MAX_WRONG: Final = 50  # lines; nobody reads more complaints

#: Called with the number of each wrong line, and with what is wrong with it.
Complain = Callable[[int, str], object]


class User(Struct, frozen=True, kw_only=True):
    """A user whose line has been checked.

    Attributes:
        label: the name as other lines use it.
        name: the name; its key is empty if the name was released.
        created: milliseconds since 1970-01-01 UTC.
        seen: likewise; 0 if unknown.
        keys: each key with the time since which the user has it, and the label of its device.
        released: whether the name was taken from the user.
    """

    label: str
    name: Name
    created: int
    seen: int
    keys: Sequence[tuple[bytes, int, str]]
    released: bool


class Room(Struct, frozen=True, kw_only=True):
    """A room whose line has been checked; ``label`` is the name as other lines use it."""

    label: str
    name: Name
    kind: str
    topic: str
    created: int


class Message(Struct, frozen=True, kw_only=True):
    """A message whose line has been checked: see :class:`chatcli.store.archive.format.Message`.

    Its id is in bytes, and its times are in milliseconds since 1970-01-01 UTC.
    """

    seq: int
    id: bytes
    sender: str
    to: str
    text: str
    at: int
    re: int | None
    choices: Sequence[str]
    until: int | None
    answer: int | None


Checked = User | Room | archive.Member | archive.Read | Message


class WrongLine(Exception):
    """A line cannot be imported, for the reason given."""


class Report:
    """Counts the wrong lines and reports each; a context manager around everything that may find one.

    Args:
        complain: called for each of them.

    Attributes:
        line: the number of the line that is being read.
        wrong: the number of wrong lines.
    """

    def __init__(self, complain: Complain) -> None:
        self._complain = complain
        self.line = 0
        self.wrong = 0

    @property
    def full(self) -> bool:
        """Whether there are enough wrong lines to stop."""
        return self.wrong >= _MAX_WRONG

    def reject(self, reason: str) -> None:
        """Report that the line is wrong."""
        self.wrong += 1
        self._complain(self.line, reason)

    def abandon(self) -> None:
        """Stop after this line: the file is not an archive, and its other lines deserve no complaint."""
        self.wrong = _MAX_WRONG

    def __enter__(self) -> None:
        """Start to check the line."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        """Reject the line if the block has found that it is wrong."""
        if not isinstance(error, (WrongLine, InputError)):
            return False
        self.reject(str(error).removesuffix("."))
        return True


def validate(lines: IO[bytes], report: Report) -> Iterator[Checked]:
    """Yield the lines that are right, the first and the last excepted, and report the others."""
    checker = _Checker(report)
    while not checker.ended and (raw := lines.readline(archive.MAX_LINE + 1)):
        report.line += 1
        checked = None
        with report:
            checked = checker.check(_decode(raw))
        if checked is not None:
            yield checked
        elif report.line == 1 and report.wrong:
            report.abandon()
        if report.full:
            return
    report.line += 1
    if not checker.ended:
        report.reject('the last one, {"t":"end"}, is missing: the archive was cut short')
    elif lines.readline(archive.MAX_LINE + 1):
        report.reject('it stands after the last one, {"t":"end"}')


class _Checker:
    """Checks lines in their order.

    Attributes:
        ended: whether the last line was checked.
    """

    def __init__(self, report: Report) -> None:
        self.ended = False
        self._report = report
        self._names: set[str] = set()
        self._messages = 0
        self._last = 0  # the seq of the message before

    def check(self, line: archive.AnyLine) -> Checked | None:
        """Check a line; the first and the last have no contents.

        Raises:
            WrongLine: it is wrong.
            InputError: likewise; a name or a choice is invalid.
        """
        if (self._report.line == 1) is not isinstance(line, archive.Start):
            raise WrongLine('an archive begins with one line {"t":"export","version":1}')
        match line:
            case archive.Message():
                return self._check_message(line)
            case archive.Start(version):
                _check_version(version)
            case archive.User():
                return self._check_user(line)
            case archive.Room():
                return self._check_room(line)
            case archive.Member() | archive.Read():
                _check_numbers(line)
                return line
            case archive.End(messages):
                self.ended = True
                if messages != self._messages and not self._report.wrong:
                    raise WrongLine(f"there should be {messages} messages before it, and there are {self._messages}")
        return None

    def _check_user(self, line: archive.User) -> User:
        if line.name in self._names:
            raise WrongLine(f'"{line.name}" is there twice')
        user = User(
            label=line.name,
            name=_released_name(line.name) if line.released else check_name(line.name),
            created=_milliseconds(line.created),
            seen=_milliseconds(line.seen) if line.seen else 0,
            keys=[(_key(one.key), _milliseconds(one.since), device_label(one.device)) for one in line.keys],
            released=line.released,
        )
        self._names.add(line.name)
        return user

    def _check_room(self, line: archive.Room) -> Room:
        name = check_room_name(line.name)
        if len(line.topic) > archive.MAX_TOPIC:
            raise WrongLine(f"a topic has {archive.MAX_TOPIC} characters at most, and this one has {len(line.topic)}")
        if line.name in self._names:
            raise WrongLine(f"{line.name} is there twice")
        if line.kind not in _KINDS:
            raise WrongLine(f'"{line.kind}" is not a kind of room: there are {", ".join(_KINDS)}')
        created = _milliseconds(line.created)
        self._names.add(line.name)
        return Room(label=line.name, name=name, kind=line.kind, topic=line.topic, created=created)

    def _check_message(self, line: archive.Message) -> Message:
        if line.seq <= self._last:
            raise WrongLine(f"its seq, {line.seq}, is not above the one before, {self._last}")
        if line.re is not None and line.re >= line.seq:
            raise WrongLine(f"it answers the message {line.re}, which is not before it")
        if line.answer is not None and (line.re is None or line.choices):
            raise WrongLine("it is an answer without a question, or both")
        _check_text(line.text)
        if line.choices:
            check_choices(line.choices)
        message = Message(
            seq=line.seq,
            id=_id(line.id),
            sender=line.sender,
            to=line.to,
            text=line.text,
            at=_milliseconds(line.at),
            re=line.re,
            choices=line.choices,
            until=None if line.until is None else _milliseconds(line.until),
            answer=line.answer,
        )
        self._last = line.seq
        self._messages += 1
        return message


def _decode(raw: bytes) -> archive.AnyLine:
    if len(raw) > archive.MAX_LINE:
        raise WrongLine(f"it has more than {archive.MAX_LINE} bytes")
    try:
        line: archive.AnyLine = archive.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:  # the last of nothing but brackets
        reason = str(error)
        raise WrongLine(f"it cannot be read: {reason[:1].lower()}{reason[1:]}") from None
    return line


def _check_numbers(line: archive.Member | archive.Read) -> None:
    if isinstance(line, archive.Member):
        if line.until is not None and line.until < line.since:
            raise WrongLine("it ends before it begins")
    elif line.of is not None and line.received is not None:
        raise WrongLine("`received` holds for all conversations: write it in a line without `of`")


def _check_version(version: int) -> None:
    if version != archive.VERSION:
        raise WrongLine(f"it is an archive of version {version}; this chatcli reads {archive.VERSION}: upgrade")


def _check_text(text: str) -> None:
    if not text:
        raise WrongLine("it has no text")
    if len(text.encode()) > archive.MAX_TEXT:
        raise WrongLine(f"its text has more than {archive.MAX_TEXT} bytes")


def _released_name(name: str) -> Name:
    """Return a released name, which must not be mistaken for that of another user."""
    former = name_before_release(name)
    if former is None:
        raise WrongLine(f'"{name[:64]}" is not a released name; one looks like "alice (released 7)"')
    check_name(former)
    return Name(name, "")


def _milliseconds(time: datetime.datetime) -> int:
    try:
        return archive.milliseconds_of(time)
    except ValueError as error:
        raise WrongLine(str(error)) from None


def _key(text: str) -> bytes:
    try:
        return key_bytes(text, PUBLIC_KEY_BYTES)
    except ValueError:
        raise WrongLine(f'"{text[:64]}" is not a public key') from None


def _id(text: str) -> bytes:
    try:
        return id_bytes(text)
    except ValueError:
        raise WrongLine(f'"{text[:64]}" is not an id; one looks like {uuid.UUID(int=0x7 << 76 | 0x2 << 62)}') from None
