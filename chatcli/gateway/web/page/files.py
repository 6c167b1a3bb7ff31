"""The page of the chat and its files: under one digest, compressed once, and answered with."""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Final, NamedTuple

from chatcli.gateway.web.answers import Content, Fault, Headers
from chatcli.gateway.web.heads import Head
from chatcli.gateway.web.page.headers import CHAT, FILE

#: The types of files that the page may have, by their suffix.
TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml; charset=utf-8",
    ".webmanifest": "application/manifest+json; charset=utf-8",
}

_INDEX: Final = "index.html"
_ICON: Final = "icon.svg"
#: What stands for the digest of all files in the page.
_DIGEST: Final = b"/-/app/DIGEST/"
_DIGITS: Final = 16  # of the digest, in hexadecimal
_LEVEL: Final = 9
#: A part of the icon that some of its variants have, and the count within it.
_PART: Final = re.compile(rb'[ \t]*<g id="(\w+)".*?</g>\n?', re.DOTALL)
_COUNT: Final = b"COUNT"
#: A comment with lines of its own, in scripts and style sheets.
_COMMENT: Final = re.compile(rb"^[ \t]*/\*(?:(?!\*/).)*\*/[ \t]*$|^[ \t]*//[^\n]*$", re.DOTALL | re.MULTILINE)
_COMMENTED: Final = (".js", ".css")


class _File(NamedTuple):
    """A file as it is sent.

    Attributes:
        content_type: its type.
        plain: its content.
        compressed: the same, compressed.
    """

    content_type: str
    plain: bytes
    compressed: bytes

    def content(self, head: Head, headers: Headers) -> Content:
        """Return the answer to a request for the file."""
        if head.takes_gzip and len(self.compressed) < len(self.plain):
            return Content(self.content_type, self.compressed, [*headers, ("Content-Encoding", "gzip")])
        return Content(self.content_type, self.plain, headers)


class PageFiles:
    """The page of the chat and its files.

    All files are below one digest of them all, so that a module finds those that it imports under its own address, and
    none of another version.

    Args:
        sources: the content of each file, by its name.

    Attributes:
        digest: the digest.
    """

    def __init__(self, sources: Mapping[str, bytes]) -> None:
        every = {**{name: _lean(name, source) for name, source in sources.items()}, **dict(_icons(sources[_ICON]))}
        self.digest = _digest(every)
        index = every.pop(_INDEX).replace(_DIGEST, f"/-/app/{self.digest}/".encode())
        self._index = _file(_INDEX, index)
        self._files = {f"{self.digest}/{name}": _file(name, content) for name, content in every.items()}

    def page(self, head: Head) -> Content:
        """Return the answer to a request for the page, the same for each conversation: the page opens that itself."""
        return self._index.content(head, CHAT)

    def file(self, head: Head, path: str) -> Content:
        """Return the answer to a request for a file.

        Args:
            head: the request.
            path: the digest and the name of the file, with a slash between them.

        Raises:
            Fault: there is no such file, or not any more.
        """
        found = self._files.get(path)
        if found is None:
            text = "There is no such file in this version of the page: load the page again."
            raise Fault(HTTPStatus.NOT_FOUND, text)
        return found.content(head, FILE)


def _file(name: str, content: bytes) -> _File:
    return _File(TYPES[name[name.rindex(".") :]], content, gzip.compress(content, _LEVEL, mtime=0))


def _lean(name: str, source: bytes) -> bytes:
    """Return a file without comments, which would be a third of what browsers load; its lines keep their numbers."""
    if not name.endswith(_COMMENTED):
        return source
    return _COMMENT.sub(lambda found: b"\n" * found[0].count(b"\n"), source)


def _digest(files: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name, content in sorted(files.items()):
        digest.update(b"%b %d\n%b" % (name.encode(), len(content), content))
    return digest.hexdigest()[:_DIGITS]


def _icons(template: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the icon, and its variants with a count and for a page without a connection, of one that has all parts."""
    yield _ICON, _with_part(template, "")
    for name in ("waiting", "more"):
        yield f"icon-{name}.svg", _with_part(template, name)
    for count in range(1, 10):
        yield f"icon-{count}.svg", _with_part(template, "count").replace(_COUNT, b"%d" % count)


def _with_part(template: bytes, name: str) -> bytes:
    return _PART.sub(lambda found: found[0] if found[1] == name.encode() else b"", template)
