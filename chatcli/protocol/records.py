"""Messages and changes of names as programs read them: one JSON object a line, all fields always present.

``docs/schema.json`` and ``docs/json.md`` are made of these records and of those in the command line.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct, field

from chatcli.protocol.values.text import printable

if TYPE_CHECKING:
    from chatcli.protocol import frames


def about(text: str) -> Meta:
    """Return the description of a field, for the pages."""
    return Meta(description=text)


#: As :func:`moment` writes it.
Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
Count = Annotated[int, Meta(ge=0)]
Seq = Annotated[int, Meta(ge=1)]
Name = Annotated[str, Meta(min_length=1)]


class Message(Struct, frozen=True, kw_only=True):
    """A message, a question or an answer to one."""

    seq: Annotated[Seq, about("the message's place in the log: for `--before`, `--since` and `--reply-to`")]
    id: Annotated[str, about("the message's UUID, from its sender")]
    sender: Annotated[Name, about("the sender")] = field(name="from")
    to: Annotated[Name, about("the recipient: a person, or a room, which begins with `#`")]
    text: Annotated[str, about("the text; in an answer, the words of the choice")]
    at: Annotated[Time, about("the time when the server accepted it")]
    re: Annotated[Seq | None, about("the `seq` of the message that it answers")]
    choices: Annotated[list[str], about("the possible answers to a question; otherwise empty")]
    until: Annotated[Time | None, about("the time when a question closes; null if it does not close by itself")]
    answer: Annotated[
        Annotated[int, Meta(ge=-1)] | None,
        about("in an answer, the number of the choice, from 0; -1 if the question was declined or withdrawn"),
    ]


class Heard(Message, frozen=True, kw_only=True):
    """A message that a listener received."""

    replayed: Annotated[
        bool, about("whether it may have been delivered before: after a failure, or after a start further back")
    ]


class NameChange(Struct, frozen=True, kw_only=True):
    """A name that you talk with has another key or another owner; only this record has a `what`."""

    seq: Annotated[Seq, about("the change's place in the log, which no message has")]
    name: Annotated[Name, about("the name")]
    what: Annotated[
        Literal["key", "recovered", "released", "taken"],
        about(
            "`key`: its owner has added a key; `recovered`: an operator has let its owner in with a new key; "
            "`released`: an operator has freed the name; `taken`: somebody else has taken it"
        ),
    ]
    by: Annotated[str | None, about("the operator, or `operator`; null if it was none")]
    at: Annotated[Time, about("the time of the change")]


def of_message(message: frames.Message) -> Message:
    """Return the record of a message."""
    return Message(**_fields(message))


def of_delivery(message: frames.Message, *, replayed: bool) -> Heard:
    """Return the record of a message that a listener received."""
    return Heard(**_fields(message), replayed=replayed)


def of_change(change: frames.NameChange) -> NameChange:
    """Return the record of a change of a name."""
    return NameChange(seq=change.seq, name=change.user, what=change.what, by=change.by or None, at=moment(change.at))


def _fields(message: frames.Message) -> dict[str, Any]:
    return {
        "seq": message.seq,
        "id": message.id,
        "sender": message.sender,
        "to": message.to,
        "text": message.text,
        "at": moment(message.at),
        "re": message.re,
        "choices": list(message.choices),
        "until": None if message.until is None else moment(message.until),
        "answer": message.answer,
    }


def moment(time: int) -> str:
    """Return a time of the protocol as RFC 3339 in UTC, with milliseconds."""
    seconds, milliseconds = divmod(time, 1000)
    then = datetime.datetime.fromtimestamp(seconds, datetime.UTC) + datetime.timedelta(milliseconds=milliseconds)
    return then.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def json_line(record: Struct | Mapping[str, Any]) -> str:
    """Return a record as one line; control characters are escaped."""
    line = msgspec.json.encode(record).decode()
    if printable(line) != line:
        import json  # noqa: PLC0415 (for few lines)

        line = json.dumps(msgspec.to_builtins(record), separators=(",", ":"))  # escapes everything that is not ASCII
    return line
