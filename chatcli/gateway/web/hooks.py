"""Payloads of webhooks as texts of messages: GitHub, Alertmanager and Grafana, Slack's format, and plain text."""

from __future__ import annotations

import hmac
import urllib.parse
from collections.abc import Mapping
from typing import Final

import msgspec

from chatcli.errors import Refused
from chatcli.gateway.web.payloads import alerts, github, slack
from chatcli.gateway.web.payloads.wording import bounded
from chatcli.protocol import codes
from chatcli.protocol.values.ids import uuid8
from chatcli.protocol.values.text import printable

_FORM: Final = "application/x-www-form-urlencoded"
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_NULL: Final = msgspec.Raw(b"null")
_REMEDY: Final = "Send plain text instead, for example with: jq -r .message | curl --data-binary @- URL"
_MOST_PARTS: Final = 40_000  # a push of a thousand commits has 30,000, and nothing else runs while they are read
_UNREADABLE = (ValueError, RecursionError)  # msgspec's and UnicodeDecodeError are of the former


class Hook(msgspec.Struct, frozen=True):
    """The message that a webhook's request amounts to.

    Attributes:
        text: its text, not blank, within the limit, without control characters.
        id: the message's id, the same each time when the request is repeated; None if nothing in it tells.
    """

    text: str
    id: str | None = None


class _Outline(msgspec.Struct):
    """The fields by which a kind of payload is recognized."""

    alerts: msgspec.Raw = _NULL
    text: msgspec.Raw = _NULL
    blocks: msgspec.Raw = _NULL
    attachments: msgspec.Raw = _NULL


def understand(headers: Mapping[str, str], body: bytes, *, key: bytes, limit: int) -> Hook | None:
    """Return the message that the request of a webhook amounts to, or None if it has nothing to say (204).

    A request is recognized by what it is, in this order: GitHub by its header ``X-GitHub-Event``; Alertmanager and
    Grafana by ``alerts``; Slack's format by ``text``, ``blocks`` or ``attachments``; anything else that is not JSON is
    the text itself. JSON may come as the field ``payload`` of a form. A body of a megabyte can take a quarter of
    a second: this waits for nothing and may run in a thread.

    Args:
        headers: the headers of the request, with their names in lower case.
        body: the body of the request.
        key: a secret of this hook, such as the digest of its token and the place that messages go to. Ids are made with
            it, since GitHub and Alertmanager send the same event to each hook that wants it, and nobody else may know
            an id in advance and take it.
        limit: the bytes of UTF-8 that a text may have.

    Raises:
        Refused: the payload is not understood (``invalid``), or its text is blank (``empty_text``).
    """
    try:
        text, identity = _read(headers, body)
    except _UNREADABLE as error:
        raise Refused(codes.INVALID, f"That payload is not understood ({_cause(error)}). {_REMEDY}") from None
    if text is None:
        return None
    safe = bounded(printable(bounded(text, limit)).rstrip(), limit)
    if not safe or safe.isspace():
        raise Refused(codes.EMPTY_TEXT, "There is no text in that message.")
    return Hook(safe, _made_id(key, identity))


def _read(headers: Mapping[str, str], body: bytes) -> tuple[str | None, tuple[object, ...] | None]:
    """Return the text, None if there is nothing to say, and the parts that identify the event."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    event = headers.get("x-github-event")
    payload = _payload(kind, body.removeprefix(_BYTE_ORDER_MARK))
    if event is not None:
        _check_parts(payload)
        delivery = headers.get("x-github-delivery")
        return github.event_text(event, payload) or None, ("github", delivery) if delivery else None
    if kind == "application/json" or kind.endswith("+json"):
        return _read_json(payload)
    if not payload.lstrip().startswith(b"{"):
        return payload.decode(), None
    try:
        msgspec.json.decode(payload, type=msgspec.Raw)
    except msgspec.DecodeError:
        return payload.decode(), None  # text in braces
    return _read_json(payload)  # curl calls everything a form


def _payload(kind: str, body: bytes) -> bytes:
    """Return the field ``payload`` of a form that has one, and any other body as it is."""
    if kind == _FORM:
        for field in body.split(b"&"):
            name, _, value = field.partition(b"=")
            if name == b"payload":
                return urllib.parse.unquote_to_bytes(value.replace(b"+", b" "))
    return body


def _read_json(payload: bytes) -> tuple[str | None, tuple[object, ...] | None]:
    _check_parts(payload)
    outline = msgspec.json.decode(payload, type=_Outline)
    if _has(outline.alerts):
        notification = msgspec.json.decode(payload, type=alerts.Notification)
        return alerts.notification_text(notification), alerts.notification_identity(notification)
    if not (_has(outline.text) or _has(outline.blocks) or _has(outline.attachments)):
        raise ValueError("it has no field that a hook knows, such as `text` or `alerts`")
    return slack.message_text(msgspec.json.decode(payload, type=slack.Message)), None


def _check_parts(payload: bytes) -> None:
    """Raise if JSON may have very many parts: all of them are read at once, and nobody else is served meanwhile.

    Raises:
        ValueError: it may.
    """
    if payload.count(b",") + payload.count(b"{") + payload.count(b"[") > _MOST_PARTS:
        raise ValueError(f"it has more than {_MOST_PARTS} fields and elements")


def _has(field: msgspec.Raw) -> bool:
    return bytes(field) != bytes(_NULL)


def _cause(error: ValueError | RecursionError) -> str:
    """Return the reason why a payload is not understood; other people's words are not repeated."""
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8"
    return "it is nested too deeply" if isinstance(error, RecursionError) else printable(str(error)[:200])


def _made_id(key: bytes, identity: tuple[object, ...] | None) -> str | None:
    if identity is None:
        return None
    # ascii() keeps the parts apart, and can write any text.
    return uuid8(hmac.digest(key, ascii(identity).encode(), "sha256"))
