"""Texts for messages in the format of Slack, in which Mattermost, Rocket.Chat and many programs post as well."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

import msgspec

from chatcli.gateway.web.payloads.wording import joined, link

# Only what Slack marks so: "a < b" in a text that was not escaped stays.
_LONGEST: Final = 256 * 1024  # characters in which marks are looked for: no message is that long
_MARKED: Final = re.compile(r"<([@#!]|(?=[a-z][a-z0-9+.-]{1,20}+:))([^<>|]*+)(?:\|([^<>]*+))?>")


class Element(msgspec.Struct, kw_only=True):
    """A block, a text object in it, or a part of rich text. The types differ in what they use."""

    type: str | None = None
    text: str | Element | None = None
    title: str | Element | None = None
    alt_text: str | None = None
    fields: list[Element] | None = None
    elements: list[Element] | None = None
    url: str | None = None
    name: str | None = None
    user_id: str | None = None
    channel_id: str | None = None
    usergroup_id: str | None = None
    range: str | None = None
    fallback: str | None = None
    indent: int | None = None


class Field(msgspec.Struct, kw_only=True):
    """A field of an attachment."""

    title: str | float | bool | None = None
    value: str | float | bool | None = None


class Attachment(msgspec.Struct, kw_only=True):
    """An attachment of a message."""

    pretext: str | None = None
    title: str | None = None
    title_link: str | None = None
    text: str | None = None
    fallback: str | None = None
    fields: list[Field] | None = None
    blocks: list[Element] | None = None


class Message(msgspec.Struct, kw_only=True):
    """A message for an incoming webhook. Channel and name are not read: the token says who sends it, and where."""

    text: str | None = None
    blocks: list[Element] | None = None
    attachments: list[Attachment] | None = None


def message_text(message: Message) -> str:
    """Return the text of a message: its blocks, or its text if there are none, and its attachments."""
    said = _blocks(message.blocks) or _plain(message.text)
    return _lines([said, *map(_attachment, message.attachments or ())])


def _attachment(attachment: Attachment) -> str:
    title = joined(_plain(attachment.title), link(attachment.title_link))
    fields = map(_field, attachment.fields or ())
    said = _lines([title, _plain(attachment.text), *fields, _blocks(attachment.blocks)])
    return _lines([_plain(attachment.pretext), said or _plain(attachment.fallback)])


def _field(field: Field) -> str:
    return joined(f"{_value(field.title)}:" if field.title else "", _value(field.value))


def _value(value: str | float | bool | None) -> str:
    return _plain(value) if isinstance(value, str) else "" if value is None else str(value).removesuffix(".0")


def _blocks(blocks: list[Element] | None) -> str:
    return _lines(map(_block, blocks or ()))


def _block(block: Element) -> str:
    parts = block.elements or []
    match block.type:
        case "rich_text":
            return _lines(map(_rich, parts))
        case "context":
            return joined(*map(_text, parts))
        case "actions":
            return joined(*(_linked(_text(part), part.url) for part in parts if link(part.url)))
        case "image":
            return _text(block.title) or _plain(block.alt_text)
        case _:
            return _lines([_text(block), *map(_text, block.fields or ())])


def _text(part: str | Element | None) -> str:
    """Return the text of a text object, or of what has one."""
    while isinstance(part, Element):
        part = part.text
    return _plain(part)


def _rich(part: Element) -> str:
    parts = part.elements or []
    match part.type:
        case "rich_text_list":
            margin = "  " * min(max(part.indent or 0, 0), 8)
            return _lines(f"{margin}- {_rich(item)}" for item in parts)
        case "rich_text_quote":
            return "> " + "".join(map(_inline, parts)).replace("\n", "\n> ")
        case _:
            return "".join(map(_inline, parts))


def _inline(part: Element) -> str:
    """Return an element of rich text, in which nothing is escaped."""
    text = part.text if isinstance(part.text, str) else ""
    match part.type:
        case "link":
            return _linked(text, part.url)
        case "emoji":
            return f":{part.name}:" if part.name else ""
        case "user" | "usergroup" | "broadcast":
            return f"@{part.user_id or part.usergroup_id or part.range or 'somebody'}"
        case "channel":
            return f"#{part.channel_id or 'channel'}"
        case _:
            return text or part.fallback or ""


def _plain(text: str | None) -> str:
    """Undo the marks and the escapes of a text."""
    shown = _MARKED.sub(lambda mark: _mark(mark[1], mark[2], mark[3]), (text or "")[:_LONGEST])
    return shown.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _mark(kind: str, target: str, label: str | None) -> str:
    match kind:
        case "":
            return _linked(label or "", target)
        case "!":
            return label or "@" + target.partition("^")[0]
        case _:
            return kind + (label or target)


def _linked(label: str, url: str | None) -> str:
    """Return a label and the address it leads to, once if they are the same."""
    target = (url or "").removeprefix("mailto:").removeprefix("tel:")
    if not label or label == target or target.removesuffix("/").endswith(f"://{label.removesuffix('/')}"):
        return target
    return f"{label} ({target})" if target else label


def _lines(parts: Iterable[str]) -> str:
    return "\n".join(part for part in (one.strip("\n") for one in parts) if part.strip())
