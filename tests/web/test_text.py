"""Other people's text: what of it becomes code, a link or a visible sign, and that nothing of it becomes markup."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest

from tests.web.conftest import OpenPage
from tests.web.servers import WebServer

_RUN: Final = """async ([name, text, me]) => {
    const main = [...document.scripts].find((script) => script.src.endsWith("/main.js"));
    const module = await import(new URL(name, main.src));
    const show = (node) => node.nodeType === 3 ? node.data
        : [node.localName, node.getAttribute("href"), [...node.childNodes].map(show)].filter((part) => part !== null);
    return module.textNodes(text, me).map(show);
}"""
_NO_LINKS: Final = [
    "javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:x",
    "file:///etc/passwd",
    "javascript://https/%0aalert(1)",
    "xhttp",
    "https://",
    "https://[::",
    "mailto:",
    "https://" + "a" * 3000 + ".example",
]
_LONG: Final = [
    "`" * 32_768,
    "`a" * 16_384,
    "``a" * 10_922,
    "``` " + " " * 32_764,
    "```a" + "`` b" * 8_191,
    "`x\n" * 10_922,
    "(" * 32_768,
    "https://a.example/" + "(" * 16_000 + ")" * 16_000,
    "https://" + ")" * 32_760,
    "https://" + "." * 32_759 + "x",
    "https://a" * 3_640,
    "mailto:" * 4_681,
    "\u202e" * 10_922,
    "bobbob" * 5_461,
]

Shown = Callable[..., list[Any]]


@pytest.fixture
def shown(server: WebServer, open_page: OpenPage) -> Shown:
    """Return the nodes of texts: a string for plain text, a list for an element."""
    page = open_page(server).page
    return lambda text, me="": page.evaluate(_RUN, ["./views/parts/text.js", text, me])


def link(url: str, text: str | None = None) -> list[Any]:
    """Return a link as it is shown."""
    return ["a", url, [url if text is None else text]]


def test_markup(shown: Shown) -> None:
    """Markup is text."""
    hostile = "<img src=x onerror=alert(1)><script>alert(1)</script>&lt;b&gt;"
    assert shown(hostile) == [hostile]
    assert shown(f"`{hostile}`") == [["code", [hostile]]]


def test_links(shown: Shown) -> None:
    """Addresses become links, without the punctuation of the sentence around them."""
    assert shown("see https://a.example/b?c=d#e.") == ["see ", link("https://a.example/b?c=d#e"), "."]
    assert shown("(http://a.example/x)") == ["(", link("http://a.example/x"), ")"]
    assert shown("https://en.wikipedia.org/wiki/A_(b)") == [link("https://en.wikipedia.org/wiki/A_(b)")]
    assert shown("https://a.example/x), y") == [link("https://a.example/x"), "), y"]
    assert shown("mailto:bob@a.example!") == [link("mailto:bob@a.example"), "!"]
    assert shown("HTTPS://A.example/") == [link("https://a.example/", "HTTPS://A.example/")]


def test_no_links(shown: Shown) -> None:
    """Other schemes, broken addresses and endless ones stay text."""
    for text in _NO_LINKS:
        assert all(isinstance(node, str) for node in shown(text)), text
        assert "".join(shown(text)) == text


def test_deceiving_links(shown: Shown) -> None:
    """The host stands beside a link whose text could mislead about it."""
    assert shown("https://аррӏе.com")[1] == ["span", [" (xn--80ak6aa92e.com)"]]
    assert shown("https://bank.example@evil.example/")[1] == ["span", [" (evil.example)"]]
    assert shown("https://müller.example") == [link("https://xn--mller-kva.example/", "https://müller.example")]


def test_signs(shown: Shown) -> None:
    """Controls and characters that reorder a line are seen, also within links and code; honest marks stay."""
    assert shown("a\x1b[31m\x00\x7f\x9b\r\nb\u2028c\t") == ["a␛[31m␀␡<U+009B>\nb\nc\t"]
    assert shown("abc\u202egpj.exe \u2066x\u2069") == ["abc<U+202E>gpj.exe <U+2066>x<U+2069>"]
    assert shown("`\u202e`") == [["code", ["<U+202E>"]]]
    assert shown("https://a.example/\u202egpj") == [link("https://a.example/"), "<U+202E>gpj"]
    assert shown("\ud800") == ["<U+D800>"]
    assert shown("שלום\u200f") == ["שלום\u200f"]


def test_code(shown: Shown) -> None:
    """Code between backticks is shown as it is; what does not close is text."""
    assert shown("run `ls -l` now") == ["run ", ["code", ["ls -l"]], " now"]
    assert shown("```\na\n  b\n```\nthen") == [["pre", [["code", ["a\n  b"]]]], "then"]
    assert shown("```python\nx = 1```") == [["pre", [["code", ["x = 1"]]]]]
    assert shown("```one line```") == [["pre", [["code", ["one line"]]]]]
    assert shown("`https://a.example`") == [["code", ["https://a.example"]]]
    for text in ["a ` b", "``", "`a\nb`", "```never closed `a", "``a``"]:
        assert "".join(shown(text)) == text


def test_mentions(shown: Shown) -> None:
    """The name of whoever reads is marked as a word of its own, in any case; signs in it mean nothing."""
    assert shown("@Bob, bobby and BOB", "bob") == [["mark", ["@Bob"]], ", bobby and ", ["mark", ["BOB"]]]
    assert shown("a.b axb", "a.b") == [["mark", ["a.b"]], " axb"]


def test_long_texts(shown: Shown) -> None:
    """The longest texts that could cost much cost nothing: the page answers, and loses nothing of them."""
    for text in _LONG:
        assert shown(text, "bob"), text[:12]
