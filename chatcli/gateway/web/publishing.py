"""Publishing: a request that says something, as a frame, and the answer to it as a body."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Final, NamedTuple, TypeVar
from urllib.parse import parse_qsl

import msgspec

from chatcli.gateway.web.answers import JSON, TEXT, Fault
from chatcli.gateway.web.heads import Head
from chatcli.gateway.web.statuses import fault
from chatcli.protocol import codes
from chatcli.protocol import frames as f
from chatcli.protocol.records import moment
from chatcli.protocol.values.ids import uuid8
from chatcli.protocol.values.names import fold
from chatcli.protocol.values.text import printable_line
from chatcli.protocol.values.tokens import token_digest

_MOST_KEY: Final = 255  # characters of an Idempotency-Key
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_CHARSET: Final = re.compile(r'charset\s*=\s*"?([^";\s]*)', re.IGNORECASE)
_MOST_PARAMETERS: Final = 32
_UTF8: Final = ("", "utf-8", "utf8", "us-ascii")
_UNDECODABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_MULTIPART: Final = (
    "The body is the text itself, and no form: use curl -d TEXT, or --data-binary @FILE, in the place of -F."
)
_NO_UTF8: Final = "The body is not text in UTF-8: convert it first, as iconv -t UTF-8 does."
_NOWHERE: Final = 'Say who is meant in "to": a person or a room, as in ?to=bob or ?to=%23ops.'
_SHOWN: Final = 40  # characters of a name that is not known
_SECRETS: Final = ("token", "access_token", "key", "auth", "password")


Shape = TypeVar("Shape", bound=msgspec.Struct)


class Identity(NamedTuple):
    """The sources of a message's id.

    Attributes:
        token: the caller's token. Ids are made with it, so that nobody else can take one first.
        new: returns a new id, for a request that names none.
    """

    token: str
    new: Callable[[], str]


class _Posted(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a request in JSON."""

    text: str
    re: f.Seq | None = None
    id: str | None = None


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a message in JSON: as ``chatcli send --json`` prints it."""

    to: str
    outcome: str
    id: str
    seq: int
    at: str
    error: None = None
    status: int = 0
    person: None = None


def check_type(head: Head) -> str:
    """Return the type of a body's content, without parameters.

    Raises:
        Fault: no text can come with it.
    """
    kind, _, parameters = head.headers.get("content-type", "").partition(";")
    kind = kind.strip().lower()
    if kind.startswith("multipart/"):
        raise Fault(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, _MULTIPART)
    found = _CHARSET.search(parameters) if parameters else None
    if found is not None and found[1].lower() not in _UTF8:
        raise Fault(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, _NO_UTF8)
    return kind


def message(head: Head, to: str, body: bytes, identity: Identity) -> f.Send:
    """Return the message that a request amounts to.

    Args:
        head: the request.
        to: the room or the person.
        body: its body.
        identity: the sources of the message's id.

    Raises:
        Fault: it amounts to none.
    """
    query = parameters(head, {"re"})
    answered = _seq(query["re"]) if "re" in query else None
    if check_type(head) != JSON:
        return f.Send(message_id(head, identity, to), to, text_of(body), answered)
    posted = decoded(body, _Posted)
    identifier = message_id(head, identity, to, posted.id)
    if answered is not None and posted.re not in (None, answered):
        raise invalid('"re" is there twice, and different: leave out one of them.')
    return f.Send(identifier, to, posted.text, answered if posted.re is None else posted.re)


def place(to: str) -> str:
    """Return the room or the person that a query or JSON names: ``#ops`` is a room, ``@bob`` and ``bob`` are bob.

    Raises:
        Fault: it names nothing.
    """
    name = to.removeprefix("@")
    if name in ("", "#"):
        raise invalid(_NOWHERE)
    return name


def message_id(head: Head, identity: Identity, to: str, given: str | None = None) -> str:
    """Return the id of a message: the one in JSON, or the one that the header stands for, or a new one.

    Args:
        head: the request.
        identity: the sources of the id.
        to: the room or the person.
        given: the id in JSON, if there is one.

    Raises:
        Fault: there are two that differ.
    """
    key = key_id(head, identity, to)
    if given is None:
        return key or identity.new()
    if key not in (None, given.lower()):
        raise invalid('"id" and the header "Idempotency-Key" are different: leave out one of them.')
    return given.lower()


def text_of(body: bytes) -> str:
    """Return a body as text, without the line feed at its end.

    Raises:
        Fault: it is not UTF-8.
    """
    try:
        return body.decode().removesuffix("\n")
    except UnicodeDecodeError:
        raise invalid(_NO_UTF8) from None


def decoded(body: bytes, shape: type[Shape]) -> Shape:
    """Return a body in JSON.

    Raises:
        Fault: it is not JSON, or has other fields.
    """
    try:
        return msgspec.json.decode(body, type=shape)
    except _UNDECODABLE as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)[:200]
        raise invalid(f"That JSON is not understood: {reason}.") from None


def parameters(head: Head, known: set[str]) -> dict[str, str]:
    """Return the parameters in the query of a request.

    Args:
        head: the request.
        known: those that it may have, once each.

    Raises:
        Fault: there are others.
    """
    found: dict[str, str] = {}
    for name, value in all_parameters(head, known):
        if name in found:
            raise invalid(f'The parameter "{name}" is there twice.')
        found[name] = value
    return found


def all_parameters(head: Head, known: set[str]) -> list[tuple[str, str]]:
    """Return the parameters in the query of a request, of which some may be there more than once.

    Raises:
        Fault: there are others.
    """
    if not head.query:
        return []
    try:
        pairs = parse_qsl(head.query, keep_blank_values=True, errors="strict", max_num_fields=_MOST_PARAMETERS)
    except ValueError:
        raise invalid("The query of this address is not understood.") from None
    for name, _ in pairs:
        if name.lower() in _SECRETS:
            raise invalid('A token stands in the header "Authorization", not in the address, which others can read.')
        if name not in known:
            listed = f"there are {', '.join(sorted(known))}" if known else "there are none"
            raise invalid(f'There is no parameter "{printable_line(name[:_SHOWN])}" here: {listed}.')
    return pairs


def key_id(head: Head, identity: Identity, to: str) -> str | None:
    """Return the id that the header ``Idempotency-Key`` stands for: a UUID is the id, anything else gives one.

    That is another one for each place: a message elsewhere is another message.

    Args:
        head: the request.
        identity: the sources of the id.
        to: the room or the person.

    Raises:
        Fault: there is nothing in the header, or too much.
    """
    key = head.headers.get("idempotency-key")
    if key is None:
        return None
    key = key.strip().removeprefix('"').removesuffix('"')  # quotes: as in draft-ietf-httpapi-idempotency-key-header
    if not key or len(key) > _MOST_KEY:
        raise invalid(f'An "Idempotency-Key" has 1 to {_MOST_KEY} characters: a UUID, or any name for this message.')
    if _UUID.fullmatch(key):
        return key.lower()
    named = f"{fold(to)}\0{key}"  # there is no such character in a header
    return uuid8(hashlib.blake2b(named.encode(), key=token_digest(identity.token), digest_size=16).digest())


def _seq(value: str) -> int:
    if not (value.isascii() and value.isdecimal() and len(value) <= len(str(f.MAX_SEQ)) and int(value) <= f.MAX_SEQ):
        raise invalid('"re" is the number of the message that is answered, as in ?re=4711.')
    return int(value)


def invalid(text: str) -> Fault:
    """Return the error for a request that makes no sense."""
    return fault(codes.INVALID, text)


def receipt(head: Head, to: str, sent: f.Sent) -> tuple[str, bytes]:
    """Return the answer to a message that is on disk: the type of its content, and the body.

    Args:
        head: the request.
        to: the room or the person.
        sent: what the session says.
    """
    if not head.wants_json:
        return TEXT, f"{sent.outcome} {sent.seq}\n".encode()
    made = Receipt(to=to, outcome=sent.outcome, id=sent.id, seq=sent.seq, at=moment(sent.at))
    return JSON, msgspec.json.encode(made) + b"\n"
