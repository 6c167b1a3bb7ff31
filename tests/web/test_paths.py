"""Paths of the page: each leads to its conversation, and back."""

from __future__ import annotations

from typing import Final

from tests.web.conftest import OpenPage
from tests.web.servers import WebServer

_MODULE: Final = "import(document.querySelector('script[type=module]').src.replace('main.js', 'core/paths.js'))"

#: Some short paths mean something else to the server: those rooms have the long one.
_PATHS: Final = {
    "#ops": "/ops",
    "bob": "/@bob",
    "#a/b c": "/a%2Fb%20c",
    "Ünal": "/@%C3%9Cnal",
    "#metrics": "/%23metrics",
    "#healthz": "/%23healthz",
    "#-": "/%23-",
}
_NOTHING: Final = ("/", "/-", "/%23", "/@", "/%ff", "/%40")


def test_paths(server: WebServer, open_page: OpenPage) -> None:
    """Each conversation has one, and others lead to none."""
    tab = open_page(server).page
    found = tab.evaluate(f"async all => {{ const m = await {_MODULE}; return all.map(m.pathOf); }}", [*_PATHS])
    assert dict(zip(_PATHS, found, strict=True)) == _PATHS
    paths = [*_PATHS.values(), *_NOTHING]
    back = tab.evaluate(f"async all => {{ const m = await {_MODULE}; return all.map(m.conversationOf); }}", paths)
    assert back == [*_PATHS, *(None for _ in _NOTHING)]
