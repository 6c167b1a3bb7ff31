"""Puts other people's words into a text: on one line, as an excerpt, within a limit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

MORE: Final = "…"
_LONGEST_LINE: Final = 300
_LONGEST_LINK: Final = 2000  # a link that is cut leads nowhere
_EXCERPT_LINES: Final = 6
_EXCERPT: Final = 600
_TORN: Final = 200  # bytes at the end of a text in which a line or a word may end


def one_line(text: str | None, most: int = _LONGEST_LINE) -> str:
    """Return a text on one line of at most ``most`` characters."""
    words = " ".join((text or "")[: 4 * most].split())
    return words if len(words) <= most else words[: most - 1].rstrip() + MORE


def link(url: str | None) -> str:
    """Return a URL that can stand in a text, or nothing."""
    if not url or len(url) > _LONGEST_LINK or not url.startswith(("https://", "http://")):
        return ""
    return "" if any(char.isspace() for char in url) else url


def joined(*parts: str) -> str:
    """Return the parts that are not empty, separated by spaces."""
    return " ".join(part for part in parts if part)


def excerpt(text: str | None) -> str:
    """Return the first lines of a text, quoted."""
    beginning = (text or "").strip()[:_EXCERPT]
    lines = beginning.splitlines()[:_EXCERPT_LINES]
    whole = len("\n".join(lines)) >= len((text or "").strip().replace("\r\n", "\n"))
    return "\n".join(f"> {line}" for line in [*lines, *([] if whole else [MORE])])


def counted(lines: Sequence[str], hidden: int) -> list[str]:
    """Return lines, and one that counts those which are not shown."""
    return [*lines, *([f"{MORE} and {hidden} more"] if hidden > 0 else [])]


def bounded(text: str, limit: int) -> str:
    """Return a text in at most ``limit`` bytes of UTF-8, cut where a line or a word ends, with an ellipsis."""
    raw = text[: limit + 1].encode()
    if len(raw) <= limit:
        return text[: limit + 1]
    room = limit - len(MORE.encode())
    if room <= 0:
        return raw[:limit].decode(errors="ignore")
    kept = raw[:room].decode(errors="ignore")
    tail = kept[-_TORN:]
    end = max(tail.rfind("\n"), tail.rfind(" ")) if len(kept) > _TORN else -1
    return kept[: len(kept) - len(tail) + end].rstrip() + MORE if end > 0 else kept + MORE
