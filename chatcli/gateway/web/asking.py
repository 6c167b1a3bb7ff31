"""Asking: a request that asks a question, as a frame, and its outcome as a status and a body."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final, NamedTuple

import msgspec

from chatcli.errors import InputError
from chatcli.gateway.web.answers import JSON, TEXT, Fault
from chatcli.gateway.web.heads import Head
from chatcli.gateway.web.publishing import (
    Identity,
    all_parameters,
    check_type,
    decoded,
    invalid,
    message_id,
    parameters,
    place,
    text_of,
)
from chatcli.protocol import frames as f
from chatcli.protocol.records import moment
from chatcli.protocol.values.durations import duration_text, parse_duration

_PARAMETERS: Final = {"to", "choice", "timeout", "wait"}
_YES_OR_NO: Final = ("yes", "no")
_TIMEOUT: Final = 300  # seconds
WAIT: Final = 50  # seconds that a request for an answer waits: most proxies have more patience
_LONGEST_WAIT: Final = 3600  # seconds

_LATE: Final = "There was no answer in time: the question is closed."
_NOT_YET: Final = "There is no answer yet: it comes from the address in Location, to which curl -L goes by itself."
_TWO_WAYS: Final = (
    'With a body in JSON, everything stands in that: {"to": "bob", "text": "Deploy?", "choices": ["now", "later"]}. '
    "Drop the parameters after the question mark."
)


class Question(NamedTuple):
    """A question, and the patience of who asks it.

    Attributes:
        message: the question.
        wait: seconds after which the request is answered without an answer; None for as long as the question is open.
    """

    message: f.Send
    wait: int | None


class _Asked(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a request in JSON."""

    to: str
    text: str
    choices: list[str] | None = None
    timeout: int | str = _TIMEOUT
    wait: int | str | None = None
    id: str | None = None


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a question in JSON: as ``chatcli ask --json`` prints it."""

    answer: str
    choice: int
    by: str
    seq: int
    at: str
    question: int
    person: None = None


def question(head: Head, body: bytes, identity: Identity) -> Question:
    """Return the question that a request asks.

    Args:
        head: the request.
        body: its body: the text, or JSON.
        identity: the sources of the question's id.

    Raises:
        Fault: it asks none.
    """
    if check_type(head) == JSON:
        if all_parameters(head, _PARAMETERS):
            raise invalid(_TWO_WAYS)
        asked = decoded(body, _Asked)
    else:
        asked = _from_query(head, text_of(body))
    to = place(asked.to)
    message = f.Send(
        message_id(head, identity, to, asked.id),
        to,
        asked.text,
        choices=list(_YES_OR_NO) if asked.choices is None else asked.choices,
        seconds=_seconds("timeout", asked.timeout, f.MAX_OPEN),
    )
    return Question(message, None if asked.wait is None else _seconds("wait", asked.wait, _LONGEST_WAIT))


def _from_query(head: Head, text: str) -> _Asked:
    pairs = all_parameters(head, _PARAMETERS)
    once = [name for name, _ in pairs if name != "choice"]
    if len(once) != len(set(once)):
        raise invalid("Only the parameter choice can be there more than once.")
    found = dict(pairs)
    choices = [value for name, value in pairs if name == "choice"]
    return _Asked(found.get("to", ""), text, choices or None, found.get("timeout", _TIMEOUT), found.get("wait"))


def _seconds(name: str, value: int | str, most: int) -> int:
    try:
        text = str(value)
        seconds = parse_duration(f"{text}s" if text.isdecimal() else text)
    except InputError:
        seconds = 0
    if not 0 < seconds <= most:
        raise invalid(f'"{name}" is a length of time like 90s or 10m, up to {duration_text(most)}.')
    return seconds


def awaited(head: Head, seq: str) -> tuple[int, int]:
    """Return the number of the question whose answer a request wants, and the seconds that it waits.

    Args:
        head: the request.
        seq: the number, as the path has it.

    Raises:
        Fault: it is none.
    """
    if not (seq.isascii() and seq.isdecimal() and len(seq) < len(str(f.MAX_SEQ))):
        raise invalid("The address of an answer is /-/ask/ and the number of the question, as in /-/ask/4711?wait=50.")
    wait = parameters(head, {"wait"}).get("wait", WAIT)
    return int(seq), _seconds("wait", wait, _LONGEST_WAIT)


def location(seq: int, wait: int) -> str:
    """Return the address from which an answer comes that is not there yet.

    Args:
        seq: the number of the question.
        wait: seconds that a request there waits.
    """
    return f"/-/ask/{seq}?wait={wait}"


def answer(head: Head, answered: f.Answered) -> tuple[str, bytes]:
    """Return an answer: the type of its content, and the body.

    Raises:
        Fault: the question was declined or withdrawn.
    """
    message = answered.message
    assert message is not None  # noqa: S101 (the caller has checked that)
    if message.answer is None or message.answer < 0:
        raise Fault(HTTPStatus.GONE, f"{message.sender} has {message.text}.", code=message.text)
    if not head.wants_json:
        return TEXT, f"{message.text}\n".encode()
    made = Answer(
        answer=message.text,
        choice=message.answer,
        by=message.sender,
        seq=message.seq,
        at=moment(message.at),
        question=answered.re,
    )
    return JSON, msgspec.json.encode(made) + b"\n"


def late() -> Fault:
    """Return the error for a question that nobody has answered in time."""
    return Fault(HTTPStatus.GATEWAY_TIMEOUT, _LATE, code="not_in_time")


def not_yet(where: str) -> Fault:
    """Return the answer that leads to another address, for a question that is still open."""
    return Fault(HTTPStatus.SEE_OTHER, _NOT_YET, [("Location", where)], code="not_yet")
