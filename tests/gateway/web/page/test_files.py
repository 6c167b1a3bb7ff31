"""The page of the chat and its files: addresses, headers, compression, and what the files may not contain."""

from __future__ import annotations

import gzip
import json
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

import pytest

from chatcli.gateway.web.answers import Content, Fault
from chatcli.gateway.web.heads import Head
from chatcli.gateway.web.page.files import TYPES, PageFiles
from tests.reference import ROOT

FOLDER: Final = ROOT / "chatcli/web"
SOURCES: Final = {str(path.relative_to(FOLDER)): path.read_bytes() for path in FOLDER.rglob("*") if path.is_file()}
INDEX: Final = SOURCES["index.html"].decode()
PAGE: Final = PageFiles(SOURCES)

IMPORT: Final = re.compile(r"""^(?:import|export)\b[^;'"]*?["'](\.{1,2}/[^"']+)["']""", re.MULTILINE)
#: What makes script, style or HTML of a text: Trusted Types forbid some of it, where a browser has them.
FORBIDDEN: Final = (
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|javascript:|createContextualFragment"
    r"|setHTMLUnsafe|parseFromString|srcdoc|setAttribute\(\s*[\"'`](?:style|on)"
)


def asks(path: str = "/", **headers: str) -> Head:
    """Return a request."""
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return Head("GET", path, "", fields, "1.1", has_body=False)


def headers_of(content: Content) -> dict[str, str]:
    """Return the headers of an answer, of which none is there twice."""
    headers = list(content.headers)
    assert len(headers) == len(dict(headers))
    return dict(headers)


def imported(module: str) -> Iterator[str]:
    """Yield the modules that a module imports."""
    for found in IMPORT.findall(SOURCES[module].decode()):
        yield resolved(module, found)


def resolved(module: str, found: str) -> str:
    """Return the name of a file that a module names relative to itself."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(module), found))


def lean(name: str) -> bytes:
    """Return a file as it is sent."""
    return PAGE.file(asks(), f"{PAGE.digest}/{name}").body


def test_page() -> None:
    """It refers to its files below the digest, and is never kept."""
    page = PAGE.page(asks())
    assert page.content_type == "text/html; charset=utf-8"
    assert f'src="/-/app/{PAGE.digest}/main.js"'.encode() in page.body
    assert b"DIGEST" not in page.body
    assert "Cache-Control" not in headers_of(page)  # as all answers: not to be kept


@pytest.mark.parametrize("name", sorted(set(SOURCES) - {"index.html"}))
def test_file(name: str) -> None:
    """It has its type, and is kept for a year."""
    content = PAGE.file(asks(), f"{PAGE.digest}/{name}")
    assert content.content_type == TYPES[Path(name).suffix]
    if not name.endswith((".svg", ".js", ".css")):
        assert content.body == SOURCES[name]
    assert headers_of(content)["Cache-Control"] == "public, max-age=31536000, immutable"
    assert headers_of(content)["Vary"] == "Accept-Encoding"


@pytest.mark.parametrize("name", [name for name in SOURCES if name.endswith((".js", ".css"))])
def test_comments(name: str) -> None:
    """None that has a line of its own is sent; each other line is, under its number."""
    sent, source = lean(name).decode().split("\n"), SOURCES[name].decode().split("\n")
    assert len(sent) == len(source)
    assert [line for line in sent if re.match(r"\s*(/\*|//)", line)] == []
    for now, before in zip(sent, source, strict=True):
        assert now in ("", before)
        assert now == before or re.match(r"\s*(/\*|\*|//|[^{};=]*(\*/)?$)", before), before


@pytest.mark.parametrize(
    ("accepted", "compressed"),
    [
        ("gzip", True),
        ("br, GZIP;q=0.5", True),
        ("gzip;q=0", False),
        ("gzip;q=0.000", False),
        ("br", False),
        ("*", False),
    ],
)
def test_compressed(accepted: str, *, compressed: bool) -> None:
    """It is the same, for those who can read it."""
    head = asks(accept_encoding=accepted)
    for content, start in ((PAGE.page(head), b"<!doctype"), (PAGE.file(head, f"{PAGE.digest}/icon-1.svg"), b"<svg")):
        assert ("Content-Encoding" in headers_of(content)) is compressed
        plain = gzip.decompress(content.body) if compressed else content.body
        assert plain.startswith(start)


def test_small_files_are_not_compressed() -> None:
    """Compressed they would be larger."""
    page = PageFiles({**SOURCES, "small.js": b"1\n"})
    content = page.file(asks(accept_encoding="gzip"), f"{page.digest}/small.js")
    assert content.body == b"1\n"


@pytest.mark.parametrize(
    "path", ["", "main.js", "0123456789abcdef/main.js", "DIGEST/index.html", "DIGEST/", "DIGEST/a/b"]
)
def test_no_file(path: str) -> None:
    """The files of another version are not there, nor is the page itself under another address."""
    with pytest.raises(Fault) as caught:
        PAGE.file(asks(), path.replace("DIGEST", PAGE.digest))
    assert caught.value.status == 404


def test_digest() -> None:
    """It is another one when a file, or the name of one, changes; and the same for the same files in another order."""
    others = [{**SOURCES, "main.js": b"1"}, {**SOURCES, "more.js": b""}, {**SOURCES, "icon.svg": b""}]
    digests = [PageFiles(sources).digest for sources in (SOURCES, *others)]
    assert len(set(digests)) == len(digests)
    assert PageFiles(dict(reversed(SOURCES.items()))).digest == PAGE.digest


def test_icons() -> None:
    """Each variant is proper XML, has what it should show, and no script or style."""
    shown = {f"icon-{count}": str(count) for count in range(1, 10)}
    shown |= {"icon": "", "icon-waiting": "", "icon-more": "9+"}
    for name, text in shown.items():
        icon = PAGE.file(asks(), f"{PAGE.digest}/{name}.svg").body
        assert "".join(ET.fromstring(icon).itertext()).strip() == text  # noqa: S314 (it is ours)
        assert not re.search(rb"<script|<style|\son\w+=|style=|href=", icon)
        assert len(re.findall(rb"<g\b", icon)) == (name != "icon")


def test_modules_of_the_first_view() -> None:
    """Exactly those that are imported from the first one on are loaded ahead of it."""
    reached, waiting = set[str](), ["main.js"]
    while waiting:
        for name in imported(waiting.pop()):
            if name not in reached:
                reached.add(name)
                waiting.append(name)
    preloaded = re.findall(r'<link rel="modulepreload" href="/-/app/DIGEST/([^"]+)"', INDEX)
    assert sorted(preloaded) == sorted(reached)


def test_size_of_the_first_view() -> None:
    """The files that a browser loads until one can choose a name fit the budget."""
    asked = asks(accept_encoding="gzip")
    names = re.findall(r'(?:src|href)="/-/app/DIGEST/([^"]+\.(?:js|css))"', INDEX.replace("old.js", ""))
    sizes = [len(PAGE.page(asked).body), *(len(PAGE.file(asked, f"{PAGE.digest}/{name}").body) for name in names)]
    assert sum(sizes) <= 40 * 1024


def test_page_has_nothing_inline() -> None:
    """The policy would ignore it."""
    assert not re.search(
        r"<style|\sstyle=|\son\w+\s*=|<script(?![^>]*\ssrc=)|javascript:|<base|<form[^>]*action", INDEX
    )
    assert set(re.findall(r"<script[^>]*>(.*?)</script>", INDEX, flags=re.DOTALL)) == {""}


def test_page_refers_to_what_is_there() -> None:
    """Everything that it loads is one of the files."""
    for name in re.findall(r'(?:src|href)="/-/app/DIGEST/([^"]+)"', INDEX):
        assert PAGE.file(asks(), f"{PAGE.digest}/{name}")
    others = re.findall(r'<(?:script|link|img|iframe)[^>]*?(?:src|href)="(?!/-/app/DIGEST/)([^"]+)"', INDEX)
    assert others == []


@pytest.mark.parametrize("name", [name for name in SOURCES if name.endswith(".js")])
def test_modules(name: str) -> None:
    """Each imports only files that are there, and nothing makes script, style or HTML of a text."""
    text = SOURCES[name].decode()
    assert not re.search(FORBIDDEN, text), re.findall(FORBIDDEN, text)
    text = lean(name).decode()
    others = re.findall(r"""(?:\bfrom|^import|\bimport\()\s*["']([^"']+)["']""", text, flags=re.MULTILINE)
    assert [other for other in others if not (other.startswith(".") and resolved(name, other) in SOURCES)] == []
    bare = re.sub(r'"[^"\n]*"', "", text)
    # A text over several lines could have what looks like a comment.
    assert [line for line in bare.split("\n") if line.count("`") % 2] == []


def test_styles() -> None:
    """Nothing is loaded from elsewhere."""
    for name, content in SOURCES.items():
        if name.endswith(".css"):
            assert not re.search(r"@import|url\((?!#)", content.decode()), name


def test_manifest() -> None:
    """It is JSON, and its icons are files."""
    manifest = json.loads(SOURCES["manifest.webmanifest"])
    for icon in manifest["icons"]:
        assert PAGE.file(asks(), f"{PAGE.digest}/{icon['src']}")


def test_names_of_files() -> None:
    """Each has a type that is known."""
    assert {path.suffix for path in FOLDER.rglob("*") if path.is_file()} <= {*TYPES}


def test_keys_in_the_documentation() -> None:
    """The table of keys there is that of the page."""
    keys = re.findall(r'^  \["([^"]+)", "([^"]+)"\],$', SOURCES["views/account/keys.js"].decode(), re.MULTILINE)
    rows = re.findall(
        r"^\| (.+?) \| (.+?) \|$", (ROOT / "docs/web.md").read_text().partition("| key | |")[2], re.MULTILINE
    )
    assert keys
    assert rows[: len(keys)] == keys
